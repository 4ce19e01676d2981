//! Addresses that cannot be: as sources, as destinations, and on the link.
//!
//! No counterpart in the patent. Rows 22 and 23 of the edge cases; RFC 1812, 5.3.7; RFC 6890.
//! Easy to get wrong: an address of our own as a source is as impossible as one of nobody.

use std::net::IpAddr;

use super::{List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT_SIDE, DIRECT, Family, NAT, REMOTE, SERVER_SIDE, STRANGER, plain, transit,
};
use crate::wire::MacAddr;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    to_services(list);
    on_the_link(list);
    list.with(transit());
    in_transit(list);
}

/// Sources that nobody has, by name.
fn impossible(family: Family) -> Vec<(&'static str, IpAddr)> {
    let all: &[(&str, &str)] = match family {
        Family::V4 => &[
            ("this net", "0.0.0.1"),
            ("no address", "0.0.0.0"),
            ("loopback", "127.0.0.1"),
            ("multicast", "224.0.0.5"),
            ("the reserved class", "240.0.0.1"),
            ("broadcast", "255.255.255.255"),
        ],
        Family::V6 => &[
            ("no address", "::"),
            ("loopback", "::1"),
            ("multicast", "ff02::5"),
            ("a v4-mapped address", "::ffff:203.0.113.7"),
        ],
    };
    all.iter()
        .filter_map(|(name, text)| Some((*name, text.parse().ok()?)))
        .collect()
}

fn ours(scene: Scene) -> [(&'static str, IpAddr); 4] {
    [
        ("the vip itself", scene.at(NAT)),
        ("another vip", scene.at(DIRECT)),
        ("our address on this port", scene.at(CLIENT_SIDE)),
        ("our address on another port", scene.at(SERVER_SIDE)),
    ]
}

/// A syn, a datagram and an echo request from an address to a service.
fn greetings(scene: Scene, from: IpAddr) -> [Frame; 3] {
    let vip = scene.at(NAT);
    [
        scene.nat().syn().src(from),
        scene.nat_udp().datagram(b"x").src(from),
        Frame::echo_request(from, vip),
    ]
}

fn to_services(list: &mut List) {
    let drop = |frame: &Frame| Step::client(frame, Expect::Drop(Reason::MartianSource));
    for family in Family::BOTH {
        for (name, address) in impossible(family) {
            list.one(
                22,
                family,
                format!("nothing from {name} reaches a service, {family}"),
                |scene| greetings(scene, address).iter().map(drop).collect(),
            );
        }
    }
    list.both(
        22,
        "nothing from an address of our own reaches a service",
        |scene| {
            ours(scene)
                .iter()
                .flat_map(|&(_, address)| greetings(scene, address))
                .map(|frame| drop(&frame))
                .collect()
        },
    );
    list.both(22, "a martian for no service gets no reset", |scene| {
        let syn = Frame::syn(
            NAT.socket(scene.family, scene.port),
            NAT.socket(scene.family, 81),
        );
        vec![drop(&syn)]
    });
}

fn on_the_link(list: &mut List) {
    let group = MacAddr([1, 0, 0x5e, 0, 0, 5]);
    list.both(
        23,
        "a unicast packet in a link broadcast or multicast is dropped",
        |scene| {
            let syn = scene.nat().syn();
            [MacAddr::BROADCAST, group, MacAddr([0x33, 0x33, 0, 0, 0, 1])]
                .map(|mac| {
                    Step::client(
                        &syn.clone().to_mac(mac),
                        Expect::Drop(Reason::UnicastInBroadcast),
                    )
                })
                .to_vec()
        },
    );
    list.both(23, "a frame for another mac address is dropped", |scene| {
        let flow = scene.nat();
        let stray = flow.syn().to_mac(STRANGER.mac);
        vec![
            Step::client(&stray, Expect::Drop(Reason::NotOurMac)),
            flow.goes(&flow.syn()),
        ]
    });
    list.both(
        23,
        "a multicast packet on the link is nobody's here",
        |scene| {
            let group: IpAddr = match scene.family {
                Family::V4 => std::net::Ipv4Addr::new(224, 0, 0, 251).into(),
                Family::V6 => std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb).into(),
            };
            let mac = MacAddr([1, 0, 0x5e, 0, 0, 0xfb]);
            let datagram = Frame::udp(scene.client(), std::net::SocketAddr::new(group, 5353))
                .data(b"who")
                .to_mac(mac);
            let echo = Frame::echo_request(scene.client().ip(), group).to_mac(mac);
            [datagram, echo]
                .map(|frame| Step::client(&frame, Expect::Drop(Reason::LinkMulticast)))
                .to_vec()
        },
    );
    list.one(
        23,
        Family::V4,
        "an ip broadcast in a link broadcast is nobody's here",
        |scene| {
            let to = (std::net::Ipv4Addr::BROADCAST, 67).into();
            let discover = Frame::udp(scene.client(), to)
                .data(b"dhcp")
                .to_mac(MacAddr::BROADCAST);
            vec![Step::client(&discover, Expect::Drop(Reason::LinkMulticast))]
        },
    );
}

fn in_transit(list: &mut List) {
    for family in Family::BOTH {
        for (name, address) in impossible(family) {
            list.one(
                22,
                family,
                format!("nothing from {name} is routed, {family}"),
                |scene| {
                    let to = REMOTE.socket(family, 443);
                    let echo = Frame::echo_request(address, scene.at(REMOTE));
                    [Frame::syn(scene.client(), to).src(address), echo]
                        .map(|frame| Step::client(&frame, Expect::Drop(Reason::MartianSource)))
                        .to_vec()
                },
            );
            list.one(
                22,
                family,
                format!("nothing to {name} is routed, {family}"),
                |scene| {
                    // Long enough to be taken for an ordinary packet at first sight.
                    let syn = Frame::syn(scene.client(), REMOTE.socket(family, 443)).dst(address);
                    let datagram = Frame::udp(scene.client(), REMOTE.socket(family, 53))
                        .dst(address)
                        .data(&[0; 40]);
                    let echo = Frame::echo_request(scene.client().ip(), address);
                    [syn, datagram, echo]
                        .map(|frame| Step::client(&frame, Expect::Drop(Reason::MartianDestination)))
                        .to_vec()
                },
            );
        }
    }
}
