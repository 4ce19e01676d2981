//! The manual's walks move the counters that it says they move.
//!
//! WO 00/30294, Fig. 6: steps 204 to 224, one walk after the other. `docs/packet-path.md` ends with a table of
//! walks; each is taken here with a switch in memory, and the difference of its counters is compared.
//! Easy to get wrong: a walk that is added to the page needs its steps here, and the other way round.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use lb_core::config::{KernelInterface, KernelNetwork};
use lb_core::filter::Reason;
use lb_core::id::{PortId, ServiceSlot};
use lb_core::testkit::build::{arp_reply, arp_request};
use lb_core::testkit::net::port_mac;
use lb_core::testkit::{Frame, World};
use lb_core::wire::MacAddr;
use lb_core::wire::tcp::Flags;

/// The page's addresses.
const CLIENT: (Ipv4Addr, MacAddr) = (Ipv4Addr::new(198, 51, 100, 2), MacAddr([2, 0, 0, 0, 2, 1]));
const BACKEND: (Ipv4Addr, MacAddr) = (Ipv4Addr::new(10, 0, 0, 11), MacAddr([2, 0, 0, 0, 1, 1]));
const US_OUTSIDE: (Ipv4Addr, MacAddr) = (Ipv4Addr::new(198, 51, 100, 1), port_mac(0));
const US_INSIDE: (Ipv4Addr, MacAddr) = (Ipv4Addr::new(10, 0, 0, 1), port_mac(1));
const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const DIRECT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);

/// The lab in small. No neighbor is configured: each is asked for.
const CONFIGURATION: &str = r#"{
  "interfaces": [
    { "port": 0, "name": "client", "addresses": ["198.51.100.1/24"] },
    { "port": 1, "name": "server", "addresses": ["10.0.0.1/24"] }
  ],
  "services": [
    { "name": "web4", "address": "192.0.2.10", "port": 80, "protocol": "tcp", "forwarding": "nat",
      "scheduler": "round-robin", "backends": [ { "name": "s1", "address": "10.0.0.11", "port": 8080 } ] },
    { "name": "direct4", "address": "192.0.2.20", "port": 80, "protocol": "tcp", "forwarding": "direct",
      "scheduler": "round-robin", "backends": [ { "name": "s1", "address": "10.0.0.11" } ] }
  ]
}"#;

/// Counters by name; what is zero is left out.
type Moves = BTreeMap<String, i64>;

/// The services of the configuration; slots are handed out from 0.
const SERVICES: u32 = 64;

fn counted(world: &World) -> Moves {
    let counters = world.counters();
    let of_services = |of: fn(&lb_core::filter::counters::ServiceCounters) -> u64| {
        let slots = (0..SERVICES).map(ServiceSlot);
        slots
            .filter_map(|slot| counters.service(slot))
            .map(of)
            .sum::<u64>()
    };
    let mut all = BTreeMap::from([
        ("forwarded", counters.forwarded.value()),
        ("replied", counters.replied.value()),
        ("punted", counters.punted.value()),
        ("apps", counters.apps.value()),
        ("held", counters.held.value()),
        ("solicitations", counters.solicitations.value()),
        (
            "connections_opened",
            of_services(|service| service.connections.value()),
        ),
        ("packets", of_services(|service| service.packets.value())),
    ]);
    all.extend(
        Reason::ALL
            .iter()
            .map(|&reason| (reason.name(), counters.dropped(reason))),
    );
    let signed = |(name, count): (&str, u64)| (name.to_owned(), i64::try_from(count).unwrap());
    all.into_iter().map(signed).collect()
}

fn difference(before: &Moves, after: &Moves) -> Moves {
    let moved = after
        .iter()
        .map(|(name, &count)| (name.clone(), count - before.get(name).copied().unwrap_or(0)));
    moved.filter(|&(_, by)| by != 0).collect()
}

/// The page's table: walk and moves.
fn table() -> Vec<(String, Moves)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/packet-path.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, table) = page.split_once("| walk | moves |\n").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| {
        let (walk, moves) = row.split_once(" | ").unwrap();
        let moves = moves.split(", ").map(|part| {
            let (name, by) = part.trim_start_matches('`').split_once("` ").unwrap();
            (name.to_owned(), by.replace('−', "-").parse().unwrap())
        });
        (walk.to_owned(), moves.collect())
    })
    .collect()
}

fn client(port: u16) -> SocketAddr {
    SocketAddr::new(CLIENT.0.into(), port)
}

/// Client and backend have said where they are, as the first packets of a day make them do.
fn acquainted() -> World {
    let mut world = World::new(CONFIGURATION, 2).unwrap();
    world.send_one(0, syn(1).octets());
    answer_for_server(&mut world);
    let server = SocketAddr::new(BACKEND.0.into(), 8080);
    let answer = to_us(
        1,
        Frame::tcp(server, client(1)).flags(Flags::SYN.with(Flags::ACK)),
    )
    .from_mac(BACKEND.1);
    world.send_one(1, answer.octets());
    let reply = arp_reply(CLIENT, US_OUTSIDE);
    world.send_one(0, reply.octets());
    world
}

