//! Neighbor discovery: what we answer and believe.
//!
//! No counterpart in the patent. Row 21 of the edge cases; RFC 4861, RFC 4862.
//! Easy to get wrong: who asks from no address at all checks whether an address is free; the answer goes to
//! all nodes.

use std::net::Ipv6Addr;

use super::List;
use super::neighbors::{drop, spoilt, v6};
use crate::filter::Reason;
use crate::testkit::build::{Frame, advertisement, solicitation};
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT_SIDE, Family, Host, NAT, NEAR_CLIENT, SERVER, SERVER_SIDE, STRANGER, plain, port_mac,
};
use crate::wire::MacAddr;
use crate::wire::ndp::{ALL_NODES, multicast_mac};

pub(super) fn add(list: &mut List) {
    list.with(plain());
    discovery(list);
    discovery_refused(list);
    discovery_malformed(list);
}

const fn vip_v6(port: u8) -> (Ipv6Addr, MacAddr) {
    (NAT.v6, port_mac(port))
}

fn discovery(list: &mut List) {
    let answer = |of, to: Host| Expect::reply(&advertisement(of, v6(to), true, true));
    list.one(
        21,
        Family::V6,
        "a solicitation for a vip is answered with the port's mac address",
        |_| {
            vec![
                Step::client(
                    &solicitation(v6(NEAR_CLIENT), NAT.v6),
                    answer(vip_v6(0), NEAR_CLIENT),
                ),
                Step::server(&solicitation(v6(SERVER), NAT.v6), answer(vip_v6(1), SERVER)),
            ]
        },
    );
    list.one(
        21,
        Family::V6,
        "a solicitation for the port's own address is answered",
        |_| {
            let asked = solicitation(v6(NEAR_CLIENT), CLIENT_SIDE.v6);
            vec![Step::client(&asked, answer(v6(CLIENT_SIDE), NEAR_CLIENT))]
        },
    );
    list.one(
        21,
        Family::V6,
        "a solicitation to our address alone is answered",
        |_| {
            let asked = solicitation(v6(NEAR_CLIENT), NAT.v6)
                .dst(NAT.v6.into())
                .to_mac(port_mac(0));
            vec![Step::client(&asked, answer(vip_v6(0), NEAR_CLIENT))]
        },
    );
    list.one(
        21,
        Family::V6,
        "a solicitation without the sender's mac address is answered to where it came from",
        |_| {
            let asked = solicitation(v6(NEAR_CLIENT), NAT.v6).data_cut(16);
            vec![Step::client(&asked, answer(vip_v6(0), NEAR_CLIENT))]
        },
    );
    list.one(
        21,
        Family::V6,
        "a solicitation with unknown options is answered",
        |_| {
            let asked = solicitation(v6(NEAR_CLIENT), NAT.v6).more_data(&[14, 1, 1, 2, 3, 4, 5, 6]);
            vec![Step::client(&asked, answer(vip_v6(0), NEAR_CLIENT))]
        },
    );
    list.one(
        21,
        Family::V6,
        "who checks whether a vip is free hears, as all nodes do, that it is not",
        |_| {
            let detection =
                solicitation((Ipv6Addr::UNSPECIFIED, STRANGER.mac), NAT.v6).data_cut(16);
            let all = (ALL_NODES, multicast_mac(ALL_NODES));
            vec![Step::client(
                &detection,
                Expect::reply(&advertisement(vip_v6(0), all, true, false)),
            )]
        },
    );
}

