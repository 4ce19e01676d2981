//! From checks to who gets new flows: one backend after the other fails, comes back, joins and leaves.

use std::sync::atomic::Ordering;

use lb_control::health::standing::State;
use lb_core::config::OnDown;

use crate::kit::{Asked, Side, document, until};
use crate::servers::{Switchable, closed, hung};

const QUICK: &str =
    r#""health": { "type": "http", "interval": 0.1, "timeout": 0.1, "rise": 2, "fall": 2 }"#;
const BAD: &str = "500 Internal Server Error";
const GOOD: &str = "200 OK";

fn web(keys: &str, backends: &[Asked<'_>]) -> String {
    document(&format!("{QUICK}{keys}"), backends)
}

impl Side {
    fn until_weighs(&self, backend: &str, weight: u32) {
        until(&format!("{backend} weighs {weight}"), || {
            self.weight(backend) == weight
        });
    }

    fn until_known(&self, backend: &str, state: State) {
        until(&format!("{backend} is {state:?}"), || {
            let entry = self.checks.entry("web", backend);
            entry.is_some_and(|entry| entry.standing.state() == state)
        });
    }
}

#[test]
fn a_backend_that_fails_gets_no_new_flows_and_has_them_again_when_it_is_back() {
    let (a, b) = (Switchable::new(GOOD), Switchable::new(GOOD));
    let side = Side::new(&web(
        r#", "on_down": "reset""#,
        &[("a", a.at, ""), ("b", b.at, "")],
    ));
    side.until_known("a", State::Up);
    side.until_known("b", State::Up);
    assert_eq!(side.in_force("a"), (100, None));
    *a.status.lock() = BAD;
    side.until_weighs("a", 0);
    assert_eq!(side.in_force("a"), (0, Some(OnDown::Reset)));
    assert_eq!(side.in_force("b"), (100, None));
    let why = side.checks.entry("web", "a").unwrap().standing.why;
    assert_eq!(
        why,
        "2 times in a row: unexpected: answered 500 Internal Server Error"
    );
    assert_eq!(side.line(), format!("health: web/a is down: {why}"));
    *a.status.lock() = GOOD;
    side.until_weighs("a", 100);
    assert_eq!(side.in_force("a"), (100, None));
    assert_eq!(
        side.line(),
        "health: web/a is up: 2 times in a row: answered 200 OK"
    );
    assert_eq!(side.lines(), Vec::<String>::new());
}

#[test]
fn at_the_start_all_serve_and_the_first_check_decides() {
    let b = Switchable::new(GOOD);
    let side = Side::new(&web("", &[("a", closed(), ""), ("b", b.at, "")]));
    side.until_weighs("a", 0);
    assert_eq!(side.weight("b"), 100);
    assert_eq!(side.checks.entry("web", "a").unwrap().standing.failures, 1);
}

#[test]
fn who_joins_a_service_waits_for_its_first_check_and_starts_slowly() {
    let (a, b) = (Switchable::new(GOOD), Switchable::new(BAD));
    let slow = r#", "slow_start": 3600"#;
    let side = Side::new(&web(slow, &[("a", a.at, "")]));
    side.until_known("a", State::Up);
    let both = web(slow, &[("a", a.at, ""), ("b", b.at, "")]);
    side.apply(&both);
    // From the very first generation on.
    assert_eq!(side.in_force("b"), (0, None));
    side.until_known("b", State::Down);
    *b.status.lock() = GOOD;
    side.until_weighs("b", 1);
    assert_eq!(side.weight("a"), 100);
}

#[test]
fn another_document_keeps_what_is_known() {
    let (a, b) = (Switchable::new(BAD), Switchable::new(GOOD));
    let side = Side::new(&web("", &[("a", a.at, ""), ("b", b.at, "")]));
    side.until_weighs("a", 0);
    side.until_known("b", State::Up);
    let checks = |name: &str| side.checks.entry("web", name).unwrap().standing.checks;
    let before = checks("a");
    side.apply(&web(
        r#", "on_miss": "drop""#,
        &[("a", a.at, ""), ("b", b.at, "")],
    ));
    assert_eq!((side.weight("a"), side.weight("b")), (0, 100));
    until("it is checked on", || checks("a") > before + 1);
    assert_eq!(side.weight("a"), 0);
    // Checked no more, it counts as up; disabled, it is not asked.
    side.apply(&web("", &[("b", b.at, "")]).replace(
        r#""backends": ["#,
        r#""backends": [ { "name": "a", "address": "10.1.0.9", "health": "off" },"#,
    ));
    assert_eq!(side.weight("a"), 100);
    until("a is not checked", || {
        side.checks.entry("web", "a").is_none()
    });
}

#[test]
fn a_backend_that_is_taken_out_is_asked_no_more() {
    let (a, b) = (Switchable::new(GOOD), Switchable::new(GOOD));
    let side = Side::new(&web("", &[("a", a.at, ""), ("b", b.at, "")]));
    side.until_known("a", State::Up);
    side.apply(&web(
        "",
        &[("a", a.at, r#", "state": "disabled""#), ("b", b.at, "")],
    ));
    until("a is not checked", || {
        side.checks.entry("web", "a").is_none()
    });
    let heard = a.heard.load(Ordering::Relaxed);
    let checks = || side.checks.entry("web", "b").unwrap().standing.checks;
    let before = checks();
    until("others are checked on", || checks() > before + 3);
    // One request may have been under way.
    assert!(a.heard.load(Ordering::Relaxed) <= heard + 1);
}

#[test]
fn a_backup_stands_in_and_steps_back() {
    let (a, b) = (Switchable::new(GOOD), Switchable::new(GOOD));
    let text = web("", &[("a", a.at, ""), ("b", b.at, r#", "backup": true"#)]);
    let side = Side::new(&text);
    // From the very first generation on.
    assert_eq!((side.weight("a"), side.weight("b")), (100, 0));
    *a.status.lock() = BAD;
    side.until_weighs("b", 100);
    assert_eq!(side.weight("a"), 0);
    assert!(side.line().starts_with("health: web/a is down"));
    assert_eq!(
        side.line(),
        "health: web: 1 of 2 backends are up: its backups serve"
    );
    *a.status.lock() = GOOD;
    side.until_weighs("b", 0);
    assert_eq!(side.weight("a"), 100);
}

#[test]
fn in_panic_all_get_flows_and_it_is_said() {
    let servers: Vec<_> = (0..4).map(|_| Switchable::new(GOOD)).collect();
    let names = ["a", "b", "c", "d"];
    let asked: Vec<Asked<'_>> = names
        .iter()
        .zip(&servers)
        .map(|(name, s)| (*name, s.at, ""))
        .collect();
    let side = Side::new(&web(r#", "panic": 0.5"#, &asked));
    for (server, name) in servers.iter().zip(names).take(2) {
        *server.status.lock() = BAD;
        side.until_weighs(name, 0);
    }
    *servers[2].status.lock() = BAD;
    side.until_known("c", State::Down);
    until("all get flows", || {
        names.iter().all(|name| side.weight(name) == 100)
    });
    let is_panicking = side.control.look(|look| look.outlooks[0].is_panicking);
    assert!(is_panicking);
    *servers[2].status.lock() = GOOD;
    side.until_weighs("a", 0);
    let said = side.lines().join("\n");
    assert!(
        said.contains("1 of 4 backends are up: too few to believe it, so all get flows"),
        "{said}"
    );
}

#[test]
fn weights_that_move_do_not_bring_a_backend_back() {
    let b = Switchable::new(GOOD);
    let text = web(
        r#", "weights": "even""#,
        &[("a", closed(), ""), ("b", b.at, "")],
    );
    let side = Side::new(&text);
    side.until_weighs("a", 0);
    let weights = lb_control::control::ServiceWeights {
        service: "web".to_owned(),
        weights: vec![("a".to_owned(), 900), ("b".to_owned(), 300)],
    };
    side.control
        .set_weights(std::slice::from_ref(&weights))
        .unwrap();
    assert_eq!((side.weight("a"), side.weight("b")), (0, 300));
    let generation = side.control.look(|look| look.generation);
    side.control.set_weights(&[weights]).unwrap();
    assert_eq!(side.control.look(|look| look.generation), generation);
}

#[test]
fn one_that_hangs_delays_nobody_else() {
    let (hangs, _streams) = hung();
    let b = Switchable::new(GOOD);
    let text = document(
        r#""health": { "type": "http", "interval": 0.1, "timeout": 0.1, "fall": 1 }"#,
        &[("b", b.at, "")],
    );
    // The one that hangs may take a minute, and does.
    let slow = format!(
        r#"{{ "name": "a", "address": "10.1.0.77", "health": {{ "address": "{}", "port": {}, "interval": 3600, "timeout": 3600 }} }},"#,
        hangs.ip(),
        hangs.port()
    );
    let side = Side::new(&text.replace(r#""backends": ["#, &format!(r#""backends": [ {slow}"#)));
    let checks = || {
        side.checks
            .entry("web", "b")
            .map_or(0, |entry| entry.standing.checks)
    };
    until("b is checked ten times", || checks() >= 10);
    let hung = side.checks.entry("web", "a").unwrap().standing;
    assert_eq!((hung.state(), hung.checks), (State::Unknown, 0));
    assert_eq!(side.weight("a"), 100);
}

#[test]
fn one_that_flaps_is_told_of_a_few_times_only() {
    let a = Switchable::new(GOOD);
    let keys = r#""health": { "type": "http", "interval": 0.1, "timeout": 0.1, "rise": 1, "fall": 1, "jitter": 0.5 }"#;
    let side = Side::new(&document(keys, &[("a", a.at, "")]));
    let flaps = || {
        side.checks
            .entry("web", "a")
            .map_or(0, |entry| entry.standing.flaps)
    };
    side.until_known("a", State::Up);
    for round in 1..=8 {
        *a.status.lock() = BAD;
        until("it is down", || flaps() == round);
        *a.status.lock() = GOOD;
        side.until_known("a", State::Up);
    }
    assert_eq!(side.lines().len(), 6);
}
