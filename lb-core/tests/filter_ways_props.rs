//! Ways back to clients while routes change: each connection goes where the longest prefix leads, and looks no more often
//! than it must.
//!
//! No counterpart in the patent; routing table 62. The model is a list of prefixes.
//! Easy to get wrong: a route that goes moves clients to the next shorter prefix, which has not changed.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

use std::net::{IpAddr, SocketAddr};

use lb_core::config::{KernelNetwork, KernelRoute, Prefix};
use lb_core::filter::Verdict;
use lb_core::id::PortId;
use lb_core::route::NextHop;
use lb_core::testkit::net::port_mac;
use lb_core::testkit::{Frame, World};
use lb_core::wire::MacAddr;
use lb_core::wire::tcp::Flags;
use proptest::prelude::*;

const PREFIXES: [&str; 6] = [
    "203.0.0.0/8",
    "203.0.113.0/24",
    "203.0.113.0/25",
    "203.0.113.128/25",
    "203.0.113.7/32",
    "192.0.0.0/4",
];
const CLIENTS: [&str; 5] = [
    "203.0.113.7",
    "203.0.113.8",
    "203.0.113.200",
    "203.9.9.9",
    "198.18.0.1",
];
/// Of the default route.
const DEFAULT: u8 = 251;

fn document() -> String {
    let neighbor =
        |last| format!(r#"{{"address":"198.51.100.{last}","mac":"02:00:00:00:00:{last:02x}"}}"#);
    let neighbors: Vec<_> = (DEFAULT..=253).map(neighbor).collect();
    format!(
        r#"{{"interfaces":[{{"port":0,"name":"client","addresses":["198.51.100.1/24"]}},
        {{"port":1,"name":"server","addresses":["10.0.0.1/24"]}}],
        "neighbors":[{},{{"address":"10.0.0.5","mac":"02:00:00:00:01:05"}}],
        "services":[{{"name":"web","address":"192.0.2.10","port":80,"protocol":"tcp","forwarding":"nat",
          "backends":[{{"name":"one","address":"10.0.0.5"}}]}}]}}"#,
        neighbors.join(",")
    )
}

/// The default route, and of each prefix the router, by the last octet of its address.
fn kernel(routers: &[Option<u8>]) -> KernelNetwork {
    let route = |prefix: &str, last| KernelRoute {
        prefix: Prefix::parse(prefix).unwrap(),
        metric: 20,
        protocol: 186,
        hops: vec![(
            NextHop {
                port: PortId(0),
                gateway: Some([198, 51, 100, last].into()),
            },
            1,
        )],
    };
    let routes = PREFIXES.iter().zip(routers);
    let routes = routes.filter_map(|(prefix, last)| Some(route(prefix, (*last)?)));
    let mut routes: Vec<_> = routes.chain([route("0.0.0.0/0", DEFAULT)]).collect();
    routes.sort_by_key(|route| route.prefix);
    KernelNetwork {
        routes: routes.into(),
        ..KernelNetwork::default()
    }
}

/// The router that the longest prefix leads to.
fn expected(routers: &[Option<u8>], client: IpAddr) -> u8 {
    let prefixes = PREFIXES.iter().map(|text| Prefix::parse(text).unwrap());
    let of = prefixes
        .zip(routers)
        .filter(|(prefix, _)| prefix.contains(client));
    let known = of.filter_map(|(prefix, last)| Some((prefix.length(), (*last)?)));
    known.max().map_or(DEFAULT, |(_, last)| last)
}

const BACKEND: &str = "10.0.0.5:80";

fn server_mac() -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, 5])
}

fn open(world: &mut World, client: SocketAddr) {
    let (vip, backend) = ("192.0.2.10:80".parse().unwrap(), BACKEND.parse().unwrap());
    let syn = Frame::syn(client, vip).octets();
    assert_eq!(world.send_one(0, syn).verdict, Verdict::Forward(PortId(1)));
    let answer = Frame::tcp(backend, client)
        .flags(Flags::SYN)
        .seq(5000)
        .ack(1001);
    let answer = answer.link(server_mac(), port_mac(1)).octets();
    assert_eq!(
        world.send_one(1, answer).verdict,
        Verdict::Forward(PortId(0))
    );
    let segment = Frame::tcp(client, vip).seq(1001).ack(5001).octets();
    assert_eq!(
        world.send_one(0, segment).verdict,
        Verdict::Forward(PortId(1))
    );
}

fn router_of(world: &mut World, client: SocketAddr) -> u8 {
    let frame = Frame::tcp(BACKEND.parse().unwrap(), client)
        .seq(5001)
        .ack(1001);
    let answer = world.send_one(1, frame.link(server_mac(), port_mac(1)).octets());
    assert_eq!(answer.verdict, Verdict::Forward(PortId(0)));
    let &[.., last] = answer.frame.first_chunk::<6>().unwrap();
    last
}

fn routers() -> impl Strategy<Value = Vec<Option<u8>>> {
    proptest::collection::vec(proptest::option::of(DEFAULT..=253), PREFIXES.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_connection_follows_the_longest_prefix_whatever_changes(
        states in proptest::collection::vec((routers(), any::<[bool; CLIENTS.len()]>()), 1..12)
    ) {
        let mut world = World::new("{}", 2).unwrap();
        world.follow(&kernel(&[])).unwrap();
        world.configure(&document()).unwrap();
        let clients = CLIENTS.map(|text| SocketAddr::new(text.parse().unwrap(), 40_000));
        for client in clients {
            open(&mut world, client);
        }
        for (routers, speak) in states {
            world.follow(&kernel(&routers)).unwrap();
            // Who is silent for a while must not remember what was right two changes before.
            for (client, _) in clients.iter().zip(speak).filter(|(_, speaks)| *speaks) {
                prop_assert_eq!(router_of(&mut world, *client), expected(&routers, client.ip()));
            }
        }
    }
}

#[test]
fn a_route_that_changes_leaves_the_ways_of_other_clients_noted() {
    let mut world = World::new("{}", 2).unwrap();
    world.follow(&kernel(&[])).unwrap();
    world.configure(&document()).unwrap();
    let generation = world.distribution().route_generation;
    let clients = CLIENTS.map(|text| SocketAddr::new(text.parse().unwrap(), 40_000));
    for client in clients {
        open(&mut world, client);
        router_of(&mut world, client);
    }
    let noted = |world: &World| {
        let mut noted = Vec::new();
        let table = &world.tables().v4;
        table.for_each(lb_core::conn::ConnId(0), 64, |_, conn| {
            noted.push(conn.next_hop() != 0)
        });
        noted
    };
    assert_eq!(noted(&world), [true; 5]);
    world.follow(&kernel(&[None, None, Some(252)])).unwrap();
    assert_eq!(world.distribution().route_generation, generation);
    assert_eq!(noted(&world), [false, false, true, true, true]);
}
