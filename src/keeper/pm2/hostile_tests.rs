use proptest::prelude::*;
use testkit::hostile;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::pm2::entry;
use crate::pm2::rpc::{self, RpcError};

const LISTS: &[&str] = &[
    ">>>> In-memory PM2 is out-of-date, do:\n>>>> $ pm2 update\nIn memory PM2 version: 5.4\n",
    "[{\"pid\":4127,\"name\":\"flask-green\",\"pm_id\":3,\"monit\":{},\"pm2_env\":{\"name\":\"flask-green\",\
     \"status\":\"online\",\"restart_time\":2,\"cwd\":\"/new\",\"pm_cwd\":\"/old\",\"pm_exec_path\":\"/bin/x\",\
     \"args\":[\"launch\"],\"pm_uptime\":1795487864014,\"exit_code\":3,\"kill_timeout\":31000}}]\n",
    "[{\"name\":\"flask-blue\",\"pm_exec_path\":\"/bin/x\",\"pm_cwd\":\"/srv\",\"status\":\"online\",\"args\":\"a b\"}]\n",
];

const ANSWERS: &[&str] = &[
    "\u{12}\0\0\0\u{14}j:{\"args\":[\"7.0.4\"]}\0\0\0\u{d}s:bluegreen:0",
    "\u{12}\0\0\0\u{10}j:{\"error\":\"no\"}\0\0\0\u{d}s:bluegreen:0",
];

/// What is made of an answer that ends there.
fn read(answer: &[u8]) -> Result<serde_json::Value, RpcError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answer).await.unwrap();
        drop(theirs);
        rpc::read_answer(&mut ours).await
    })
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn a_list_is_read_or_there_is_none(bytes in hostile::bytes(LISTS)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(list) = entry::from_jlist(&text) {
            let most = text.matches('{').count();
            prop_assert!(list.len() <= most);
            prop_assert!(list.iter().all(|one| one.pid != Some(0)));
        }
        entry::from_dump(&bytes).ok();
    }

    #[test]
    fn an_answer_is_the_one_that_was_sent_or_refused_in_words(bytes in hostile::bytes(ANSWERS)) {
        match read(&bytes) {
            Ok(answer) => {
                let shown = answer.to_string();
                prop_assert!(shown.len() <= 8 * bytes.len(), "{}", shown);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn the_samples_are_answers() {
    assert_eq!(read(ANSWERS[0].as_bytes()).unwrap(), "7.0.4");
    assert!(matches!(read(ANSWERS[1].as_bytes()), Err(RpcError::Refused(_))));
}

#[test]
fn depth_and_length_are_no_danger() {
    for text in [
        "[".repeat(1 << 20),
        format!("[{}", "{\"pm2_env\":".repeat(100_000)),
        "[\n".repeat(100_000),
        format!("[{{\"name\":\"{}\"}}]", "x".repeat(1 << 20)),
    ] {
        assert_eq!(entry::from_jlist(&text), None);
        assert!(entry::from_dump(text.as_bytes()).is_err() || text.len() > 1 << 20);
    }
}
