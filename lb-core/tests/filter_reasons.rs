//! Every drop reason has something that causes it.
//!
//! WO 00/30294, Fig. 6: the ways out of the figure that lead nowhere. Most reasons are caused by a packet case;
//! those that need many packets or a small table have a cause of their own here.
#![expect(clippy::unwrap_used, reason = "test")]

use std::collections::BTreeSet;

use lb_core::config::{Fitness, OnDown};
use lb_core::filter::pending::PER_NEIGHBOR;
use lb_core::filter::{Class, REPLY_RATE, Reason, Verdict};
use lb_core::testkit::build::{arp_request, solicitation};
use lb_core::testkit::cases::cases;
use lb_core::testkit::net::{
    CLIENT, CLIENT_SIDE, DNS, Family, HTTP, HTTP_BACKEND, NAT, SERVER, asking, farm, farmed, plain,
    port_mac, transit,
};
use lb_core::testkit::world::Size;
use lb_core::testkit::{Frame, TestPacket, Way, World, run};

/// Reasons that a single lcore cannot cause, and why.
const NOT_ALONE: &[(Reason, &str)] = &[(
    Reason::InsertContended,
    "two lcores must insert one key at one moment: lb-core/tests/loom_conn.rs",
)];

type Cause = fn() -> World;

/// Causes of the reasons that no packet case has.
const CAUSES: &[(Reason, Cause)] = &[
    (Reason::HeaderSplit, a_header_in_two_segments),
    (Reason::TableFull, more_flows_than_the_table_holds),
    (Reason::ServiceFull, more_flows_than_the_service_may_have),
    (Reason::ReplyRateLimited, more_questions_than_we_answer),
    (Reason::BackendDown, an_answer_of_a_backend_that_is_down),
    (Reason::NeighborQueueFull, more_packets_than_may_wait),
    (
        Reason::NeighborTableFull,
        more_neighbors_than_the_table_holds,
    ),
    (
        Reason::PuntRate,
        more_echo_requests_than_their_class_may_send,
    ),
    (Reason::PuntQueueFull, more_segments_than_the_kernel_takes),
];

fn syn(port: u16) -> Vec<u8> {
    Frame::syn(
        CLIENT.socket(Family::V4, port),
        NAT.socket(Family::V4, HTTP),
    )
    .octets()
}

fn a_header_in_two_segments() -> World {
    let mut world = World::new(&plain(), 2).unwrap();
    world.send(0, vec![TestPacket::split(syn(1), 40)]);
    world
}

fn more_flows_than_the_table_holds() -> World {
    let size = Size {
        connections: 64,
        ..Size::default()
    };
    let mut world = World::with_size(&plain(), 2, size).unwrap();
    (1..=100).for_each(|port| drop(world.send_one(0, syn(port))));
    world
}

fn more_flows_than_the_service_may_have() -> World {
    let text = farmed(
        Family::V4,
        r#""forwarding": "nat", "max_connections": 3"#,
        &[1],
    );
    let mut world = World::new(&text, 2).unwrap();
    (1..=4).for_each(|port| drop(world.send_one(0, syn(port))));
    world
}

