//! Several next hops for one prefix: every flow has its own, whatever leads there.
//!
//! No counterpart in the patent; RFC 2992. Ways back to clients, transit, and backends behind several routers.
//! Easy to get wrong: two packets of one flow that take two ways may arrive in another order.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use lb_core::config::{Cidr, KernelInterface, KernelNetwork, KernelRoute, Prefix};
use lb_core::filter::{Reason, Verdict};
use lb_core::id::PortId;
use lb_core::route::NextHop;
use lb_core::testkit::net::port_mac;
use lb_core::testkit::{Frame, TestPacket, World, world::Size};
use lb_core::wire::MacAddr;
use lb_core::wire::tcp::Flags;

const FLOWS: u16 = 10_000;
/// Routers of either side, by the last octet of their addresses.
const ROUTERS: [u8; 3] = [251, 252, 253];

fn router(side: u8, last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, side, last])
}

fn router_address(side: u8, last: u8, is_v4: bool) -> IpAddr {
    match (is_v4, side) {
        (true, 0) => IpAddr::from([198, 51, 100, last]),
        (true, _) => IpAddr::from([10, 0, 0, last]),
        (false, side) => {
            let side = u16::from(side) + 1;
            Ipv6Addr::new(0x2001, 0xdb8, side, 0, 0, 0, 0, last.into()).into()
        }
    }
}

/// Two services, one of each family, with one backend each behind the routers of port 1.
fn document() -> String {
    let mut neighbors = Vec::new();
    for side in [0, 1] {
        for (last, is_v4) in ROUTERS
            .iter()
            .flat_map(|&last| [(last, true), (last, false)])
        {
            let (address, mac) = (router_address(side, last, is_v4), router(side, last));
            neighbors.push(format!(r#"{{"address":"{address}","mac":"{mac}"}}"#));
        }
    }
    format!(
        r#"{{"transit":true,"interfaces":[
        {{"port":0,"name":"client","addresses":["198.51.100.1/24","2001:db8:1::1/64"]}},
        {{"port":1,"name":"server","addresses":["10.0.0.1/24","2001:db8:2::1/64"]}}],
        "neighbors":[{}],
        "services":[
        {{"name":"web4","address":"192.0.2.10","port":80,"protocol":"tcp","forwarding":"nat",
          "backends":[{{"name":"far","address":"10.9.0.5"}}]}},
        {{"name":"web6","address":"2001:db8:a::10","port":80,"protocol":"tcp","forwarding":"nat",
          "backends":[{{"name":"far","address":"2001:db8:9::5"}}]}}]}}"#,
        neighbors.join(",")
    )
}

/// Default routes to clients through the routers of port 0, and to backends through those of port 1.
fn kernel(weights: &[(u8, u16)]) -> KernelNetwork {
    let route = |prefix: &str, side: u8| {
        let prefix = Prefix::parse(prefix).unwrap();
        let hops = weights.iter().map(|&(last, weight)| {
            let gateway = Some(router_address(side, last, prefix.address().is_ipv4()));
            let port = PortId(side.into());
            (NextHop { port, gateway }, weight)
        });
        KernelRoute {
            prefix,
            metric: 20,
            protocol: 186,
            hops: hops.collect(),
        }
    };
    KernelNetwork {
        routes: [
            route("0.0.0.0/0", 0),
            route("10.9.0.0/16", 1),
            route("::/0", 0),
            route("2001:db8:9::/48", 1),
        ]
        .into_iter()
        .collect(),
        ..KernelNetwork::default()
    }
}

fn world(weights: &[(u8, u16)]) -> World {
    let size = Size {
        connections: 65_536,
        ..Size::default()
    };
    let mut world = World::with_size("{}", 2, size).unwrap();
    world.follow(&kernel(weights)).unwrap();
    world.configure(&document()).unwrap();
    world
}

#[derive(Clone, Copy, Debug)]
enum Path {
    ToBackend,
    Back,
    Transit,
}

const PATHS: [Path; 3] = [Path::ToBackend, Path::Back, Path::Transit];

struct Ends {
    client: SocketAddr,
    vip: SocketAddr,
    backend: SocketAddr,
    remote: SocketAddr,
}

fn ends(is_v4: bool, flow: u16) -> Ends {
    let (client, vip, backend, remote) = if is_v4 {
        ("203.0.113.7", "192.0.2.10", "10.9.0.5", "10.9.0.77")
    } else {
        (
            "2001:db8:c::7",
            "2001:db8:a::10",
            "2001:db8:9::5",
            "2001:db8:9::77",
        )
    };
    let at = |text: &str, port| SocketAddr::new(text.parse().unwrap(), port);
    Ends {
        client: at(client, 10_000 + flow),
        vip: at(vip, 80),
        backend: at(backend, 80),
        remote: at(remote, 443),
    }
}

