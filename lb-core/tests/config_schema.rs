//! The published schema and the manual say what the program reads.
//!
//! No counterpart in the patent. `LB_UPDATE_SCHEMA=1` writes the schema anew from the types.
//! Easy to get wrong: the manual's examples are read by these tests, so they must be whole documents.

use std::path::Path;

use lb_core::config::{PortsPresent, parse, schema};
use lb_core::id::PortId;
use serde_json::Value;

/// Collects every key that the schema describes: its path in the schema and its description.
fn described_keys(schema: &Value) -> Vec<(String, Option<&str>)> {
    let mut keys = Vec::new();
    let mut waiting = vec![(String::new(), schema)];
    while let Some((path, value)) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    for (key, property) in properties {
                        let description = property.get("description").and_then(Value::as_str);
                        keys.push((format!("{path}/{key}"), description));
                    }
                }
                waiting.extend(
                    members
                        .iter()
                        .map(|(key, value)| (format!("{path}/{key}"), value)),
                );
            }
            Value::Array(elements) => {
                waiting.extend(elements.iter().map(|value| (path.clone(), value)))
            }
            _ => {}
        }
    }
    keys
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.schema.json");
    let now = schema().unwrap();
    if std::env::var_os("LB_UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::write(&path, &now).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    assert!(
        read(&published) == read(&now),
        "docs/config.schema.json is out of date: run this test with LB_UPDATE_SCHEMA=1"
    );
}

#[test]
fn every_key_has_a_description_that_says_its_default_or_that_it_is_required() {
    let schema: Value = serde_json::from_str(&schema().unwrap()).unwrap();
    let keys = described_keys(&schema);
    assert!(keys.len() >= 40, "{keys:?}");
    for (key, description) in keys {
        let description = description.unwrap_or_default();
        let says = description.contains("Default: ") || description.contains("Required");
        assert!(says, "{key}: {description:?}");
    }
}

#[test]
fn the_schema_knows_no_value_that_is_not_built() {
    let schema = schema().unwrap();
    for word in ["full-nat", "tunnel", "null"] {
        assert!(!schema.contains(word), "{word}");
    }
}

#[test]
fn the_manual_names_every_key() {
    let manual = include_str!("../../docs/configuration.md");
    let schema: Value = serde_json::from_str(&schema().unwrap()).unwrap();
    for (path, _) in described_keys(&schema) {
        let key = path.rsplit('/').next().unwrap();
        assert!(
            manual.contains(&format!("`{key}`")),
            "docs/configuration.md does not name `{key}`"
        );
    }
}

#[test]
fn the_manuals_examples_are_accepted() {
    let manual = include_str!("../../docs/configuration.md");
    let ports: PortsPresent = (0..2).map(PortId).collect();
    let examples: Vec<&str> = manual
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 4);
    for example in examples {
        if let Err(refusals) = parse(example, &ports) {
            let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            unreachable!("{}\n{example}", shown.join("\n"));
        }
    }
}
