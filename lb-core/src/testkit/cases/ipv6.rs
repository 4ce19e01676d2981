//! The IPv6 header and its extensions.
//!
//! No counterpart in the patent. Rows 1, 13, 14 and 30 of the edge cases. Hops are with IPv4's.
//! Easy to get wrong: an extension header moves the ports; the protocol that the fixed header names is then
//! not the transport's.

use super::{List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{Family, NAT, SERVER_SIDE, plain};
use crate::wire::IpProtocol;

/// Options header of eight octets, filled with padding.
const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
/// Fragment header of a datagram that is whole.
const ATOMIC: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 7];

pub(super) fn add(list: &mut List) {
    list.with(plain());
    malformed(list);
    extensions(list);
    routing(list);
}

fn drop(list: &mut List, row: u8, name: &str, reason: Reason, spoil: impl FnOnce(Frame) -> Frame) {
    list.one(row, Family::V6, name, |scene| {
        let frame = spoil(scene.nat().syn());
        vec![Step::client(&frame, Expect::Drop(reason))]
    });
}

fn malformed(list: &mut List) {
    drop(
        list,
        1,
        "an ipv6 header that the frame cuts off is dropped",
        Reason::Ipv6Truncated,
        |f| f.cut(53),
    );
    drop(
        list,
        1,
        "a version other than six is dropped",
        Reason::Ipv6BadVersion,
        |f| f.version(4),
    );
    drop(
        list,
        1,
        "a payload length beyond the frame is dropped",
        Reason::Ipv6PayloadBeyondFrame,
        |f| f.ip_len(1400),
    );
    drop(
        list,
        1,
        "a payload length one octet beyond the frame is dropped",
        Reason::Ipv6PayloadBeyondFrame,
        |f| f.ip_len(25),
    );
    drop(
        list,
        1,
        "an empty ipv6 packet is dropped for want of tcp",
        Reason::TcpTruncated,
        |f| f.ip_len(0).padded(),
    );
    drop(
        list,
        14,
        "an extension header past the payload is dropped",
        Reason::Ipv6BadExtension,
        |f| f.extension(IpProtocol::DESTINATION_OPTIONS, &[0, 31, 1, 4, 0, 0, 0, 0]),
    );
    drop(
        list,
        14,
        "hop-by-hop options that do not come first are dropped",
        Reason::Ipv6BadExtension,
        |f| {
            f.extension(IpProtocol::DESTINATION_OPTIONS, &PADDING)
                .extension(IpProtocol::HOP_BY_HOP, &PADDING)
        },
    );
    drop(
        list,
        14,
        "a chain of more than eight extension headers is dropped",
        Reason::Ipv6BadExtension,
        |f| {
            (0..9).fold(f, |f, _| {
                f.extension(IpProtocol::DESTINATION_OPTIONS, &PADDING)
            })
        },
    );
    drop(
        list,
        14,
        "a chain of more than 256 octets is dropped",
        Reason::Ipv6BadExtension,
        |f| {
            let mut long = [0; 264];
            long[1] = 32;
            long[2..6].copy_from_slice(&[1, 255, 0, 0]);
            f.extension(IpProtocol::DESTINATION_OPTIONS, &long)
        },
    );
    drop(
        list,
        14,
        "two fragment headers are dropped",
        Reason::Ipv6BadExtension,
        |f| {
            f.extension(IpProtocol::FRAGMENT, &ATOMIC)
                .extension(IpProtocol::FRAGMENT, &ATOMIC)
        },
    );
}

