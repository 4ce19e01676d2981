//! Services with several backends: who gets a flow, who keeps it, and what happens at the limits.
//!
//! WO 00/30294, Fig. 6, steps 210 to 220. Rows 9 and 28 of the edge cases; design section 7.
#![expect(clippy::unwrap_used, reason = "test")]

use std::collections::{BTreeMap, BTreeSet};

use lb_core::filter::pending::PER_NEIGHBOR;
use lb_core::filter::{ERROR_RATE, REPLY_RATE, Reason, Verdict};
use lb_core::id::PortId;
use lb_core::testkit::build::arp_reply;
use lb_core::testkit::cases::{Flow, Scene};
use lb_core::testkit::net::{
    DIRECT_HASH, Family, Host, NAT, ON_MISS_DROP, SERVER, SERVER_SIDE, asking, farm, farmed,
    neighbors_of, plain, port_mac, routes, service, text,
};
use lb_core::testkit::sums::sums;
use lb_core::testkit::world::Size;
use lb_core::testkit::{Answer, Frame, Late, TestPacket, World};
use lb_core::wire::MacAddr;
use lb_core::wire::tcp::Flags;

const ROUND_ROBIN: &str = r#""forwarding": "nat", "scheduler": "round-robin""#;

fn world(keys: &str, weights: &[u32]) -> World {
    World::new(&farmed(Family::V4, keys, weights), 2).unwrap()
}

fn flow(port: u16) -> Flow {
    Scene {
        family: Family::V4,
        port,
    }
    .nat()
}

/// The flow as a backend of the farm answers it.
fn served_by(flow: Flow, backend: Host) -> Flow {
    Flow {
        backend: backend.socket(Family::V4, 8080),
        backend_mac: backend.mac,
        ..flow
    }
}

/// MAC address to which a forwarded frame goes.
fn receiver(answer: &Answer) -> MacAddr {
    assert_eq!(answer.verdict, Verdict::Forward(PortId(1)), "{answer:?}");
    MacAddr(*answer.frame.first_chunk().unwrap())
}

fn spread(world: &mut World, flows: std::ops::Range<u16>) -> BTreeMap<MacAddr, u32> {
    let mut counts = BTreeMap::new();
    for port in flows {
        let answer = world.send_one(0, flow(port).syn().octets());
        *counts.entry(receiver(&answer)).or_default() += 1;
    }
    counts
}

#[test]
fn new_flows_are_spread_by_weight() {
    let mut world = world(
        r#""forwarding": "nat", "scheduler": "weighted-round-robin""#,
        &[300, 100],
    );
    let counts = spread(&mut world, 1..41);
    assert_eq!(
        counts,
        BTreeMap::from([(farm(0).mac, 30), (farm(1).mac, 10)])
    );
}

#[test]
fn the_backend_with_the_fewest_live_connections_gets_the_next_flow() {
    let mut world = world(
        r#""forwarding": "nat", "scheduler": "least-connections""#,
        &[1, 1],
    );
    let counts = spread(&mut world, 1..101);
    assert!(counts.values().all(|&count| count == 50), "{counts:?}");
}

#[test]
fn a_client_stays_with_its_backend_under_source_hash() {
    let mut world = world(
        r#""forwarding": "nat", "scheduler": "source-hash""#,
        &[1, 1, 1, 1],
    );
    assert_eq!(spread(&mut world, 1..51).len(), 1);
}

