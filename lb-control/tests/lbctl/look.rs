//! Verbs that look, against the project's own API.

use lb_core::filter::Verdict;
use lb_core::id::PortId;
use serde_json::Value;

use crate::kit::lbctl;
use crate::rig::{DOCUMENT, Rig};

/// A table's rows by their first word, each as its words.
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let mut rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&first));
    row.unwrap_or_else(|| panic!("no {first} in {table}"))
}

#[test]
fn every_verb_that_looks_has_an_answer() {
    let rig = Rig::new();
    for (words, wanted) in [
        (&["status"][..], "lb-dataplane 0.1.0"),
        (&["services"], "192.0.2.10:80/tcp"),
        (&["services", "web"], "round-robin"),
        (&["services", "--rate=0.1"], "PACKETS/s"),
        (&["services", "web", "--rate=0.1"], "PACKETS/s"),
        (&["backends"], "dns/dns-1"),
        (&["backends", "web"], "web/web-2"),
        (&["backends", "web/web-1"], "10.0.0.11:8080"),
        (&["connections"], "no connections"),
        (
            &["connections", "--all", "--service", "web"],
            "no connection matches",
        ),
        (&["ports"], "client"),
        (&["ports", "--rate=0.1"], "RX/s"),
        (&["lcores"], "0:0 1:0"),
        (&["lcores", "--rate=0.1"], "RECEIVED/s"),
        (&["drops"], "no packet was dropped"),
        (
            &["drops", "--rate=0.1"],
            "no packet was dropped in this time",
        ),
        (&["neighbors"], "02:00:00:00:01:11"),
        (&["routes"], "198.51.100.254"),
        (
            &["advertise"],
            "no VIP is announced: there is no exception path",
        ),
        (&["advertise", "status", "192.0.2.10"], "192.0.2.10"),
        (&["routes", "203.0.113.7"], "0.0.0.0/0"),
        (&["routes", "2001:db8::1"], "no routes"),
        (&["agents"], "0 reports taken"),
        (&["explain", "web"], "web: weights static"),
        (&["audit"], "done"),
        (&["revisions"], "lb.json"),
    ] {
        let text = rig.lbctl(words).done();
        assert!(text.contains(wanted), "{words:?}: {text}");
    }
}

#[test]
fn every_answer_is_json_on_demand() {
    let rig = Rig::new();
    for (words, key) in [
        (&["status"][..], "generation"),
        (&["services"], "services"),
        (&["services", "web"], "backends"),
        (&["backends"], "backends"),
        (&["backends", "web/web-1"], "effective_weight"),
        (&["connections"], "connections"),
        (&["ports"], "ports"),
        (&["lcores"], "lcores"),
        (&["drops"], "reasons"),
        (&["neighbors"], "neighbors"),
        (&["routes"], "routes"),
        (&["advertise"], "vips"),
        (&["agents"], "agents"),
        (&["explain", "dns"], "backends"),
        (&["audit"], "records"),
        (&["revisions"], "revisions"),
        (&["config"], "services"),
        (&["top", "--count", "1", "--interval", "0.1"], "service"),
    ] {
        let mut all = words.to_vec();
        all.push("--json");
        let text = rig.lbctl(&all).done();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.get(key).is_some(), "{words:?}: {text}");
    }
}

#[test]
fn connections_are_those_that_packets_opened() {
    let mut rig = Rig::new();
    for port in 1000..1060 {
        let verdict = rig.connect(&format!("203.0.113.7:{port}"));
        assert_eq!(verdict, Verdict::Forward(PortId(1)));
    }
    rig.connect("203.0.113.8:1000");
    let all = rig.lbctl(&["connections", "--all"]).done();
    assert_eq!(all.lines().count(), 1 + 61, "{all}");
    let one = rig
        .lbctl(&["connections", "--client", "203.0.113.8"])
        .done();
    assert_eq!(one.lines().count(), 2, "{one}");
    assert_eq!(row(&one, "tcp")[..2], ["tcp", "203.0.113.8:1000"]);
    let net = rig
        .lbctl(&["connections", "--client", "203.0.113.0/24", "--all"])
        .done();
    assert_eq!(net.lines().count(), 62, "{net}");
    let to_one = [
        "connections",
        "--service",
        "web",
        "--backend",
        "web-1",
        "--limit",
        "1000",
    ];
    let to_one = rig.lbctl(&to_one).done();
    let is_to_one = |line: &str| line.contains("web/web-1");
    assert!(to_one.lines().skip(1).all(is_to_one), "{to_one}");
    let live = rig.lbctl(&["backends", "web"]).done();
    assert_eq!(
        row(&live, "web/web-1")[7],
        (to_one.lines().count() - 1).to_string()
    );
}

