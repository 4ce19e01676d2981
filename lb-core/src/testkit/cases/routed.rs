//! Packets that concern no service and are not for us.
//!
//! No counterpart in the patent: it discards what is for no service. Rows 12 and 30 of the edge cases.
//! Easy to get wrong: without `transit` nothing of this is routed, whatever the route table knows.

use super::{List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    NEAR_CLIENT, REMOTE, ROUTER, SERVER, SERVER_2, SERVER_SIDE, pathless, plain, port_mac, transit,
};
use crate::wire::IpProtocol;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    not_for_us(list);
    list.with(transit());
    routed(list);
    list.with(pathless());
    list.both(
        0,
        "a packet in transit without a route is dropped",
        |scene| {
            let out = Frame::tcp(SERVER.socket(scene.family, 443), scene.client())
                .link(SERVER.mac, port_mac(1));
            vec![Step::server(&out.ack(7), Expect::Drop(Reason::NoRoute))]
        },
    );
    list.both(
        0,
        "an answer to a client to whom no route leads is dropped",
        |scene| {
            let flow = scene.nat();
            vec![
                flow.goes(&flow.syn()),
                Step::server(&flow.syn_ack(), Expect::Drop(Reason::NoRoute)),
            ]
        },
    );
}

/// Packets of several kinds from the client to a host that we route to.
fn travellers(scene: Scene) -> Vec<Frame> {
    let to = REMOTE.socket(scene.family, 443);
    let datagram = Frame::udp(scene.client(), to).data(&[3; 120]);
    vec![
        Frame::syn(scene.client(), to),
        Frame::tcp(scene.client(), to).seq(4).ack(5).data(b"data"),
        datagram.clone(),
        datagram.clone().piece(0, 64, true),
        datagram.piece(64, 999, false),
        Frame::echo_request(scene.client().ip(), to.ip()).data(b"ping"),
        Frame::ip(scene.client().ip(), to.ip(), IpProtocol::SCTP, &[1; 32]),
        Frame::ip(scene.client().ip(), to.ip(), IpProtocol::ESP, &[2; 64]),
    ]
}

fn not_for_us(list: &mut List) {
    list.both(0, "without transit nothing is routed", |scene| {
        let drop = |frame| Step::client(&frame, Expect::Drop(Reason::NotForUs));
        travellers(scene).into_iter().map(drop).collect()
    });
    list.both(
        0,
        "without transit a backend reaches nobody by itself",
        |scene| {
            let out = Frame::syn(SERVER.socket(scene.family, 40_000), scene.client())
                .link(SERVER.mac, port_mac(1));
            vec![Step::server(&out, Expect::Drop(Reason::NotForUs))]
        },
    );
    list.both(
        30,
        "what is addressed to us and no echo is for the control processor",
        |scene| {
            let packet = |protocol| Frame::ip(scene.client().ip(), scene.us(), protocol, &[0; 40]);
            [IpProtocol::GRE, IpProtocol(89), IpProtocol::SCTP]
                .map(|protocol| {
                    Step::client(&packet(protocol), Expect::Drop(Reason::NoExceptionPath))
                })
                .to_vec()
        },
    );
    list.both(12, "a fragment to our own address is dropped", |scene| {
        let to = std::net::SocketAddr::new(scene.us(), 179);
        let piece = Frame::udp(scene.client(), to)
            .data(&[0; 80])
            .piece(0, 64, true);
        vec![Step::client(&piece, Expect::Drop(Reason::Fragment))]
    });
}

fn routed(list: &mut List) {
    list.both(
        0,
        "transit routes every protocol and every fragment one hop on",
        |scene| {
            let on = |frame: Frame| {
                let out = frame.clone().hops(63).link(port_mac(1), SERVER.mac);
                Step::client(&frame, Expect::out(1, &out))
            };
            travellers(scene).into_iter().map(on).collect()
        },
    );
    list.both(
        0,
        "transit reaches hosts on a link and behind the default route",
        |scene| {
            let from = SERVER_2.socket(scene.family, 40_000);
            let near = Frame::syn(from, NEAR_CLIENT.socket(scene.family, 80))
                .link(SERVER_2.mac, port_mac(1));
            let far = Frame::syn(from, scene.client()).link(SERVER_2.mac, port_mac(1));
            let out = |frame: &Frame, to| frame.clone().hops(63).link(port_mac(0), to);
            vec![
                Step::server(&near, Expect::out(0, &out(&near, NEAR_CLIENT.mac))),
                Step::server(&far, Expect::out(0, &out(&far, ROUTER.mac))),
            ]
        },
    );
    list.both(
        0,
        "transit goes back out of the port that it came in on",
        |scene| {
            let syn = Frame::syn(scene.client(), NEAR_CLIENT.socket(scene.family, 80));
            let out = syn.clone().hops(63).link(port_mac(0), NEAR_CLIENT.mac);
            vec![Step::client(&syn, Expect::out(0, &out))]
        },
    );
    list.both(
        0,
        "services are balanced with transit as without",
        |scene| {
            let flow = scene.nat();
            flow.handshake()
        },
    );
    list.both(
        0,
        "a backend's answer is not routed past its connection",
        |scene| {
            let flow = scene.nat();
            let stray = flow
                .answer()
                .to_socket(flow.client)
                .from_socket(SERVER.socket(scene.family, 9999));
            let out = stray.clone().hops(63).link(port_mac(0), ROUTER.mac);
            vec![
                flow.goes(&flow.syn()),
                flow.returns(&flow.syn_ack()),
                // Of no connection: routed as it is.
                Step::server(&stray, Expect::out(0, &out)),
            ]
        },
    );
    list.both(
        0,
        "transit to our own address on another port is for us",
        |scene| {
            let syn = Frame::syn(scene.client(), SERVER_SIDE.socket(scene.family, 22));
            vec![Step::client(&syn, Expect::Drop(Reason::NoExceptionPath))]
        },
    );
}
