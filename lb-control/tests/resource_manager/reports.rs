//! Load reports in, weights out; who is believed, and for how long.
//!
//! WO 00/30294, boxes 52 and 54. Easy to get wrong: reports come once a second for five seconds before the
//! master believes an agent.

use crate::kit::{
    Agent, Desk, Server, backend, backends, report, servers, service, services, weighing,
};
use lb_control::resource_manager::{
    Heard, Identity, MOST_DEPARTED, ReportRefusal, ResourceManager, Source,
};
use lb_core::load::LoadReport;
use lb_core::master::rules::{CEILING, EXPIRY_SECONDS, FLOOR};
use lb_core::master::{Algorithm, Rule};
use serde_json::json;

const HOUR: u32 = 3600;

fn spread(weights: &[u32]) -> f64 {
    let most = weights.iter().max().copied().unwrap();
    let least = weights.iter().min().copied().unwrap();
    f64::from(most) / f64::from(least)
}

#[test]
fn weights_follow_strength() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(3))]);
    let weights = desk.run("web", 60, 350.0, &servers([100.0, 200.0, 400.0]));
    let ratio = |a: usize, b: usize| f64::from(weights[a]) / f64::from(weights[b]);
    assert!((ratio(1, 0) - 2.0).abs() < 0.2, "{weights:?}");
    assert!((ratio(2, 0) - 4.0).abs() < 0.4, "{weights:?}");
}

#[test]
fn configured_weights_hold_where_nothing_may_move_them() {
    let mut desk = Desk::new(&[service("web", 1, "static", &backends(2))]);
    assert_eq!(
        desk.report(&report("web-1", 1, 0.5, 10.0)),
        Ok(()),
        "heard, for answers"
    );
    assert!(desk.step().is_empty());
    let explained = desk.manager.explanations("web", 0.0).unwrap();
    assert_eq!(explained.source, Source::Configured);
    assert_eq!(explained.backends[0].weight, 100);
    assert_eq!(explained.backends[0].master.rules, [Rule::Configured]);
}

#[test]
fn every_refusal_is_counted_by_cause_sender_and_backend() {
    type Spoil = fn(&mut LoadReport);
    let good = report("web-1", 10, 0.5, 10.0);
    let cases: [(Spoil, &str); 9] = [
        (|r| r.cpu_utilization = Some(f64::NAN), "not_finite"),
        (|r| r.rps_fractional = Some(-1.0), "negative"),
        (|r| r.mem_utilization = Some(2.0), "too_large"),
        (|r| r.boot_id = String::new(), "boot_id"),
        (
            |r| r.named_metrics = [(String::new(), 1.0)].into(),
            "metric_name",
        ),
        (
            |r| r.named_metrics = (0..33).map(|n| (n.to_string(), 1.0)).collect(),
            "too_many_metrics",
        ),
        (|_| {}, "replayed"),
        (|r| r.sequence += 1, "from_the_past"),
        (
            |r| {
                r.sequence -= 1;
                r.monotonic_seconds += 1.0;
            },
            "sequence_restart",
        ),
    ];
    for (spoil, cause) in cases {
        let mut desk = Desk::new(&[service("web", 1, "even", &backends(1))]);
        desk.report(&good).unwrap();
        let mut spoilt = good.clone();
        spoil(&mut spoilt);
        assert_eq!(
            desk.manager
                .report(&spoilt, Identity::Token, 3.0)
                .unwrap_err()
                .cause(),
            cause
        );

        let agent = desk.manager.agent("web-1", 5.0).unwrap();
        let refused: Vec<_> = agent
            .counts
            .refused()
            .filter(|&(_, count)| count > 0)
            .collect();
        assert_eq!((agent.counts.taken(), refused), (1, vec![(cause, 1)]));
        let last = agent.last_refusal.unwrap();
        assert_eq!((last.refusal.cause(), last.sender), (cause, "token"));
        assert!((last.age_seconds - 2.0).abs() < 1e-9);
        let counts: Vec<_> = desk
            .manager
            .counts()
            .map(|(sender, counts)| (sender, counts.taken(), counts.refused_in_all()))
            .collect();
        assert_eq!(counts, [("local", 1, 0), ("token", 0, 1), ("named", 0, 0)]);
    }
}