#[test]
fn a_listing_that_ends_early_says_so() {
    let mut rig = Rig::new();
    for port in 1000..1010 {
        rig.connect(&format!("203.0.113.7:{port}"));
    }
    let some = rig.lbctl(&["connections", "--limit", "3"]);
    assert_eq!((some.status, some.out.lines().count()), (0, 4), "{some:?}");
    assert!(some.err.contains("--all"), "{some:?}");
}

#[test]
fn services_count_what_passed() {
    let mut rig = Rig::new();
    for port in 1000..1007 {
        rig.connect(&format!("203.0.113.7:{port}"));
    }
    let services = rig.lbctl(&["services"]).done();
    assert_eq!(
        row(&services, "web")[..6],
        ["web", "192.0.2.10:80/tcp", "2/2", "7", "7", "7"]
    );
    assert_eq!(row(&services, "dns")[3..6], ["0", "0", "0"]);
}

#[test]
fn the_document_comes_back_exactly_as_it_was_put() {
    let rig = Rig::new();
    assert_eq!(rig.lbctl(&["config"]).done(), DOCUMENT);
    assert_eq!(rig.lbctl(&["revisions", "1"]).done(), DOCUMENT);
}

#[test]
fn a_name_that_does_not_exist_gets_the_one_that_was_meant() {
    let rig = Rig::new();
    for (words, wanted) in [
        (&["services", "wbe"][..], "did you mean web?"),
        (&["explain", "dsn"], "did you mean dns?"),
        (&["backends", "web/web-3"], "did you mean web-1?"),
        (&["backends", "ftp"], "the services are web, dns"),
        (&["connections", "--service", "wbe"], "did you mean web?"),
        (
            &["connections", "--service", "web", "--backend", "wbe-2"],
            "did you mean web-2?",
        ),
        (
            &["connections", "--backend", "dns-2"],
            "did you mean dns-1?",
        ),
        (&["drain", "web/web_1"], "did you mean web-1?"),
        (&["weight", "wbe/web-1", "3"], "did you mean web?"),
    ] {
        rig.lbctl(words).failed(
            2,
            &["there is no ", wanted].map(|word| {
                // The API has two ways to say it.
                if word == "there is no " { "no" } else { word }
            }),
        );
    }
}

#[test]
fn a_filter_that_cannot_be_one_is_refused() {
    let rig = Rig::new();
    for words in [
        ["connections", "--client", "web"],
        ["connections", "--state", "open"],
    ] {
        rig.lbctl(&words).failed(2, &[]);
    }
}

#[test]
fn top_without_a_terminal_prints_frame_after_frame() {
    let rig = Rig::new();
    let text = rig
        .lbctl(&["top", "--count", "3", "--interval", "0.1"])
        .done();
    let frames: Vec<_> = text.split("\nlb-dataplane 0.1.0").collect();
    assert_eq!(frames.len(), 3, "{text}");
    for frame in frames {
        assert_eq!(row(frame, "web")[2..4], ["2/2", "0"], "{frame}");
        assert_eq!(
            row(frame, "web/web-2")[..5],
            ["web/web-2", "enabled", "-", "300", "300"]
        );
        assert!(frame.contains("drops/s      none"), "{frame}");
        assert!(!frame.contains('\u{1b}'), "{frame}");
    }
}

#[test]
fn a_switch_without_services_says_so() {
    let rig = Rig::with("{}", |_| Vec::new(), lb_control::api::Access::default());
    assert_eq!(
        rig.lbctl(&["services"]).done(),
        "no services are configured\n"
    );
    assert_eq!(
        rig.lbctl(&["backends"]).done(),
        "no backends are configured\n"
    );
    rig.lbctl(&["services", "web"])
        .failed(2, &["none is configured"]);
}

#[test]
fn after_the_end_of_the_program_nothing_is_shown() {
    let mut rig = Rig::new();
    rig.stop();
    rig.lbctl(&["services"])
        .failed(1, &["no lb-dataplane answers"]);
}

#[test]
fn plain_tcp_on_loopback_may_look_and_not_change() {
    let bind = |_: &crate::dir::Dir| {
        let address = "127.0.0.1:0".parse().unwrap();
        vec![lb_control::api::Listener::bind(&address).unwrap()]
    };
    let rig = Rig::with(DOCUMENT, bind, lb_control::api::Access::default());
    let address = rig.address(1);
    let ask = |words: &[&str]| {
        let mut all = vec!["--control", address.as_str()];
        all.extend(words);
        lbctl(&all)
    };
    assert!(ask(&["services"]).done().contains("192.0.2.10:80/tcp"));
    ask(&["drain", "web/web-1"]).failed(1, &["admin"]);
    let file = rig.dir.write("other.json", &DOCUMENT.repeat(1000));
    ask(&["apply", file.to_str().unwrap()]).failed(1, &["admin"]);
}
