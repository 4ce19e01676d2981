//! Documents and the answers that they owe: design section 6.
//!
//! No counterpart in the patent. Every case of `data/config/cases.json` is the good document with a few
//! words replaced, and says in full what is refused: path, line and a part of the sentence.
//! Easy to get wrong: a replacement that changes the number of lines moves the expected line too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::net::IpAddr;

use lb_core::config::{
    BackendState, Config, Forwarding, OnMiss, PortsPresent, Prefix, REFUSALS_MAX, Timeouts, parse,
};
use lb_core::flow::{HashSeed, Protocol};
use lb_core::id::PortId;
use lb_core::master::Algorithm;
use lb_core::scheduler::SchedulerKind;
use lb_core::wire::MacAddr;

const GOOD: &str = include_str!("data/config/good.json");

/// The cases: lists of them by the name of the test.
const CASES: &str = include_str!("data/config/cases.json");

/// A document's words replaced, and what must be said about it.
#[derive(serde::Deserialize)]
struct Case {
    says: String,
    /// Words that stand once in the document, and what replaces them.
    replace: Vec<(String, String)>,
    /// Path, line and a part of the message of every refusal, in order; none: accepted.
    refused: Vec<(String, usize, String)>,
}

fn ports() -> PortsPresent {
    [PortId(0), PortId(1), PortId(4)].into_iter().collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn run(test: &str) {
    let mut lists: HashMap<String, Vec<Case>> = serde_json::from_str(CASES).unwrap();
    let cases = lists.remove(test).unwrap();
    assert!(!cases.is_empty(), "{test} has no cases");
    for Case {
        says,
        replace,
        refused,
    } in cases
    {
        let mut text = GOOD.to_owned();
        for (old, new) in &replace {
            assert_eq!(
                text.matches(old).count(),
                1,
                "{says}: `{old}` must stand once"
            );
            text = text.replace(old, new);
        }
        let refusals = parse(&text, &ports()).err().unwrap_or_default();
        let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        let shown = format!("{says}:\n{}", shown.join("\n"));
        assert_eq!(refusals.len(), refused.len(), "{shown}");
        for (refusal, (path, line, part)) in refusals.iter().zip(&refused) {
            assert_eq!((&refusal.path, refusal.line), (path, *line), "{shown}");
            assert!(refusal.message.contains(part), "expected `{part}`: {shown}");
        }
    }
}

#[test]
fn texts_that_are_no_such_document_are_refused_for_their_first_fault() {
    run("texts_that_are_no_such_document_are_refused_for_their_first_fault");
}

#[test]
fn keys_and_values_of_later_parts_are_refused_with_a_sentence() {
    run("keys_and_values_of_later_parts_are_refused_with_a_sentence");
}

#[test]
fn interfaces_that_cannot_be_are_refused() {
    run("interfaces_that_cannot_be_are_refused");
}

#[test]
fn routes_and_neighbors_that_cannot_be_are_refused() {
    run("routes_and_neighbors_that_cannot_be_are_refused");
}

#[test]
fn services_that_cannot_be_are_refused() {
    run("services_that_cannot_be_are_refused");
}

#[test]
fn backends_that_cannot_be_are_refused() {
    run("backends_that_cannot_be_are_refused");
}

#[test]
fn what_is_unusual_but_right_is_accepted() {
    run("what_is_unusual_but_right_is_accepted");
}

#[test]
fn independent_refusals_come_together_and_their_consequences_do_not() {
    run("independent_refusals_come_together_and_their_consequences_do_not");
}

#[test]
fn no_more_refusals_come_than_people_read() {
    let backends: Vec<String> = (0..100)
        .map(|n| format!(r#"{{ "name": "b{n}", "address": "x" }}"#))
        .collect();
    let text = format!(
        r#"{{ "services": [ {{ "name": "s", "address": "192.0.2.1", "port": 1, "protocol": "tcp",
        "forwarding": "nat", "backends": [ {} ] }} ] }}"#,
        backends.join(",\n")
    );
    let refusals = parse(&text, &ports()).unwrap_err();
    assert_eq!(refusals.len(), REFUSALS_MAX);
    let last = refusals.last().unwrap();
    assert_eq!(
        (last.path.clone(), last.line),
        ("services[0].backends[19].address".to_owned(), 21)
    );
}