/// The kernel's device of a port changes.
fn follow(world: &mut World, port: u16, mtu: u32, is_up: bool) {
    let device = KernelInterface {
        port: PortId(port),
        addresses: Vec::new(),
        mtu,
        is_up,
    };
    let kernel = KernelNetwork {
        interfaces: vec![device],
        ..KernelNetwork::default()
    };
    world.follow(&kernel).unwrap();
}

fn answer_for_server(world: &mut World) {
    let reply = arp_reply(BACKEND, US_INSIDE);
    world.send_one(1, reply.octets());
}

fn to_us(port: u8, frame: Frame) -> Frame {
    frame.to_mac(port_mac(port))
}

fn from_client(frame: Frame) -> Frame {
    to_us(0, frame).from_mac(CLIENT.1)
}

fn to_vip(port: u16, vip: IpAddr, vip_port: u16) -> Frame {
    from_client(Frame::tcp(client(port), SocketAddr::new(vip, vip_port)))
}

fn syn(port: u16) -> Frame {
    to_vip(port, NAT.into(), 80).flags(Flags::SYN)
}

/// Takes one walk; what it moved.
fn walk(name: &str) -> Moves {
    let mut world = match name {
        "first packet, neighbor unknown"
        | "the neighbor's answer"
        | "no answer for three seconds" => World::new(CONFIGURATION, 2).unwrap(),
        _ => acquainted(),
    };
    if matches!(
        name,
        "the neighbor's answer" | "no answer for three seconds"
    ) {
        world.send_one(0, syn(2).octets());
    }
    if name == "to our own address, with one" {
        world = world.with_exception_path(1);
    }
    match name {
        "a segment too long for the port of its backend" => follow(&mut world, 1, 1400, true),
        "a frame on a port whose kernel device is down" => follow(&mut world, 0, 1500, false),
        _ => {}
    }
    let before = counted(&world);
    let vip = IpAddr::V4(NAT);
    match name {
        "first packet of a connection, `nat`" | "first packet, neighbor unknown" => {
            world.send_one(0, syn(2).octets());
        }
        "the backend's answer" => {
            let server = SocketAddr::new(BACKEND.0.into(), 8080);
            let frame = Frame::tcp(server, client(1)).flags(Flags::SYN.with(Flags::ACK));
            world.send_one(1, to_us(1, frame).from_mac(BACKEND.1).octets());
        }
        "first packet of a connection, `direct`" => {
            world.send_one(0, to_vip(2, DIRECT.into(), 80).flags(Flags::SYN).octets());
        }
        "to nobody here" => {
            let nobody = IpAddr::from([203, 0, 113, 9]);
            world.send_one(0, to_vip(2, nobody, 80).flags(Flags::SYN).octets());
        }
        "a frame that was cut off" => {
            let whole = syn(2).data(b"and a few octets of data").octets();
            world.send_one(0, whole.get(..60).unwrap());
        }
        "TCP to a port without a service" => {
            world.send_one(0, to_vip(2, vip, 81).flags(Flags::SYN).octets());
        }
        "later packet without a connection" => {
            world.send_one(0, to_vip(2, vip, 80).flags(Flags::ACK).octets());
        }
        "echo request to a VIP" => {
            let frame = Frame::echo_request(CLIENT.0.into(), vip);
            world.send_one(0, from_client(frame).octets());
        }
        "ARP request for a VIP" => {
            world.send_one(0, arp_request(CLIENT, NAT).octets());
        }
        "the neighbor's answer" => answer_for_server(&mut world),
        "no answer for three seconds" => world.advance_seconds(3),
        "to our own address, without an exception path" | "to our own address, with one" => {
            world.send_one(
                0,
                to_vip(2, US_OUTSIDE.0.into(), 22)
                    .flags(Flags::SYN)
                    .octets(),
            );
        }
        "a segment too long for the port of its backend" => {
            let long = to_vip(1, vip, 80).flags(Flags::ACK).data(&[7; 1400]);
            world.send_one(0, long.octets());
        }
        "a frame on a port whose kernel device is down" => {
            world.send_one(0, syn(2).octets());
        }
        _ => panic!("docs/packet-path.md has a walk that nobody takes: {name}"),
    }
    difference(&before, &counted(&world))
}

#[test]
fn every_walk_of_the_manual_moves_the_counters_that_it_says() {
    let table = table();
    assert_eq!(table.len(), 16, "walks of docs/packet-path.md");
    for (name, moves) in table {
        assert_eq!(walk(&name), moves, "{name}");
    }
}
