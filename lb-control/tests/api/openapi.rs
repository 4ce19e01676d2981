//! The published description is that of the program. `LB_UPDATE_SCHEMA=1` writes it anew.

use serde_json::Value;

use crate::client::Client;
use crate::rig::{Rig, repository};

#[test]
fn the_published_description_is_that_of_the_types() {
    let path = repository("docs/openapi.json");
    let now = lb_control::api::openapi();
    if std::env::var_os("LB_UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::write(&path, &now).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == now,
        "docs/openapi.json is out of date: run this test with LB_UPDATE_SCHEMA=1"
    );
}

#[test]
fn the_description_is_served_and_every_operation_in_it_is_there() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let served = client.get("/v1/openapi.json");
    assert_eq!(served.text(), lb_control::api::openapi());
    let document: Value = served.done();
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let path = path
                .replace("{service}", "web")
                .replace("{backend}", "web-1")
                .replace("{revision}", "1");
            let answer = Client::unix(&rig).send(&method.to_uppercase(), &path, &[], b"");
            assert_ne!(answer.status, 404, "{method} {path}: {}", answer.text());
            assert_ne!(answer.status, 405, "{method} {path}");
            count += 1;
        }
    }
    assert!(count >= 27, "{count}");
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    let document: Value = serde_json::from_str(&lb_control::api::openapi()).unwrap();
    let mut waiting = vec![&document];
    let mut count = 0;
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
            count += 1;
        }
        match value {
            Value::Object(members) => waiting.extend(members.values()),
            Value::Array(elements) => waiting.extend(elements),
            _ => {}
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn the_manual_names_every_path() {
    let manual = std::fs::read_to_string(repository("docs/api.md")).unwrap();
    let document: Value = serde_json::from_str(&lb_control::api::openapi()).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path
            .replace("{service}", "NAME")
            .replace("{backend}", "NAME")
            .replace("{revision}", "N");
        assert!(manual.contains(&path), "docs/api.md does not name {path}");
    }
}