#[test]
fn a_table_with_fewer_slots_than_backends_is_refused() {
    let backends: Vec<String> = (2..10)
        .map(|n| format!(r#"{{ "name": "b{n}", "address": "10.0.0.{n}" }}"#))
        .collect();
    let text = format!(
        r#"{{ "interfaces": [ {{ "port": 0, "name": "a", "addresses": [ "10.0.0.1/24" ] }} ],
        "services": [ {{ "name": "s", "address": "192.0.2.1", "port": 1, "protocol": "tcp",
        "forwarding": "nat", "scheduler": "maglev", "maglev_table_size": 7,
        "backends": [ {} ] }} ] }}"#,
        backends.join(", ")
    );
    let refusals = parse(&text, &ports()).unwrap_err();
    let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "line 3: services[0].maglev_table_size: a table of 7 slots cannot hold 8 backends; expected a larger prime number"
        ]
    );
}

#[test]
fn an_empty_object_is_an_empty_configuration_and_nothing_else_is() {
    assert_eq!(parse("{}", &ports()), Ok(Config::default()));
    for text in [
        "",
        " \n",
        "[]",
        "null",
        "7",
        "\"{}\"",
        "{}{}",
        "[[false]]",
        "{",
        "\u{feff}{}",
    ] {
        let refusals = parse(text, &ports()).unwrap_err();
        assert_eq!(refusals.len(), 1, "{text:?}");
    }
}

#[test]
fn brackets_without_end_are_refused_and_not_followed() {
    for (open, close) in [("[", "]"), ("{\"services\":[", "]}"), ("{\"a\":", "}")] {
        for closed in [false, true] {
            let mut text = open.repeat(200_000);
            text.push_str("{}");
            text.push_str(&close.repeat(if closed { 200_000 } else { 0 }));
            assert_eq!(parse(&text, &ports()).unwrap_err().len(), 1, "{open}");
            let text = format!("{{ \"transit\": {text} }}");
            assert_eq!(parse(&text, &ports()).unwrap_err().len(), 1, "{open}");
        }
    }
}

#[test]
fn keys_of_feedback_mean_what_they_say() {
    let config = parse(
        r#"{ "interfaces": [ { "port": 0, "name": "a", "addresses": [ "10.0.0.1/24" ] } ],
        "services": [ { "name": "s", "address": "192.0.2.1", "port": 80, "protocol": "tcp",
        "forwarding": "nat", "weights": "capability", "tags": [ "gpu", "ssd" ],
        "agent_check": { "port": 8081 },
        "backends": [
          { "name": "a", "address": "10.0.0.2", "tags": [ "ssd" ], "agent_address": "127.0.0.1" },
          { "name": "b", "address": "10.0.0.3", "state": "draining" },
          { "name": "c", "address": "10.0.0.4", "state": "disabled" } ] } ] }"#,
        &ports(),
    )
    .unwrap();
    let service = config.services.first().unwrap();
    assert_eq!(service.algorithm, Algorithm::Capability);
    assert_eq!(service.tags, ["gpu", "ssd"]);
    let check = service.agent_check.unwrap();
    assert_eq!((check.port, check.interval_seconds), (8081, 2));
    let [a, b, c] = service.backends.as_slice() else {
        unreachable!("three backends")
    };
    assert_eq!(
        (a.tags.as_slice(), a.agent_address),
        (&["ssd".to_owned()][..], Some(ip("127.0.0.1")))
    );
    assert_eq!(
        [a.state, b.state, c.state],
        [
            BackendState::Enabled,
            BackendState::Draining,
            BackendState::Disabled
        ]
    );
    assert_eq!([a, b, c].map(|backend| backend.weight), [100; 3]);
    assert_eq!(
        [a, b, c].map(|backend| backend.weight_in_force()),
        [100, 0, 0]
    );
}

