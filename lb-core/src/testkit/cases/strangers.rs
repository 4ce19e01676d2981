//! Segments that belong to no service or to no connection: what is answered, and with which numbers.
//!
//! WO 00/30294, Fig. 6, step 208. Row 9 of the edge cases; RFC 9293, section 3.10.7.1, "CLOSED".
//! Easy to get wrong: what a reset acknowledges counts SYN and FIN, and never the padding of the frame.

use super::{Flow, List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT_SIDE, DIRECT_HASH, HTTP, NAT, ON_MISS_DROP, ON_MISS_HASH, SERVER, plain,
};
use crate::wire::tcp::Flags;

/// A port of the VIP that no service has.
const CLOSED: u16 = 81;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    no_service(list);
    silent(list);
    on_miss(list);
    hashed(list);
}

fn closed(scene: Scene) -> Flow {
    scene.flow(NAT, CLOSED, SERVER, CLOSED)
}

/// The reset of a segment that acknowledges nothing: sequence number 0, everything acknowledged.
fn acknowledging(flow: &Flow, number: u32) -> Frame {
    flow.refusal().ack(number)
}

fn no_service(list: &mut List) {
    list.both(
        9,
        "a syn for no service is refused by a reset from the vip",
        |scene| {
            let flow = closed(scene);
            vec![Step::client(
                &flow.syn(),
                Expect::reply(&acknowledging(&flow, 1001)),
            )]
        },
    );
    list.both(9, "the reset acknowledges a syn's data", |scene| {
        let flow = closed(scene);
        vec![Step::client(
            &flow.syn().data(&[1; 33]),
            Expect::reply(&acknowledging(&flow, 1034)),
        )]
    });
    list.both(
        9,
        "the reset of the last sequence number acknowledges zero",
        |scene| {
            let flow = closed(scene);
            vec![Step::client(
                &flow.syn().seq(u32::MAX),
                Expect::reply(&acknowledging(&flow, 0)),
            )]
        },
    );
    list.both(2, "the reset does not acknowledge padding", |scene| {
        let flow = closed(scene);
        let syn = Frame::tcp(flow.client, flow.vip)
            .flags(Flags::SYN)
            .seq(1000)
            .padded();
        vec![Step::client(
            &syn,
            Expect::reply(&acknowledging(&flow, 1001)),
        )]
    });
    list.both(
        9,
        "an acknowledging segment for no service is refused at its number",
        |scene| {
            let flow = closed(scene);
            let segment = flow.segment().data(b"hello");
            vec![Step::client(
                &segment,
                Expect::reply(&flow.refusal().seq(5001)),
            )]
        },
    );
    list.both(
        9,
        "a syn+ack for no service is refused at its number",
        |scene| {
            let flow = closed(scene);
            let segment = flow.syn().ack(9);
            vec![Step::client(
                &segment,
                Expect::reply(&flow.refusal().seq(9)),
            )]
        },
    );
    list.both(
        9,
        "a bare fin for no service counts as one octet",
        |scene| {
            let flow = closed(scene);
            let fin = Frame::tcp(flow.client, flow.vip)
                .flags(Flags::FIN)
                .seq(40)
                .data(&[0; 4]);
            vec![Step::client(&fin, Expect::reply(&acknowledging(&flow, 45)))]
        },
    );
    list.both(
        9,
        "data without any acknowledgment are acknowledged by the reset",
        |scene| {
            let flow = closed(scene);
            let push = Frame::tcp(flow.client, flow.vip)
                .flags(Flags::PSH)
                .seq(40)
                .data(&[0; 10]);
            vec![Step::client(
                &push,
                Expect::reply(&acknowledging(&flow, 50)),
            )]
        },
    );
    list.both(
        9,
        "a refused segment's options and long data are not sent back",
        |scene| {
            let flow = closed(scene);
            let segment = flow
                .segment()
                .tcp_options(&[1; 12])
                .data(&[0x55; 1200])
                .dscp_ecn(0xff);
            vec![Step::client(
                &segment,
                Expect::reply(&flow.refusal().seq(5001)),
            )]
        },
    );
}

fn silent(list: &mut List) {
    for (name, flags) in [
        ("reset", Flags::RST),
        ("reset with ack", Flags::RST.with(Flags::ACK)),
    ] {
        list.both(
            9,
            &format!("a {name} for no service is never answered"),
            |scene| {
                let segment = closed(scene).segment().flags(flags);
                vec![Step::client(&segment, Expect::Drop(Reason::NoService))]
            },
        );
        list.both(
            9,
            &format!("a {name} without a connection is never answered"),
            |scene| {
                let segment = scene.nat().segment().flags(flags);
                vec![Step::client(&segment, Expect::Drop(Reason::NoConnection))]
            },
        );
    }
    list.both(0, "tcp to our own address is not ours to answer", |scene| {
        let segment = Frame::syn(scene.client(), CLIENT_SIDE.socket(scene.family, 179));
        vec![Step::client(
            &segment,
            Expect::Drop(Reason::NoExceptionPath),
        )]
    });
}

fn on_miss(list: &mut List) {
    list.both(
        9,
        "a segment without a connection is refused where on_miss says reset",
        |scene| {
            let flow = scene.nat();
            vec![Step::client(
                &flow.segment(),
                Expect::reply(&flow.refusal().seq(5001)),
            )]
        },
    );
    list.both(
        9,
        "a fin without a connection is refused where on_miss says reset",
        |scene| {
            let flow = scene.direct();
            let fin = flow.segment().flags(Flags::FIN).ack(31);
            vec![Step::client(&fin, Expect::reply(&flow.refusal().seq(31)))]
        },
    );
    list.both(
        0,
        "a segment without a connection is dropped where on_miss says drop",
        |scene| {
            let flow = scene.nat_to(ON_MISS_DROP);
            vec![Step::client(
                &flow.segment(),
                Expect::Drop(Reason::NoConnection),
            )]
        },
    );
    list.both(
        0,
        "a syn opens a connection where on_miss says drop",
        |scene| {
            let flow = scene.nat_to(ON_MISS_DROP);
            flow.handshake()
        },
    );
}

fn hashed(list: &mut List) {
    for (forwarding, vip) in [("nat", ON_MISS_HASH), ("direct", DIRECT_HASH)] {
        let pick = move |scene: Scene| {
            if forwarding == "nat" {
                scene.nat_to(vip)
            } else {
                scene.direct_to(vip)
            }
        };
        list.both(0, &format!("a segment without a connection finds a backend with {forwarding} where on_miss says hash"), |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.segment().data(b"in the middle")), flow.goes(&flow.segment().seq(1014))]
        });
        list.both(0, &format!("a fin without a connection finds a backend with {forwarding} where on_miss says hash"), |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.segment().flags(Flags::FIN).ack(5001))]
        });
        list.both(9, &format!("a reset without a connection opens none with {forwarding}, even where on_miss says hash"), |scene| {
            let reset = pick(scene).segment().flags(Flags::RST);
            vec![Step::client(&reset, Expect::Drop(Reason::NoConnection))]
        });
    }
    list.both(
        0,
        "answers find their way back to a flow that was picked up in the middle",
        |scene| {
            let flow = scene.nat_to(ON_MISS_HASH);
            vec![
                flow.goes(&flow.segment()),
                flow.returns(&flow.answer().data(b"go on")),
            ]
        },
    );
    list.both(
        0,
        "a segment of the backend without a connection is for nobody",
        |scene| {
            let flow = scene.flow(NAT, HTTP, SERVER, 9999);
            vec![Step::server(&flow.answer(), Expect::Drop(Reason::NotForUs))]
        },
    );
}
