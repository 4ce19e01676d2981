//! Statements of agent-checks: percentages and words, on top of every algorithm.
//!
//! Easy to get wrong: an agent is asked for one backend of one service, unlike a report, which is a server's.

use lb_control::agent_check::AskError;
use lb_core::master::Rule;
use serde_json::json;

use crate::kit::{Desk, backend, backends, checked, servers, service, weighing};

fn desk(weights: &str) -> Desk {
    Desk::new(&[checked(service("web", 1, weights, &backends(2)))])
}

#[test]
fn an_agent_that_says_nothing_changes_nothing() {
    let mut desk = desk("static");
    assert_eq!(desk.weights("web"), [100, 100]);
    desk.said("web", "web-1", "");
    assert_eq!(desk.weights("web"), [100, 100]);
}

#[test]
fn a_percentage_is_taken_of_the_configured_weight() {
    let mut desk = desk("static");
    for (line, weight) in [
        ("75%", 75),
        ("1%", 1),
        ("100%", 100),
        ("250%", 250),
        ("25600%", 400),
    ] {
        desk.said("web", "web-1", line);
        assert_eq!(desk.weights("web"), [weight, 100], "{line}");
    }
}

#[test]
fn one_per_cent_of_a_small_weight_can_be_told_from_two() {
    let small = [weighing(1, 1), weighing(2, 2)];
    let mut desk = Desk::new(&[checked(service("web", 1, "static", &small))]);
    assert_eq!(desk.weights("web"), [100, 200], "the same ratio");
    desk.said("web", "web-2", "1%");
    assert_eq!(desk.weights("web"), [100, 2]);
}

#[test]
fn a_percentage_is_taken_of_what_the_algorithm_gives_and_not_made_up_for() {
    let mut desk = desk("even");
    let fleet = servers([100.0, 100.0]);
    let mut weights = desk.run("web", 30, 100.0, &fleet);
    for _ in 0..60 {
        desk.said("web", "web-1", "50%");
        weights = desk.run("web", 1, 100.0, &fleet);
    }
    assert!(
        weights[0].abs_diff(weights[1] / 2) * 20 < weights[1],
        "{weights:?}"
    );
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(explained.backends[0].percent, 50);
}

#[test]
fn every_word_that_keeps_flows_away_does_and_its_opposite_lets_them_in() {
    for algorithm in ["static", "even"] {
        for (word, undo) in [
            ("drain", "ready"),
            ("maint", "ready"),
            ("down", "up"),
            ("fail", "up"),
            ("stopped # for the night", "up"),
            ("0%", "100%"),
        ] {
            let mut desk = desk(algorithm);
            desk.said("web", "web-1", word);
            let weights = desk.weights("web");
            assert!(
                weights[0] == 0 && weights[1] > 0,
                "{algorithm}, {word}: {weights:?}"
            );
            desk.said("web", "web-1", undo);
            assert!(desk.weights("web")[0] > 0, "{algorithm}, {word}");
        }
    }
}

#[test]
fn who_comes_back_from_a_drain_starts_slowly_with_an_algorithm() {
    let mut desk = desk("even");
    desk.run("web", 30, 100.0, &servers([100.0, 100.0]));
    desk.said("web", "web-1", "drain");
    desk.weights("web");
    desk.said("web", "web-1", "ready");
    let weights = desk.weights("web");
    assert!(weights[0] * 4 < weights[1], "{weights:?}");
}

#[test]
fn an_agent_that_says_down_and_vanishes_does_not_leave_its_server_down() {
    let mut desk = desk("static");
    desk.said("web", "web-1", "75% down # burnt");
    desk.now = 10.0;
    assert_eq!(desk.weights("web"), [0, 100], "ten seconds are not over");
    desk.now = 10.5;
    assert_eq!(desk.weights("web"), [100, 100]);
    let check = desk.manager.check("web", "web-1", 10.5).unwrap();
    assert_eq!((check.age_seconds, check.standing.answers), (None, 1));
}

#[test]
fn a_question_without_an_answer_keeps_no_word_alive() {
    let mut desk = desk("static");
    desk.said("web", "web-1", "drain");
    for second in 1..=11 {
        desk.now = f64::from(second);
        desk.manager
            .agent_failed("web", "web-1", AskError::TimedOut);
        desk.step();
    }
    assert_eq!(desk.weights("web"), [100, 100]);
    let check = desk.manager.check("web", "web-1", desk.now).unwrap();
    assert_eq!(check.standing.failures, 11);
    assert_eq!(check.standing.failure, Some(AskError::TimedOut));
}

#[test]
fn when_everybody_says_down_they_are_obeyed_and_it_shows() {
    let mut desk = desk("even");
    desk.said("web", "web-1", "down");
    desk.said("web", "web-2", "maint");
    assert_eq!(desk.weights("web"), [0, 0]);
    let explained = desk.manager.explanations("web", 0.0).unwrap();
    assert!(explained.is_all_out);
    assert!(explained.backends.iter().all(|backend| backend.is_kept_out));
    assert_eq!(explained.backends[0].master.rules, [Rule::Disabled]);
    desk.said("web", "web-1", "up");
    assert!(desk.weights("web")[0] > 0);
    assert!(!desk.manager.explanations("web", 0.0).unwrap().is_all_out);
}

#[test]
fn maxconn_is_shown_and_changes_no_weight() {
    let mut desk = desk("static");
    desk.said("web", "web-1", "maxconn:30");
    assert_eq!(desk.weights("web"), [100, 100]);
    let check = desk.manager.check("web", "web-1", 1.0).unwrap();
    assert_eq!(check.standing.words.most_connections, Some(30));
    assert_eq!(check.age_seconds, Some(1.0));
}

#[test]
fn a_statement_is_about_one_backend_of_one_service() {
    let mut desk = Desk::new(&[
        checked(service("web", 1, "static", &backends(2))),
        checked(service("api", 2, "static", &backends(2))),
        service("old", 3, "static", &backends(2)),
    ]);
    for (service, backend) in [
        ("web", "web-1"),
        ("web", "web-9"),
        ("none", "web-1"),
        ("old", "web-1"),
    ] {
        desk.said(service, backend, "drain");
    }
    assert_eq!(desk.weights("web"), [0, 100]);
    assert_eq!(desk.weights("api"), [100, 100]);
    assert_eq!(desk.manager.checks(0.0).count(), 4);
    assert!(desk.manager.check("old", "web-1", 0.0).is_none());
}

#[test]
fn words_outlive_a_configuration_but_not_their_agent_check() {
    let web = || service("web", 1, "static", &backends(2));
    let mut desk = Desk::new(&[checked(web())]);
    desk.said("web", "web-1", "drain");
    desk.configure(&[checked(service("web", 1, "even", &backends(3)))]);
    assert_eq!(desk.weights("web")[0], 0);
    desk.configure(&[web()]);
    assert!(
        desk.step().is_empty(),
        "static, and nobody to ask: the configured weights"
    );
    desk.configure(&[checked(web())]);
    assert_eq!(desk.weights("web"), [100, 100]);
}

#[test]
fn an_operators_drain_is_stronger_than_an_agents_ready() {
    let mut drained = backend(1);
    drained["state"] = json!("draining");
    let mut desk = Desk::new(&[checked(service("web", 1, "static", &[drained, backend(2)]))]);
    desk.said("web", "web-1", "up ready 400%");
    assert_eq!(desk.weights("web"), [0, 100]);
}
