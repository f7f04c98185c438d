//! `docs/configuration.md`: every key of bg.toml as the types have it. `BG_WRITE_PAGES=1` writes
//! the tables anew.

use bluegreen::model::config::schema;
use serde_json::Value;

use super::pages;

const PAGE: &str = "docs/configuration.md";

/// The schema, and what was written of it so far.
struct Reference {
    schema: Value,
    page: String,
    keys: usize,
}

impl Reference {
    fn new() -> Reference {
        Reference {
            schema: serde_json::from_str(&schema::schema()).unwrap(),
            page: String::new(),
            keys: 0,
        }
    }

    /// What a reference means, be it to something or to nothing.
    fn resolved(&self, part: &Value) -> Value {
        let or_nothing = part["anyOf"][1]["type"] == "null";
        let one = if or_nothing { &part["anyOf"][0] } else { part };
        match one["$ref"].as_str() {
            Some(reference) => self
                .schema
                .pointer(reference.trim_start_matches('#'))
                .unwrap()
                .clone(),
            None => one.clone(),
        }
    }

    fn table(&mut self, name: &str, about: &str, part: &Value) {
        let mut rows = String::new();
        let mut below = Vec::new();
        for (key, value) in part["properties"].as_object().unwrap() {
            let resolved = self.resolved(value);
            let items = self.resolved(&resolved["items"]);
            let about = value["description"].as_str().unwrap().to_owned();
            let path = if name.is_empty() {
                key.clone()
            } else {
                format!("{name}.{key}")
            };
            if resolved["properties"].is_object() {
                below.push((format!("[{path}]"), path, about, resolved));
            } else if items["properties"].is_object() {
                below.push((format!("[[{path}]]"), path, about, items));
            } else {
                let needed = part["required"]
                    .as_array()
                    .is_some_and(|keys| keys.contains(&key.as_str().into()));
                let default = if needed {
                    "required".to_owned()
                } else {
                    default(&value["default"])
                };
                let kind = self.kind(value);
                rows += &format!("| `{key}` | {kind} | {default} | {} |\n", in_a_cell(&about));
                self.keys += 1;
            }
        }
        if !about.is_empty() {
            self.page += &format!("\n{about}\n");
        }
        if !rows.is_empty() {
            self.page += &format!("\n| key | type | default | |\n|---|---|---|---|\n{rows}");
        }
        for (heading, path, about, part) in below {
            self.page += &format!("\n## `{heading}`\n");
            self.table(&path, &about, &part);
        }
    }

    fn kind(&self, value: &Value) -> String {
        let resolved = self.resolved(value);
        if let Some(choices) = resolved["oneOf"].as_array() {
            let choices = choices.iter().map(|choice| match choice["const"].as_str() {
                Some(word) => format!("`\"{word}\"`"),
                None => self.kind(choice),
            });
            return choices.collect::<Vec<_>>().join(", ");
        }
        if let Some(words) = resolved["enum"].as_array() {
            let words = words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| format!("`\"{word}\"`"));
            return words.collect::<Vec<_>>().join(", ");
        }
        if let Some(forms) = resolved["anyOf"].as_array() {
            let forms = forms.iter().map(|form| self.kind(form));
            return forms.collect::<Vec<_>>().join(" or ");
        }
        if let Value::Array(kinds) = &resolved["type"] {
            let kinds = kinds.iter().filter(|kind| *kind != "null");
            let kinds = kinds.map(|kind| self.kind(&with_kind(&resolved, kind)));
            return kinds.collect::<Vec<_>>().join(" or ");
        }
        let kind = resolved["type"].as_str();
        match kind {
            Some("string") if resolved["examples"][0] == "30s" => "duration".to_owned(),
            Some("string") => "text".to_owned(),
            Some("integer") => "number".to_owned(),
            Some("boolean") => "`true`, `false`".to_owned(),
            Some("array") if resolved["items"].is_null() => "list".to_owned(),
            Some("array") => format!("list: {}", self.kind(&resolved["items"])),
            Some("object") if resolved["additionalProperties"].is_null() => "table".to_owned(),
            Some("object") => "table of names and texts".to_owned(),
            None => "any value".to_owned(),
            _ => panic!("a type that the page has no word for: {resolved}"),
        }
    }
}

/// The same with one kind of several.
fn with_kind(part: &Value, kind: &Value) -> Value {
    let mut one = part.clone();
    one["type"] = kind.clone();
    one
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Object(table) if table.is_empty() => "none".to_owned(),
        value => format!("`{value}`"),
    }
}

fn in_a_cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[test]
fn the_page_has_every_key_as_the_types_have_it() {
    let mut reference = Reference::new();
    let whole = reference.schema.clone();
    reference.table("", "", &whole);
    assert!(reference.keys > 80, "{}", reference.keys);
    pages::generated(PAGE, "keys", &reference.page);
}
