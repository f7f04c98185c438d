//! What is noted, warned of and put right, in words.

mod compared;
mod data;
mod notes;
mod repairs;
mod warnings;

use model::event::Event;
use serde::Deserialize;
use serde_json::Value;

pub use compared::page;
pub use data::{left_behind, sized, written};
pub use notes::note;
pub use repairs::{drift_and_fix, mends, repair, step};
pub use warnings::{not_expanded, warning};

/// The field that holds a fact's sentence in JSON, and the sentence.
#[must_use]
pub fn sentence(event: &Event) -> Option<(&'static str, String)> {
    match event {
        Event::Noted(it) => Some(("text", note(it))),
        Event::Warned(it) => Some(("text", warning(it))),
        Event::Recovered(it) => Some(("what", repair(it))),
        _ => None,
    }
}

/// Writes the sentence of a fact into its JSON.
pub fn add_sentence(fact: &mut Value) {
    let sentence = Event::deserialize(&*fact).ok().and_then(|event| sentence(&event));
    if let (Some((field, sentence)), Some(fields)) = (sentence, fact.as_object_mut()) {
        fields.insert(field.to_owned(), sentence.into());
    }
}

#[cfg(test)]
mod tests {
    use model::event::Warning;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fact_gets_its_sentence_where_it_has_one() {
        let mut noted = json!({"event": "noted", "notice": "removed", "app": "shop"});
        add_sentence(&mut noted);
        assert_eq!(noted["text"], "shop is removed from this host");
        let mut recovered = json!({"event": "recovered", "notice": "pm2_started", "processes": ["a", "b"]});
        add_sentence(&mut recovered);
        assert_eq!(recovered["what"], "PM2's daemon was down; started it with a, b");
        for without in [
            json!({"event": "maintenance_set", "on": true}),
            json!({"event": "later"}),
        ] {
            let mut same = without.clone();
            add_sentence(&mut same);
            assert_eq!(same, without);
        }
    }

    #[test]
    fn a_name_that_is_no_utf_8_costs_no_fact() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let path = OsStr::from_bytes(b"caf\xe9").into();
        let event = Event::Warned(Warning::LfsFileExcluded { path });
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written["path"], "caf\u{fffd}");
    }
}
