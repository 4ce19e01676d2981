//! Two worker lcores, each direction of the same flows on another one: no flow is broken.
//!
//! WO 00/30294: one connection table 66 that all switching processors 44 share (Fig. 4). Each port has two queues;
//! what a flow's client sends comes in on one lcore, what its backend sends on the other. First both lcores
//! see every opening packet, at about the same time, as after a retransmission over another path; then, in
//! the next process, the flows go through to their end.
//! Easy to get wrong: lists of both directions are in the same order, or the two lcores would never be at the
//! same flow at the same time.
#![expect(clippy::indexing_slicing, reason = "test")]

mod restart_flows;
mod restart_kit;

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use restart_flows::network::{Random, configuration};
use restart_flows::{Flow, Kind, Passed, forwarded, replied};
use restart_kit::{EAL, Place, lacks_processors, number_after, went_well};

const FLOWS: u32 = 100_000;

/// Two queues on each port, the first for lcore 1, the second for lcore 2.
fn run(place: &Place) -> String {
    let port = |n: u8| {
        let queues = ["a", "b"].map(|q| format!("rx_pcap=in{n}{q}.pcap,tx_pcap=out{n}{q}.pcap"));
        format!("--vdev=net_pcap{n},{}", queues.join(","))
    };
    let ended = place.run(&format!(
        "{EAL} {} {} -- --exception none --state state --config lb.json --connections 131072 --exit-when-idle 200 \
         --rx (0,0,1),(0,1,2),(1,0,1),(1,1,2)",
        port(0),
        port(1)
    ));
    went_well(&ended)
}

/// Opens all flows, every opening packet on both lcores; the backend of each flow.
fn opened(place: &Place, flows: &[Flow]) -> HashMap<Flow, u8> {
    let opening: Vec<_> = flows
        .iter()
        .map(|flow| flow.client_sends(Kind::Syn(0)))
        .collect();
    place.capture("in0a.pcap", &opening);
    place.capture("in0b.pcap", &opening);
    for name in ["in1a.pcap", "in1b.pcap"] {
        place.capture::<&[u8]>(name, &[]);
    }
    let said = run(place);
    let frames = place.frames(&["out1a.pcap", "out1b.pcap"]);
    println!(
        "{} of {} opening packets came through",
        frames.len(),
        2 * FLOWS
    );
    let mut given = HashMap::new();
    for Passed { flow, backend, .. } in forwarded(frames) {
        let other = given.insert(flow, backend);
        assert_eq!(
            other, None,
            "{flow:?} was opened on backend {backend}, too\n{said}"
        );
    }
    assert_eq!(given.len(), flows.len(), "flows without a backend\n{said}");
    given
}

/// What passes from there on: both directions in turn, and the end.
fn finished(place: &Place, flows: &[Flow], given: &HashMap<Flow, u8>) {
    let there = [Kind::Data(0), Kind::Data(1), Kind::Fin(0)];
    let back = [Kind::Reply(0), Kind::Reply(1), Kind::ReplyFin(0)];
    let (mut clients, mut backends) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (turn, chunk) in
        (0..there.len()).flat_map(|turn| flows.chunks(64).map(move |chunk| (turn, chunk)))
    {
        for &flow in chunk {
            let lcore = usize::from(flow.0 % 2 == 0);
            clients[lcore].push(flow.client_sends(there[turn]));
            backends[1 - lcore].push(flow.backend_sends(back[turn], given[&flow]));
        }
    }
    for (queue, name) in ["a", "b"].into_iter().enumerate() {
        place.capture(&format!("in0{name}.pcap"), &clients[queue]);
        place.capture(&format!("in1{name}.pcap"), &backends[queue]);
    }
    let said = run(place);
    let adopted = number_after(&said, "\nadopted ") + number_after(&said, "IPv4 and ");
    assert_eq!(adopted, u64::from(FLOWS), "{said}");
    let to_backends = forwarded(place.frames(&["out1a.pcap", "out1b.pcap"]));
    let to_clients = replied(place.frames(&["out0a.pcap", "out0b.pcap"]));
    let is_broken = |flow: &Flow| {
        let passed = |kind| Passed {
            flow: *flow,
            kind,
            backend: given[flow],
        };
        let came = there
            .iter()
            .all(|&kind| to_backends.contains(&passed(kind)));
        !came || !back.iter().all(|&kind| to_clients.contains(&passed(kind)))
    };
    let broken = flows.iter().filter(|flow| is_broken(flow)).count();
    println!("{broken} of {} flows are broken", flows.len());
    assert_eq!(broken, 0, "{said}");
    let frames = flows.len() * there.len();
    assert_eq!(
        (to_backends.len(), to_clients.len()),
        (frames, frames),
        "packets that nobody sent\n{said}"
    );
}

#[test]
fn no_flow_breaks_whose_directions_are_on_two_lcores() {
    if lacks_processors() {
        return;
    }
    let began = Instant::now();
    let place = Place::new("lcores");
    let mut random = Random(1998);
    let mut flows: Vec<_> = (0..FLOWS).map(Flow).collect();
    random.shuffle(&mut flows);
    fs::write(place.path("lb.json"), configuration(&mut random)).unwrap();
    let given = opened(&place, &flows);
    fs::write(place.path("lb.json"), configuration(&mut random)).unwrap();
    finished(&place, &flows, &given);
    println!("{:.1} s", began.elapsed().as_secs_f64());
}
