use proptest::prelude::*;
use testkit::hostile;

use crate::journal::*;

const RECORDS: &[&str] = &[
    "{\"record\":\"begin\",\"run\":\"20261123T181500000Z-7\",\"at\":\"2026-11-23T18:15:00Z\",\"verb\":\"deploy\",\
     \"by\":\"ada\",\"from\":{\"color\":\"blue\",\"maintenance\":false},\"was\":null}\n",
    "{\"record\":\"enter\",\"run\":\"20261123T181500000Z-7\",\"at\":\"2026-11-23T18:15:01Z\",\"phase\":\"swapping\",\
     \"to\":{\"color\":\"green\",\"maintenance\":false},\"release\":\"20261123T181500Z-3f6f782\",\"replaces\":null}\n",
    "{\"record\":\"commit\",\"run\":\"20261123T181500000Z-7\",\"at\":\"2026-11-23T18:15:02Z\",\"verb\":\"deploy\",\
     \"live\":{\"color\":\"green\",\"release\":\"20261123T181500Z-3f6f782\"},\"maintenance\":false,\"was\":null,\
     \"summary\":\"deployed\"}\n",
    "{\"record\":\"abort\",\"run\":\"x\",\"at\":\"2026-11-23T18:15:02Z\",\"verb\":\"switch\",\"reason\":\"because\",\
     \"refused\":null}\n",
];

fn journal() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    (folder, path)
}

fn next() -> Record {
    serde_json::from_str(RECORDS[3]).unwrap()
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn whatever_lies_there_what_is_written_next_is_read_back(bytes in hostile::bytes(RECORDS)) {
        let (_folder, path) = journal();
        std::fs::write(&path, &bytes).unwrap();
        let looked = Journal::told(&path);
        match Journal::open(&path) {
            Ok(mut journal) => {
                prop_assert_eq!(&looked.unwrap(), journal.state());
                journal.write(next()).unwrap();
                let all = Journal::read(&path).unwrap();
                prop_assert_eq!(all.last(), Some(&next()));
                let again = Journal::open(&path).unwrap();
                prop_assert!(again.damage().is_empty(), "told twice: {:?}", again.damage());
                prop_assert_eq!(again.state(), journal.state());
            }
            Err(error) => {
                prop_assert!(matches!(error, JournalError::Newer { .. }), "{}", error);
                prop_assert_eq!(std::fs::read(&path).unwrap(), bytes, "a newer journal is left alone");
            }
        }
    }

    #[test]
    fn a_fold_that_makes_no_sense_changes_nothing(bytes in hostile::bytes(FOLDS)) {
        let (_folder, path) = journal();
        std::fs::write(&path, RECORDS.concat()).unwrap();
        let without = Journal::told(&path).unwrap();
        std::fs::write(path.with_extension("fold"), bytes).unwrap();
        prop_assert_eq!(Journal::told(&path).unwrap(), without);
    }
}

const FOLDS: &[&str] = &[
    r#"{"version":"0.0.0","bytes":18446744073709551615,"lines":4,"last":"x","story":{"doubt":"x","before":{},"unfit":[]}}"#,
    r#"{"version":"0.1.0","bytes":1,"lines":18446744073709551615,"last":"","story":{"doubt":null,"before":{},"unfit":[]}}"#,
];

#[test]
fn blanks_that_an_editor_left_are_no_damage() {
    let (_folder, path) = journal();
    let text = RECORDS.concat().replace('\n', "\r\n") + " \t\r\n\r\n";
    std::fs::write(&path, &text).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert!(journal.damage().is_empty(), "{:?}", journal.damage());
    assert_eq!(Journal::read(&path).unwrap().len(), RECORDS.len());
}

#[test]
fn a_verb_and_a_phase_of_a_newer_version_are_refused_and_kept() {
    for (known, later) in [("\"deploy\"", "\"promote\""), ("\"swapping\"", "\"mirroring\"")] {
        let (_folder, path) = journal();
        let text = RECORDS.concat().replace(known, later);
        std::fs::write(&path, &text).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Newer { .. }), "{later}: {error}");
        assert!(Journal::told(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_line_of_a_hundred_thousand_brackets_is_damage() {
    let (_folder, path) = journal();
    let deep = "{\"record\":".repeat(100_000);
    std::fs::write(&path, format!("{}{deep}\n", RECORDS[3])).unwrap();
    assert_eq!(Journal::open(&path).unwrap().damage().len(), 2);
    assert_eq!(Journal::read(&path).unwrap(), [next()]);
}