#[test]
fn the_good_document_means_what_it_says() {
    let config = parse(GOOD, &ports()).unwrap();
    assert!(config.transit);
    assert_eq!(
        config.hash_seed,
        Some(HashSeed([
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        ]))
    );

    let [client, server] = config.interfaces.as_slice() else {
        unreachable!("two interfaces")
    };
    assert_eq!((client.port, client.name.as_str()), (PortId(0), "client"));
    let networks: Vec<String> = server
        .addresses
        .iter()
        .map(|cidr| format!("{cidr} on {}", cidr.network()))
        .collect();
    assert_eq!(
        networks,
        [
            "10.0.0.1/24 on 10.0.0.0/24",
            "2001:db8:2::1/64 on 2001:db8:2::/64"
        ]
    );

    let hops: Vec<(Prefix, IpAddr, PortId)> = config
        .routes
        .iter()
        .map(|route| (route.prefix, route.via, route.port))
        .collect();
    assert_eq!(
        hops,
        [
            (
                Prefix::parse("203.0.113.0/24").unwrap(),
                ip("198.51.100.254"),
                PortId(0)
            ),
            (
                Prefix::parse("10.9.0.0/16").unwrap(),
                ip("10.0.0.254"),
                PortId(1)
            ),
            (
                Prefix::parse("2001:db8:9::/48").unwrap(),
                ip("2001:db8:2::fe"),
                PortId(1)
            ),
        ]
    );
    let neighbor = config.neighbors.last().unwrap();
    assert_eq!(
        (neighbor.address, neighbor.port),
        (ip("2001:db8:2::11"), PortId(1))
    );
    assert_eq!(neighbor.mac, MacAddr([2, 0, 0, 0, 1, 10]));

    let [web, dns] = config.services.as_slice() else {
        unreachable!("two services")
    };
    assert_eq!(
        (web.address, web.port, web.protocol),
        (ip("192.0.2.10"), 80, Protocol::Tcp)
    );
    assert_eq!(
        (web.forwarding, web.on_miss),
        (Forwarding::Nat, OnMiss::Hash)
    );
    assert_eq!(
        (web.scheduler, web.maglev_table_size),
        (SchedulerKind::Maglev, 251)
    );
    assert_eq!(
        web.timeouts,
        Timeouts {
            established: 600,
            half_open: 5,
            closing: 1,
            udp: 30
        }
    );
    assert_eq!(web.max_connections, Some(100_000));
    let backends: Vec<(&str, IpAddr, u16, u32)> = web
        .backends
        .iter()
        .map(|b| (b.name.as_str(), b.address, b.port, b.weight))
        .collect();
    assert_eq!(
        backends,
        [
            ("web-1", ip("10.0.0.11"), 8080, 100),
            ("web-2", ip("10.9.0.12"), 8080, 0)
        ]
    );

    assert_eq!(
        (dns.protocol, dns.forwarding, dns.on_miss),
        (Protocol::Udp, Forwarding::Direct, OnMiss::Reset)
    );
    assert_eq!(
        (dns.scheduler, dns.maglev_table_size),
        (SchedulerKind::WeightedRoundRobin, 65_537)
    );
    assert_eq!(
        dns.timeouts,
        Timeouts {
            established: 7440,
            half_open: 60,
            closing: 10,
            udp: 120
        }
    );
    assert_eq!(dns.max_connections, None);
    assert_eq!(dns.algorithm, Algorithm::Static);
    assert!(dns.tags.is_empty() && dns.agent_check.is_none());
    assert!(
        dns.backends
            .iter()
            .all(|backend| (backend.port, backend.weight) == (53, 100))
    );
}
