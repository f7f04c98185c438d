//! `docs/json.md`: its part about events is written from `src/model/event.rs`, the samples here
//! and in `notices.jsonl`. `BG_WRITE_PAGES=1` writes it anew.

use std::collections::BTreeMap;
use std::fs;

use bluegreen::model::event::Event;
use bluegreen::text::notices::sentence;
use serde_json::Value;
use syn::parse::ParseBuffer;
use syn::{Attribute, Expr, Field, Fields, Item, ItemEnum, Lit, LitStr, Meta, Type};

use super::lexicon::snake;
use super::source_folder;

/// One line for each event, as it is printed, but for those that carry a notice.
const SAMPLES: [&str; 29] = [
    r#"{"event":"began","app":"shop","verb":"deploy","live":{"color":"blue","release":"20261124T091500Z-3f6f782"},"color":"green","release":null,"subject":"Take payments"}"#,
    r#"{"event":"opened","run":"20261125T101500123Z-4711"}"#,
    r#"{"event":"ready","color":"green","release":"20261125T101502Z-a1b2c3d"}"#,
    r#"{"event":"waiting","holder":"`deploy` by ada (pid 4711), for 12 s"}"#,
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
    r#"{"event":"behaved","release":"20261125T101502Z-a1b2c3d","counts":{"requests":612,"failed":3},"places":[{"place":"/cart","counts":{"requests":200,"failed":3},"p50_ms":12,"p95_ms":40}]}"#,
    r#"{"event":"maintenance_set","on":true}"#,
    r#"{"event":"stepped","color":"green","share":"25%","paths":1,"listeners":2,"took_ms":48}"#,
];

/// One line for each notice, without the sentence that is printed with it.
const NOTICES: &str = include_str!("notices.jsonl");

/// Fields that a printed line has beside those of its notice.
const TAKEN: [&str; 6] = ["version", "host", "event", "notice", "text", "what"];

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

/// Every type of `src/model`, by its name.
fn types() -> BTreeMap<String, Item> {
    let model = source_folder().join("model");
    let folders = [model.clone(), model.join("event")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let mut types = BTreeMap::new();
    for path in paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
        for item in syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items {
            let name = match &item {
                Item::Enum(item) => item.ident.to_string(),
                Item::Struct(item) => item.ident.to_string(),
                _ => continue,
            };
            types.insert(name, item);
        }
    }
    types
}

/// The word that serde writes `tag` for, in `#[serde(tag = "...")]`.
fn tag_of(attributes: &[Attribute]) -> Option<String> {
    let serde = attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("serde"))?;
    let mut tag = None;
    serde
        .parse_nested_meta(|meta| {
            let value: Option<LitStr> = meta.value().and_then(ParseBuffer::parse).ok();
            if meta.path.is_ident("tag") {
                tag = value.map(|value| value.value());
            }
            Ok(())
        })
        .unwrap();
    tag
}

/// The type that a variant is made of, where it is made of one.
fn type_in(fields: &Fields) -> Option<String> {
    let Fields::Unnamed(fields) = fields else {
        return None;
    };
    match &fields.unnamed.first().unwrap().ty {
        Type::Path(path) => Some(path.path.segments.last().unwrap().ident.to_string()),
        _ => panic!("a variant is made of a named type"),
    }
}

/// The fields of a variant, or of the type that it is made of: their names and what they are.
fn fields_of(fields: &Fields, types: &BTreeMap<String, Item>) -> Vec<(String, String)> {
    let found = match type_in(fields).map(|name| &types[&name]) {
        None => named(fields, types),
        Some(Item::Struct(item)) => named(&item.fields, types),
        Some(Item::Enum(item)) => vec![(tag_of(&item.attrs).unwrap(), values_of(item, types))],
        Some(_) => unreachable!("only structs and enums are kept"),
    };
    let taken = found.iter().find(|(name, _)| TAKEN.contains(&name.as_str()));
    assert!(taken.is_none(), "a line has such a field already: {taken:?}");
    found
}

fn named(fields: &Fields, types: &BTreeMap<String, Item>) -> Vec<(String, String)> {
    let of = |field: &Field| {
        let what = doc(&field.attrs);
        let what = match words_of(&field.ty, types) {
            words if words.is_empty() => what,
            words => format!("{what} One of {}.", words.join(", ")),
        };
        (field.ident.as_ref().unwrap().to_string(), what)
    };
    fields.iter().map(of).collect()
}

/// The words that a field can hold; none where it can hold anything. Both colors are named once,
/// at the top of the page.
fn words_of(of: &Type, types: &BTreeMap<String, Item>) -> Vec<String> {
    let Type::Path(path) = of else { return Vec::new() };
    let name = path.path.segments.last().unwrap().ident.to_string();
    match types.get(&name) {
        Some(Item::Enum(item)) if name != "Color" && tag_of(&item.attrs).is_none() => {
            let words = item
                .variants
                .iter()
                .map(|variant| snake(&variant.ident.to_string()));
            words.map(|word| format!("`{word}`")).collect()
        }
        _ => Vec::new(),
    }
}

