//! How a run ends: by a signal, after a time, when no packet comes; always with every mbuf back and a report.
//!
//! No counterpart in the patent. Status 0 says that the pools were full again: `Eal::close` looks.
//! Easy to get wrong: a program that waits for a packet or a neighbor must hear a signal all the same, and
//! one that is told twice must not be cut short.

#[expect(dead_code, reason = "nothing is refused here")]
mod program_support;

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use lb_core::testkit::Frame;
use lb_core::testkit::net::{CLIENT, DNS, Family, NAT};
use program_support::ended::{drops, number};
use program_support::{Place, asking, lacks_processors};

const NULLS: &str = "-l 0,1 --no-huge -m 64 --no-pci --vdev=net_null0 --vdev=net_null1";
const PCAPS: &str = "-l 0,1 --no-huge -m 64 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap \
                     --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out1.pcap";

/// Queries that wait for a neighbor.
fn waiting(place: &Place) {
    let query = Frame::udp(
        CLIENT.socket(Family::V4, 40_000),
        NAT.socket(Family::V4, DNS),
    );
    place.write("lb.json", asking());
    place.capture("in.pcap", &vec![query.octets(); 100]);
    place.capture("none.pcap", &[]);
}

#[test]
fn interrupt_and_terminate_end_a_busy_program_well() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("signal");
    for signal in ["INT", "TERM"] {
        let mut running = place.start(&format!("{NULLS} -- --run-for 50 --report r.json"));
        running.until_it_polls();
        running.signal(signal);
        let ended = running.end();
        let report = ended.went_well();
        assert!(
            report["seconds"].as_f64().unwrap() < 50.0,
            "{}",
            ended.told()
        );
    }
}

#[test]
fn more_signals_during_the_end_do_no_harm() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("signals");
    let mut running = place.start(&format!("{NULLS} -- --run-for 50 --report r.json"));
    running.until_it_polls();
    for signal in ["INT", "INT", "TERM", "INT", "TERM", "TERM"] {
        running.signal(signal);
    }
    running.end().went_well();
}

#[test]
fn a_signal_during_the_start_ends_as_cleanly() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("early");
    let mut running = place.start(&format!("{NULLS} -- --run-for 50 --report r.json"));
    running.until("EAL: Detected CPU lcores");
    running.signal("TERM");
    running.end().went_well();
}

#[test]
fn packets_that_still_wait_for_a_neighbor_are_counted_at_the_end() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("waiting");
    waiting(&place);
    let ended = place.run(&format!(
        "{PCAPS} -- --config lb.json --run-for 0.5 --report r.json"
    ));
    let report = ended.went_well();
    assert_eq!(drops(report, "neighbor_unresolved"), 100, "{report:#}");
    assert!(number(report, "/solicitations") >= 1, "{report:#}");
}

#[test]
fn idle_means_that_no_packet_comes_and_none_waits() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("idle");
    waiting(&place);
    let ended = place.run(&format!(
        "{PCAPS} -- --config lb.json --exit-when-idle 1 --report r.json"
    ));
    let report = ended.went_well();
    assert_eq!(drops(report, "neighbor_unresolved"), 100, "{report:#}");
    assert!(
        number(report, "/solicitations") >= 3,
        "the neighbor had its chances: {report:#}"
    );
}

#[test]
fn no_time_at_all_is_a_run_too() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("zero");
    place.capture("in.pcap", &[]);
    place.capture("none.pcap", &[]);
    for ours in ["--run-for 0", "--exit-when-idle 0"] {
        let ended = place.run(&format!("{PCAPS} -- {ours} --report r.json"));
        assert_eq!(number(ended.went_well(), "/received"), 0);
    }
}

#[test]
fn a_report_replaces_an_earlier_one_of_any_length() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("report");
    place.capture("in.pcap", &[]);
    place.capture("none.pcap", &[]);
    place.write("other.json", "x".repeat(100_000));
    let ended = place.run(&format!("{PCAPS} -- --run-for 0 --report other.json"));
    assert_eq!(ended.status(), Some(0), "{}", ended.told());
    let text = fs::read_to_string(place.path("other.json")).unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(&text).is_ok(),
        "{text}"
    );
}

#[test]
fn who_does_not_listen_misses_the_lines_and_not_the_switch() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("deaf");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.program(&format!("{NULLS} -- --run-for 0.1 --report r.json"));
    command
        .stdin(Stdio::null())
        .stdout(full.try_clone().unwrap())
        .stderr(full);
    assert_eq!(command.status().unwrap().code(), Some(0));
    let mut command = place.program(&format!("{NULLS} -- --ports 7"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(command.status().unwrap().code(), Some(2));
}