/// Sends one packet of the flow that way; the router that it goes to.
fn router_of(world: &mut World, path: Path, is_v4: bool, flow: u16) -> u8 {
    let ends = ends(is_v4, flow);
    let (port, frame) = match path {
        Path::ToBackend => (0, Frame::tcp(ends.client, ends.vip).seq(1001).ack(5001)),
        Path::Back => (1, Frame::tcp(ends.backend, ends.client).seq(5001).ack(1001)),
        Path::Transit => (0, Frame::tcp(ends.client, ends.remote).seq(1001).ack(5001)),
    };
    let out = 1 - port;
    let frame = frame.link(router(port, ROUTERS[0]), port_mac(port));
    let answer = world.send_one(port, frame.octets());
    assert_eq!(
        answer.verdict,
        Verdict::Forward(PortId(out.into())),
        "{path:?} {flow}"
    );
    let &[a, b, c, d, side, last] = answer.frame.first_chunk().unwrap();
    assert_eq!([a, b, c, d, side], [2, 0, 0, 0, out]);
    last
}

/// Opens connections, and takes them as far as the straight path takes over.
fn open(world: &mut World, is_v4: bool) {
    (0..FLOWS).for_each(|flow| open_one(world, is_v4, flow));
}

fn open_one(world: &mut World, is_v4: bool, flow: u16) {
    let ends = ends(is_v4, flow);
    let syn = Frame::syn(ends.client, ends.vip).octets();
    let answer = Frame::tcp(ends.backend, ends.client)
        .flags(Flags::SYN)
        .seq(5000)
        .ack(1001)
        .link(router(1, ROUTERS[0]), port_mac(1));
    world.send(0, vec![TestPacket::new(syn)]);
    world.send(1, vec![TestPacket::new(answer.octets())]);
    router_of(world, Path::ToBackend, is_v4, flow);
}

fn routers(world: &mut World, path: Path, is_v4: bool) -> Vec<u8> {
    let flows = 0..FLOWS;
    flows
        .map(|flow| router_of(world, path, is_v4, flow))
        .collect()
}

#[test]
fn flows_are_shared_by_weight_and_each_stays_on_its_way() {
    for is_v4 in [true, false] {
        let mut world = world(&[(251, 1), (252, 2), (253, 1)]);
        open(&mut world, is_v4);
        for path in PATHS {
            let ways = routers(&mut world, path, is_v4);
            let mut shares = BTreeMap::<u8, u32>::new();
            ways.iter()
                .for_each(|&last| *shares.entry(last).or_default() += 1);
            for (last, due) in [(251, 0.25), (252, 0.5), (253, 0.25)] {
                let share = f64::from(shares[&last]) / f64::from(FLOWS);
                assert!((share - due).abs() < 0.02, "{path:?} {is_v4}: {shares:?}");
            }
            assert_eq!(routers(&mut world, path, is_v4), ways, "{path:?}");
        }
    }
}

#[test]
fn a_router_that_goes_moves_its_own_flows_alone_and_takes_them_back_when_it_returns() {
    for is_v4 in [true, false] {
        let mut world = world(&[(251, 1), (252, 1), (253, 1)]);
        open(&mut world, is_v4);
        for path in PATHS {
            let before = routers(&mut world, path, is_v4);
            world.follow(&kernel(&[(251, 1), (253, 1)])).unwrap();
            let without = routers(&mut world, path, is_v4);
            for (&was, &is) in before.iter().zip(&without) {
                assert!(
                    is != 252 && (was == 252 || was == is),
                    "{path:?}: {was} {is}"
                );
            }
            world
                .follow(&kernel(&[(251, 1), (252, 1), (253, 1)]))
                .unwrap();
            assert_eq!(routers(&mut world, path, is_v4), before, "{path:?}");
        }
    }
}

#[test]
fn a_way_that_was_noted_is_not_taken_for_fresh_when_the_number_of_its_routes_comes_round() {
    for is_v4 in [true, false] {
        let mut world = world(&[(251, 1)]);
        open_one(&mut world, is_v4, 1);
        assert_eq!(router_of(&mut world, Path::Back, is_v4, 1), 251);
        // Beside it an address changes, so that no way is good any more.
        let mut elsewhere = kernel(&[(252, 1)]);
        elsewhere.interfaces.push(KernelInterface {
            port: PortId(0),
            addresses: vec![Cidr::parse("198.51.100.9/24").unwrap()],
            mtu: 1500,
            is_up: true,
        });
        let generation = world.distribution().route_generation;
        world.follow(&elsewhere).unwrap();
        assert_eq!(world.distribution().route_generation, generation + 1);
        // 65,535 more, and the connection is silent all the time.
        for _ in 0..15 {
            world.pass_route_generations(4369);
            world.sweep();
        }
        assert_eq!(router_of(&mut world, Path::Back, is_v4, 1), 252);
    }
}

