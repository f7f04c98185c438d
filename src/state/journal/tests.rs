use jiff::Timestamp;
use model::color::{Color, Route};
use model::failure::Deployment;
use model::journal::RunId;

use crate::journal::*;

fn abort(run: &str) -> Record {
    Record::Abort {
        run: RunId(run.into()),
        at: Timestamp::UNIX_EPOCH,
        verb: Verb::Deploy,
        reason: "because".into(),
        refused: None,
        needless: false,
    }
}

#[test]
fn records_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    journal.reserve();
    journal.write(abort("a")).unwrap();
    journal.write(abort("b")).unwrap();
    assert_eq!(Journal::read(&path).unwrap(), [abort("a"), abort("b")]);
}

#[test]
fn a_torn_last_line_is_cut_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    Journal::open(&path).unwrap().write(abort("a")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(b"{\"record\":\"abo");
    std::fs::write(&path, bytes).unwrap();
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.damage().len(), 1);
    journal.write(abort("b")).unwrap();
    assert_eq!(Journal::read(&path).unwrap(), [abort("a"), abort("b")]);
}

#[test]
fn damage_in_the_middle_is_told_once_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let line = serde_json::to_string(&abort("a")).unwrap();
    std::fs::write(&path, format!("{line}\n\u{0}\u{0}garbage\n{line}\n")).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(Journal::read(&path).unwrap().len(), 2);
    let aside = folder.path().join("journal.damaged");
    let set_aside = Damage::SetAside { file: aside.clone() };
    assert_eq!(journal.damage(), [Damage::Unreadable { line: 2 }, set_aside]);
    assert_eq!(std::fs::read(&aside).unwrap(), b"\0\0garbage\n");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("{line}\n{line}\n")
    );
    let again = Journal::open(&path).unwrap();
    assert_eq!(again.damage(), [] as [Damage; 0]);
    assert_eq!(again.state(), journal.state());
}

#[test]
fn a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    std::fs::write(&path, "{\"record\":\"teleport\",\"run\":\"x\"}\n").unwrap();
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::Newer { line: 1, .. })
    ));
}

fn id(number: usize) -> ReleaseId {
    format!("20261123T18{:02}{:02}Z-3f6f782", number / 60, number % 60)
        .parse()
        .unwrap()
}

/// What a deploy of the release with this number leaves.
fn deploy(number: usize) -> [Record; 2] {
    let run = RunId(format!("run-{number}"));
    let from = Route::to(Color::Blue);
    let begin = Record::Begin {
        run: run.clone(),
        at: Timestamp::UNIX_EPOCH,
        verb: Verb::Deploy,
        by: "somebody".into(),
        from,
        was: Some(id(number - 1)),
        fleet: false,
        request_id: None,
    };
    let commit = Record::Commit {
        run,
        at: Timestamp::UNIX_EPOCH,
        verb: Verb::Deploy,
        live: Deployment {
            color: from.color,
            release: Some(id(number)),
        },
        maintenance: false,
        share: None,
        was: Some(id(number - 1)),
        summary: format!("deployed {number}"),
        doubt: false,
    };
    [begin, commit]
}

/// A journal of that many deploys, folded where `bg` would. Bytes that the fold covers.
fn years(path: &Path, deploys: std::ops::Range<usize>) -> u64 {
    let mut journal = Journal::open(path).unwrap();
    for number in deploys {
        deploy(number)
            .into_iter()
            .for_each(|record| journal.write(record).unwrap());
        journal.fold(|_| true);
    }
    journal.folded
}

/// Overwrites what is there, so that only who does not read it is not disturbed.
fn spoil(path: &Path, bytes: u64) {
    let mut text = std::fs::read(path).unwrap();
    for byte in text.iter_mut().take(usize::try_from(bytes).unwrap()) {
        *byte = if *byte == b'\n' { b'\n' } else { b'x' };
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn only_what_was_written_since_the_fold_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let folded = years(&path, 1..400);
    let whole = JournalState::of(&Journal::read(&path).unwrap());
    let last_line = deploy(399).map(|record| serde_json::to_string(&record).unwrap().len() as u64 + 1);
    assert!(folded > UNFOLDED, "{folded}");
    // All but the line that the fold is known again by.
    spoil(&path, folded - last_line[1]);
    assert_eq!(Journal::told(&path).unwrap(), whole);
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!((journal.state(), journal.damage()), (&whole, &[] as &[Damage]));
    deploy(400)
        .into_iter()
        .for_each(|record| journal.write(record).unwrap());
    assert_eq!(
        Journal::told(&path).unwrap().rollback_target(&id(400)),
        Ok(&id(399))
    );
}

#[test]
fn damage_behind_the_fold_is_told_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    years(&path, 1..400);
    let mut text = std::fs::read(&path).unwrap();
    text.extend(b"garbage\n{\"torn");
    std::fs::write(&path, text).unwrap();
    let mut journal = Journal::open(&path).unwrap();
    let (told, aside) = journal.damage().split_at(2);
    assert_eq!(told, [Damage::Unreadable { line: 799 }, Damage::Incomplete]);
    assert_eq!(aside.len(), 1);
    journal.write(abort("z")).unwrap();
    assert_eq!(Journal::read(&path).unwrap().last(), Some(&abort("z")));
}

#[test]
fn a_fold_that_is_not_of_this_journal_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let beside = path.with_extension("fold");
    years(&path, 1..400);
    let fold = std::fs::read_to_string(&beside).unwrap();

    // The journal of another time, longer and shorter.
    for deploys in [500..999, 500..502] {
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&beside).unwrap();
        years(&path, deploys);
        std::fs::write(&beside, &fold).unwrap();
        let whole = JournalState::of(&Journal::read(&path).unwrap());
        assert_eq!(Journal::told(&path).unwrap(), whole);
        assert_eq!(Journal::open(&path).unwrap().state(), &whole);
    }
    // Another program's, and half a file.
    let whole = JournalState::of(&Journal::read(&path).unwrap());
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let other = Snapshot::read(&path, &File::open(&path).unwrap());
    assert_eq!(other, Snapshot::default());
    assert!(fold.contains(&version));
    for text in [
        fold.replace(&version, "\"version\":\"99.0.0\""),
        fold[..200].to_owned(),
    ] {
        std::fs::write(&beside, text).unwrap();
        assert_eq!(Journal::told(&path).unwrap(), whole);
    }
}

#[test]
fn the_latest_runs_are_read_from_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    years(&path, 1..1_000);
    let whole = Journal::read(&path).unwrap();
    let few = Journal::latest(&path, |records| records.len() >= 40).unwrap();
    assert!((40..1_400).contains(&few.len()), "{}", few.len());
    assert!(whole.ends_with(&few));
    let many = Journal::latest(&path, |records| records.len() >= 1_900).unwrap();
    assert!(whole.ends_with(&many) && many.len() >= 1_900, "{}", many.len());
    assert_eq!(Journal::latest(&path, |_| false).unwrap(), whole);
}
