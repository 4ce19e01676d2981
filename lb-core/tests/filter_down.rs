//! Backends that are down: what becomes of their flows, of new ones, and of what they still say.
//!
//! No counterpart in the patent. Every case runs in both families, with flows on the straight path before.
//! Easy to get wrong: a flow that has come to the straight path must leave it when the generation changes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test"
)]

use lb_core::config::{Fitness, OnDown};
use lb_core::filter::{Reason, Verdict};
use lb_core::id::PortId;
use lb_core::testkit::cases::{Flow, Scene};
use lb_core::testkit::net::{
    Family, HTTP, HTTP_BACKEND, Host, NAT, farm, farmed, neighbors_of, routes, service, text,
};
use lb_core::testkit::{Answer, World};
use lb_core::wire::MacAddr;
use lb_core::wire::tcp::Flags;

const NAMES: [&str; 3] = ["web-1", "web-2", "web-3"];

fn down(leaves: OnDown) -> Fitness {
    Fitness {
        permille: 0,
        leaves: Some(leaves),
    }
}

fn receiver(answer: &Answer) -> MacAddr {
    assert_eq!(answer.verdict, Verdict::Forward(PortId(1)), "{answer:?}");
    MacAddr(*answer.frame.first_chunk().unwrap())
}

/// A switch with an established flow on its straight path, and the number of the backend that serves it.
struct Served {
    world: World,
    flow: Flow,
    by: usize,
}

impl Served {
    fn new(family: Family, keys: &str) -> Self {
        let keys = format!(r#""scheduler": "round-robin", {keys}"#);
        let mut world = World::new(&farmed(family, &keys, &[1, 1]), 2).unwrap();
        let scene = Scene { family, port: 7 };
        let mut flow = if keys.contains("direct") {
            Flow {
                is_direct: true,
                ..scene.nat()
            }
        } else {
            scene.nat()
        };
        let to = receiver(&world.send_one(0, flow.syn().octets()));
        let by = usize::from(to == farm(1).mac);
        flow = served_by(flow, family, by);
        if !flow.is_direct {
            world.send_one(1, flow.syn_ack().octets());
        }
        for _ in 0..3 {
            let answer = world.send_one(0, flow.segment().octets());
            assert_eq!(answer.frame, flow.there(&flow.segment()).octets());
        }
        Self { world, flow, by }
    }

    /// The backend that serves the flow is down.
    fn fail(&mut self, leaves: OnDown) {
        let name = NAMES[self.by];
        self.world.set_fitness(&[(name, down(leaves))]).unwrap();
    }

    fn client_sends(&mut self) -> Answer {
        self.world.send_one(0, self.flow.segment().octets())
    }

    fn backend_sends(&mut self) -> Answer {
        self.world.send_one(1, self.flow.answer().octets())
    }

    fn other(&self) -> Host {
        [farm(1), farm(0)][self.by]
    }
}

fn served_by(flow: Flow, family: Family, number: usize) -> Flow {
    let host = [farm(0), farm(1)][number];
    Flow {
        backend: host.socket(family, HTTP_BACKEND),
        backend_mac: host.mac,
        ..flow
    }
}

fn in_both_families(keys: &str, case: impl Fn(Served)) {
    for family in Family::BOTH {
        case(Served::new(family, keys));
    }
}

const NAT_KEYS: &str = r#""forwarding": "nat""#;

#[test]
fn nobody_new_goes_to_a_backend_that_is_down() {
    for scheduler in [
        "round-robin",
        "weighted-round-robin",
        "least-connections",
        "source-hash",
        "maglev",
    ] {
        for family in Family::BOTH {
            let keys = format!(r#""forwarding": "nat", "scheduler": "{scheduler}""#);
            let mut world = World::new(&farmed(family, &keys, &[1, 1]), 2).unwrap();
            world
                .set_fitness(&[("web-1", down(OnDown::Drain))])
                .unwrap();
            for port in 1..100 {
                let syn = Scene { family, port }.nat().syn();
                assert_eq!(receiver(&world.send_one(0, syn.octets())), farm(1).mac);
            }
        }
    }
}

#[test]
fn with_drain_an_established_flow_stays_with_its_backend() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Drain);
        for _ in 0..3 {
            let there = served.flow.there(&served.flow.segment()).octets();
            assert_eq!(served.client_sends().frame, there);
            let back = served.flow.back(&served.flow.answer()).octets();
            assert_eq!(served.backend_sends().frame, back);
        }
    });
}

