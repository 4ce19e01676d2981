//! What the kernel's view of the network does to packets: routes, several next hops, ports that are down.
//!
//! WO 00/30294, box 58. Easy to get wrong: what the document says goes on beside it; with a default route, a backend on a
//! network that is down would be sought behind the default router.

use std::net::IpAddr;
use std::sync::Arc;

use super::{List, Scene};
use crate::config::{Cidr, KernelInterface, KernelNetwork, KernelRoute, Prefix, StaticNeighbor};
use crate::filter::{Class, Reason};
use crate::id::PortId;
use crate::route::NextHop;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT, Family, HTTP, Host, NAT, REMOTE, ROUTER, SERVER, SERVER_2, farmed, pathless, port_mac,
    transit,
};

/// An address that only the kernel has, on port 0.
const ADDED: Host = Host {
    v4: std::net::Ipv4Addr::new(203, 0, 114, 1),
    ..CLIENT
};

pub(super) fn add(list: &mut List) {
    list.with(pathless());
    list.kernel = Some(with_routes(&[
        (Family::V4, [203, 0, 113, 0], 24, &[(0, Some(ROUTER))]),
        (Family::V4, [10, 9, 0, 0], 24, &[]),
    ]));
    followed(list);
    list.with(pathless());
    list.kernel = Some(KernelNetwork {
        interfaces: vec![device(0, true), device(1, false)],
        ..KernelNetwork::default()
    });
    down(list);
    list.with(farmed(Family::V4, r#""forwarding": "nat""#, &[1]));
    list.kernel = Some(with_routes(&[(Family::V4, [10, 0, 0, 100], 32, &[])]));
    unreachable(list);
    list.with(transit());
    list.kernel = Some(with_an_address());
    list.has_exception_path = true;
    added(list);
    list.has_exception_path = false;
    list.kernel = None;
}

fn device(port: u16, is_up: bool) -> KernelInterface {
    KernelInterface {
        port: PortId(port),
        addresses: Vec::new(),
        mtu: 1500,
        is_up,
    }
}

/// Prefixes with the port and the router of each next hop.
type Routes<'a> = &'a [(Family, [u8; 4], u8, &'a [(u16, Option<Host>)])];

fn with_routes(routes: Routes<'_>) -> KernelNetwork {
    let routes = routes.iter().map(|&(family, network, length, hops)| {
        let hops = hops.iter().map(|&(port, gateway)| {
            let gateway = gateway.map(|host| host.address(family));
            let port = PortId(port);
            (NextHop { port, gateway }, 1)
        });
        KernelRoute {
            prefix: Prefix::containing(IpAddr::from(network), length),
            metric: 20,
            protocol: 186,
            hops: hops.collect(),
        }
    });
    KernelNetwork {
        interfaces: vec![device(0, true), device(1, true)],
        routes: Arc::from_iter(routes),
        ..KernelNetwork::default()
    }
}

fn followed(list: &mut List) {
    list.one(
        0,
        Family::V4,
        "an answer finds its client by a route that the kernel has learnt",
        |scene| {
            let flow = scene.nat();
            vec![flow.goes(&flow.syn()), flow.returns(&flow.syn_ack())]
        },
    );
    list.one(
        0,
        Family::V4,
        "a route of the kernel's that drops hides the document's shorter one",
        |scene| {
            let to = REMOTE.socket(scene.family, 443);
            let dropped = Frame::syn(scene.client(), to);
            let beside = Frame::syn(scene.client(), ([10, 9, 1, 5], 443).into());
            let out = beside.clone().hops(63).link(port_mac(1), SERVER.mac);
            vec![
                Step::client(&dropped, Expect::Drop(Reason::NoRoute)),
                Step::client(&beside, Expect::out(1, &out)),
            ]
        },
    );
}

fn down(list: &mut List) {
    list.both(
        0,
        "whatever arrives on a port that is down is dropped as that",
        |scene| {
            let flow = scene.nat();
            let arp = crate::testkit::build::arp_request(
                (SERVER.v4, SERVER.mac),
                crate::testkit::net::SERVER_SIDE.v4,
            );
            [flow.answer(), arp, Frame::raw(0x88cc, &[1, 2])]
                .map(|frame| Step::server(&frame, Expect::Drop(Reason::PortDown)))
                .to_vec()
        },
    );
    list.both(
        0,
        "a backend behind a port that is down gets no new flow",
        |scene| {
            vec![Step::client(
                &scene.nat().syn(),
                Expect::Drop(Reason::NoBackend),
            )]
        },
    );
}

fn unreachable(list: &mut List) {
    list.one(
        0,
        Family::V4,
        "a service whose only backend no route leads to has none",
        |scene| {
            let syn = Frame::syn(scene.client(), NAT.socket(Family::V4, HTTP));
            vec![Step::client(&syn, Expect::Drop(Reason::NoBackend))]
        },
    );
}

fn with_an_address() -> KernelNetwork {
    let mut client = device(0, true);
    client.addresses = Cidr::parse("203.0.114.1/24").into_iter().collect();
    KernelNetwork {
        interfaces: vec![client, device(1, true)],
        neighbors: vec![StaticNeighbor {
            address: IpAddr::from([203, 0, 114, 9]),
            mac: SERVER_2.mac,
            port: PortId(0),
        }],
        ..KernelNetwork::default()
    }
}

fn added(list: &mut List) {
    list.one(
        0,
        Family::V4,
        "an address that was added in the kernel is the box's own and its network on the link",
        |scene: Scene| {
            let ssh = Frame::syn(scene.client(), ADDED.socket(scene.family, 22));
            let near = Frame::syn(scene.client(), ([203, 0, 114, 9], 22).into());
            let out = near.clone().hops(63).link(port_mac(0), SERVER_2.mac);
            vec![
                Step::client(&ssh, Expect::Punt(Class::Bulk)),
                Step::client(&near, Expect::out(0, &out)),
            ]
        },
    );
}