fn an_answer_of_a_backend_that_is_down() -> World {
    let mut world = World::new(&farmed(Family::V4, r#""forwarding": "nat""#, &[1]), 2).unwrap();
    world.send_one(0, syn(1));
    let down = Fitness {
        permille: 0,
        leaves: Some(OnDown::Reset),
    };
    world.set_fitness(&[("web-1", down)]).unwrap();
    let client = CLIENT.socket(Family::V4, 1);
    let backend = farm(0).socket(Family::V4, HTTP_BACKEND);
    let answer = Frame::tcp(backend, client)
        .ack(1001)
        .link(farm(0).mac, port_mac(1));
    world.send_one(1, answer.octets());
    world
}

fn more_questions_than_we_answer() -> World {
    let mut world = World::new(&plain(), 2).unwrap();
    let closed = Frame::syn(CLIENT.socket(Family::V4, 7), NAT.socket(Family::V4, 81));
    let many = REPLY_RATE.burst as usize + 1;
    world.send(0, vec![TestPacket::new(closed.octets()); many]);
    world
}

fn more_packets_than_may_wait() -> World {
    let mut world = World::new(&asking(Family::V4), 2).unwrap();
    let many = u16::from(PER_NEIGHBOR) + 1;
    (1..=many).for_each(|port| drop(world.send_one(0, syn(port))));
    world.take_late();
    world
}

fn more_neighbors_than_the_table_holds() -> World {
    let size = Size {
        neighbors: 64,
        ..Size::default()
    };
    let mut world = World::with_size(&transit(), 2, size).unwrap();
    for last in 100..200 {
        let to = std::net::SocketAddr::from(([10, 0, 0, last], DNS));
        world.send_one(0, Frame::udp(CLIENT.socket(Family::V4, 7), to).octets());
    }
    world
}

fn more_echo_requests_than_their_class_may_send() -> World {
    let world = World::new(&plain(), 2).unwrap();
    let mut world = world.with_exception_path(usize::MAX);
    let request = Frame::echo_request(CLIENT.v4.into(), CLIENT_SIDE.v4.into());
    let many = Class::Icmp.rate().burst as usize + 1;
    world.send(0, vec![TestPacket::new(request.octets()); many]);
    world
}

fn more_segments_than_the_kernel_takes() -> World {
    let mut world = World::new(&plain(), 2).unwrap().with_exception_path(3);
    let to = CLIENT_SIDE.socket(Family::V4, 22);
    let segment = Frame::syn(CLIENT.socket(Family::V4, 7), to);
    world.send(0, vec![TestPacket::new(segment.octets()); 4]);
    world
}

#[test]
fn every_reason_has_a_cause() {
    let in_cases = cases()
        .iter()
        .flat_map(|case| case.drops().collect::<Vec<_>>())
        .collect::<BTreeSet<_>>();
    let of_their_own = CAUSES.iter().map(|&(reason, _)| reason);
    let not_alone = NOT_ALONE.iter().map(|&(reason, _)| reason);
    let caused: BTreeSet<_> = in_cases
        .into_iter()
        .chain(of_their_own)
        .chain(not_alone)
        .collect();
    let without: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !caused.contains(reason))
        .collect();
    assert!(without.is_empty(), "nothing causes {without:?}");
}

#[test]
fn every_cause_causes_its_reason_and_no_other() {
    for &(reason, cause) in CAUSES {
        let world = cause();
        let drops: Vec<_> = world.drops().into_keys().collect();
        assert_eq!(drops, [reason]);
    }
}

#[test]
fn a_flood_of_echo_requests_leaves_a_routing_session_its_way() {
    let mut world = more_echo_requests_than_their_class_may_send();
    let to = CLIENT_SIDE.socket(Family::V4, 179);
    let segment = Frame::syn(CLIENT.socket(Family::V4, 7), to);
    let answer = world.send_one(0, segment.octets());
    assert_eq!(answer.verdict, Verdict::Punt(Class::Routing));
}

#[test]
fn every_case_drops_what_it_says_and_nothing_else() {
    for case in cases() {
        let world = run(&case, Way::StepByStep).unwrap();
        let counted: u64 = world.drops().values().sum();
        assert_eq!(counted, case.drops().count() as u64, "{}", case.name);
    }
}

#[test]
fn a_split_header_is_never_read_beyond_its_segment() {
    for family in Family::BOTH {
        for frame in [
            Frame::syn(CLIENT.socket(family, 9), NAT.socket(family, HTTP)).octets(),
            Frame::udp(CLIENT.socket(family, 9), NAT.socket(family, DNS))
                .data(&[1; 40])
                .octets(),
            Frame::echo_request(CLIENT.address(family), NAT.address(family))
                .data(&[1; 40])
                .octets(),
            match family {
                Family::V4 => arp_request((CLIENT.v4, CLIENT.mac), NAT.v4)
                    .padded()
                    .octets(),
                Family::V6 => solicitation((CLIENT.v6, CLIENT.mac), NAT.v6).octets(),
            },
        ] {
            let headers = lb_core::testkit::layout::header_len(&frame);
            for head in 1..frame.len() {
                let mut world = World::new(&plain(), 2).unwrap();
                let answer = world
                    .send(0, vec![TestPacket::split(frame.clone(), head)])
                    .remove(0);
                let is_dropped = world.drops().into_keys().eq([Reason::HeaderSplit]);
                assert!(
                    is_dropped || head >= 54.min(headers),
                    "{head} of {headers} octets: {answer:?}"
                );
                assert!(
                    !is_dropped || head < headers,
                    "{head} of {headers} octets are enough"
                );
            }
        }
    }
}

#[test]
fn a_server_of_the_cases_is_no_neighbor_that_has_to_be_asked_for() {
    let mut world = World::new(&plain(), 2).unwrap();
    world.advance_seconds(40);
    assert_eq!(world.take_late(), []);
    let server = world
        .tables()
        .neighbors
        .find(SERVER.v4.into(), lb_core::id::PortId(1))
        .unwrap();
    assert!(world.tables().neighbors.read(server).unwrap().is_static);
}
