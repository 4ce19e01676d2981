//! ICMP to VIPs and to us.
//!
//! No counterpart in the patent. Row 19 of the edge cases; RFC 792, RFC 4443.
//! Easy to get wrong: the VIP answers whether a backend is up or not, and returns the data as they came.

use super::flow::HOPS;
use super::{List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT_SIDE, DESERTED, DIRECT, Family, Host, NAT, REMOTE, SERVER_SIDE, plain, port_mac, transit,
};
use crate::wire::IpProtocol;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    answered(list);
    unanswered(list);
    malformed(list);
    list.with(transit());
    list.both(
        0,
        "an echo request for somebody else is routed, not answered",
        |scene| {
            let echo = Frame::echo_request(scene.client().ip(), scene.at(REMOTE));
            let out = echo.clone().hops(63).link(port_mac(1), REMOTE.mac);
            vec![Step::client(&echo, Expect::out(1, &out))]
        },
    );
}

fn request(scene: Scene, to: Host) -> Frame {
    Frame::echo_request(scene.client().ip(), scene.at(to))
}

/// An echo request with some data, and its reply with the same.
fn echo(scene: Scene, to: Host, edit: impl Fn(Frame) -> Frame) -> Step {
    let reply = edit(Frame::echo_reply(scene.at(to), scene.client().ip()));
    let reply = reply.hops(HOPS).link(port_mac(0), scene.nat().client_mac);
    Step::client(&edit(request(scene, to)), Expect::reply(&reply))
}

fn answered(list: &mut List) {
    let whom = [
        ("a vip", NAT),
        ("a direct vip", DIRECT),
        ("a vip without backends", DESERTED),
        ("our own address", CLIENT_SIDE),
        ("our address on another port", SERVER_SIDE),
    ];
    for (name, to) in whom {
        list.both(19, &format!("{name} answers echo requests"), |scene| {
            vec![echo(scene, to, |f| f.data(b"abcdefgh"))]
        });
    }
    list.both(19, "an echo request without data is answered", |scene| {
        vec![echo(scene, NAT, |f| f), echo(scene, NAT, Frame::padded)]
    });
    list.both(19, "an echo request of odd length is answered", |scene| {
        vec![
            echo(scene, NAT, |f| f.data(&[0xff; 55])),
            echo(scene, NAT, |f| f.data(&[0xff; 1451])),
        ]
    });
    list.both(
        25,
        "a jumbo echo request in several segments is answered",
        |scene| vec![echo(scene, NAT, |f| f.data(&[0x77; 8900]))],
    );
    list.both(
        19,
        "an echo request with one hop left is answered",
        |scene| {
            vec![Step::client(
                &request(scene, NAT).hops(1),
                Expect::reply(&{
                    let reply = Frame::echo_reply(scene.at(NAT), scene.client().ip());
                    reply.link(port_mac(0), scene.nat().client_mac)
                }),
            )]
        },
    );
    list.both(
        19,
        "the reply has the request's class of service",
        |scene| {
            vec![echo(scene, NAT, |f| {
                f.dscp_ecn(0xb8).flow_label(0x1_2345).id(0x1234)
            })]
        },
    );
    list.one(
        19,
        Family::V4,
        "an echo request of nothing but zeros is answered",
        |scene| {
            let zeros = |src, dst, kind| Frame::icmp(src, dst, kind, 0, [0; 4]);
            let (client, vip) = (scene.client().ip(), scene.at(NAT));
            let reply = zeros(vip, client, 0).link(port_mac(0), scene.nat().client_mac);
            vec![Step::client(&zeros(client, vip, 8), Expect::reply(&reply))]
        },
    );
    list.one(
        11,
        Family::V4,
        "the reply has the request's ip options",
        |scene| vec![echo(scene, NAT, |f| f.options(&[1, 1, 1, 0]).data(b"x"))],
    );
    list.one(
        14,
        Family::V6,
        "an echo request behind options is answered behind options",
        |scene| {
            vec![echo(scene, NAT, |f| {
                f.extension(IpProtocol::DESTINATION_OPTIONS, &[0, 0, 1, 4, 0, 0, 0, 0])
            })]
        },
    );
    list.both(
        19,
        "an echo reply's checksum that comes out as zero is right",
        |scene| {
            let reply = Frame::echo_reply(scene.at(NAT), scene.client().ip()).with_zero_sum();
            let data = reply.data_octets().to_vec();
            vec![echo(scene, NAT, move |f| f.data(&data))]
        },
    );
}

fn unanswered(list: &mut List) {
    let drop = |frame: &Frame| Step::client(frame, Expect::Drop(Reason::IcmpUnanswered));
    list.both(19, "an echo reply to a vip is not answered", |scene| {
        vec![drop(&Frame::echo_reply(scene.client().ip(), scene.at(NAT)))]
    });
    list.both(19, "an echo request with a code is not answered", |scene| {
        let kind = if scene.family == Family::V4 { 8 } else { 128 };
        vec![drop(&Frame::icmp(
            scene.client().ip(),
            scene.at(NAT),
            kind,
            1,
            [0; 4],
        ))]
    });
    list.one(
        19,
        Family::V4,
        "timestamp and mask requests are not answered",
        |scene| {
            let ask = |kind| {
                Frame::icmp(scene.client().ip(), scene.at(NAT), kind, 0, [0; 4]).data(&[0; 12])
            };
            [13, 15, 17].map(|kind| drop(&ask(kind))).to_vec()
        },
    );
    list.both(0, "an error to a vip changes nothing", |scene| {
        let flow = scene.nat();
        let quoted = flow.back(&flow.answer()).packet();
        let kind = if scene.family == Family::V4 { 3 } else { 1 };
        let unreachable =
            Frame::icmp(flow.client.ip(), flow.vip.ip(), kind, 1, [0; 4]).data(&quoted);
        let mut steps = flow.handshake();
        steps.push(drop(&unreachable));
        steps.push(flow.goes(&flow.segment()));
        steps
    });
    list.one(
        30,
        Family::V4,
        "icmp of the other family is no icmp",
        |scene| {
            let echo = Frame::ip(
                scene.client().ip(),
                scene.at(NAT),
                IpProtocol::ICMPV6,
                &[128, 0, 0, 0, 0, 0, 0, 0],
            );
            vec![Step::client(&echo, Expect::Drop(Reason::UnknownProtocol))]
        },
    );
}

fn malformed(list: &mut List) {
    let drop = |frame: &Frame| Step::client(frame, Expect::Drop(Reason::IcmpMalformed));
    list.both(
        19,
        "an echo request with a wrong checksum is dropped",
        |scene| vec![drop(&request(scene, NAT).data(b"abc").bad_checksum())],
    )
    .one_segment("a checksum over several segments is not verified");
    list.both(
        19,
        "an echo request that the packet cuts off is dropped",
        |scene| {
            vec![
                drop(&request(scene, NAT).upper_cut(7)),
                drop(&request(scene, NAT).upper_cut(7).padded()),
            ]
        },
    );
    list.both(12, "a piece of an echo request is dropped", |scene| {
        let piece = request(scene, NAT).data(&[0; 100]).piece(0, 64, true);
        vec![Step::client(&piece, Expect::Drop(Reason::Fragment))]
    });
}
