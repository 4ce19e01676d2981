//! TTL and hop limit: who is told that a packet can go no further.
//!
//! No counterpart in the patent. Row 3 of the edge cases; RFC 1812, 5.3.1; RFC 4443, section 3.3.
//! Easy to get wrong: with `nat` and in transit we are a router and take a hop, with `direct` we are not.

use std::net::{IpAddr, SocketAddr};

use super::{List, QUOTES_WHAT_IS_AT_HAND};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{CLIENT, Family, REMOTE, plain, port_mac, transit};
use crate::wire::IpProtocol;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    balanced(list);
    list.with(transit());
    routed(list);
}

/// What we say to whom a packet cannot go further, on the port where it came in.
fn exceeded(from: IpAddr, about: &Frame, to: SocketAddr, most: usize) -> Frame {
    let quoted: Vec<u8> = about.packet().into_iter().take(most).collect();
    Frame::time_exceeded(from, to.ip(), &quoted).link(port_mac(0), CLIENT.mac)
}

/// Octets of the packet that an error quotes at most: 576 or 1280 with its own headers.
const fn most_quoted(family: Family) -> usize {
    match family {
        Family::V4 => 576 - 20 - 8,
        Family::V6 => 1280 - 40 - 8,
    }
}

fn balanced(list: &mut List) {
    for hops in [1, 0] {
        list.both(
            3,
            &format!("a packet for nat with {hops} hops left is answered with time exceeded"),
            |scene| {
                let flow = scene.nat();
                let syn = flow.syn().hops(hops);
                let answer = exceeded(scene.us(), &syn, flow.client, most_quoted(scene.family));
                vec![Step::client(&syn, Expect::reply(&answer))]
            },
        )
        .one_segment(QUOTES_WHAT_IS_AT_HAND);
    }
    list.both(
        3,
        "a long packet is quoted as far as an error may be long",
        |scene| {
            let flow = scene.nat_udp();
            let datagram = flow.datagram(&[0x33; 1400]).hops(1);
            let answer = exceeded(
                scene.us(),
                &datagram,
                flow.client,
                most_quoted(scene.family),
            );
            vec![Step::client(&datagram, Expect::reply(&answer))]
        },
    )
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(3, "padding is not quoted", |scene| {
        let flow = scene.nat_udp();
        let datagram = flow.datagram(b"x").hops(1).padded();
        let answer = exceeded(
            scene.us(),
            &datagram,
            flow.client,
            most_quoted(scene.family),
        );
        vec![Step::client(&datagram, Expect::reply(&answer))]
    })
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(
        3,
        "an answer of the backend with one hop left is told to the backend",
        |scene| {
            let flow = scene.nat();
            let answer = flow.syn_ack().hops(1);
            let told = exceeded(
                scene.us_inside(),
                &answer,
                flow.backend,
                most_quoted(scene.family),
            );
            let told = told.link(port_mac(1), flow.backend_mac);
            vec![
                flow.goes(&flow.syn()),
                Step::server(&answer, Expect::reply(&told)),
            ]
        },
    )
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(3, "a packet with two hops left goes on with one", |scene| {
        let flow = scene.nat();
        let syn = flow.syn().hops(2);
        vec![Step::client(
            &syn,
            Expect::out(1, &flow.there(&syn).hops(1)),
        )]
    });
    list.both(3, "direct forwarding takes no hop", |scene| {
        let flow = scene.direct();
        vec![
            flow.goes(&flow.syn().hops(1)),
            flow.goes(&flow.syn().hops(255)),
        ]
    });
    list.both(
        3,
        "nothing is forwarded with no hop left, direct neither",
        |scene| {
            let flow = scene.direct();
            vec![Step::client(
                &flow.syn().hops(0),
                Expect::Drop(Reason::TtlExpired),
            )]
        },
    );
}

fn routed(list: &mut List) {
    for hops in [1, 0] {
        list.both(
            3,
            &format!("a packet in transit with {hops} hops left is answered with time exceeded"),
            |scene| {
                let to = REMOTE.socket(scene.family, 443);
                let syn = Frame::syn(scene.client(), to).hops(hops);
                let told = exceeded(scene.us(), &syn, scene.client(), most_quoted(scene.family));
                vec![Step::client(&syn, Expect::reply(&told))]
            },
        )
        .one_segment(QUOTES_WHAT_IS_AT_HAND);
    }
    list.both(
        3,
        "an echo request in transit is told that its hops ran out",
        |scene| {
            let echo = Frame::echo_request(scene.client().ip(), scene.at(REMOTE))
                .hops(1)
                .data(b"traceroute");
            let told = exceeded(scene.us(), &echo, scene.client(), most_quoted(scene.family));
            vec![Step::client(&echo, Expect::reply(&told))]
        },
    )
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(3, "no error is sent about an error", |scene| {
        let quoted = Frame::syn(scene.nat().vip, scene.client()).packet();
        let error = Frame::time_exceeded(scene.client().ip(), scene.at(REMOTE), &quoted).hops(1);
        vec![Step::client(&error, Expect::Drop(Reason::TtlExpired))]
    });
    list.both(3, "no error is sent about a later fragment", |scene| {
        let datagram = Frame::udp(scene.client(), REMOTE.socket(scene.family, 53)).data(&[1; 100]);
        let piece = datagram.piece(64, 999, false).hops(1);
        vec![Step::client(&piece, Expect::Drop(Reason::TtlExpired))]
    });
    list.both(3, "an error is sent about a first fragment", |scene| {
        let datagram = Frame::udp(scene.client(), REMOTE.socket(scene.family, 53)).data(&[1; 100]);
        let piece = datagram.piece(0, 64, true).hops(1);
        let told = exceeded(
            scene.us(),
            &piece,
            scene.client(),
            most_quoted(scene.family),
        );
        vec![Step::client(&piece, Expect::reply(&told))]
    })
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(3, "hops that run out are told of any protocol", |scene| {
        let packet = Frame::ip(
            scene.client().ip(),
            scene.at(REMOTE),
            IpProtocol::GRE,
            &[7; 40],
        )
        .hops(1);
        let told = exceeded(
            scene.us(),
            &packet,
            scene.client(),
            most_quoted(scene.family),
        );
        vec![Step::client(&packet, Expect::reply(&told))]
    })
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
}
