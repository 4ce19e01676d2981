//! UDP through a service: the ordinary ways, checksums, lengths.
//!
//! WO 00/30294, Fig. 6, steps 208 to 220. Rows 2, 4, 5, 6, 25 and 29 of the edge cases.
//! Easy to get wrong: over IPv4 a checksum of 0 is no checksum and stays; a computed 0 is 0xFFFF.

use super::{Flow, List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT, DESERTED, DNS, DNS_BACKEND, EQUATION, EQUATION_SERVER, Family, NAT, SERVER, plain,
};

type Pick = fn(Scene) -> Flow;

const FORWARDINGS: [(&str, Pick); 2] = [("nat", Scene::nat_udp), ("direct", Scene::direct_udp)];

pub(super) fn add(list: &mut List) {
    list.with(plain());
    for (forwarding, pick) in FORWARDINGS {
        ordinary(list, forwarding, pick);
    }
    refused(list);
    checksums(list);
    equation(list);
    lengths(list);
}

fn ordinary(list: &mut List, forwarding: &str, pick: Pick) {
    list.both(
        0,
        &format!("datagrams of a flow pass with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![
                flow.goes(&flow.datagram(b"one")),
                flow.goes(&flow.datagram(b"another")),
            ]
        },
    );
    list.both(
        0,
        &format!("a datagram without data passes with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.datagram(b""))]
        },
    );
    list.both(
        2,
        &format!("padding behind a short datagram is no payload with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.datagram(b"x").padded())]
        },
    );
    list.both(
        25,
        &format!("a jumbo datagram in several segments passes with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.datagram(&[0x5a; 8001]))]
        },
    );
    list.both(
        29,
        &format!("dscp, ecn and flow label of a datagram are kept with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![
                flow.goes(
                    &flow
                        .datagram(b"marked")
                        .dscp_ecn(0x2e << 2 | 1)
                        .flow_label(0xf_ffff),
                ),
            ]
        },
    );
}

fn refused(list: &mut List) {
    list.both(
        0,
        "the backend's datagram leaves as the service's",
        |scene| {
            let flow = scene.nat_udp();
            vec![
                flow.goes(&flow.datagram(b"question")),
                flow.returns(&flow.answer_datagram(b"answer")),
            ]
        },
    );
    list.both(0, "a datagram for no service is discarded", |scene| {
        let flow = scene.flow(NAT, 54, SERVER, 54);
        vec![Step::client(
            &flow.datagram(b"x"),
            Expect::Drop(Reason::NoService),
        )]
    });
    list.both(
        0,
        "a datagram to the port of a tcp service is discarded",
        |scene| {
            let flow = scene.flow(NAT, 80, SERVER, 80);
            vec![Step::client(
                &flow.datagram(b"x"),
                Expect::Drop(Reason::NoService),
            )]
        },
    );
    list.both(
        0,
        "a datagram for a service without backends is dropped",
        |scene| {
            let flow = scene.flow(DESERTED, DNS, SERVER, DNS_BACKEND);
            vec![Step::client(
                &flow.datagram(b"x"),
                Expect::Drop(Reason::NoBackend),
            )]
        },
    );
    list.both(0, "udp from or to port zero is dropped", |scene| {
        let mut from = scene.client();
        from.set_port(0);
        let drop = |frame| Step::client(&frame, Expect::Drop(Reason::PortZero));
        let to = NAT.socket(scene.family, 0);
        vec![
            drop(Frame::udp(from, scene.nat_udp().vip)),
            drop(Frame::udp(scene.client(), to)),
        ]
    });
}

