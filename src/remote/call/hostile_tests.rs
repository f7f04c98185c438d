use proptest::prelude::*;
use testkit::hostile;

use super::*;

const LINES: &[&str] = &[
    r#"{"hello":{"protocol":1,"version":"0.1.0"}}"#,
    r#"{"answer":{"exit_code":0,"answer":{"releases":[]}}}"#,
    r#"{"event":{"event":"warned","text":"the disk is nearly full"}}"#,
    r#"{"failure":{"kind":"failed","what":"x","causes":["y"],"excerpt":[],"traffic":"untold","hints":[]}}"#,
];

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn what_a_host_says_is_a_line_of_ours_or_noise(bytes in hostile::bytes(LINES)) {
        if let Ok(said) = serde_json::from_slice::<EngineMessage>(&bytes) {
            let again = serde_json::to_string(&said).unwrap();
            let twice = serde_json::to_string(&serde_json::from_str::<EngineMessage>(&again).unwrap()).unwrap();
            prop_assert_eq!(again, twice);
        }
        serde_json::from_slice::<Request>(&bytes).ok();
        serde_json::from_slice::<ClientMessage>(&bytes).ok();
        hello_in(&bytes);
    }

    #[test]
    fn a_hello_is_heard_behind_any_noise(mut bytes in hostile::bytes(LINES)) {
        bytes.extend(LINES[0].as_bytes());
        prop_assert_eq!(hello_in(&bytes).map(|hello| hello.protocol), Some(1));
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = br#"{"hello":"#.repeat(100_000);
    assert!(hello_in(&deep).is_none());
    assert!(serde_json::from_slice::<Request>(&br#"{"verb":"#.repeat(100_000)).is_err());
}
