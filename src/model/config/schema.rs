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
    use serde_json::{Map, Value};

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
        assert_eq!(tables.len(), 26);
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
}