fn checksums(list: &mut List) {
    for (forwarding, pick) in FORWARDINGS {
        list.one(
            5,
            Family::V4,
            format!("a datagram without a checksum has none behind us with {forwarding}"),
            |scene| {
                let flow = pick(scene);
                vec![flow.goes(&flow.datagram(b"unchecked").no_checksum())]
            },
        );
        list.one(
            6,
            Family::V6,
            format!("a datagram over ipv6 without a checksum is dropped with {forwarding}"),
            |scene| {
                let flow = pick(scene);
                vec![Step::client(
                    &flow.datagram(b"unchecked").no_checksum(),
                    Expect::Drop(Reason::UdpNoChecksum),
                )]
            },
        );
    }
    list.one(
        5,
        Family::V4,
        "an answer without a checksum has none behind us",
        |scene| {
            let flow = scene.nat_udp();
            vec![
                flow.goes(&flow.datagram(b"a")),
                flow.returns(&flow.answer_datagram(b"b").no_checksum()),
            ]
        },
    );
    list.both(
        5,
        "a checksum that comes out as zero is sent as ffff",
        |scene| {
            let flow = scene.nat_udp();
            let out = flow.there(&flow.datagram(b"question")).with_zero_sum();
            vec![flow.goes(&flow.datagram(out.data_octets()))]
        },
    );
    list.both(
        5,
        "a checksum of ffff that stands for zero becomes an ordinary one",
        |scene| {
            let flow = scene.nat_udp();
            vec![flow.goes(&flow.datagram(b"question").with_zero_sum())]
        },
    );
    list.both(
        5,
        "an answer's checksum that comes out as zero is sent as ffff",
        |scene| {
            let flow = scene.nat_udp();
            let out = flow.back(&flow.answer_datagram(b"answer")).with_zero_sum();
            vec![
                flow.goes(&flow.datagram(b"question")),
                flow.returns(&flow.answer_datagram(out.data_octets())),
            ]
        },
    );
}

/// RFC 1624's example: the words of its edit are those of the VIP and the backend.
fn equation(list: &mut List) {
    let flow = |scene: Scene| scene.flow(EQUATION, DNS, EQUATION_SERVER, DNS_BACKEND);
    list.one(
        4,
        Family::V4,
        "a header checksum that comes out as zero is zero, not ffff",
        |scene| {
            let flow = flow(scene);
            let out = flow
                .there(&flow.datagram(b"x"))
                .with_header_checksum(0x0000);
            vec![flow.goes(&flow.datagram(b"x").id(out.identification()))]
        },
    );
    list.one(
        4,
        Family::V4,
        "the header checksum dd2f of rfc 1624 is brought up to date",
        |scene| {
            let flow = flow(scene);
            vec![flow.goes(&flow.datagram(b"x").with_header_checksum(0xdd2f))]
        },
    );
    list.one(
        4,
        Family::V4,
        "an answer's header checksum that comes out as zero is zero",
        |scene| {
            let flow = flow(scene);
            let out = flow
                .back(&flow.answer_datagram(b"x"))
                .with_header_checksum(0x0000);
            let answer = flow.answer_datagram(b"x").id(out.identification());
            vec![flow.goes(&flow.datagram(b"x")), flow.returns(&answer)]
        },
    );
    list.one(
        4,
        Family::V6,
        "the same edit over ipv6 has only the datagram's checksum",
        |scene| {
            let flow = flow(scene);
            let out = flow.there(&flow.datagram(b"question")).with_zero_sum();
            vec![flow.goes(&flow.datagram(out.data_octets()))]
        },
    );
}

fn lengths(list: &mut List) {
    let drop = |name: &str, list: &mut List, spoil: fn(Frame) -> Frame| {
        list.both(0, name, |scene| {
            let datagram = spoil(scene.nat_udp().datagram(b"payload"));
            vec![Step::client(&datagram, Expect::Drop(Reason::UdpBadLength))]
        });
    };
    drop(
        "a udp length below the header is dropped",
        list,
        |datagram| datagram.udp_len(7),
    );
    drop(
        "a udp length past the packet is dropped",
        list,
        |datagram| datagram.udp_len(16),
    );
    drop(
        "a udp header that the packet cuts off is dropped",
        list,
        |datagram| datagram.upper_cut(7),
    );
    drop(
        "a udp length that only the padding would fill is dropped",
        list,
        |datagram| datagram.udp_len(16).padded(),
    );
    list.both(
        0,
        "octets behind a datagram in its packet stay there",
        |scene| {
            let flow = scene.nat_udp();
            vec![flow.goes(&flow.datagram(b"payload").udp_len(12))]
        },
    );
    list.one(
        0,
        Family::V4,
        "a client's datagrams with and without a checksum are one flow",
        |scene| {
            let flow = scene.nat_udp();
            vec![
                flow.goes(&flow.datagram(b"a")),
                flow.goes(&flow.datagram(b"b").no_checksum()),
            ]
        },
    );
    list.both(
        0,
        "a datagram to our own address is not ours to answer",
        |scene| {
            let datagram = Frame::udp(
                CLIENT.socket(scene.family, scene.port),
                std::net::SocketAddr::new(scene.us(), 161),
            );
            vec![Step::client(
                &datagram,
                Expect::Drop(Reason::NoExceptionPath),
            )]
        },
    );
}
