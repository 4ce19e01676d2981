//! What stays known over changes of the document, and what is believed meanwhile.

use std::time::Duration;

use lb_core::config::{FULL, PortsPresent, parse};
use lb_core::id::PortId;

use super::super::outcome::Failure;
use super::super::standing::State;
use super::*;

const UP: Believed = Believed::Up { permille: FULL };

/// The services of a document; each backend is a name, a last octet and further keys.
fn services(keys: &str, backends: &[(&str, u8, &str)]) -> Vec<Service> {
    let backends: Vec<String> = backends
        .iter()
        .map(|(name, octet, keys)| {
            format!(r#"{{ "name": "{name}", "address": "10.0.0.{octet}"{keys} }}"#)
        })
        .collect();
    let text = format!(
        r#"{{ "interfaces": [ {{ "port": 0, "name": "a", "addresses": ["10.0.0.100/24"] }} ], "services": [ {{
            "name": "web", "address": "192.0.2.1", "port": 80, "protocol": "tcp", "forwarding": "nat", {keys},
            "backends": [ {} ] }} ] }}"#,
        backends.join(", ")
    );
    let ports: PortsPresent = [PortId(0)].into_iter().collect();
    parse(&text, &ports).unwrap().services
}

const TCP: &str = r#""health": { "type": "tcp", "rise": 1, "fall": 1 }"#;
const SLOW: &str = r#""slow_start": 9, "health": { "type": "tcp", "rise": 1, "fall": 1 }"#;

fn id(backend: &str) -> Id {
    ("web".into(), backend.into())
}

fn passed() -> Outcome {
    Outcome::Passed {
        latency: Duration::from_millis(1),
        what: "connected".to_owned(),
    }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::new(Cause::Refused, "no"))
}

fn believed(table: &mut Table, now: f64) -> Vec<Believed> {
    let (verdicts, _) = table.verdicts(now);
    verdicts
        .into_iter()
        .map(|verdict| verdict.believed)
        .collect()
}

fn names(ids: &[Id]) -> Vec<&str> {
    ids.iter().map(|(_, backend)| &**backend).collect()
}

fn begun(plan: &Plan) -> Vec<&str> {
    plan.start
        .iter()
        .map(|((_, backend), _)| &**backend)
        .collect()
}

#[test]
fn at_the_start_all_count_as_up_until_their_first_check() {
    let mut table = Table::default();
    let plan = table.configure(&services(TCP, &[("a", 1, ""), ("b", 2, "")]), 0.0);
    assert_eq!(begun(&plan), ["a", "b"]);
    assert_eq!(believed(&mut table, 0.0), [UP, UP]);
    assert_eq!(
        table.note(&id("a"), &failed(), 1.0),
        (Some(Turn::Down), false)
    );
    assert_eq!(
        table.note(&id("b"), &passed(), 1.0),
        (Some(Turn::Confirmed), false)
    );
    assert_eq!(believed(&mut table, 1.0), [Believed::Down, UP]);
}

#[test]
fn who_joins_later_waits_for_the_first_check() {
    let mut table = Table::default();
    table.configure(&services(TCP, &[("a", 1, "")]), 0.0);
    table.note(&id("a"), &passed(), 0.0);
    let plan = table.configure(&services(TCP, &[("a", 1, ""), ("b", 2, "")]), 1.0);
    assert_eq!(begun(&plan), ["b"]);
    assert_eq!(believed(&mut table, 1.0), [UP, Believed::Waiting]);
    table.note(&id("b"), &Outcome::NotMade("busy".to_owned()), 2.0);
    assert_eq!(believed(&mut table, 2.0), [UP, Believed::Waiting]);
    table.note(&id("b"), &passed(), 3.0);
    assert_eq!(believed(&mut table, 3.0), [UP, UP]);
}

