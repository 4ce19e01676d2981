//! What a start says and does about the state that it finds: adopted, refused, or in use.
//!
//! No counterpart in the patent, whose memory 34 ends with its program. All through the program, which prints
//! one line about the region and one about what it adopted.
//! Easy to get wrong: what an entry notes of the process that made it, such as a row of the neighbor table,
//! means nothing to the next one.
#![expect(clippy::unwrap_used, reason = "test")]

mod restart_kit;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use lb_core::testkit::Frame;
use lb_core::testkit::build::{arp_request, solicitation};
use lb_core::testkit::net::{
    CLIENT_SIDE, Family, HTTP, HTTP_BACKEND, NAT, NEAR_CLIENT, SERVER, asking, plain, port_mac,
};
use restart_kit::{EAL, Place, Program, lacks_processors, number_after, told, went_well};

const PCAPS: &str = "--vdev=net_pcap0,rx_pcap=in0.pcap,tx_pcap=out0.pcap,tx_pcap=out0b.pcap \
    --vdev=net_pcap1,rx_pcap=in1.pcap,tx_pcap=out1.pcap,tx_pcap=out1b.pcap";
const DEVICES: &str = "--vdev=net_null0 --vdev=net_null1";

/// A client's SYN.
fn syn(family: Family) -> Vec<u8> {
    let (client, vip) = (NEAR_CLIENT.socket(family, 40_000), NAT.socket(family, HTTP));
    Frame::syn(client, vip).from_mac(NEAR_CLIENT.mac).octets()
}

/// Its backend's answer.
fn answer(family: Family) -> Vec<u8> {
    let (server, client) = (
        SERVER.socket(family, HTTP_BACKEND),
        NEAR_CLIENT.socket(family, 40_000),
    );
    Frame::tcp(server, client)
        .ack(1001)
        .link(SERVER.mac, port_mac(1))
        .octets()
}

/// Runs the program over these frames for both ports; what it said.
fn run(place: &Place, to_port_0: &[Vec<u8>], to_port_1: &[Vec<u8>], more: &str) -> String {
    place.capture("in0.pcap", to_port_0);
    place.capture("in1.pcap", to_port_1);
    let ended = place.run(&format!(
        "{EAL} {PCAPS} -- --exception none --state state --config lb.json --exit-when-idle 50 {more}"
    ));
    went_well(&ended)
}

/// A place whose state has one connection of each family, of a table for 1,000.
fn place_with_connections(name: &str) -> Place {
    let place = Place::new(name);
    fs::write(place.path("lb.json"), plain()).unwrap();
    let said = run(&place, &Family::BOTH.map(syn), &[], "--connections 1000");
    assert!(said.contains("state/region: new, "), "{said}");
    place
}

/// Starts once more: the region is new because of this, and the connections are unknown.
fn refuses_and_forgets(place: &Place, why: &str, connections: u32) {
    let said = run(
        place,
        &[],
        &Family::BOTH.map(answer),
        &format!("--connections {connections}"),
    );
    let line = format!("state/region: new, since the old one is of no use: {why}");
    assert!(
        said.contains(&line) && !said.contains("adopted"),
        "{why}\n{said}"
    );
    assert!(
        place.frames(&["out0.pcap", "out0b.pcap"]).is_empty(),
        "an answer of an unknown connection passed\n{said}"
    );
}

/// Overwrites a word of the region's header.
fn spoil(place: &Place, word: u64, value: u64) {
    let region = OpenOptions::new()
        .write(true)
        .open(place.path("state/region"))
        .unwrap();
    region.write_all_at(&value.to_ne_bytes(), 8 * word).unwrap();
}

#[test]
fn connections_go_on_in_the_next_process_and_end_with_fresh() {
    if lacks_processors() {
        return;
    }
    let place = place_with_connections("goes-on");
    let said = run(&place, &[], &Family::BOTH.map(answer), "--connections 1000");
    let adopted = (
        number_after(&said, "\nadopted "),
        number_after(&said, "IPv4 and "),
    );
    assert_eq!(adopted, (1, 1), "{said}");
    assert_eq!(
        place.frames(&["out0.pcap", "out0b.pcap"]).len(),
        2,
        "{said}"
    );
    let said = run(
        &place,
        &[],
        &Family::BOTH.map(answer),
        "--connections 1000 --fresh",
    );
    assert!(
        said.contains("state/region: new, ") && !said.contains("of no use"),
        "{said}"
    );
    assert!(
        place.frames(&["out0.pcap", "out0b.pcap"]).is_empty(),
        "{said}"
    );
}

