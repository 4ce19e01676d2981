//! The straight path of known flows: what must not slip through it.
//!
//! WO 00/30294, Fig. 6, steps 212 to 220. Rows 3 and 20 of the edge cases.
//! Easy to get wrong: the path is only taken by a later packet of the same second, so every case begins with
//! a whole handshake and one packet each way.

use lb_core::filter::Verdict;
use lb_core::id::PortId;
use lb_core::testkit::World;
use lb_core::testkit::cases::{Flow, Scene};
use lb_core::testkit::net::{Family, NEAR_CLIENT, ROUTER, plain};
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
