//! The straight path of known flows: what must not slip through it.
//!
//! WO 00/30294, Fig. 6, steps 212 to 220. Rows 3 and 20 of the edge cases.
//! Easy to get wrong: the path is only taken by a later packet of the same second, so every case begins with
//! a whole handshake and one packet each way.

use lb_core::filter::{BURST, Verdict};
use lb_core::id::PortId;
use lb_core::testkit::cases::{Flow, Scene};
use lb_core::testkit::net::{Family, NEAR_CLIENT, ROUTER, plain};
use lb_core::testkit::world::Size;
use lb_core::testkit::{TestPacket, World};
use lb_core::wire::MacAddr;

/// A flow through `nat` on which a packet has gone each way since its handshake.
fn established(world: &mut World, family: Family) -> Flow {
    let flow = Scene { family, port: 7 }.nat();
    let steps = [
        (0, flow.syn()),
        (1, flow.syn_ack()),
        (0, flow.segment()),
        (1, flow.answer()),
    ];
    for (port, frame) in steps {
        let verdict = world.send_one(port, frame.octets()).verdict;
        assert_eq!(verdict, Verdict::Forward(PortId(1 - u16::from(port))));
    }
    flow
}

#[test]
fn a_known_flow_loses_a_hop_on_the_way_and_none_leaves_with_no_hop_left() {
    for family in Family::BOTH {
        let mut world = World::new(&plain(), 2).unwrap();
        let flow = established(&mut world, family);
        for (port, frame, there) in [
            (0, flow.segment(), flow.there(&flow.segment())),
            (1, flow.answer(), flow.back(&flow.answer())),
        ] {
            let last = world.send_one(port, frame.clone().hops(2).octets());
            assert_eq!(last.frame, there.hops(1).octets());
            for hops in [1, 0] {
                let answer = world.send_one(port, frame.clone().hops(hops).octets());
                assert_eq!(answer.verdict, Verdict::Reply, "{hops} hops, {family}");
            }
        }
    }
}

#[test]
fn where_a_twentieth_of_the_flows_lie_in_another_bucket_every_packet_of_a_burst_is_its_own_flow_s()
{
    const FLOWS: u16 = 1000;
    let size = Size {
        connections: u32::from(FLOWS) * 5 / 4,
        ..Size::default()
    };
    let mut world = World::with_size(&plain(), 2, size).unwrap();
    let flows: Vec<Flow> = Family::BOTH
        .into_iter()
        .flat_map(|family| (1..=FLOWS).map(move |port| Scene { family, port }.nat()))
        .collect();
    for flow in &flows {
        for (port, frame) in [(0, flow.syn()), (1, flow.syn_ack())] {
            let verdict = world.send_one(port, frame.octets()).verdict;
            assert_eq!(verdict, Verdict::Forward(PortId(1 - u16::from(port))));
        }
    }
    // Every 37th flow: both families in a burst, in no order of their buckets.
    let order: Vec<&Flow> = flows.iter().cycle().step_by(37).take(flows.len()).collect();
    for burst in order.chunks(BURST) {
        let frames = burst
            .iter()
            .map(|flow| TestPacket::new(flow.segment().octets()));
        let answers = world.send(0, frames.collect());
        for (flow, answer) in burst.iter().zip(answers) {
            assert_eq!(answer.frame, flow.there(&flow.segment()).octets());
        }
    }
    assert_eq!(world.counters().dropped_in_all(), 0);
}

#[test]
fn answers_of_a_known_flow_take_a_new_route_at_once() {
    for family in Family::BOTH {
        let mut world = World::new(&plain(), 2).unwrap();
        let flow = established(&mut world, family);
        let via = |router: MacAddr, world: &mut World| {
            let answer = world.send_one(1, flow.answer().octets());
            assert_eq!(answer.verdict, Verdict::Forward(PortId(0)));
            assert_eq!(answer.frame.first_chunk(), Some(&router.0));
        };
        via(ROUTER.mac, &mut world);
        let default_route = |prefix: &str, gateway: &dyn std::fmt::Display| {
            format!(r#""prefix": "{prefix}", "via": "{gateway}""#)
        };
        let changed = plain()
            .replace(
                &default_route("0.0.0.0/0", &ROUTER.v4),
                &default_route("0.0.0.0/0", &NEAR_CLIENT.v4),
            )
            .replace(
                &default_route("::/0", &ROUTER.v6),
                &default_route("::/0", &NEAR_CLIENT.v6),
            );
        world.configure(&changed).unwrap();
        via(NEAR_CLIENT.mac, &mut world);
    }
}