#[test]
fn a_certificate_speaks_for_the_backends_that_it_names_and_no_other() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    let names = ["web-1".to_owned(), "web-9".to_owned()];
    let mut sent = |backend: &str, sender| {
        let outcome = desk
            .manager
            .report(&report(backend, 1, 0.5, 10.0), sender, 0.0);
        outcome.err().map(|refusal| refusal.cause())
    };
    assert_eq!(sent("web-1", Identity::Named(&names)), None);
    assert_eq!(
        sent("web-2", Identity::Named(&names)),
        Some("wrong_identity")
    );
    assert_eq!(sent("web-2", Identity::Named(&[])), Some("wrong_identity"));
    assert_eq!(
        sent("web-8", Identity::Named(&names)),
        Some("wrong_identity"),
        "nor does it learn which backends there are"
    );
    assert_eq!(
        sent("web-9", Identity::Named(&names)),
        Some("unknown_backend")
    );
    assert_eq!(sent("web-8", Identity::Token), Some("unknown_backend"));
    assert_eq!(sent("web-2", Identity::Token), None);
    let swapped = desk.manager.agent("web-2", 0.0).unwrap();
    assert_eq!(
        swapped.counts.refused_in_all(),
        2,
        "shown where somebody will look"
    );
}

#[test]
fn ten_thousand_refused_reports_a_second_leave_everything_as_it_was() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(3))]);
    let before = desk.run("web", 60, 300.0, &servers([100.0, 200.0, 400.0]));
    let old = report("web-1", 1, 0.0, 1e6);
    for number in 0..10_000_u32 {
        let now = desk.now + f64::from(number) / 10_000.0;
        let unknown = report(&format!("ghost-{number}"), 1, 0.0, 1e6);
        assert!(desk.manager.report(&old, Identity::Token, now).is_err());
        assert!(desk.manager.report(&unknown, Identity::Token, now).is_err());
    }
    assert_eq!(desk.manager.agents(desk.now).count(), 3);
    assert_eq!(desk.weights("web"), before);
    let after = desk.run("web", 5, 300.0, &servers([100.0, 200.0, 400.0]));
    assert!(
        after
            .iter()
            .zip(&before)
            .all(|(a, b)| a.abs_diff(*b) * 20 <= *b),
        "{before:?} {after:?}"
    );
}

#[test]
fn a_flood_of_good_reports_gets_through_as_twenty_a_second_and_hurts_nobody_else() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    for number in 0..50_000_u32 {
        let now = f64::from(number) / 10_000.0;
        let mut flood = report("web-1", number + 1, 0.5, 100.0);
        flood.monotonic_seconds = now + 1.0;
        let _ = desk.manager.report(&flood, Identity::Local, now);
        if number % 10_000 == 0 {
            let honest = report("web-2", number + 1, 0.5, 100.0);
            assert_eq!(desk.manager.report(&honest, Identity::Local, now), Ok(()));
        }
    }
    let agent = desk.manager.agent("web-1", 5.0).unwrap();
    assert!(
        agent.counts.taken() <= 40 + 5 * 20 + 1,
        "{}",
        agent.counts.taken()
    );
    assert_eq!(agent.counts.taken() + agent.counts.refused_in_all(), 50_000);
}

#[test]
fn one_report_speaks_for_its_server_in_every_service() {
    let mut desk = Desk::new(&[
        service("web", 1, "even", &backends(2)),
        service("api", 2, "even", &backends(2)),
    ]);
    for second in 1..=30 {
        desk.now = f64::from(second);
        desk.report(&report("web-1", second, 0.8, 100.0)).unwrap();
        desk.report(&report("web-2", second, 0.4, 100.0)).unwrap();
        desk.step();
    }
    let (web, api) = (desk.weights("web"), desk.weights("api"));
    assert_eq!(web, api);
    assert!(web[1] > web[0], "{web:?}");
    assert_eq!(desk.manager.agents(desk.now).count(), 2);
}

#[test]
fn a_killed_agents_backend_is_neutral_within_the_expiry() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(3))]);
    let mut fleet = servers([100.0, 100.0, 400.0]);
    let before = desk.run("web", 60, 300.0, &fleet);
    assert!(before[2] > before[0] * 2, "{before:?}");
    fleet[2].agent = Agent::Dead;
    desk.run("web", EXPIRY_SECONDS as u32, 300.0, &fleet);
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    let silent = &explained.backends[2];
    assert!(matches!(silent.heard, Heard::Silent { age_seconds } if age_seconds >= 30.0));
    assert!(silent.master.rules.contains(&Rule::Silent));
    assert!(
        (silent.master.factor - 1.0).abs() < 0.02,
        "{:?}",
        silent.master
    );
    let agent = desk.manager.agent("web-3", desk.now).unwrap();
    assert!(matches!(agent.heard, Heard::Silent { .. }));
    assert!(matches!(
        desk.manager.agent("web-1", desk.now).unwrap().heard,
        Heard::Lately { .. }
    ));
}

