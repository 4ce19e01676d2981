//! With an exception path: what the control processor's kernel gets, and what stays ours.
//!
//! WO 00/30294, Figs. 8 and 9; claims 1–3, 13, 14. A VIP and everything about it is ours; the addresses of the box
//! itself are the kernel's.
//! Easy to get wrong: the kernel gets a packet as it came, octet for octet; neither TTL nor checksum changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::neighbors::{v4, v6};
use super::{List, Scene};
use crate::filter::{Class, Reason};
use crate::testkit::build::{Frame, advertisement, arp_reply, arp_request, solicitation};
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT_SIDE, Family, NAT, NEAR_CLIENT, SERVER_SIDE, STRANGER, plain, port_mac,
};
use crate::wire::ndp::{ALL_NODES, multicast_mac};
use crate::wire::{EtherType, IpProtocol, MacAddr, tcp::Flags};

pub(super) fn add(list: &mut List) {
    list.with(plain());
    list.has_exception_path = true;
    upper(list);
    neighbors(list);
    groups(list);
    vips(list);
    list.has_exception_path = false;
}

fn punt(frame: &Frame, class: Class) -> Step {
    Step::client(frame, Expect::Punt(class))
}

fn to_us(scene: Scene, port: u16) -> SocketAddr {
    SocketAddr::new(scene.us(), port)
}

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);

fn upper(list: &mut List) {
    list.both(0, "tcp to the box itself is the kernel's", |scene| {
        let segment = |flags| Frame::tcp(scene.client(), to_us(scene, 22)).flags(flags);
        [Flags::SYN, Flags::ACK, Flags::RST, Flags::FIN]
            .map(|flags| punt(&segment(flags), Class::Bulk))
            .to_vec()
    });
    list.both(0, "routing sessions go with control traffic", |scene| {
        let asked = SocketAddr::new(scene.client().ip(), 179);
        let bfd = Frame::udp(scene.client(), to_us(scene, 3784)).data(&[0x20; 24]);
        let ospf = Frame::ip(scene.client().ip(), scene.us(), IpProtocol(89), &[2; 44]);
        vec![
            punt(
                &Frame::syn(scene.client(), to_us(scene, 179)),
                Class::Routing,
            ),
            punt(
                &Frame::tcp(asked, to_us(scene, 40_000)).flags(Flags::ACK),
                Class::Routing,
            ),
            punt(&bfd, Class::Routing),
            punt(&ospf, Class::Routing),
        ]
    });
    list.both(0, "datagrams to the box itself are the kernel's", |scene| {
        let datagram = Frame::udp(scene.client(), to_us(scene, 161)).data(b"get");
        vec![punt(&datagram, Class::Bulk)]
    });
    list.both(30, "the kernel answers echo requests to the box", |scene| {
        let request = Frame::echo_request(scene.client().ip(), scene.us());
        vec![
            punt(&request.clone().data(&[7; 56]), Class::Icmp),
            punt(&request, Class::Icmp),
        ]
    });
    list.both(
        30,
        "errors about what the box sent are the kernel's",
        |scene| {
            let sent = Frame::udp(to_us(scene, 40_000), scene.client()).packet();
            let error = Frame::time_exceeded(scene.at(STRANGER), scene.us(), &sent);
            vec![punt(&error, Class::Icmp)]
        },
    );
    list.both(
        12,
        "fragments to the box itself are the kernel's",
        |scene| {
            let datagram = Frame::udp(scene.client(), to_us(scene, 179)).data(&[0; 80]);
            vec![
                punt(&datagram.clone().piece(0, 64, true), Class::Bulk),
                punt(&datagram.piece(64, 24, false), Class::Bulk),
            ]
        },
    );
    list.both(
        30,
        "any protocol to the box itself is the kernel's",
        |scene| {
            let packet = |protocol| Frame::ip(scene.client().ip(), scene.us(), protocol, &[0; 40]);
            [IpProtocol::GRE, IpProtocol::SCTP, IpProtocol::ESP]
                .map(|protocol| punt(&packet(protocol), Class::Bulk))
                .to_vec()
        },
    );
    list.both(
        0,
        "the kernel decides about the address of another interface",
        |scene| {
            let to = SERVER_SIDE.socket(scene.family, 22);
            vec![punt(&Frame::syn(scene.client(), to), Class::Bulk)]
        },
    );
    list.both(
        24,
        "frames of a vlan are the kernel's, tag and all, also those to a vip",
        |scene| {
            let tagged = |frame: Frame| punt(&frame.tag(EtherType::VLAN, 7), Class::Bulk);
            vec![
                tagged(Frame::syn(scene.client(), to_us(scene, 22))),
                tagged(scene.nat().syn()),
            ]
        },
    );
    list.one(
        0,
        Family::V6,
        "link-local addresses are the kernel's",
        |scene| {
            let from = SocketAddr::new(IpAddr::V6(LINK_LOCAL), scene.port);
            let to =
                |port| SocketAddr::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), port);
            vec![
                punt(&Frame::syn(from, to(179)), Class::Routing),
                punt(&Frame::echo_request(from.ip(), to(0).ip()), Class::Icmp),
            ]
        },
    );
    list.both(
        22,
        "what cannot have been sent reaches no kernel",
        |scene| {
            let segment = Frame::syn(to_us(scene, 7), to_us(scene, 22));
            vec![Step::client(&segment, Expect::Drop(Reason::MartianSource))]
        },
    );
}

