use std::path::Path;

use model::config::{is_app_name, run_command};
use model::gunicorn::Gunicorn;
use proptest::prelude::*;
use state::envfile;
use sys::dotenv::{self, Redactor};
use testkit::hostile;

use super::check::{Checked, Finding, Level, Report};
use super::history::RunLog;
use super::{Answer, guess};
use crate::text::clean::tests::{HOSTILE, check};
use crate::text::page;

const ENVIRONMENTS: &[&str] = &[
    "# secrets\nexport SHOP_SECRET='correct horse'\nDATABASE=\"postgres://u:p4ssw0rd@h/db?x=y\" # note\n",
    "\u{feff}KEY=\"-----BEGIN\nx=y\n-----END\"\nDEBUG=\nA=b#c\r\n",
];
const COMMANDS: &[&str] = &[
    "{{ venv }}/bin/python -m gunicorn -w 3 -b 127.0.0.1:{{ port }} --keep-alive=75 'shop:create_app()'",
    "gunicorn --workers 2 --threads 4 -c conf.py app:app",
];
const SOURCES: &[&str] = &[
    "from flask import Flask\n\napp = Flask(__name__)\n\n@app.get(\"/health\")\ndef health():\n    return \"ok\"\n",
    "def create_app():\n    app = Flask('x')\n    return app\n",
];

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn an_environment_is_read_or_its_line_is_named_and_no_value_told(text in hostile::text(ENVIRONMENTS)) {
        match dotenv::parse(&text) {
            Ok(variables) => {
                for (name, value) in &variables {
                    prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{:?}", name);
                    prop_assert!(!value.expose().contains('\0'));
                }
                let shown = Redactor::new(&variables).redact(&format!("it said {text}"));
                let told = variables.values().any(|value| shown.contains("correct horse") && value.expose() == "correct horse");
                prop_assert!(!told, "{:?}", shown);
            }
            Err(error) => {
                let said = error.to_string();
                prop_assert!(said.contains("line ") && !said.contains("horse") && !said.contains("p4ss"), "{}", said);
            }
        }
        prop_assert!(envfile::key(text.as_bytes()).chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    }

    #[test]
    fn a_command_is_words_or_refused(text in hostile::text(COMMANDS), file in hostile::text(SOURCES)) {
        let words = run_command::words(&text);
        prop_assert!(words.is_err() || words.is_ok_and(|words| words.iter().all(|word| !word.contains('\0') || text.contains('\0'))));
        if let Some(found) = Gunicorn::of(&text, Some(&file)) {
            prop_assert!(!found.clone().with_file(&file).file().is_empty() || text.contains("-c") || file.contains("-c"));
        }
    }

    #[test]
    fn a_folder_of_any_name_gives_an_app_a_name(name in hostile::name()) {
        let app = guess::app_name(&Path::new("/srv/x").join(name.trim_start_matches('/')));
        prop_assert!(is_app_name(&app), "{:?}", app);
    }

    #[test]
    fn an_app_that_is_guessed_is_a_name_of_python(text in hostile::text(SOURCES)) {
        if let Some(app) = guess::app_in(&text) {
            let name = app.trim_end_matches("()");
            prop_assert!(!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'), "{:?}", app);
        }
    }
}

#[test]
fn an_answer_is_clean_and_says_no_less() {
    let finding = Finding {
        level: Level::Fine,
        subject: HOSTILE.to_owned(),
        found: HOSTILE.to_owned(),
        fix: Some(HOSTILE.to_owned()),
    };
    let report = Report {
        findings: vec![finding],
        ..Report::default()
    };
    check(&page(&Answer::Checked(Checked { report, strict: true }), "bg"));
    let events = vec![serde_json::json!({"ms": 1, "event": {"event": "warned", "text": HOSTILE}})];
    check(&page(&Answer::Run(RunLog(events)), "bg"));
}

#[test]
fn a_certificate_with_any_byte_changed_is_read_or_not() {
    let signed = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let der = signed.cert.der().to_vec();
    let mut read = 0;
    for at in 0..der.len() {
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut harmed = der.clone();
            harmed[at] = byte;
            let harmed = rustls::pki_types::CertificateDer::from(harmed);
            if let Some(certificate) = web::tls::Certificate::read(&harmed) {
                drop(certificate.weakness());
                read += 1;
            }
        }
        let cut = rustls::pki_types::CertificateDer::from(der[..at].to_vec());
        assert!(
            web::tls::Certificate::read(&cut).is_none(),
            "{at} bytes of {}",
            der.len()
        );
    }
    assert!(read > 0, "none was read");
}