fn discovery_refused(list: &mut List) {
    list.one(
        21,
        Family::V6,
        "a solicitation for addresses that are not this port's is not answered",
        |_| {
            [SERVER_SIDE, SERVER, STRANGER]
                .map(|host| drop(&solicitation(v6(NEAR_CLIENT), host.v6), Reason::NdNotOurs))
                .to_vec()
        },
    );
    list.one(
        21,
        Family::V6,
        "an advertisement that nobody asked for is not believed",
        |_| {
            let said = advertisement(v6(STRANGER), v6(CLIENT_SIDE), false, true);
            vec![
                drop(&said, Reason::NeighborUnasked),
                drop(&said.clone().data_cut(16), Reason::NeighborUnasked),
            ]
        },
    );
    list.one(
        21,
        Family::V6,
        "an unsolicited advertisement to all nodes is not believed",
        |_| {
            let all = (ALL_NODES, multicast_mac(ALL_NODES));
            vec![drop(
                &advertisement(v6(STRANGER), all, false, false),
                Reason::NeighborUnasked,
            )]
        },
    );
    list.one(
        21,
        Family::V6,
        "an advertisement that claims a vip is not believed",
        |scene| {
            let flow = scene.nat();
            let claim = advertisement((NAT.v6, STRANGER.mac), v6(CLIENT_SIDE), false, true);
            vec![
                drop(&claim, Reason::NeighborUnasked),
                flow.goes(&flow.syn()),
            ]
        },
    );
    list.one(
        21,
        Family::V6,
        "a configured neighbor is not overwritten by an advertisement",
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let thief = advertisement((NEAR_CLIENT.v6, STRANGER.mac), v6(CLIENT_SIDE), false, true);
            vec![
                drop(&thief, Reason::NeighborUnasked),
                flow.goes(&flow.syn()),
                flow.returns(&flow.syn_ack()),
            ]
        },
    );
    list.one(
        21,
        Family::V6,
        "router messages and redirects change nothing",
        |_| {
            let message =
                |kind| Frame::icmp(NEAR_CLIENT.v6.into(), ALL_NODES.into(), kind, 0, [0; 4]);
            [133, 134, 137]
                .map(|kind| {
                    let frame = message(kind)
                        .data(&[0; 32])
                        .hops(255)
                        .link(NEAR_CLIENT.mac, multicast_mac(ALL_NODES));
                    drop(&frame, Reason::IcmpUnanswered)
                })
                .to_vec()
        },
    );
    list.one(21, Family::V6, "a listener report is nobody's here", |_| {
        let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
        let report = Frame::icmp(NEAR_CLIENT.v6.into(), routers.into(), 143, 0, [0; 4]).hops(1);
        vec![drop(
            &report.link(NEAR_CLIENT.mac, multicast_mac(routers)),
            Reason::LinkMulticast,
        )]
    });
}

fn discovery_malformed(list: &mut List) {
    let asked = solicitation(v6(NEAR_CLIENT), NAT.v6);
    let detection = solicitation((Ipv6Addr::UNSPECIFIED, STRANGER.mac), NAT.v6);
    let all = (ALL_NODES, multicast_mac(ALL_NODES));
    let multicast_target = spoilt(&asked, 0, &ALL_NODES.octets());
    for (name, frame) in [
        ("with a hop limit other than 255", asked.clone().hops(254)),
        ("with a wrong checksum", asked.clone().bad_checksum()),
        ("with an option of length zero", spoilt(&asked, 17, &[0])),
        ("with an option past its end", spoilt(&asked, 17, &[2])),
        (
            "with an option's octets left over",
            asked.clone().more_data(&[1]),
        ),
        ("for a multicast target", multicast_target),
        ("that is cut off", asked.clone().data_cut(12)),
        ("from no address but with a mac address", detection.clone()),
        (
            "from no address to one host",
            detection
                .data_cut(16)
                .dst(NAT.v6.into())
                .to_mac(port_mac(0)),
        ),
    ] {
        list.one(
            21,
            Family::V6,
            format!("a solicitation {name} is dropped"),
            |_| vec![drop(&frame, Reason::NdInvalid)],
        );
    }
    list.one(
        21,
        Family::V6,
        "a solicited advertisement to all nodes is dropped",
        |_| {
            vec![drop(
                &advertisement(v6(STRANGER), all, false, true),
                Reason::NdInvalid,
            )]
        },
    );
}
