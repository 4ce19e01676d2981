//! Packets that are too long for their way out.
//!
//! No counterpart in the patent. RFC 1191; RFC 4443, section 3.2; RFC 1122, section 3.2.2.
//! Port 0 takes IP packets of 1,500 octets, port 1 of 1,400. Easy to get wrong: what counts is the IP packet, which may
//! be shorter than its frame.

use std::net::IpAddr;

use super::{List, QUOTES_WHAT_IS_AT_HAND, Scene};
use crate::config::{KernelInterface, KernelNetwork};
use crate::filter::Reason;
use crate::id::PortId;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{CLIENT, Family, REMOTE, SERVER, plain, port_mac, transit};
use crate::wire::MacAddr;

const SERVER_MTU: u16 = 1400;

fn mtus(client: u16, server: u16) -> KernelNetwork {
    let device = |port, mtu: u16| KernelInterface {
        port: PortId(port),
        addresses: Vec::new(),
        mtu: mtu.into(),
        is_up: true,
    };
    KernelNetwork {
        interfaces: vec![device(0, client), device(1, server)],
        ..KernelNetwork::default()
    }
}

pub(super) fn add(list: &mut List) {
    list.with(plain());
    list.kernel = Some(mtus(1500, SERVER_MTU));
    forwarded(list);
    list.with(transit());
    routed(list);
    list.with(plain());
    list.kernel = Some(mtus(SERVER_MTU, 1500));
    returned(list);
    list.kernel = Some(mtus(9000, 9000));
    list.both(
        0,
        "a jumbo datagram passes where both links take it",
        |scene| {
            let flow = scene.nat_udp();
            vec![
                flow.goes(&of_length(&flow.datagram(b""), 9000)),
                flow.returns(&of_length(&flow.answer_datagram(b""), 9000)),
            ]
        },
    );
    list.kernel = None;
}

/// The same frame with as much data as makes an IP packet of `octets`.
fn of_length(frame: &Frame, octets: u16) -> Frame {
    let headers = frame.clone().data(b"").packet().len();
    let data: Vec<u8> = (0..=u8::MAX)
        .cycle()
        .take(usize::from(octets) - headers)
        .collect();
    frame.clone().data(&data)
}

/// What the sender is told, on the port where its packet came in.
fn told(from: IpAddr, about: &Frame, to: IpAddr, link: (MacAddr, MacAddr)) -> Frame {
    let [high, low] = SERVER_MTU.to_be_bytes();
    let (kind, code, rest, most) = match from {
        IpAddr::V4(_) => (3, 4, [0, 0, high, low], 576 - 20 - 8),
        IpAddr::V6(_) => (2, 0, [0, 0, high, low], 1280 - 40 - 8),
    };
    let quoted: Vec<u8> = about.packet().into_iter().take(most).collect();
    Frame::icmp(from, to, kind, code, rest)
        .data(&quoted)
        .link(link.0, link.1)
}

/// What the client behind port 0 is told.
fn told_client(scene: Scene, about: &Frame) -> Frame {
    let link = (port_mac(0), CLIENT.mac);
    told(scene.us(), about, scene.client().ip(), link)
}

