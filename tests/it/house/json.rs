//! `docs/json.md`: its part about events is written from `src/model/event.rs` and the samples
//! here. `BG_WRITE_PAGES=1` writes it anew.

use std::fs;

use bluegreen::model::event::Event;
use serde_json::Value;
use syn::{Attribute, Expr, Fields, Item, Lit, Meta};

use super::lexicon::snake;
use super::source_folder;

/// One line for each event, as it is printed.
const SAMPLES: [&str; 30] = [
    r#"{"event":"began","app":"shop","verb":"deploy","live":{"color":"blue","release":"20261124T091500Z-3f6f782"},"color":"green","release":null,"subject":"Take payments"}"#,
    r#"{"event":"opened","run":"20261125T101500123Z-4711"}"#,
    r#"{"event":"ready","color":"green","release":"20261125T101502Z-a1b2c3d"}"#,
    r#"{"event":"waiting","holder":"`deploy` by ada (pid 4711), for 12 s"}"#,
    r#"{"event":"recovered","what":"`deploy` by ada died while replacing the idle color; green was given back what it held"}"#,
    r#"{"event":"fetched","commit":"a1b2c3d4e5f60718293a4b5c6d7e8f9012345678","subject":"Take payments","took_ms":412}"#,
    r#"{"event":"environment_ready","key":"2f6c1d0e9b8a7f65","reused":false,"installer":"uv","took_ms":1390}"#,
    r#"{"event":"release_made","release":"20261125T101502Z-a1b2c3d","took_ms":18}"#,
    r#"{"event":"slot_freed","color":"green","closed":0,"took_ms":310}"#,
    r#"{"event":"started","color":"green","port":5002,"pid":4720,"took_ms":347}"#,
    r#"{"event":"revived","color":"blue","release":"20261124T091500Z-3f6f782"}"#,
    r#"{"event":"gate_passed","color":"green","passed":3,"probes":3,"slowest_ms":12.5,"soaked_ms":5000,"took_ms":5240}"#,
    r#"{"event":"gate_forced","color":"green","reason":"the probe's target is down","problem":"/health answered 503"}"#,
    r#"{"event":"traffic_moved","from":{"color":"blue","release":"20261124T091500Z-3f6f782"},"to":{"color":"green","release":"20261125T101502Z-a1b2c3d"},"paths":2,"listeners":2,"took_ms":41.7}"#,
    r#"{"event":"put_back","live":{"color":"blue","release":"20261124T091500Z-3f6f782"},"reason":"/ on 127.0.0.1:80 came from blue"}"#,
    r#"{"event":"counted","sent":412,"failed":0,"failures":[],"window_ms":1000,"last_old_ms":6.4,"enough":true}"#,
    r#"{"event":"worker_handed_over","worker":"mailer","release":"20261125T101502Z-a1b2c3d","pid":4733,"gap_ms":180,"took_ms":640}"#,
    r#"{"event":"worker_stopped","worker":"mailer","took_ms":95}"#,
    r#"{"event":"saved","took_ms":260}"#,
    r#"{"event":"hook_said","hook":"after_build","line":"2 files compiled"}"#,
    r#"{"event":"hook_ran","hook":"after_build","command":"bin/compile","took_ms":870}"#,
    r#"{"event":"hook_failed","hook":"after_switch","problem":"it ended with exit code 3"}"#,
    r#"{"event":"awaits_schema","release":"20261125T101502Z-a1b2c3d"}"#,
    r#"{"event":"schema_ready","release":"20261125T101502Z-a1b2c3d","migrated":true,"contract":null,"took_ms":1200}"#,
    r#"{"event":"backed_up","file":"/srv/shop/backups/20261125T101503Z.dump","bytes":104857,"took_ms":930}"#,
    r#"{"event":"contract_forced","contract":"20261125T101502Z-a1b2c3d","reason":"the column is still there"}"#,
    r#"{"event":"pruned","releases":["20261110T080000Z-0c1d2e3"],"environments":1}"#,
    r#"{"event":"maintenance_set","on":true}"#,
    r#"{"event":"noted","text":"a1b2c3d starts, tried in 0.4 s"}"#,
    r#"{"event":"warned","text":"blue (3f6f782) is not kept warm"}"#,
];

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn sample_of(tag: &str) -> &'static str {
    let start = format!("{{\"event\":\"{tag}\"");
    let mut samples = SAMPLES.into_iter();
    samples
        .find(|sample| sample.starts_with(&start))
        .unwrap_or_else(|| panic!("there is no sample of `{tag}`"))
}

/// The part of the page, and how many events are in it.
fn events() -> (String, usize) {
    let text = fs::read_to_string(source_folder().join("model/event.rs")).unwrap();
    let file = syn::parse_file(&text).unwrap();
    let events = file.items.iter().find_map(|item| match item {
        Item::Enum(item) if item.ident == "Event" => Some(item),
        _ => None,
    });
    let (mut page, mut count) = (String::new(), 0);
    for variant in &events.unwrap().variants {
        let tag = snake(&variant.ident.to_string());
        page += &format!("\n### `{tag}`\n\n{}\n\n", doc(&variant.attrs));
        let Fields::Named(fields) = &variant.fields else {
            panic!("`{tag}` has fields without names");
        };
        page += "| field | |\n|---|---|\n";
        for field in &fields.named {
            let name = field.ident.as_ref().unwrap();
            page += &format!("| `{name}` | {} |\n", doc(&field.attrs));
        }
        let shown = sample_of(&tag).replacen('{', "{\"version\":1,", 1);
        page += &format!("\n```json\n{shown}\n```\n");
        count += 1;
    }
    (page, count)
}

#[test]
fn the_page_shows_every_event_as_the_code_has_it() {
    let (events, count) = events();
    assert!(count > 25, "{count}");
    assert_eq!(SAMPLES.len(), count);
    super::pages::generated("docs/json.md", "events", &events);
}

#[test]
fn each_sample_of_an_event_is_read_and_written_again_as_it_was() {
    for sample in SAMPLES {
        let event: Event = serde_json::from_str(sample).unwrap_or_else(|error| panic!("{error}: {sample}"));
        let written: Value = serde_json::to_value(&event).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<Value>(sample).unwrap(),
            "{sample}"
        );
    }
}