#[test]
fn a_syn_that_nobody_has_answered_is_tried_elsewhere_whatever_on_down_says() {
    for leaves in [OnDown::Drain, OnDown::Reset, OnDown::Move] {
        for family in Family::BOTH {
            let keys = r#""forwarding": "nat", "scheduler": "round-robin""#;
            let mut world = World::new(&farmed(family, keys, &[1, 1]), 2).unwrap();
            let flow = Scene { family, port: 7 }.nat();
            let first = receiver(&world.send_one(0, flow.syn().octets()));
            let (failed, other) = match first == farm(0).mac {
                true => ("web-1", farm(1).mac),
                false => ("web-2", farm(0).mac),
            };
            assert_eq!(receiver(&world.send_one(0, flow.syn().octets())), first);
            world.set_fitness(&[(failed, down(leaves))]).unwrap();
            let again = receiver(&world.send_one(0, flow.syn().octets()));
            assert_eq!(again, other, "{leaves:?}");
            assert_eq!(world.connections(), 1);
        }
    }
}

#[test]
fn with_drain_a_syn_that_was_answered_stays_where_it_was() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Drain);
        let again = served.world.send_one(0, served.flow.syn().octets());
        let stays = served.flow.there(&served.flow.syn()).octets();
        assert_eq!(again.frame, stays);
    });
}

#[test]
fn with_reset_the_client_hears_of_it_with_its_next_packet() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Reset);
        let answer = served.client_sends();
        let refusal = served.flow.refusal().seq(5001).octets();
        assert_eq!((answer.verdict, answer.frame), (Verdict::Reply, refusal));
        assert_eq!(served.world.connections(), 0);
        // The same client comes back, and is served by the other.
        let syn = served.flow.syn().seq(9_000_000).octets();
        let other = served.other().mac;
        assert_eq!(receiver(&served.world.send_one(0, syn)), other);
    });
}

#[test]
fn a_clients_own_reset_is_not_answered_and_ends_the_flow() {
    for leaves in [OnDown::Reset, OnDown::Move] {
        in_both_families(NAT_KEYS, |mut served| {
            served.fail(leaves);
            let reset = served.flow.segment().flags(Flags::RST).octets();
            let answer = served.world.send_one(0, reset);
            assert_eq!(answer.verdict, Verdict::Drop(Reason::NoConnection));
            assert_eq!(served.world.connections(), 0);
        });
    }
}

#[test]
fn what_a_backend_that_is_down_still_says_is_dropped_and_the_client_hears_all_the_same() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Reset);
        let said = served.backend_sends();
        assert_eq!(said.verdict, Verdict::Drop(Reason::BackendDown));
        assert_eq!(served.client_sends().verdict, Verdict::Reply);
    });
}

#[test]
fn with_move_the_next_packet_goes_to_another_backend_and_the_flow_stays_there() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Move);
        let said = served.backend_sends();
        assert_eq!(said.verdict, Verdict::Drop(Reason::BackendDown));
        let family = match served.flow.client.is_ipv4() {
            true => Family::V4,
            false => Family::V6,
        };
        let moved = served_by(served.flow, family, 1 - served.by);
        for _ in 0..3 {
            let there = moved.there(&moved.segment()).octets();
            assert_eq!(served.client_sends().frame, there);
        }
        let back = moved.back(&moved.answer()).octets();
        assert_eq!(
            served.world.send_one(1, moved.answer().octets()).frame,
            back
        );
        assert_eq!(served.world.connections(), 1);
    });
}

#[test]
fn a_flow_of_direct_forwarding_moves_too() {
    in_both_families(r#""forwarding": "direct""#, |mut served| {
        served.fail(OnDown::Move);
        let other = served.other().mac;
        assert_eq!(receiver(&served.client_sends()), other);
        assert_eq!(receiver(&served.client_sends()), other);
    });
}

