//! Killed at random moments, fifty times, and started again on the same state: no flow is ever misdelivered.
//!
//! No counterpart in the patent, whose memory 34 ends with its program. Each round lets traffic in both directions
//! run round and round through two worker lcores, kills the program with SIGKILL, now and then before it has
//! begun, and sends through the next one a list of packets for the flows. What came out before the kill
//! is looked at as well: every frame must be the one that went in, with its own flow's rewrite and no other.
//! Easy to get wrong: replies are sent from *every* backend. One that passes shows which backend the flow has,
//! and it must be the one that the flow's own packets go to.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

mod restart_flows;
mod restart_kit;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restart_flows::network::{BACKENDS, Random, configuration};
use restart_flows::{Flow, Kind, Passed, forwarded, replied};
use restart_kit::{EAL, Place, Program, lacks_processors, number_after, went_well};

const KILLS: u32 = 50;
/// Flows that begin in each round, once and for all.
const NEW: u32 = 200;
/// Flows whose clients open them anew all the time, each time on another backend.
const CHURNING: u32 = 50;
const FIRST_CHURNING: u32 = 1_000_000;
/// Older flows in each list, besides those of this round.
const SAMPLE: usize = 250;

/// Which backend each flow has, as far as that is known; and what was seen on the way to know it.
#[derive(Default)]
struct Known {
    given: HashMap<Flow, u8>,
    frames: usize,
    kills_before_traffic: u32,
    adopted: u64,
    undone: u64,
}

impl Known {
    /// Notes which backends the frames of flows went to and came from.
    fn learn(&mut self, passed: impl Iterator<Item = Passed>) {
        for Passed { flow, backend, .. } in passed {
            let given = *self.given.entry(flow).or_insert(backend);
            assert_eq!(
                given, backend,
                "{flow:?}: was on backend {given}, now it is on {backend}"
            );
        }
    }

    /// Some of the flows that are known, and these.
    fn some(&self, random: &mut Random, and: impl Iterator<Item = Flow>) -> BTreeSet<Flow> {
        let mut known: Vec<_> = self.given.keys().copied().collect();
        known.sort_unstable();
        random.shuffle(&mut known);
        known.into_iter().take(SAMPLE).chain(and).collect()
    }
}

fn is_steady(passed: &Passed) -> bool {
    passed.flow.0 < FIRST_CHURNING
}

fn churning() -> impl Iterator<Item = Flow> {
    (FIRST_CHURNING..FIRST_CHURNING + CHURNING)
        .map(Flow)
        .filter(|flow| flow.is_tcp())
}

fn replies(flow: Flow, number: u8) -> impl Iterator<Item = Vec<u8>> {
    (0..BACKENDS).map(move |backend| flow.backend_sends(Kind::Reply(number), backend))
}

/// What came out of both ports, looked at: towards the backends, and towards the clients.
fn came_out(place: &Place, known: &mut Known) -> (HashSet<Passed>, HashSet<Passed>) {
    let there = place.frames(&["out1a.pcap", "out1b.pcap"]);
    let back = place.frames(&["out0a.pcap", "out0b.pcap"]);
    known.frames += there.len() + back.len();
    (forwarded(there), replied(back))
}

fn words(is_endless: bool, more: &str) -> String {
    let endless = if is_endless { ",infinite_rx=1" } else { "" };
    let port = |n: u8| {
        format!(
            "--vdev=net_pcap{n},rx_pcap=in{n}.pcap,tx_pcap=out{n}a.pcap,tx_pcap=out{n}b.pcap{endless}"
        )
    };
    format!(
        "{EAL} {} {} -- --exception none --state state --config lb.json --connections 32768 {more}",
        port(0),
        port(1)
    )
}

