//! How long a start takes: with a large table that is new, and with a table full of connections to adopt.
//!
//! No counterpart in the patent. Figures are printed, not judged: they are those of the profile that the tests are
//! built in, on a machine that may have other work. What is asserted is that it works at all.
//! Easy to get wrong: a driver writes captures in blocks, so traffic that never ends is what shows the first
//! packet soon.
#![expect(clippy::unwrap_used, reason = "test")]

mod restart_flows;
mod restart_kit;

use std::fs;
use std::time::{Duration, Instant};

use restart_flows::network::{Random, configuration};
use restart_flows::{Flow, Kind, forwarded, replied};
use restart_kit::{EAL, Place, Program, lacks_processors, number_after, went_well};

/// A large table: 16 Mi connections of each family.
const LARGE: u32 = 1 << 24;
/// Connections to adopt, in a table that has room for some more of each family. A build without optimization
/// takes its time to make more.
const CONNECTIONS: u32 = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};
const ROOM: u32 = CONNECTIONS;

fn ports(more: &str) -> String {
    let port = |n| {
        format!(
            "--vdev=net_pcap{n},rx_pcap=in{n}.pcap,tx_pcap=out{n}.pcap,tx_pcap=out{n}b.pcap{more}"
        )
    };
    format!(
        "{EAL} {} {} -- --exception none --state state --config lb.json",
        port(0),
        port(1)
    )
}

/// From the start of the process to the first frame in a capture; and what it said.
fn started(place: &Place, connections: u32) -> (Duration, String) {
    let outs = ["out0.pcap", "out0b.pcap", "out1.pcap", "out1b.pcap"];
    outs.iter()
        .for_each(|name| fs::write(place.path(name), []).unwrap());
    let log = fs::File::create(place.path("log")).unwrap();
    let words = format!("{} --connections {connections}", ports(",infinite_rx=1"));
    let mut command = place.program(&words);
    let began = Instant::now();
    let mut program = Program(
        command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let said = || fs::read_to_string(place.path("log")).unwrap();
    while outs
        .iter()
        .all(|name| fs::metadata(place.path(name)).unwrap().len() == 0)
    {
        let is_over =
            program.0.try_wait().unwrap().is_some() || began.elapsed() > Duration::from_secs(60);
        assert!(!is_over, "no packet came through\n{}", said());
        std::thread::sleep(Duration::from_micros(200));
    }
    let first = began.elapsed();
    drop(program);
    let there = forwarded(place.frames(&["out1.pcap", "out1b.pcap"]));
    let back = replied(place.frames(&["out0.pcap", "out0b.pcap"]));
    assert!(there.len() + back.len() > 0, "{}", said());
    (first, said())
}

#[test]
fn a_large_table_and_a_full_one_start() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("speed");
    fs::write(place.path("lb.json"), configuration(&mut Random(1))).unwrap();
    let few: Vec<_> = (0..64)
        .map(|flow| Flow(flow).client_sends(Kind::Syn(0)))
        .collect();
    let back: Vec<_> = (0..64)
        .map(|flow| Flow(flow).backend_sends(Kind::Reply(0), 0))
        .collect();
    let fresh = |connections| {
        let _ = fs::remove_dir_all(place.path("state"));
        place.capture("in0.pcap", &few);
        place.capture("in1.pcap", &back);
        let (first, said) = started(&place, connections);
        assert!(said.contains("region: new, "), "{said}");
        println!(
            "start to first packet, new table for {connections}: {} ms",
            first.as_millis()
        );
    };
    for _ in 0..2 {
        fresh(1024);
        fresh(LARGE);
    }

    let _ = fs::remove_dir_all(place.path("state"));
    let opening: Vec<_> = (0..CONNECTIONS)
        .map(|flow| Flow(flow).client_sends(Kind::Syn(0)))
        .collect();
    place.capture("in0.pcap", &opening);
    place.capture::<&[u8]>("in1.pcap", &[]);
    drop(opening);
    let began = Instant::now();
    let ended = place.run(&format!(
        "{} --connections {ROOM} --exit-when-idle 100",
        ports("")
    ));
    went_well(&ended);
    println!(
        "{CONNECTIONS} connections made in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    place.capture("in0.pcap", &few);
    place.capture("in1.pcap", &back);
    for _ in 0..2 {
        let (first, said) = started(&place, ROOM);
        let adopted = number_after(&said, "\nadopted ") + number_after(&said, "IPv4 and ");
        assert_eq!(adopted, u64::from(CONNECTIONS), "{said}");
        println!(
            "start to first packet, {adopted} connections adopted: {} ms",
            first.as_millis()
        );
    }
}
