//! Weights from a resource manager elsewhere, and the local master beneath them.
//!
//! WO 00/30294: the resource manager as a device of its own.

use lb_control::desired::ServiceWeights;
use lb_control::resource_manager::{ExternalRefusal, Source};
use serde_json::json;

use crate::kit::{Desk, backend, backends, checked, servers, service};

fn weights(service: &str, weights: &[(&str, u32)]) -> ServiceWeights {
    ServiceWeights {
        service: service.into(),
        weights: weights
            .iter()
            .map(|&(name, weight)| (name.into(), weight))
            .collect(),
    }
}

fn send(desk: &mut Desk, sent: &[ServiceWeights], ttl: f64) -> Result<(), ExternalRefusal> {
    desk.manager.external_weights(sent, "rm-1", ttl, desk.now)
}

#[test]
fn while_fresh_they_replace_the_local_masters_and_then_it_takes_over() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    let fleet = servers([100.0, 100.0]);
    desk.run("web", 30, 100.0, &fleet);
    send(
        &mut desk,
        &[weights("web", &[("web-2", 7), ("web-1", 3)])],
        5.0,
    )
    .unwrap();
    assert_eq!(desk.run("web", 4, 100.0, &fleet), [3, 7]);
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(
        explained.source,
        Source::External {
            by: "rm-1",
            left_seconds: 1.0
        }
    );

    let local = desk.run("web", 1, 100.0, &fleet);
    assert!(
        local[0] > 500 && local[0].abs_diff(local[1]) < 50,
        "{local:?}"
    );
    let explained = desk.manager.explanations("web", desk.now).unwrap();
    assert_eq!(explained.source, Source::Master);
}

#[test]
fn sent_again_they_stand_for_longer() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    for _ in 0..10 {
        send(
            &mut desk,
            &[weights("web", &[("web-1", 1), ("web-2", 9)])],
            1.5,
        )
        .unwrap();
        assert_eq!(desk.weights("web"), [1, 9]);
        desk.now += 1.0;
    }
}

#[test]
fn other_services_keep_their_local_master() {
    let mut desk = Desk::new(&[
        service("web", 1, "even", &backends(2)),
        service("api", 2, "even", &backends(2)),
    ]);
    send(
        &mut desk,
        &[weights("web", &[("web-1", 1), ("web-2", 9)])],
        60.0,
    )
    .unwrap();
    assert_eq!(desk.weights("web"), [1, 9]);
    assert_eq!(desk.weights("api"), [1000, 1000]);
}

#[test]
fn what_keeps_flows_away_here_holds_and_a_percentage_does_not_count_twice() {
    let mut drained = backend(3);
    drained["state"] = json!("draining");
    let all = [backend(1), backend(2), drained];
    let mut desk = Desk::new(&[checked(service("web", 1, "even", &all))]);
    send(
        &mut desk,
        &[weights(
            "web",
            &[("web-1", 500), ("web-2", 500), ("web-3", 500)],
        )],
        60.0,
    )
    .unwrap();
    desk.said("web", "web-1", "50%");
    assert_eq!(desk.weights("web"), [500, 500, 0]);
    desk.said("web", "web-1", "down");
    assert_eq!(desk.weights("web"), [0, 500, 0]);
}

#[test]
fn a_call_with_anything_wrong_is_refused_whole() {
    let mut drained = backend(3);
    drained["state"] = json!("draining");
    let mut desk = Desk::new(&[
        service("web", 1, "even", &[backend(1), backend(2), drained]),
        service("old", 2, "static", &backends(1)),
    ]);
    let good = || weights("web", &[("web-1", 1), ("web-2", 9)]);
    let before = desk.weights("web");
    let cases = [
        (
            vec![good(), weights("none", &[])],
            5.0,
            "service `none` is not in the configuration",
        ),
        (vec![good(), good()], 5.0, "service `web` stands twice"),
        (
            vec![good(), weights("old", &[("web-1", 1)])],
            5.0,
            "service `old` has static weights; configure an algorithm that applies when nobody sends any",
        ),
        (
            vec![weights("web", &[("web-1", 1), ("web-2", 1), ("web-9", 1)])],
            5.0,
            "service `web` has no backend `web-9`",
        ),
        (
            vec![weights("web", &[("web-1", 1), ("web-1", 1)])],
            5.0,
            "backend `web-1` of service `web` stands twice",
        ),
        (
            vec![weights("web", &[("web-1", 1), ("web-3", 1)])],
            5.0,
            "service `web` has a backend `web-2` that no weight was sent for",
        ),
        (
            vec![weights("web", &[("web-1", 1), ("web-2", 65_536)])],
            5.0,
            "backend `web-2` of service `web` has weight 65536; expected 0 to 65535",
        ),
        (
            vec![good()],
            0.0,
            "ttl_seconds: 0; expected more than 0, 3600 at most",
        ),
        (
            vec![good()],
            -1.0,
            "ttl_seconds: -1; expected more than 0, 3600 at most",
        ),
        (
            vec![good()],
            3600.5,
            "ttl_seconds: 3600.5; expected more than 0, 3600 at most",
        ),
        (
            vec![good()],
            f64::NAN,
            "ttl_seconds: NaN; expected more than 0, 3600 at most",
        ),
    ];
    for (sent, ttl, sentence) in cases {
        let refusal = send(&mut desk, &sent, ttl).unwrap_err();
        assert_eq!(refusal.to_string(), sentence);
        assert_eq!(desk.weights("web"), before, "{sentence}");
    }
    send(&mut desk, &[good()], 3600.0).unwrap();
    assert_eq!(
        desk.weights("web"),
        [1, 9, 0],
        "who has no flows may be left out"
    );
}

#[test]
fn another_set_of_backends_ends_them_and_the_same_in_another_order_does_not() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    send(
        &mut desk,
        &[weights("web", &[("web-1", 1), ("web-2", 9)])],
        60.0,
    )
    .unwrap();
    desk.configure(&[service("web", 1, "even", &[backend(2), backend(1)])]);
    assert_eq!(desk.weights("web"), [9, 1]);
    desk.configure(&[service("web", 1, "even", &[backend(2)])]);
    assert_eq!(desk.weights("web"), [9]);
    desk.configure(&[service("web", 1, "even", &backends(2))]);
    assert!(
        desk.weights("web")[0] > 9,
        "nobody has sent a weight for web-1"
    );
}

#[test]
fn all_at_nought_is_obeyed_and_shown() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    send(
        &mut desk,
        &[weights("web", &[("web-1", 0), ("web-2", 0)])],
        60.0,
    )
    .unwrap();
    assert_eq!(desk.weights("web"), [0, 0]);
    assert!(desk.manager.explanations("web", 0.0).unwrap().is_all_out);
}

#[test]
fn a_service_made_static_takes_none() {
    let mut desk = Desk::new(&[service("web", 1, "even", &backends(2))]);
    send(
        &mut desk,
        &[weights("web", &[("web-1", 1), ("web-2", 9)])],
        60.0,
    )
    .unwrap();
    desk.configure(&[checked(service("web", 1, "static", &backends(2)))]);
    assert_eq!(desk.weights("web"), [100, 100]);
    desk.configure(&[service("web", 1, "even", &backends(2))]);
    assert_ne!(desk.weights("web"), [1, 9]);
}
