use std::time::Duration;

use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use testkit::hostile;

use crate::endpoint::*;

const BODIES: &[&str] = &[
    r#"{"app":"shop","color":"green","release":"20261123T181500Z-3f6f782"}"#,
    r#"{"app":"shop","color":"blue","release":null}"#,
    r#"{"app":"other","color":"blue"}"#,
];
const COLORS: &[&str] = &["green", "blue"];

proptest! {
    #![proptest_config(hostile::few())]

    /// The header decides, and a body that says otherwise is believed by nobody.
    #[test]
    fn only_an_answer_about_this_app_without_a_contradiction_counts(
        body in hostile::bytes(BODIES),
        color in hostile::bytes(COLORS),
    ) {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(&color).ok();
        headers.extend(value.map(|value| (HeaderName::from_static("x-bg-color"), value)));
        let answer = Answer { status: 200, headers, body: body.clone(), took: Duration::ZERO };
        let endpoint = Endpoint { address: ([127, 0, 0, 1], 80).into(), tls: false, host: "shop.test".into(), secret: None, manner: Manner::default(), pace: None};
        match read_live(&answer, &endpoint, "shop") {
            Ok(live) => {
                let named = String::from_utf8_lossy(&color);
                prop_assert_eq!(named.trim(), live.color.name());
                // In a field that nobody asks for, more is accepted than a `Value` can hold.
                let said = serde_json::from_str(&String::from_utf8_lossy(&body));
                let said: serde_json::Value = said.unwrap_or_else(|_| serde_json::json!({"app": "shop"}));
                prop_assert_eq!(&said["app"], "shop");
                prop_assert!(said["color"].is_null() || said["color"] == live.color.name());
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error.to_string()),
        }
    }
}
