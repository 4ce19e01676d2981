//! Connections are listed completely, once, in bounded pages, while others come and go.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use lb_control::view;
use lb_core::conn::{ConnState, Lane, NewConn, Tick};
use lb_core::filter::life::State;
use lb_core::flow::{FlowKey, KeyV4, KeyV6};
use lb_core::id::{BackendSlot, ServiceSlot};

use crate::client::Client;
use crate::rig::{Rig, Setup};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);

/// Slots of a service and of one of its backends.
fn slots(rig: &Rig, service: &str, backend: &str) -> (ServiceSlot, BackendSlot) {
    rig.control.look(|look| {
        let slot = look.service(service).unwrap().slot;
        (slot, look.backend_slot(service, backend).unwrap())
    })
}

fn new<const W: usize>(
    forward: FlowKey<W>,
    reverse: FlowKey<W>,
    slots: (ServiceSlot, BackendSlot),
    state: State,
) -> NewConn<W> {
    NewConn {
        forward,
        reverse: Some(reverse),
        service: slots.0,
        backend: slots.1,
        state: ConnState {
            protocol: state as u8,
            flags: 0,
        },
        ip_delta: 0,
        l4_delta: 0,
        next_hop: 0,
        sequence: [0, 0],
        now: Tick(1000),
        due: Tick(9000),
    }
}

/// Connection number `n` to the service web, or dns.
fn flow(n: u32, slots: (ServiceSlot, BackendSlot), is_dns: bool) -> NewConn<2> {
    let client = u32::from(Ipv4Addr::new(100, 64, 0, 0)) + n / 100;
    let port = 1024 + u16::try_from(n % 100).unwrap();
    let server = u32::from(Ipv4Addr::new(10, 0, 0, 11));
    let (vip_port, server_port, protocol, state) = if is_dns {
        (53, 5353, 17, State::Datagram)
    } else {
        (80, 8080, 6, State::Established)
    };
    let forward = KeyV4::v4(client, VIP.into(), port, vip_port, protocol);
    let reverse = KeyV4::v4(server, client, server_port, port, protocol);
    new(forward, reverse, slots, state)
}

fn insert(rig: &Rig, lane: &mut Lane<2>, new: &NewConn<2>) {
    let hash = rig.tables.v4.hash(&new.forward);
    rig.tables.v4.insert(lane, hash, new).unwrap();
}

/// A rig with this many connections to web, a fifth as many to dns, and one over IPv6.
fn crowded(web: u32) -> (Rig, Lane<2>) {
    let rig = Rig::with(Setup {
        connections: 16_384,
        ..Setup::default()
    });
    let mut lane = rig.tables.v4.lane(0, None).unwrap();
    rig.tables.v4.turn(&mut lane);
    let (of_web, of_dns) = (slots(&rig, "web", "web-1"), slots(&rig, "dns", "dns-1"));
    for n in 0..web {
        insert(&rig, &mut lane, &flow(n, of_web, false));
        if n % 5 == 0 {
            insert(&rig, &mut lane, &flow(n, of_dns, true));
        }
    }
    let mut lane6 = rig.tables.v6.lane(0, None).unwrap();
    rig.tables.v6.turn(&mut lane6);
    let client = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 7));
    let server = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x11));
    let six = new(
        KeyV6::v6(client, VIP6.into(), 4711, 80, 6),
        KeyV6::v6(server, client, 8080, 4711, 6),
        slots(&rig, "web6", "web-6"),
        State::Opening,
    );
    let hash = rig.tables.v6.hash(&six.forward);
    rig.tables.v6.insert(&mut lane6, hash, &six).unwrap();
    (rig, lane)
}

/// All pages of a listing, none longer than was asked for.
fn all(rig: &Rig, query: &str, limit: usize) -> Vec<view::Connection> {
    let mut client = Client::unix(rig);
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/connections?limit={limit}{query}{after}");
        let page: view::Connections = client.get(&path).done();
        assert!(page.connections.len() <= limit);
        found.extend(page.connections);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

fn names(connections: &[view::Connection]) -> BTreeSet<String> {
    let name = |one: &view::Connection| format!("{} {}", one.client, one.vip);
    connections.iter().map(name).collect()
}

#[test]
fn every_connection_is_on_one_page_whatever_the_page_s_length() {
    let (rig, _lane) = crowded(3000);
    for limit in [1000, 137] {
        let found = all(&rig, "", limit);
        assert_eq!(found.len(), 3000 + 600 + 1, "none twice");
        assert_eq!(names(&found).len(), 3000 + 600 + 1, "none left out");
    }
}

#[test]
fn a_connection_is_shown_with_names_addresses_and_state() {
    let (rig, _lane) = crowded(5);
    let six = all(&rig, "&service=web6", 10).remove(0);
    let wanted = view::Connection {
        protocol: "tcp".to_owned(),
        client: "[2001:db8:9::7]:4711".to_owned(),
        vip: "[2001:db8::10]:80".to_owned(),
        service: Some("web6".to_owned()),
        backend: Some("web-6".to_owned()),
        backend_address: Some("[2001:db8:2::11]:8080".to_owned()),
        state: "opening".to_owned(),
        idle_seconds: 9,
        is_one_way: false,
    };
    assert_eq!(six, wanted);
}

#[test]
fn filters_add_up() {
    let (rig, _lane) = crowded(1000);
    let count = |query: &str| all(&rig, query, 1000).len();
    assert_eq!(count("&service=dns"), 200);
    assert_eq!(count("&backend=web-1"), 1000);
    assert_eq!(count("&backend=web-2"), 0);
    assert_eq!(count("&protocol=udp"), 200);
    assert_eq!(count("&state=datagram"), 200);
    assert_eq!(count("&state=opening"), 1);
    assert_eq!(count("&client=100.64.0.3"), 120);
    assert_eq!(count("&client=100.64.0.3&protocol=tcp"), 100);
    assert_eq!(count("&client=100.64.0.0/30"), 480);
    assert_eq!(count("&client=2001:db8:9::/48"), 1);
    assert_eq!(count("&service=dns&state=established"), 0);
}

#[test]
fn a_listing_that_asks_for_nonsense_is_refused() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    for (query, status) in [
        ("limit=0", 400),
        ("limit=1001", 400),
        ("limit=x", 400),
        ("after=5:1", 400),
        ("after=4:99999999999", 400),
        ("client=10.0.0.1/8", 400),
        ("protocol=icmp", 400),
        ("state=dead", 400),
        ("stat=closing", 400),
        ("service=mail", 404),
        ("backend=mail-1", 404),
    ] {
        client
            .get(&format!("/v1/connections?{query}"))
            .refused(status);
    }
    let beyond: view::Connections = client.get("/v1/connections?after=6:4000000000").done();
    assert_eq!((beyond.connections.len(), beyond.next), (0, None));
}

#[test]
fn connections_that_last_are_listed_once_while_others_come_and_go() {
    let (rig, mut lane) = crowded(2000);
    let of_web = slots(&rig, "web", "web-2");
    let lasting = names(&all(&rig, "&backend=web-1", 1000));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !is_over.load(Ordering::Relaxed) {
                let new = flow(1_000_000 + n % 5000, of_web, false);
                let table = &rig.tables.v4;
                table.turn(&mut lane);
                let hash = table.hash(&new.forward);
                if let Ok(id) = table.insert(&mut lane, hash, &new) {
                    table.remove(&mut lane, id);
                }
                n += 1;
            }
        });
        for _ in 0..20 {
            let found = all(&rig, "&backend=web-1", 100);
            assert_eq!(found.len(), 2000);
            assert_eq!(names(&found), lasting);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