#[test]
fn what_is_known_stays_while_address_and_port_do() {
    let mut table = Table::default();
    let two = [("a", 1, ""), ("b", 2, "")];
    table.configure(&services(TCP, &two), 0.0);
    table.note(&id("a"), &failed(), 0.0);
    table.note(&id("b"), &passed(), 0.0);
    let same = table.configure(
        &services(&format!(r#"{TCP}, "on_down": "move""#), &two),
        1.0,
    );
    assert!(same.start.is_empty() && same.stop.is_empty());
    // Another check of the same server.
    let faster = r#""health": { "type": "tcp", "rise": 1, "fall": 1, "interval": 1 }"#;
    let plan = table.configure(&services(faster, &two), 2.0);
    assert_eq!(
        (begun(&plan), names(&plan.stop)),
        (vec!["a", "b"], vec!["a", "b"])
    );
    assert_eq!(believed(&mut table, 2.0), [Believed::Down, UP]);
    assert_eq!(table.entry("web", "a").unwrap().standing.checks, 1);
    // Another server under the same name.
    let plan = table.configure(&services(faster, &[("a", 1, ""), ("b", 3, "")]), 3.0);
    assert_eq!(begun(&plan), ["b"]);
    assert_eq!(
        believed(&mut table, 3.0),
        [Believed::Down, Believed::Waiting]
    );
}

#[test]
fn who_is_not_checked_any_more_is_forgotten() {
    let mut table = Table::default();
    let off = r#", "health": "off""#;
    let disabled = r#", "state": "disabled""#;
    table.configure(
        &services(TCP, &[("a", 1, ""), ("b", 2, ""), ("c", 3, "")]),
        0.0,
    );
    let plan = table.configure(&services(TCP, &[("a", 1, off), ("b", 2, disabled)]), 1.0);
    assert_eq!(names(&plan.stop), ["a", "b", "c"]);
    assert_eq!(table.entries().count(), 0);
    assert_eq!(table.note(&id("a"), &passed(), 2.0), (None, false));
}

#[test]
fn who_comes_back_starts_slowly_and_who_was_up_from_the_start_does_not() {
    let mut table = Table::default();
    table.configure(&services(SLOW, &[("a", 1, ""), ("b", 2, "")]), 0.0);
    table.note(&id("a"), &passed(), 0.0);
    table.note(&id("b"), &failed(), 0.0);
    assert!(!table.verdicts(1.0).1);
    table.note(&id("b"), &passed(), 10.0);
    let shares = [10.0, 14.5, 18.9, 19.0].map(|now| match believed(&mut table, now)[1] {
        Believed::Up { permille } => permille,
        other => panic!("{other:?}"),
    });
    assert_eq!(shares, [100, 500, 900, FULL]);
    assert!(!table.verdicts(19.0).1);
    table.note(&id("b"), &failed(), 30.0);
    table.note(&id("b"), &passed(), 31.0);
    assert_eq!(
        believed(&mut table, 31.0),
        [UP, Believed::Up { permille: 100 }]
    );
    assert!(table.verdicts(31.0).1);
}

#[test]
fn results_are_counted_by_cause() {
    let mut table = Table::default();
    table.configure(&services(TCP, &[("a", 1, "")]), 0.0);
    for outcome in [
        passed(),
        failed(),
        failed(),
        Outcome::NotMade(String::new()),
    ] {
        table.note(&id("a"), &outcome, 1.0);
    }
    let tally = table.tally();
    assert_eq!(
        (tally.passed, tally.failed[&Cause::Refused], tally.not_made),
        (1, 2, 1)
    );
    let standing = &table.entry("web", "a").unwrap().standing;
    assert_eq!((standing.state(), standing.flaps), (State::Down, 1));
}

#[test]
fn where_all_servers_are_replaced_nobody_waits() {
    let mut table = Table::default();
    table.configure(&services(TCP, &[("a", 1, "")]), 0.0);
    table.note(&id("a"), &failed(), 0.0);
    table.configure(&services(TCP, &[("a", 9, "")]), 1.0);
    assert_eq!(believed(&mut table, 1.0), [UP]);
}

#[test]
fn who_joins_a_service_with_a_master_starts_slowly_once() {
    for (weights, ramps) in [("static", true), ("even", false)] {
        let keys = format!(r#"{SLOW}, "weights": "{weights}""#);
        let mut table = Table::default();
        table.configure(&services(&keys, &[("a", 1, "")]), 0.0);
        table.note(&id("a"), &passed(), 0.0);
        table.configure(&services(&keys, &[("a", 1, ""), ("b", 2, "")]), 1.0);
        table.note(&id("b"), &passed(), 2.0);
        assert_eq!(believed(&mut table, 2.0)[1] != UP, ramps, "{weights}");
        // The master does not know who was down, so this is for the checks.
        table.note(&id("b"), &failed(), 3.0);
        table.note(&id("b"), &passed(), 4.0);
        assert_ne!(believed(&mut table, 4.0)[1], UP, "{weights}");
    }
}
