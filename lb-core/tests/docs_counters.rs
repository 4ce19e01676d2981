//! The manual of the counters lists every drop reason and every key of the report.
//!
//! No counterpart in the patent. Easy to get wrong: the report is written in another crate, so its keys are
//! read from its source here.
#![expect(clippy::unwrap_used, reason = "test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lb_core::filter::Reason;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

#[test]
fn the_manual_lists_each_drop_reason_once_in_its_order() {
    let manual = read("docs/counters.md");
    let (_, table) = manual.split_once("| reason | meaning |\n").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map_while(|line| line.strip_prefix("| `"));
    let listed: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(listed, reasons);
}

#[test]
fn the_manual_explains_each_reason_as_the_program_does() {
    let manual = read("docs/counters.md");
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} |", reason.name(), reason.sentence().trim());
        assert!(
            manual.contains(&row),
            "docs/counters.md has another sentence than: {row}"
        );
    }
}

#[test]
fn the_manual_names_every_key_of_the_report() {
    let source = read("lb-dataplane/src/report.rs");
    let manual = read("docs/counters.md");
    let structs = source.split("#[derive(Debug, Serialize)]").skip(1);
    let keys: BTreeSet<_> = structs
        .flat_map(|after| after.split_once("\n}\n").unwrap().0.lines().skip(2))
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(key, _)| key.trim_start_matches("pub "))
        .collect();
    assert!(keys.len() >= 30, "{keys:?}");
    for key in keys {
        let is_named = [format!("`{key}`"), format!("`{key}[]`")]
            .iter()
            .any(|name| manual.contains(name));
        assert!(is_named, "docs/counters.md does not explain `{key}`");
    }
}