#[test]
fn a_liar_wins_and_loses_no_more_than_the_rules_allow() {
    for (claim, algorithm) in [
        (0.0, "even"),
        (1.0, "even"),
        (0.0, "least-loaded"),
        (1.0, "least-loaded"),
    ] {
        let mut desk = Desk::new(&[service("web", 1, algorithm, &backends(4))]);
        let mut fleet = servers([100.0; 4]);
        desk.run("web", 60, 200.0, &fleet);
        fleet[0].agent = Agent::Claims(claim);
        let weights = desk.run("web", HOUR, 200.0, &fleet);
        let fair = f64::from(weights.iter().sum::<u32>()) / 4.0;
        let factor = f64::from(weights[0]) / fair;
        assert!(
            (FLOOR * 0.99..=CEILING * 1.01).contains(&factor),
            "{algorithm} {claim}: {weights:?}"
        );
        assert!(
            weights.iter().all(|&weight| weight > 0),
            "{algorithm} {claim}: {weights:?}"
        );
        assert!(
            spread(&weights[1..]) < 1.3,
            "the others stay together: {weights:?}"
        );
    }
}

#[test]
fn a_backend_that_leaves_and_returns_starts_slowly_and_takes_no_replay() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(3))]);
    desk.run("web", 60, 150.0, &servers([100.0; 3]));
    desk.configure(&[service("web", 1, "even", &[backend(1), backend(2)])]);
    assert_eq!(desk.weights("web").len(), 2);
    assert!(desk.manager.agent("web-3", desk.now).is_none());
    let gone = desk.report(&report("web-3", 61, 0.5, 50.0));
    assert_eq!(gone, Err(ReportRefusal::UnknownBackend));

    desk.configure(&[service("web", 1, "even", &backends(3))]);
    let replayed = desk.report(&report("web-3", 60, 0.0, 50.0));
    assert_eq!(replayed.unwrap_err().cause(), "replayed");
    let weights = desk.weights("web");
    assert!(weights[2] * 4 < weights[0], "{weights:?}");
    let weights = desk.run("web", 60, 150.0, &servers([100.0; 3]));
    assert!(spread(&weights) < 1.1, "{weights:?}");
}

#[test]
fn a_new_server_is_not_judged_by_the_reports_of_the_one_that_had_its_name() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    desk.run("web", 60, 150.0, &servers([100.0, 400.0]));
    let mut moved = backend(2);
    moved["address"] = json!("10.9.9.9");
    desk.configure(&[service("web", 1, "even", &[backend(1), moved])]);
    desk.step();
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(explained.backends[1].heard, Heard::Never);
    assert_eq!(explained.backends[1].master.strength, None);
}

#[test]
fn knowledge_of_those_that_stay_outlives_a_configuration() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    let before = desk.run("web", 60, 150.0, &servers([100.0, 300.0]));
    desk.configure(&[
        service("api", 2, "even", &backends(1)),
        service("web", 1, "even", &[backend(2), backend(1)]),
    ]);
    let after = desk.weights("web");
    assert_eq!(after, [before[1], before[0]]);
}

#[test]
fn a_changed_configured_weight_acts_at_once_and_in_full() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    desk.weights("web");
    desk.configure(&[service(
        "web",
        1,
        "even",
        &[weighing(1, 300), weighing(2, 100)],
    )]);
    let weights = desk.weights("web");
    assert_eq!(weights[0], weights[1] * 3);
}

#[test]
fn an_algorithm_changed_live_starts_from_where_the_weights_are() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    let before = desk.run("web", 60, 150.0, &servers([100.0, 300.0]));
    desk.configure(&[service("web", 1, "least-loaded", &backends(2))]);
    assert_eq!(desk.weights("web"), before);
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(explained.algorithm, Algorithm::LeastLoaded);

    desk.configure(&[service("web", 1, "static", &backends(2))]);
    assert!(desk.step().is_empty());
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(explained.backends[0].weight, 100, "{explained:?}");
    desk.configure(&[service("web", 1, "even", &backends(2))]);
    let weights = desk.run("web", 30, 150.0, &servers([100.0, 300.0]));
    assert!(spread(&weights) > 2.5, "{weights:?}");
}

#[test]
fn who_drains_or_is_disabled_weighs_nothing_and_starts_slowly_again() {
    let of = |state: &str| {
        let mut odd = backend(3);
        odd["state"] = json!(state);
        service("web", 1, "even", &[backend(1), backend(2), odd])
    };
    let mut desk = Desk::new(&[of("enabled")]);
    desk.run("web", 60, 150.0, &servers([100.0; 3]));
    for state in ["draining", "disabled"] {
        desk.configure(&[of(state)]);
        assert_eq!(desk.weights("web")[2], 0);
        desk.now += 60.0;
        desk.configure(&[of("enabled")]);
        let weights = desk.weights("web");
        assert!((1..weights[0] / 4).contains(&weights[2]), "{weights:?}");
    }
}