#[test]
fn routes_that_change_are_no_reason_to_look_at_every_connection() {
    let mut world = world(&[(251, 1)]);
    let lives = world.distribution().life_generation;
    world.follow(&kernel(&[(252, 1)])).unwrap();
    assert_eq!(world.distribution().life_generation, lives);
    let longer = document().replace(
        r#""forwarding":"nat","#,
        r#""forwarding":"nat","timeouts":{"established":9},"#,
    );
    world.configure(&longer).unwrap();
    assert!(world.distribution().life_generation > lives);
}

#[test]
fn connections_of_a_backend_outlive_a_time_without_a_route_to_it() {
    let mut world = world(&[(251, 1)]);
    let ends = ends(true, 1);
    let syn = Frame::syn(ends.client, ends.vip);
    assert_eq!(
        world.send_one(0, syn.octets()).verdict,
        Verdict::Forward(PortId(1))
    );
    world.follow(&KernelNetwork::default()).unwrap();
    let segment = Frame::tcp(ends.client, ends.vip).seq(1001).ack(5001);
    let dropped = world.send_one(0, segment.octets()).verdict;
    assert_eq!(dropped, Verdict::Drop(Reason::NoRoute));
    let other = Frame::syn(self::ends(true, 2).client, ends.vip);
    let refused = world.send_one(0, other.octets()).verdict;
    assert_eq!(refused, Verdict::Drop(Reason::NoBackend));
    world.sweep();
    assert_eq!(world.connections(), 1);
    world.follow(&kernel(&[(252, 1)])).unwrap();
    assert_eq!(router_of(&mut world, Path::ToBackend, true, 1), 252);
}

/// Routers that have answered our questions, by their addresses' last octets; the others never do.
fn world_that_learns(answering: &[u8]) -> World {
    let mut world = World::new("{}", 2).unwrap();
    world.follow(&kernel(&[(251, 1), (252, 1)])).unwrap();
    let (before, after) = (document(), r#""neighbors":[],"#);
    let start = before.find(r#""neighbors":["#).unwrap();
    let end = before.find(r#""services""#).unwrap();
    let without = format!("{}{after}{}", &before[..start], &before[end..]);
    world.configure(&without).unwrap();
    answer(&mut world, answering);
    world
}

fn answer(world: &mut World, answering: &[u8]) {
    for (side, &last) in [0, 1]
        .into_iter()
        .flat_map(|side| answering.iter().map(move |last| (side, last)))
    {
        for is_v4 in [true, false] {
            let (address, port) = (router_address(side, last, is_v4), PortId(side.into()));
            let table = &world.tables().neighbors;
            table.find_or_create(address, port, world.now()).unwrap();
            table.tell(address, port, router(side, last), world.now());
        }
    }
}

#[test]
fn a_router_that_answers_no_question_is_passed_over_while_another_answers() {
    for is_v4 in [true, false] {
        let mut world = world_that_learns(&[251]);
        // Long enough that packets wait in vain for 252, and that it is known to be silent.
        for path in [Path::Transit, Path::Back] {
            for second in 0..6 {
                for flow in 0..20 {
                    let ends = ends(is_v4, flow);
                    let frame = match path {
                        Path::Back => Frame::tcp(ends.backend, ends.client)
                            .seq(5001)
                            .ack(1001)
                            .link(router(1, 251), port_mac(1)),
                        _ => Frame::tcp(ends.client, ends.remote).seq(1001).ack(5001),
                    };
                    world.send_one(u8::from(matches!(path, Path::Back)), frame.octets());
                }
                world.advance_seconds(1);
                assert!(second < 10);
            }
        }
        for flow in 0..200 {
            open_one(&mut world, is_v4, flow);
            for path in PATHS {
                assert_eq!(router_of(&mut world, path, is_v4, flow), 251, "{path:?}");
            }
        }
        answer(&mut world, &[252]);
        for path in [Path::ToBackend, Path::Transit] {
            let ways: Vec<_> = (0..200)
                .map(|flow| router_of(&mut world, path, is_v4, flow))
                .collect();
            let taken = ways.iter().filter(|&&last| last == 252).count();
            assert!((70..130).contains(&taken), "{path:?}: {taken}");
        }
    }
}

#[test]
fn where_no_router_answers_each_flow_waits_for_its_own() {
    let mut world = world_that_learns(&[]);
    for _ in 0..6 {
        for flow in 0..20 {
            let ends = ends(true, flow);
            let frame = Frame::tcp(ends.client, ends.remote).seq(1001).ack(5001);
            let answer = world.send_one(0, frame.octets());
            assert!(
                matches!(answer.verdict, Verdict::Hold(_)),
                "{:?}",
                answer.verdict
            );
        }
        world.advance_seconds(1);
    }
}