fn neighbors(list: &mut List) {
    let (us, near) = (v4(CLIENT_SIDE), v4(NEAR_CLIENT));
    list.one(
        20,
        Family::V4,
        "the kernel answers arp for the box's address",
        |_| vec![punt(&arp_request(near, us.0).padded(), Class::Neighbor)],
    );
    list.one(
        20,
        Family::V4,
        "the kernel hears what its neighbors say",
        |_| {
            let gratuitous = arp_request(near, near.0).padded();
            vec![
                punt(&arp_reply(near, us).padded(), Class::Neighbor),
                punt(&gratuitous, Class::Neighbor),
            ]
        },
    );
    list.one(
        20,
        Family::V4,
        "arp between others is nobody's here",
        |_| {
            let request = arp_request(near, STRANGER.v4).padded();
            vec![Step::client(&request, Expect::Drop(Reason::ArpNotOurs))]
        },
    );
    let (us, near) = (v6(CLIENT_SIDE), v6(NEAR_CLIENT));
    list.one(
        21,
        Family::V6,
        "the kernel answers solicitations for the box's addresses",
        |_| {
            vec![
                punt(&solicitation(near, us.0), Class::Neighbor),
                punt(&solicitation(near, LINK_LOCAL), Class::Neighbor),
            ]
        },
    );
    list.one(
        21,
        Family::V6,
        "the kernel hears advertisements of neighbors and routers",
        |_| {
            let all = (ALL_NODES, multicast_mac(ALL_NODES));
            let router = Frame::icmp(LINK_LOCAL.into(), ALL_NODES.into(), 134, 0, [64, 0, 7, 8])
                .data(&[0; 8])
                .hops(255)
                .link(NEAR_CLIENT.mac, all.1);
            vec![
                punt(&advertisement(near, us, false, true), Class::Neighbor),
                punt(&advertisement(near, all, false, false), Class::Neighbor),
                punt(&router, Class::Neighbor),
            ]
        },
    );
}

fn groups(list: &mut List) {
    list.one(26, Family::V4, "link control is the kernel's", |_| {
        let to = |last| MacAddr([1, 0x80, 0xc2, 0, 0, last]);
        let lldp = Frame::raw(EtherType::LLDP.0, &[2, 7, 4, 2, 0, 0, 0, 0, 0xfe, 0, 0]).padded();
        let lacp = Frame::raw(EtherType::SLOW.0, &[1; 110]);
        vec![
            punt(&lldp.to_mac(to(0xe)), Class::Routing),
            punt(&lacp.to_mac(to(2)), Class::Routing),
        ]
    });
    list.one(
        26,
        Family::V4,
        "groups of the link are the kernel's",
        |scene| {
            let group = |last| Ipv4Addr::new(224, 0, 0, last);
            let sent = |last: u8, protocol| {
                Frame::ip(
                    NEAR_CLIENT.v4.into(),
                    group(last).into(),
                    protocol,
                    &[0; 32],
                )
                .link(NEAR_CLIENT.mac, MacAddr([1, 0, 0x5e, 0, 0, last]))
            };
            let mdns = Frame::udp(
                NEAR_CLIENT.socket(Family::V4, scene.port),
                (group(251), 5353).into(),
            );
            vec![
                punt(&sent(5, IpProtocol(89)), Class::Routing),
                punt(&sent(18, IpProtocol(112)), Class::Routing),
                punt(
                    &mdns.link(NEAR_CLIENT.mac, MacAddr([1, 0, 0x5e, 0, 0, 251])),
                    Class::Bulk,
                ),
            ]
        },
    );
    list.one(
        26,
        Family::V6,
        "ipv6 groups of the link are the kernel's",
        |_| {
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5);
            let ospf = Frame::ip(LINK_LOCAL.into(), group.into(), IpProtocol(89), &[3; 36])
                .link(NEAR_CLIENT.mac, multicast_mac(group));
            let echo = Frame::echo_request(LINK_LOCAL.into(), ALL_NODES.into())
                .link(NEAR_CLIENT.mac, multicast_mac(ALL_NODES));
            vec![punt(&ospf, Class::Routing), punt(&echo, Class::Icmp)]
        },
    );
    list.one(
        26,
        Family::V4,
        "groups beyond the link are nobody's here",
        |scene| {
            let stream = Frame::udp(
                NEAR_CLIENT.socket(Family::V4, scene.port),
                (Ipv4Addr::new(239, 1, 2, 3), 5004).into(),
            );
            let dropped = |frame: Frame| Step::client(&frame, Expect::Drop(Reason::LinkMulticast));
            let pause = Frame::raw(EtherType::PAUSE.0, &[0, 1, 0xff, 0xff]).padded();
            vec![
                dropped(stream.link(NEAR_CLIENT.mac, MacAddr([1, 0, 0x5e, 1, 2, 3]))),
                dropped(pause.to_mac(MacAddr([1, 0x80, 0xc2, 0, 0, 1]))),
            ]
        },
    );
}

fn vips(list: &mut List) {
    list.both(9, "a vip stays ours with an exception path", |scene| {
        let flow = scene.flow(NAT, 81, NAT, 81);
        let datagram = Frame::udp(flow.client, flow.vip);
        vec![
            Step::client(&flow.syn(), Expect::reply(&flow.refusal().ack(1001))),
            Step::client(&datagram, Expect::Drop(Reason::NoService)),
        ]
    });
    let near = v4(NEAR_CLIENT);
    list.one(
        20,
        Family::V4,
        "arp for a vip stays ours with an exception path",
        |_| {
            let answer = arp_reply((NAT.v4, port_mac(0)), near);
            vec![Step::client(
                &arp_request(near, NAT.v4),
                Expect::reply(&answer),
            )]
        },
    );
}