#[test]
fn another_capacity_is_refused_and_said_and_the_start_is_fresh() {
    if lacks_processors() {
        return;
    }
    let place = place_with_connections("smaller");
    refuses_and_forgets(
        &place,
        "the region was made for 1000 connections, expected 500",
        500,
    );
    let place = place_with_connections("larger");
    refuses_and_forgets(&place, "the region ", 2000);
}

#[test]
fn another_layout_is_refused_and_said_and_the_start_is_fresh() {
    if lacks_processors() {
        return;
    }
    let place = place_with_connections("version");
    spoil(&place, 1, 77);
    refuses_and_forgets(
        &place,
        "the region has layout version 77, this program has version ",
        1000,
    );
    let place = place_with_connections("checksum");
    spoil(&place, 2, 77);
    refuses_and_forgets(
        &place,
        "the region's layout checksum is 0x000000000000004d, expected ",
        1000,
    );
    let place = place_with_connections("magic");
    spoil(&place, 0, 0);
    refuses_and_forgets(&place, "this is no region, or an unfinished one: ", 1000);
}

#[test]
fn a_way_back_is_asked_for_anew_by_the_next_process() {
    if lacks_processors() {
        return;
    }
    for family in Family::BOTH {
        let place = Place::new("asks");
        fs::write(place.path("lb.json"), asking(family)).unwrap();
        let one_lcore = "--connections 1000 --rx (0,0,1),(1,0,1)";
        run(&place, &[syn(family)], &[answer(family)], one_lcore);
        let said = run(&place, &[], &[answer(family)], one_lcore);
        let question = match family {
            Family::V4 => arp_request((CLIENT_SIDE.v4, port_mac(0)), NEAR_CLIENT.v4),
            Family::V6 => solicitation((CLIENT_SIDE.v6, port_mac(0)), NEAR_CLIENT.v6),
        };
        let asked = place.frames(&["out0.pcap", "out0b.pcap"]);
        let is_asked = asked
            .iter()
            .any(|frame| frame.starts_with(&question.octets()));
        assert!(
            is_asked,
            "{family}: nobody asked for the client, only {asked:02x?}\n{said}"
        );
    }
}

/// Starts the program and waits until it polls; it runs until the guard goes.
fn polling(place: &Place) -> Program {
    let log = place.path("first.log");
    let out = fs::File::create(&log).unwrap();
    let words = format!(
        "{EAL} --file-prefix first {DEVICES} -- --exception none --state state --connections 1000"
    );
    let mut first = Program(
        place
            .program(&words)
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap(),
    );
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let said = fs::read_to_string(&log).unwrap();
        if said.contains("lcore 1 polls") {
            return first;
        }
        assert!(
            first.0.try_wait().unwrap().is_none() && Instant::now() < end,
            "{said}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_second_program_on_the_same_state_is_refused_in_one_sentence() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("second");
    let first = polling(&place);
    let second = place.run(&format!(
        "{EAL} {DEVICES} -- --exception none --state state --connections 1000 --run-for 0"
    ));
    let said = told(&second);
    let sentence = "lb-dataplane: --state state: another lb-dataplane uses it; stop that one, or give this one a directory of its own\n";
    assert!(
        second.status.code() == Some(2) && said.contains(sentence),
        "{said}"
    );
    assert!(!said.contains("lcore 1 polls"), "{said}");
    drop(first);
    let third = place.run(&format!(
        "{EAL} {DEVICES} -- --exception none --state state --connections 1000 --run-for 0"
    ));
    assert!(went_well(&third).contains("/state/region: adopted, "));
}

#[test]
fn a_second_program_without_a_state_runs_and_says_what_it_lacks() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("stateless");
    // The lock stands for the first program: what this machine keeps there is not touched. Where the directory
    // cannot be used at all, the second one goes without it just the same.
    let _ = fs::create_dir_all("/run/lb");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let first = options.open("/run/lb/lock");
    let _ = first.as_ref().map(|lock| lock.try_lock());
    let second = place.run(&format!(
        "{EAL} {DEVICES} -- --connections 1000 --run-for 0"
    ));
    drop(first);
    let said = went_well(&second);
    assert!(
        said.contains("--state /run/lb: ")
            && said.contains("; until then a restart forgets all connections"),
        "{said}"
    );
    assert!(said.contains("lcore 1 polls"), "{said}");
}