#[test]
fn tags_reach_the_master() {
    let mut fast = backend(1);
    fast["tags"] = json!(["gpu"]);
    let mut wanting = service("web", 1, "capability", &[fast, backend(2)]);
    wanting["tags"] = json!(["gpu"]);
    let mut desk = Desk::new(&[wanting]);
    let weights = desk.run("web", 60, 50.0, &servers([100.0; 2]));
    assert!(weights[0] > weights[1] * 10, "{weights:?}");
}

#[test]
fn a_clock_that_goes_back_or_is_none_stands_still() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(1))]);
    desk.now = 100.0;
    desk.report(&report("web-1", 1, 0.5, 1.0)).unwrap();
    for now in [0.0, f64::NAN, f64::INFINITY, -1e300] {
        desk.manager.step(now);
        let agent = desk.manager.agent("web-1", now).unwrap();
        assert_eq!(agent.heard, Heard::Lately { age_seconds: 0.0 });
    }
}

#[test]
fn where_nobody_hands_out_slots_the_manager_tells_backends_by_name_and_address() {
    let mut manager = ResourceManager::new();
    let none = |_: &str, _: &str| None;
    manager.configure(&services(&[service("web", 1, "even", &backends(2))]), none);
    let mut weights = Vec::new();
    for second in 1..=30 {
        let now = f64::from(second);
        for (name, cpu) in [("web-1", 0.8), ("web-2", 0.4)] {
            let report = report(name, second, cpu, 100.0);
            manager.report(&report, Identity::Local, now).unwrap();
        }
        weights = manager.step(now).remove(0).weights;
    }
    assert!(weights[1].1 > weights[0].1, "{weights:?}");
    let turned = [backend(2), backend(3), backend(1)];
    manager.configure(&services(&[service("web", 1, "even", &turned)]), none);
    let after = manager.step(30.0).remove(0).weights;
    let of = |name: &str| after.iter().find(|(known, _)| known == name).unwrap().1;
    let ratio = |a: u32, b: u32| f64::from(a) / f64::from(b);
    let before = ratio(weights[1].1, weights[0].1);
    assert!(
        (ratio(of("web-2"), of("web-1")) - before).abs() < 0.01,
        "{after:?}"
    );
}

#[test]
fn a_thousand_services_of_a_hundred_backends_are_stepped_in_bounded_time() {
    let documents: Vec<_> = (0..1000)
        .map(|number| {
            let all: Vec<_> = (0..100)
                .map(|place| backend(number * 60 + place + 1))
                .collect();
            service(&format!("service-{number}"), number + 1, "even", &all)
        })
        .collect();
    let services = services(&documents);
    let mut manager = ResourceManager::new();
    let started = std::time::Instant::now();
    manager.configure(&services, |_, _| None);
    println!("configure: {:?}", started.elapsed());
    let names: Vec<String> = manager
        .agents(0.0)
        .map(|agent| agent.backend.to_owned())
        .collect();
    for second in 1..=6_u32 {
        let now = f64::from(second);
        let started = std::time::Instant::now();
        for name in &names {
            let report = report(name, second, 0.5, 100.0);
            manager.report(&report, Identity::Local, now).unwrap();
        }
        println!("{} reports: {:?}", names.len(), started.elapsed());
        let started = std::time::Instant::now();
        let weights = manager.step(now);
        println!("step: {:?}", started.elapsed());
        assert_eq!(weights.len(), 1000);
        assert!(weights.iter().all(|service| service.weights.len() == 100));
    }
}

#[test]
fn names_that_come_and_go_with_every_configuration_do_not_add_up() {
    let mut desk = Desk::default();
    const { assert!(20 * 200 > MOST_DEPARTED + 200, "or this shows nothing") };
    for number in 0..20_u16 {
        let all: Vec<_> = (0..200)
            .map(|place| backend(number * 200 + place + 1))
            .collect();
        desk.configure(&[service("web", 1, "even", &all)]);
        desk.step();
    }
    assert_eq!(desk.manager.agents(0.0).count(), 200);
}

#[test]
fn a_dead_servers_report_is_no_reason_to_send_it_more() {
    // Fails everything at once, and looks idle doing it.
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(3))]);
    let fleet: [Server; 3] = servers([100.0; 3]);
    desk.run("web", 60, 150.0, &fleet);
    for second in 61..=180_u32 {
        desk.now = f64::from(second);
        let failing = LoadReport {
            eps: Some(50.0),
            ..report("web-1", second, 0.1, 50.0)
        };
        desk.report(&failing).unwrap();
        desk.report(&report("web-2", second, 0.5, 50.0)).unwrap();
        desk.report(&report("web-3", second, 0.5, 50.0)).unwrap();
        desk.step();
    }
    let weights = desk.weights("web");
    assert!(weights[0] < weights[1], "{weights:?}");
}