/// Traffic without end, and the kill.
fn killed(place: &Place, round: u32, random: &mut Random, known: &mut Known) {
    let new: Vec<_> = (round * NEW..(round + 1) * NEW).map(Flow).collect();
    let old = known.some(random, std::iter::empty());
    let mut there = Vec::new();
    let mut back = Vec::new();
    for &flow in new.iter().chain(&old) {
        let opens = !known.given.contains_key(&flow);
        there.push(flow.client_sends(if opens { Kind::Syn(0) } else { Kind::Data(0) }));
        back.extend(replies(flow, 0));
    }
    for flow in churning() {
        for number in 0..4 {
            there.push(flow.client_sends(Kind::Syn(number)));
            there.push(flow.client_sends(Kind::Data(number)));
        }
        back.extend(replies(flow, 0));
    }
    fs::write(place.path("lb.json"), configuration(random)).unwrap();
    random.shuffle(&mut there);
    random.shuffle(&mut back);
    place.capture("in0.pcap", &there);
    place.capture("in1.pcap", &back);
    let outs = ["out0a.pcap", "out0b.pcap", "out1a.pcap", "out1b.pcap"];
    outs.iter()
        .for_each(|name| fs::write(place.path(name), []).unwrap());

    let log = fs::File::create(place.path("killed.log")).unwrap();
    let mut command = place.program(&words(true, ""));
    let began = Instant::now();
    let mut program = Program(
        command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    // Most die at work, some on the way there: in the EAL, while adopting, while opening ports.
    let is_early = random.below(5) == 0;
    let micros = |random: &mut Random, end| Duration::from_micros(random.below(end) as u64);
    if is_early {
        std::thread::sleep(micros(random, 400_000));
    } else {
        let works = || {
            outs.iter()
                .any(|name| fs::metadata(place.path(name)).unwrap().len() > 0)
        };
        while !works() {
            let ended = program.0.try_wait().unwrap();
            let late = began.elapsed() > Duration::from_secs(100);
            if ended.is_some() || late {
                panic!(
                    "no traffic: {ended:?} {}",
                    fs::read_to_string(place.path("killed.log")).unwrap()
                );
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(micros(random, 40_000));
    }
    program.0.kill().unwrap();
    program.0.wait().unwrap();

    let before = known.frames;
    let (there, back) = came_out(place, known);
    known.kills_before_traffic += u32::from(known.frames == before);
    known.learn(there.into_iter().chain(back).filter(is_steady));
}

/// The next process, and a list of packets for the flows: none of which opens a TCP connection.
fn looked_at(place: &Place, flows: &BTreeSet<Flow>, random: &mut Random, known: &mut Known) {
    let data = [Kind::Data(1), Kind::Data(2)];
    let mut there: Vec<_> = flows
        .iter()
        .flat_map(|flow| data.map(|kind| flow.client_sends(kind)))
        .collect();
    let mut back: Vec<_> = flows.iter().flat_map(|&flow| replies(flow, 1)).collect();
    fs::write(place.path("lb.json"), configuration(random)).unwrap();
    random.shuffle(&mut there);
    random.shuffle(&mut back);
    place.capture("in0.pcap", &there);
    place.capture("in1.pcap", &back);
    let ended = place.run(&words(false, "--exit-when-idle 50"));
    let said = went_well(&ended);
    if said.contains("adopted ") {
        assert!(said.contains(" 0 are lost"), "{said}");
        known.adopted += number_after(&said, "\nadopted ");
        known.undone += number_after(&said, "connections;");
    }
    let (there, back) = came_out(place, known);
    for flow in flows {
        let Some(&backend) = known.given.get(flow) else {
            continue;
        };
        let passed = |kind| Passed {
            flow: *flow,
            kind,
            backend,
        };
        let is_whole = data.iter().all(|&kind| there.contains(&passed(kind)))
            && back.contains(&passed(Kind::Reply(1)));
        assert!(is_whole, "{flow:?} on backend {backend} is broken\n{said}");
    }
    // A flow that is opened again and again has one backend, too, once it is left alone.
    let all: Vec<_> = there.into_iter().chain(back).collect();
    Known::default().learn(all.iter().copied());
    known.learn(all.into_iter().filter(is_steady));
}

#[test]
fn no_flow_is_misdelivered_when_the_program_is_killed_at_random_moments() {
    if lacks_processors() {
        return;
    }
    let began = Instant::now();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(since.subsec_nanos());
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let place = Place::new("random");
    let mut known = Known::default();
    for round in 0..KILLS {
        killed(&place, round, &mut random, &mut known);
        let new = (round * NEW..(round + 1) * NEW).map(Flow).chain(churning());
        let flows = known.some(&mut random, new);
        looked_at(&place, &flows, &mut random, &mut known);
    }
    let all = known.given.keys().copied().chain(churning()).collect();
    looked_at(&place, &all, &mut random, &mut known);
    println!(
        "{KILLS} kills, {} of them before any packet; {} flows with {} frames; {} adoptions of a connection, {} \
         half made; {:.1} s",
        known.kills_before_traffic,
        known.given.len(),
        known.frames,
        known.adopted,
        known.undone,
        began.elapsed().as_secs_f64()
    );
    assert!(
        known.given.len() > NEW as usize * KILLS as usize / 4,
        "too few flows to say anything"
    );
}