#[test]
fn maglev_uses_every_backend_and_a_flow_comes_to_the_same_one_in_another_world() {
    let keys = r#""forwarding": "nat", "scheduler": "maglev""#;
    let run = || {
        let mut world = world(keys, &[1, 1, 1, 1]);
        (1..101)
            .map(|port| receiver(&world.send_one(0, flow(port).syn().octets())))
            .collect::<Vec<_>>()
    };
    let first = run();
    assert_eq!(first, run());
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn a_repeated_syn_goes_to_the_same_backend_and_a_new_one_to_the_next() {
    let mut world = world(ROUND_ROBIN, &[1, 1]);
    let flow = flow(7);
    let first = receiver(&world.send_one(0, flow.syn().octets()));
    assert_eq!(receiver(&world.send_one(0, flow.syn().octets())), first);
    let next = receiver(&world.send_one(0, flow.syn().seq(9_000_000).octets()));
    assert_ne!(next, first);
    assert_eq!(
        receiver(&world.send_one(0, flow.segment().seq(9_000_001).octets())),
        next
    );
    assert_eq!(world.connections(), 1);
}

#[test]
fn an_established_tuple_is_opened_anew_with_another_backend() {
    let mut world = world(ROUND_ROBIN, &[1, 1]);
    let plain = flow(7);
    let first = receiver(&world.send_one(0, plain.syn().octets()));
    let backend = if first == farm(0).mac {
        farm(0)
    } else {
        farm(1)
    };
    let known = served_by(plain, backend);
    assert_eq!(
        world.send_one(1, known.syn_ack().octets()).frame,
        known.back(&known.syn_ack()).octets()
    );
    world.send_one(0, known.segment().octets());
    let next = receiver(&world.send_one(0, plain.syn().seq(9_000_000).octets()));
    assert_ne!(next, first);
    // The old backend's segments belong to nothing any more.
    let late = world.send_one(1, known.answer().octets());
    assert_eq!(late.verdict, Verdict::Drop(Reason::NotForUs));
}

#[test]
fn a_client_port_that_a_backend_has_already_goes_to_another_backend() {
    let mut world = World::new(&two_services(), 2).unwrap();
    let (web, other) = (
        flow(7),
        Scene {
            family: Family::V4,
            port: 7,
        }
        .nat_to(ON_MISS_DROP),
    );
    let first = receiver(&world.send_one(0, web.syn().octets()));
    let second = receiver(&world.send_one(0, other.syn().octets()));
    assert_ne!(first, second);
}

/// Two services over the same two backends.
fn two_services() -> String {
    let backends = [
        (farm(0).socket(Family::V4, 8080), 1),
        (farm(1).socket(Family::V4, 8080), 1),
    ];
    let keys = format!(r#""protocol": "tcp", {ROUND_ROBIN}"#);
    let services = [
        service("web", NAT.socket(Family::V4, 80), &keys, &backends),
        service(
            "other",
            ON_MISS_DROP.socket(Family::V4, 80),
            &keys,
            &backends,
        ),
    ];
    text(
        false,
        &Family::BOTH,
        &routes(false),
        &neighbors_of(&[SERVER, farm(0), farm(1)]),
        &services,
    )
}

#[test]
fn a_full_service_keeps_its_flows_and_takes_new_ones_when_one_has_ended() {
    let mut world = world(r#""forwarding": "nat", "max_connections": 2"#, &[1]);
    for port in [1, 2] {
        receiver(&world.send_one(0, flow(port).syn().octets()));
    }
    let refused = world.send_one(0, flow(3).syn().octets());
    assert_eq!(refused.verdict, Verdict::Drop(Reason::ServiceFull));
    receiver(&world.send_one(0, flow(1).segment().octets()));
    world.send_one(0, flow(2).segment().flags(Flags::RST).octets());
    world.advance_seconds(15);
    receiver(&world.send_one(0, flow(3).syn().octets()));
    assert_eq!(world.connections(), 2);
}

#[test]
fn with_a_full_table_known_flows_go_on_and_hashed_direct_ones_need_no_entry() {
    let size = Size {
        connections: 64,
        ..Size::default()
    };
    let mut world = World::with_size(&plain(), 2, size).unwrap();
    let refused = (1..200).filter(|&port| {
        world.send_one(0, flow(port).syn().octets()).verdict == Verdict::Drop(Reason::TableFull)
    });
    assert!(refused.count() >= 135);
    receiver(&world.send_one(0, flow(1).segment().octets()));
    let hashed = Scene {
        family: Family::V4,
        port: 5000,
    }
    .direct_to(DIRECT_HASH);
    let answer = world.send_one(0, hashed.syn().octets());
    assert_eq!(answer.frame, hashed.there(&hashed.syn()).octets());
    // Without an entry, too, nothing leaves with no hop left.
    let dead = world.send_one(0, hashed.syn().hops(0).octets());
    assert_eq!(dead.verdict, Verdict::Drop(Reason::TtlExpired));
}

#[test]
fn a_scheduler_by_turns_needs_an_entry_even_where_on_miss_says_hash() {
    let keys = r#""forwarding": "direct", "scheduler": "round-robin", "on_miss": "hash", "max_connections": 1"#;
    let mut world = world(keys, &[1, 1]);
    receiver(&world.send_one(0, flow(1).syn().octets()));
    let refused = world.send_one(0, flow(2).syn().octets());
    assert_eq!(refused.verdict, Verdict::Drop(Reason::ServiceFull));
}

#[test]
fn a_table_that_was_full_takes_flows_again_when_the_old_ones_are_forgotten() {
    let size = Size {
        connections: 64,
        ..Size::default()
    };
    let mut world = World::with_size(&plain(), 2, size).unwrap();
    (1..100).for_each(|port| drop(world.send_one(0, flow(port).syn().octets())));
    world.advance_seconds(70);
    assert_eq!(world.connections(), 0);
    spread(&mut world, 101..140);
}

#[test]
fn flows_of_a_backend_that_was_taken_out_are_reset_and_the_others_go_on() {
    let mut world = world(ROUND_ROBIN, &[1, 1]);
    let (a, b) = (flow(1), flow(2));
    let to_a = receiver(&world.send_one(0, a.syn().octets()));
    let to_b = receiver(&world.send_one(0, b.syn().octets()));
    world
        .configure(&farmed(Family::V4, ROUND_ROBIN, &[1]))
        .unwrap();
    let (stays, goes) = if to_a == farm(0).mac { (a, b) } else { (b, a) };
    assert_ne!(to_a, to_b);
    assert_eq!(
        receiver(&world.send_one(0, stays.segment().octets())),
        farm(0).mac
    );
    let answer = world.send_one(0, goes.segment().octets());
    assert_eq!(
        (answer.verdict, answer.frame),
        (Verdict::Reply, goes.refusal().seq(5001).octets())
    );
    assert_eq!(world.connections(), 1);
}

#[test]
fn a_backend_of_weight_zero_keeps_its_flows_and_gets_no_new_one() {
    let mut world = world(ROUND_ROBIN, &[1, 1]);
    let before: Vec<_> = (1..5)
        .map(|port| receiver(&world.send_one(0, flow(port).syn().octets())))
        .collect();
    world
        .configure(&farmed(Family::V4, ROUND_ROBIN, &[1, 0]))
        .unwrap();
    let after: Vec<_> = (1..5)
        .map(|port| receiver(&world.send_one(0, flow(port).segment().octets())))
        .collect();
    assert_eq!(before, after);
    assert_eq!(
        spread(&mut world, 10..20),
        BTreeMap::from([(farm(0).mac, 10)])
    );
}

#[test]
fn answers_of_ours_are_limited_and_the_limit_recovers() {
    let mut world = World::new(&plain(), 2).unwrap();
    let closed = Frame::syn(flow(9).client, NAT.socket(Family::V4, 81)).octets();
    let mut ask = |count: u32| {
        let answers = world.send(0, vec![TestPacket::new(closed.clone()); count as usize]);
        let replies = answers
            .iter()
            .filter(|answer| answer.verdict == Verdict::Reply)
            .count();
        world.advance(100);
        replies
    };
    assert_eq!(ask(REPLY_RATE.burst + 10), REPLY_RATE.burst as usize);
    assert_eq!(
        ask(2 * REPLY_RATE.burst),
        (REPLY_RATE.per_second / 10) as usize
    );
}

#[test]
fn errors_have_a_limit_of_their_own() {
    let mut world = World::new(&plain(), 2).unwrap();
    let dying = flow(9).syn().hops(1).octets();
    let answers = world.send(
        0,
        vec![TestPacket::new(dying); ERROR_RATE.burst as usize + 5],
    );
    let replies = answers
        .iter()
        .filter(|answer| answer.verdict == Verdict::Reply)
        .count();
    assert_eq!(replies, ERROR_RATE.burst as usize);
    assert_eq!(
        world.drops(),
        BTreeMap::from([(Reason::ReplyRateLimited, 5)])
    );
    let echo = Frame::echo_request(flow(9).client.ip(), NAT.v4.into());
    assert_eq!(world.send_one(0, echo.octets()).verdict, Verdict::Reply);
}

#[test]
fn a_wrong_checksum_of_the_payload_stays_wrong() {
    for scene in Family::BOTH.map(|family| Scene { family, port: 9 }) {
        let mut world = World::new(&plain(), 2).unwrap();
        let flow = scene.nat();
        let answer = world.send_one(0, flow.syn().data(b"damaged").bad_checksum().octets());
        let after = sums(&answer.frame).unwrap();
        assert!(after.header && !after.upper, "{answer:?}");
    }
}

#[test]
fn a_silent_neighbor_holds_up_nobody_else_and_only_so_many_packets() {
    let mut world = World::new(&asking(Family::V4), 2).unwrap();
    let many = u16::from(PER_NEIGHBOR) + 3;
    (1..=many).for_each(|port| drop(world.send_one(0, flow(port).syn().octets())));
    let late = world.take_late();
    assert_eq!(
        late.iter()
            .filter(|late| matches!(late, Late::Question(..)))
            .count(),
        1
    );
    assert_eq!(
        late.iter()
            .filter(|late| **late == Late::Dropped(Reason::NeighborQueueFull))
            .count(),
        3
    );
    let echo = Frame::echo_request(flow(9).client.ip(), NAT.v4.into());
    assert_eq!(world.send_one(0, echo.octets()).verdict, Verdict::Reply);
    world.advance(2_900);
    let answer = arp_reply((SERVER.v4, SERVER.mac), (SERVER_SIDE.v4, port_mac(1)));
    world.send_one(1, answer.octets());
    let sent = world
        .take_late()
        .into_iter()
        .filter(|late| matches!(late, Late::Sent(..)))
        .count();
    assert_eq!(sent, usize::from(PER_NEIGHBOR));
}

#[test]
fn what_still_waits_at_the_end_is_counted_as_dropped() {
    let mut world = World::new(&asking(Family::V6), 2).unwrap();
    let flow = Scene {
        family: Family::V6,
        port: 9,
    }
    .nat();
    world.send_one(0, flow.syn().octets());
    assert_eq!(world.counters().held.value(), 1);
    world.give_up();
    assert_eq!(world.counters().held.value(), 0);
    assert_eq!(
        world.drops(),
        BTreeMap::from([(Reason::NeighborUnresolved, 1)])
    );
}
