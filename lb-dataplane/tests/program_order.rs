//! Packets of a flow leave in the order in which they came, through the whole program.
//!
//! WO 00/30294, Fig. 5, steps 102–112. Many more packets than one burst, of many flows in turn, of both
//! families and forwardings; captures in, captures out.
//! Easy to get wrong: packets that wait for a neighbor are overtaken by later ones unless these wait as well.

#![expect(clippy::unwrap_used, reason = "test")]

#[expect(
    dead_code,
    reason = "nothing is refused here, and nothing told to stop"
)]
mod program_support;

use std::collections::BTreeMap;

use lb_core::testkit::Frame;
use lb_core::testkit::build::arp_reply;
use lb_core::testkit::net::{
    self, CLIENT, DIRECT, DNS, DNS_BACKEND, Family, NAT, SERVER, SERVER_SIDE, port_mac,
};
use program_support::ended::{number, sum};
use program_support::{Place, asking, lacks_processors};

/// Packets by flow, in order.
type Flows = BTreeMap<u16, Vec<Vec<u8>>>;

/// The flow that a packet's last four octets name, and its place in it.
fn name(frame: &[u8]) -> (u16, u16) {
    let [.., a, b, c, d] = *frame else {
        unreachable!("frames end with four octets of ours")
    };
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// Query number `place` of a flow: as it comes, and as it leaves to the backend.
fn query(flow: u16, place: u16) -> (Vec<u8>, Vec<u8>) {
    let family = if flow.is_multiple_of(2) {
        Family::V4
    } else {
        Family::V6
    };
    let is_nat = flow % 4 < 2;
    let vip = if is_nat { NAT } else { DIRECT };
    let data = [flow.to_be_bytes(), place.to_be_bytes()].concat();
    let came = Frame::udp(CLIENT.socket(family, 1000 + flow), vip.socket(family, DNS)).data(&data);
    let leaves = came.clone().link(port_mac(1), SERVER.mac);
    let leaves = if is_nat {
        leaves
            .hops(63)
            .to_socket(SERVER.socket(family, DNS_BACKEND))
    } else {
        leaves
    };
    (came.octets(), leaves.octets())
}

/// `packets` of `flows` flows in turn, from flow number `first` on: as they come, and as each flow leaves.
fn queries(first: u16, flows: u16, packets: u16) -> (Vec<Vec<u8>>, Flows) {
    let mut leave = Flows::new();
    let come = (0..packets).map(|number| {
        let flow = first + number % flows;
        let (came, leaves) = query(flow, number / flows);
        leave.entry(flow).or_default().push(leaves);
        came
    });
    (come.collect(), leave)
}

fn by_flow(frames: Vec<Vec<u8>>) -> Flows {
    let mut flows = Flows::new();
    for frame in frames {
        flows.entry(name(&frame).0).or_default().push(frame);
    }
    flows
}

fn assert_same(found: &Flows, expected: &Flows) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (flow, expected) in expected {
        let found = found.get(flow).unwrap();
        let places =
            |frames: &[Vec<u8>]| frames.iter().map(|frame| name(frame).1).collect::<Vec<_>>();
        assert_eq!(places(found), places(expected), "flow {flow}");
        assert_eq!(found, expected, "flow {flow}");
    }
}

#[test]
fn a_thousand_packets_of_twenty_flows_leave_in_order() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("order");
    let (come, leave) = queries(0, 20, 1000);
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &come);
    place.capture("none.pcap", &[]);
    let ended = place.run(
        "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap \
         --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out1.pcap \
         -- --config lb.json --exit-when-idle 100 --report r.json",
    );
    assert_eq!(
        number(ended.went_well(), "/verdicts/forwarded"),
        1000,
        "{}",
        ended.told()
    );
    assert_same(&by_flow(place.frames("out1.pcap")), &leave);
}

#[test]
fn flows_on_two_lcores_leave_in_order_each_by_its_own_queue() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("lcores");
    let (come_a, leave_a) = queries(0, 20, 1000);
    let (come_b, leave_b) = queries(100, 7, 700);
    place.write("lb.json", net::plain());
    place.capture("a.pcap", &come_a);
    place.capture("b.pcap", &come_b);
    place.capture("none.pcap", &[]);
    let ended = place.run(
        "--lcores (0-2)@(0,1) --no-huge -m 256 --no-pci \
         --vdev=net_pcap0,rx_pcap=a.pcap,rx_pcap=b.pcap,tx_pcap=x.pcap,tx_pcap=y.pcap \
         --vdev=net_pcap1,rx_pcap=none.pcap,rx_pcap=none.pcap,tx_pcap=out-a.pcap,tx_pcap=out-b.pcap \
         -- --config lb.json --exit-when-idle 100 --report r.json",
    );
    let report = ended.went_well();
    assert_eq!(
        number(report, "/lcores/0/received"),
        1000,
        "{}",
        ended.told()
    );
    assert_eq!(
        number(report, "/lcores/1/received"),
        700,
        "{}",
        ended.told()
    );
    assert_eq!(
        sum(report, "services", "connections_opened"),
        27,
        "{report:#}"
    );
    assert_same(&by_flow(place.frames("out-a.pcap")), &leave_a);
    assert_same(&by_flow(place.frames("out-b.pcap")), &leave_b);
}

#[test]
fn packets_that_waited_for_a_neighbor_leave_in_order() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("waited");
    // Flows 0, 4, 8, … are IPv4 with `nat`; no more of them than may wait for one neighbor.
    let come = (0..120u16).map(|number| query(number % 5 * 4, number / 5));
    let (come, leave): (Vec<_>, Vec<_>) = come.unzip();
    place.write("lb.json", asking());
    place.capture("in.pcap", &come);
    let answer = arp_reply((SERVER.v4, SERVER.mac), (SERVER_SIDE.v4, port_mac(1)));
    place.capture("answer.pcap", &[answer.octets()]);
    // The answer comes over and over, since a capture does not wait for the question.
    let ended = place.run(
        "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap \
         --vdev=net_pcap1,rx_pcap=answer.pcap,infinite_rx=1,tx_pcap=out1.pcap \
         -- --config lb.json --run-for 1 --report r.json",
    );
    assert_eq!(
        number(ended.went_well(), "/verdicts/forwarded"),
        120,
        "{}",
        ended.told()
    );
    let sent = place.frames("out1.pcap");
    let (queries, questions): (Vec<_>, Vec<_>) = sent
        .into_iter()
        .partition(|frame| frame.get(12..14) == Some(&[8, 0]));
    assert!(!questions.is_empty());
    assert_same(&by_flow(queries), &by_flow(leave));
}