fn forwarded(list: &mut List) {
    for (forwarding, is_direct) in [("nat", false), ("direct", true)] {
        let flow = move |scene: Scene| {
            if is_direct {
                scene.direct()
            } else {
                scene.nat()
            }
        };
        list.both(
            18,
            &format!("a segment as long as the way out takes goes on with {forwarding}"),
            move |scene| {
                let flow = flow(scene);
                let mut steps = flow.handshake();
                steps.push(flow.goes(&of_length(&flow.segment(), SERVER_MTU)));
                steps.push(flow.goes(&of_length(&flow.segment(), SERVER_MTU)));
                steps
            },
        );
        list.both(
            18,
            &format!("one octet more is answered with the mtu of the way out, {forwarding}"),
            move |scene| {
                let flow = flow(scene);
                let long = of_length(&flow.segment(), SERVER_MTU + 1);
                let answer = Expect::reply(&told_client(scene, &long));
                let mut steps = flow.handshake();
                steps.push(Step::client(&long, answer.clone()));
                // The flow itself goes on, and is told again.
                steps.push(flow.goes(&of_length(&flow.segment(), SERVER_MTU)));
                steps.push(Step::client(&long, answer));
                steps
            },
        )
        .one_segment(QUOTES_WHAT_IS_AT_HAND);
        list.both(
            18,
            &format!("a first datagram that is too long is answered with the mtu, {forwarding}"),
            move |scene| {
                let flow = if is_direct {
                    scene.direct_udp()
                } else {
                    scene.nat_udp()
                };
                let long = of_length(&flow.datagram(b""), 1500);
                vec![Step::client(
                    &long,
                    Expect::reply(&told_client(scene, &long)),
                )]
            },
        )
        .one_segment(QUOTES_WHAT_IS_AT_HAND);
        list.one(
            18,
            Family::V4,
            format!("a long packet that may be fragmented is dropped, {forwarding}"),
            move |scene| {
                let flow = flow(scene);
                let long = of_length(&flow.segment(), SERVER_MTU + 1).dont_fragment(false);
                let mut steps = flow.handshake();
                steps.push(Step::client(&long, Expect::Drop(Reason::TooBig)));
                steps
            },
        );
    }
}

fn returned(list: &mut List) {
    list.both(
        18,
        "a backend's answer that is too long for the way back is told to the backend",
        |scene| {
            let flow = scene.nat();
            let long = of_length(&flow.answer(), 1500);
            let link = (port_mac(1), flow.backend_mac);
            let told = told(scene.us_inside(), &long, flow.backend.ip(), link);
            let mut steps = flow.handshake();
            steps.push(Step::server(&long, Expect::reply(&told)));
            steps.push(flow.returns(&of_length(&flow.answer(), SERVER_MTU)));
            steps.push(Step::server(&long, Expect::reply(&told)));
            steps
        },
    )
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.one(
        18,
        Family::V4,
        "a backend's long answer that may be fragmented is dropped",
        |scene| {
            let flow = scene.nat_udp();
            let long = of_length(&flow.answer_datagram(b""), 1500).dont_fragment(false);
            vec![
                flow.goes(&flow.datagram(b"question")),
                Step::server(&long, Expect::Drop(Reason::TooBig)),
            ]
        },
    );
}

fn routed(list: &mut List) {
    list.both(
        18,
        "a packet in transit that is too long is answered with the mtu of the way out",
        |scene| {
            let to = REMOTE.socket(scene.family, 443);
            let fits = of_length(&Frame::udp(scene.client(), to), SERVER_MTU);
            let out = fits.clone().hops(63).link(port_mac(1), SERVER.mac);
            let long = of_length(&Frame::udp(scene.client(), to), SERVER_MTU + 1);
            let echo = Frame::echo_request(scene.client().ip(), to.ip());
            let echo = of_length(&echo, 1500);
            vec![
                Step::client(&fits, Expect::out(1, &out)),
                Step::client(&long, Expect::reply(&told_client(scene, &long))),
                Step::client(&echo, Expect::reply(&told_client(scene, &echo))),
            ]
        },
    )
    .one_segment(QUOTES_WHAT_IS_AT_HAND);
    list.both(18, "nobody is told of an error that is too long", |scene| {
        let quoted = Frame::syn(scene.nat().vip, scene.client()).packet();
        let error = Frame::time_exceeded(scene.client().ip(), scene.at(REMOTE), &quoted);
        let error = of_length(&error, 1500);
        vec![Step::client(&error, Expect::Drop(Reason::TooBig))]
    });
    list.both(18, "a fragment that is too long is dropped", |scene| {
        let to = REMOTE.socket(scene.family, 53);
        let datagram = Frame::udp(scene.client(), to).data(&[1; 4000]);
        let later = datagram.clone().piece(1440, 1440, true);
        let mut steps = vec![Step::client(&later, Expect::Drop(Reason::TooBig))];
        if scene.family == Family::V4 {
            let first = datagram.piece(0, 1440, true);
            steps.push(Step::client(&first, Expect::Drop(Reason::TooBig)));
        }
        steps
    });
}