#[test]
fn a_backend_that_comes_back_before_the_client_speaks_keeps_its_flow() {
    in_both_families(NAT_KEYS, |mut served| {
        served.fail(OnDown::Reset);
        served.backend_sends();
        served.world.set_fitness(&[]).unwrap();
        let there = served.flow.there(&served.flow.segment()).octets();
        assert_eq!(served.client_sends().frame, there);
    });
}

#[test]
fn other_backends_flows_do_not_notice() {
    for leaves in [OnDown::Drain, OnDown::Reset, OnDown::Move] {
        in_both_families(NAT_KEYS, |mut served| {
            let other = NAMES[1 - served.by];
            served.world.set_fitness(&[(other, down(leaves))]).unwrap();
            let there = served.flow.there(&served.flow.segment()).octets();
            let back = served.flow.back(&served.flow.answer()).octets();
            assert_eq!(served.client_sends().frame, there);
            assert_eq!(served.backend_sends().frame, back);
        });
    }
}

/// A UDP service over two backends of the farm.
fn datagrams(family: Family) -> World {
    let backends = [
        (farm(0).socket(family, HTTP_BACKEND), 1),
        (farm(1).socket(family, HTTP_BACKEND), 1),
    ];
    let keys = r#""protocol": "udp", "forwarding": "nat", "scheduler": "round-robin""#;
    let services = [service("web", NAT.socket(family, HTTP), keys, &backends)];
    let neighbors = neighbors_of(&[farm(0), farm(1)]);
    let text = text(false, &Family::BOTH, &routes(true), &neighbors, &services);
    World::new(&text, 2).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn datagrams_stay_with_drain_and_find_another_backend_otherwise() {
    for family in Family::BOTH {
        for leaves in [OnDown::Drain, OnDown::Reset, OnDown::Move] {
            let mut world = datagrams(family);
            let ask = Scene { family, port: 7 }.nat().datagram(b"?").octets();
            let first = receiver(&world.send_one(0, ask.clone()));
            assert_eq!(receiver(&world.send_one(0, ask.clone())), first);
            let failed = if first == farm(0).mac {
                "web-1"
            } else {
                "web-2"
            };
            world.set_fitness(&[(failed, down(leaves))]).unwrap();
            let next = receiver(&world.send_one(0, ask.clone()));
            assert_eq!(next == first, leaves == OnDown::Drain, "{leaves:?}");
            assert_eq!(receiver(&world.send_one(0, ask)), next);
        }
    }
}

#[test]
fn while_nobody_takes_flows_openers_are_dropped_or_reset() {
    for family in Family::BOTH {
        for (all_down, is_answered) in [("withdraw", false), ("drop", false), ("reset", true)] {
            let keys = format!(r#""forwarding": "nat", "all_down": "{all_down}""#);
            let mut world = World::new(&farmed(family, &keys, &[1, 1]), 2).unwrap();
            let all = [
                ("web-1", down(OnDown::Drain)),
                ("web-2", down(OnDown::Drain)),
            ];
            world.set_fitness(&all).unwrap();
            let flow = Scene { family, port: 7 }.nat();
            let answer = world.send_one(0, flow.syn().octets());
            let refusal = flow.refusal().ack(1001).octets();
            match is_answered {
                true => assert_eq!((answer.verdict, answer.frame), (Verdict::Reply, refusal)),
                false => assert_eq!(answer.verdict, Verdict::Drop(Reason::NoBackend)),
            }
            assert_eq!(world.connections(), 0);
        }
    }
}

#[test]
fn a_backend_on_its_way_up_has_a_part_of_its_share_even_with_a_weight_of_one() {
    let tenth = Fitness {
        permille: 100,
        leaves: None,
    };
    for scheduler in ["weighted-round-robin", "least-connections", "maglev"] {
        let keys = format!(r#""forwarding": "direct", "scheduler": "{scheduler}""#);
        let mut world = World::new(&farmed(Family::V4, &keys, &[1, 1]), 2).unwrap();
        world.set_fitness(&[("web-1", tenth)]).unwrap();
        let family = Family::V4;
        let flows = (1..2001).filter(|&port| {
            let syn = Scene { family, port }.nat().syn();
            receiver(&world.send_one(0, syn.octets())) == farm(0).mac
        });
        // One part in eleven is 182.
        let count = flows.count();
        assert!((120..260).contains(&count), "{scheduler}: {count}");
    }
}