/// The values of a tag, each with what it means and the fields that come with it.
fn values_of(item: &ItemEnum, types: &BTreeMap<String, Item>) -> String {
    let values = item.variants.iter().map(|variant| {
        let names = fields_of(&variant.fields, types).into_iter();
        let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
        let with = match names.is_empty() {
            true => String::new(),
            false => format!(" With {}.", names.join(", ")),
        };
        format!(
            "`{}`: {}{with}",
            snake(&variant.ident.to_string()),
            doc(&variant.attrs)
        )
    });
    values.collect::<Vec<_>>().join("<br>")
}

/// The notices of an event that carries one: a table, and how each is printed.
fn notices(event: &str, item: &ItemEnum, types: &BTreeMap<String, Item>) -> String {
    let mut page = "| `notice` | | fields |\n|---|---|---|\n".to_owned();
    let mut shown = String::new();
    for variant in &item.variants {
        let notice = snake(&variant.ident.to_string());
        let fields = fields_of(&variant.fields, types);
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, what)| format!("`{name}`: {what}"))
            .collect();
        page += &format!(
            "| `{notice}` | {} | {} |\n",
            doc(&variant.attrs),
            fields.join("<br>")
        );
        let start = format!("{{\"event\":\"{event}\",\"notice\":\"{notice}\"");
        let sample = NOTICES.lines().find(|sample| {
            let rest = sample.strip_prefix(&start);
            rest.is_some_and(|rest| rest.starts_with([',', '}']))
        });
        let sample = sample.unwrap_or_else(|| panic!("there is no sample of `{notice}` in notices.jsonl"));
        shown += &format!("{}\n", printed(sample));
    }
    format!("{page}\n```json\n{shown}```\n")
}

/// A sample as a line of `--json`.
fn printed(sample: &str) -> String {
    let line = sample.replacen('{', "{\"version\":1,", 1);
    let event: Event = serde_json::from_str(sample).unwrap();
    match sentence(&event) {
        None => line,
        Some((field, sentence)) => {
            let sentence = Value::from(sentence);
            format!("{},\"{field}\":{sentence}}}", line.strip_suffix('}').unwrap())
        }
    }
}

/// The part of the page, and how many events and notices are in it.
fn events() -> (String, usize, usize) {
    let types = types();
    let Item::Enum(events) = &types["Event"] else {
        panic!("`Event` is no enum")
    };
    let (mut page, mut count, mut carried) = (String::new(), 0, 0);
    for variant in &events.variants {
        let tag = snake(&variant.ident.to_string());
        page += &format!("\n### `{tag}`\n\n{}\n\n", doc(&variant.attrs));
        count += 1;
        if let Some(name) = type_in(&variant.fields) {
            let Item::Enum(item) = &types[&name] else {
                panic!("`{tag}` carries no notice")
            };
            assert_eq!(tag_of(&item.attrs).as_deref(), Some("notice"), "`{tag}`");
            page += &notices(&tag, item, &types);
            carried += item.variants.len();
            continue;
        }
        page += "| field | |\n|---|---|\n";
        for (name, what) in fields_of(&variant.fields, &types) {
            page += &format!("| `{name}` | {what} |\n");
        }
        page += &format!("\n```json\n{}\n```\n", printed(sample_of(&tag)));
    }
    (page, count, carried)
}

#[test]
fn the_page_shows_every_event_and_notice_as_the_code_has_it() {
    let (events, count, carried) = events();
    assert!(count > 25 && carried > 60, "{count}, {carried}");
    assert_eq!(SAMPLES.len(), count - 3);
    assert_eq!(NOTICES.lines().count(), carried);
    super::pages::generated("docs/json.md", "events", &events);
}

/// A program must not have to read English: the sentence of a fact is written when it is shown.
#[test]
fn a_fact_for_operators_is_a_notice_and_no_sentence() {
    let types = types();
    let Item::Enum(events) = &types["Event"] else {
        panic!("`Event` is no enum")
    };
    let of = |name: &str| {
        let variant = events.variants.iter().find(|variant| variant.ident == name);
        type_in(&variant.unwrap().fields)
    };
    let carried = ["Noted", "Warned", "Recovered"].map(of);
    assert_eq!(
        carried.each_ref().map(Option::as_deref),
        [Some("Note"), Some("Warning"), Some("Repair")]
    );
    for old in [
        r#"{"event":"noted","text":"x"}"#,
        r#"{"event":"recovered","what":"x"}"#,
    ] {
        assert!(serde_json::from_str::<Event>(old).is_err(), "{old} is an event");
    }
}

#[test]
fn each_sample_of_an_event_is_read_and_written_again_as_it_was() {
    for sample in SAMPLES.into_iter().chain(NOTICES.lines()) {
        let event: Event = serde_json::from_str(sample).unwrap_or_else(|error| panic!("{error}: {sample}"));
        let written: Value = serde_json::to_value(&event).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<Value>(sample).unwrap(),
            "{sample}"
        );
    }
}
