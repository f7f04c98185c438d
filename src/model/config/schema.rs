//! The JSON schema of `bg.toml`, for editors.

use super::Config;

/// The schema, made from the types: their doc comments are its descriptions. Pretty-printed
/// JSON that ends with a line break.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Config).as_value())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::super::starter::starter;
    use super::super::starter::tests::{sample, uncommented};
    use super::*;

    fn tree() -> Value {
        serde_json::from_str(&schema()).unwrap()
    }

    /// Every table of the schema: an object with keys of its own.
    fn tables(tree: &Value) -> Vec<(String, &Map<String, Value>)> {
        let definitions = tree["$defs"].as_object().unwrap();
        let named = definitions
            .iter()
            .map(|(name, table)| (name.clone(), table.as_object().unwrap()));
        std::iter::once(("Config".to_owned(), tree.as_object().unwrap()))
            .chain(named)
            .filter(|(_, table)| table.contains_key("properties"))
            .collect()
    }

    #[test]
    fn no_table_takes_unknown_keys() {
        let tree = tree();
        let tables = tables(&tree);
        assert_eq!(tables.len(), 24);
        for (name, table) in tables {
            assert_eq!(table["additionalProperties"], false, "{name}");
        }
    }

    #[test]
    fn every_key_is_described() {
        let tree = tree();
        for (name, table) in tables(&tree) {
            assert!(table["description"].is_string(), "{name}");
            for (key, value) in table["properties"].as_object().unwrap() {
                assert!(value["description"].is_string(), "{name}.{key}");
            }
        }
        let port = &tree["$defs"]["Ports"]["properties"]["blue"]["description"];
        assert_eq!(port, "Blue's port.");
    }

    #[test]
    fn durations_are_text_of_a_form() {
        let tree = tree();
        assert_eq!(tree["$defs"]["Duration"]["type"], "string");
        assert_eq!(tree["$defs"]["Gate"]["properties"]["soak"]["default"], "5s");
    }

    #[test]
    fn schema_and_starter_name_the_same_keys() {
        let tree = tree();
        let mut known = BTreeSet::new();
        collect_schema(&tree, &tree, "", &mut known);
        let starter = uncommented(&starter(&sample()).unwrap(), true);
        let written: Value = toml::from_str(&starter).unwrap();
        let mut shown = BTreeSet::new();
        collect_written(&written, "", &mut shown);
        assert_eq!(known, shown);
    }

    /// The dotted keys below `part`, lists of tables without their numbers.
    fn collect_schema(tree: &Value, part: &Value, path: &str, keys: &mut BTreeSet<String>) {
        let part = resolve(tree, part);
        if let Some(properties) = part["properties"].as_object() {
            for (key, value) in properties {
                collect_schema(tree, value, &format!("{path}.{key}"), keys);
            }
        } else if resolve(tree, &part["items"])["properties"].is_object() {
            collect_schema(tree, &part["items"], path, keys);
        } else {
            keys.insert(path.to_owned());
        }
    }

    fn resolve<'t>(tree: &'t Value, part: &'t Value) -> &'t Value {
        let one = part["anyOf"].get(0).unwrap_or(part);
        match one["$ref"].as_str() {
            Some(reference) => tree.pointer(reference.trim_start_matches('#')).unwrap(),
            None => one,
        }
    }

    fn collect_written(part: &Value, path: &str, keys: &mut BTreeSet<String>) {
        let free = [
            ".env.set",
            ".health.headers",
            ".nginx.probe.headers",
            ".fleet.groups",
        ]
        .contains(&path);
        match part {
            Value::Object(table) if !free => {
                for (key, value) in table {
                    collect_written(value, &format!("{path}.{key}"), keys);
                }
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                for value in list {
                    collect_written(value, path, keys);
                }
            }
            _ => {
                keys.insert(path.to_owned());
            }
        }
    }
}