fn extensions(list: &mut List) {
    for (name, kind) in [
        ("hop-by-hop", IpProtocol::HOP_BY_HOP),
        ("destination", IpProtocol::DESTINATION_OPTIONS),
    ] {
        list.one(
            14,
            Family::V6,
            format!("a syn behind {name} options is balanced with nat"),
            |scene| {
                let flow = scene.nat();
                let extended = |frame: Frame| frame.extension(kind, &PADDING);
                vec![
                    flow.goes(&extended(flow.syn())),
                    flow.returns(&extended(flow.syn_ack())),
                ]
            },
        );
        list.one(
            14,
            Family::V6,
            format!("a datagram behind {name} options is balanced with nat"),
            |scene| {
                let flow = scene.nat_udp();
                vec![flow.goes(&flow.datagram(b"x").extension(kind, &PADDING))]
            },
        );
        list.one(
            14,
            Family::V6,
            format!("a syn behind {name} options is balanced with direct"),
            |scene| {
                let flow = scene.direct();
                vec![flow.goes(&flow.syn().extension(kind, &PADDING))]
            },
        );
    }
    list.one(
        13,
        Family::V6,
        "an atomic fragment is a whole packet",
        |scene| {
            let flow = scene.nat();
            vec![flow.goes(&flow.syn().extension(IpProtocol::FRAGMENT, &ATOMIC))]
        },
    );
    list.one(
        14,
        Family::V6,
        "eight extension headers are walked",
        |scene| {
            let flow = scene.nat();
            let syn = (0..8).fold(flow.syn(), |f, _| {
                f.extension(IpProtocol::DESTINATION_OPTIONS, &PADDING)
            });
            vec![flow.goes(&syn)]
        },
    );
    list.one(
        14,
        Family::V6,
        "a reset drops the extension headers of what it refuses",
        |scene| {
            let flow = scene.nat();
            let segment = flow
                .segment()
                .extension(IpProtocol::DESTINATION_OPTIONS, &PADDING);
            vec![Step::client(
                &segment,
                Expect::reply(&flow.refusal().seq(5001)),
            )]
        },
    );
    list.one(
        30,
        Family::V6,
        "protocols other than tcp and udp are not read as ports over ipv6",
        |scene| {
            let payload = [0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 0, 0, 0, 0, 0];
            let packet =
                |protocol| Frame::ip(scene.client().ip(), scene.at(NAT), protocol, &payload);
            let protocols = [
                IpProtocol::SCTP,
                IpProtocol::GRE,
                IpProtocol::ESP,
                IpProtocol::ICMPV4,
                IpProtocol::NO_NEXT_HEADER,
            ];
            protocols
                .map(|protocol| {
                    Step::client(&packet(protocol), Expect::Drop(Reason::UnknownProtocol))
                })
                .to_vec()
        },
    );
}

/// Routing header with one address to go to: type, segments left.
fn route(kind: u8, segments_left: u8, scene: Scene) -> Vec<u8> {
    let mut header = vec![0, 2, kind, segments_left, 0, 0, 0, 0];
    if let std::net::IpAddr::V6(next) = scene.at(NAT) {
        header.extend(next.octets());
    }
    header
}

fn routing(list: &mut List) {
    for segments_left in [0, 1] {
        list.one(
            14,
            Family::V6,
            format!("routing header 0 with {segments_left} segments left is dropped"),
            |scene| {
                let syn = scene
                    .nat()
                    .syn()
                    .extension(IpProtocol::ROUTING, &route(0, segments_left, scene));
                vec![Step::client(&syn, Expect::Drop(Reason::Ipv6RoutingHeader0))]
            },
        );
    }
    list.one(
        14,
        Family::V6,
        "a route at its end does not hide the ports",
        |scene| {
            let flow = scene.nat();
            vec![
                flow.goes(
                    &flow
                        .syn()
                        .extension(IpProtocol::ROUTING, &route(4, 0, scene)),
                ),
            ]
        },
    );
    list.one(
        14,
        Family::V6,
        "a vip is no way station of a route",
        |scene| {
            let syn = scene
                .nat()
                .syn()
                .extension(IpProtocol::ROUTING, &route(4, 1, scene));
            let syn = syn.final_dst(SERVER_SIDE.v6);
            vec![Step::client(&syn, Expect::Drop(Reason::UnknownProtocol))]
        },
    );
}
