//! TCP through a service: the ordinary ways, states, checksums, malformed headers.
//!
//! WO 00/30294, Fig. 6, steps 210 to 220. Rows 7, 8, 10 and 28 of the edge cases.
//! Easy to get wrong: a segment that opens nothing and belongs to nothing is the subject of `strangers`.

use super::{Flow, List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{DESERTED, Family, NAT, NEAR_CLIENT, ON_MISS_DROP, plain};
use crate::wire::tcp::Flags;

type Pick = fn(Scene) -> Flow;

/// Both forwardings, by name.
const FORWARDINGS: [(&str, Pick); 2] = [("nat", Scene::nat), ("direct", Scene::direct)];

pub(super) fn add(list: &mut List) {
    list.with(plain());
    for (forwarding, pick) in FORWARDINGS {
        ordinary(list, forwarding, pick);
    }
    both_ways(list);
    closing(list);
    checksums(list);
    malformed(list);
    flags(list);
}

fn ordinary(list: &mut List, forwarding: &str, pick: Pick) {
    list.both(
        0,
        &format!("the first syn goes to the backend with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.syn())]
        },
    );
    list.both(
        0,
        &format!("a handshake and data pass with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            let mut steps = flow.handshake();
            steps.push(
                flow.goes(
                    &flow
                        .segment()
                        .flags(Flags::PSH)
                        .ack(5001)
                        .data(b"GET / HTTP/1.1\r\n\r\n"),
                ),
            );
            steps
        },
    );
    list.both(
        0,
        &format!("a syn that carries data passes whole with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.syn().data(b"early data"))]
        },
    );
    list.both(
        28,
        &format!("a new syn on an established tuple opens a new connection with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.syn().seq(90_000)));
            steps.push(flow.goes(&flow.segment().seq(90_001)));
            steps
        },
    );
    list.both(
        2,
        &format!("padding behind a short segment is no payload with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            let syn = Frame::tcp(flow.client, flow.vip)
                .flags(Flags::SYN)
                .seq(7)
                .padded();
            vec![flow.goes(&syn)]
        },
    );
    list.both(
        29,
        &format!("dscp, ecn and flow label are kept with {forwarding}"),
        |scene| {
            let flow = pick(scene);
            vec![flow.goes(&flow.syn().dscp_ecn(0xb9).flow_label(0x9_8765))]
        },
    );
}

fn both_ways(list: &mut List) {
    list.both(0, "the backend's answer leaves as the service's", |scene| {
        let flow = scene.nat();
        vec![flow.goes(&flow.syn()), flow.returns(&flow.syn_ack())]
    });
    list.both(0, "data flow both ways, in odd lengths", |scene| {
        let flow = scene.nat();
        let mut steps = flow.handshake();
        steps.push(flow.goes(&flow.segment().data(b"odd")));
        steps.push(flow.returns(&flow.answer().data(&[0xff; 1459])));
        steps
    });
    list.both(
        0,
        "answers to a client on the link go to its own mac address",
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            vec![flow.goes(&flow.syn()), flow.returns(&flow.syn_ack())]
        },
    );
    list.both(
        0,
        "a backend on the clients' port is reached and answers through it",
        |scene| {
            let flow = scene.one_armed();
            flow.handshake()
        },
    );
    list.both(0, "two flows of one client stay apart", |scene| {
        let (one, two) = (scene.nat(), scene.nat().from_port(1));
        vec![
            one.goes(&one.syn()),
            two.goes(&two.syn().seq(70)),
            one.returns(&one.syn_ack()),
            two.returns(&two.syn_ack().ack(71)),
        ]
    });
    list.both(0, "a repeated syn is the same connection", |scene| {
        let flow = scene.nat();
        vec![
            flow.goes(&flow.syn()),
            flow.goes(&flow.syn()),
            flow.returns(&flow.syn_ack()),
        ]
    });
    list.both(0, "an ecn-setup syn opens a connection", |scene| {
        let flow = scene.nat();
        vec![
            flow.goes(
                &flow
                    .syn()
                    .flags(Flags::SYN.with(Flags::ECE).with(Flags::CWR)),
            ),
        ]
    });
    list.both(
        0,
        "a syn for a service without backends is dropped",
        |scene| {
            let flow = scene.nat_to(DESERTED);
            vec![Step::client(&flow.syn(), Expect::Drop(Reason::NoBackend))]
        },
    );
    list.both(
        0,
        "a backend has one connection per client port, whatever the service",
        |scene| {
            let (web, other) = (scene.nat(), scene.nat_to(ON_MISS_DROP));
            vec![
                web.goes(&web.syn()),
                Step::client(&other.syn(), Expect::Drop(Reason::ReverseTaken)),
            ]
        },
    );
}

fn closing(list: &mut List) {
    let fin = Flags::FIN;
    list.both(
        0,
        "fins of both sides and the last acknowledgment pass",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(fin).ack(5001)));
            steps.push(flow.returns(&flow.answer().flags(fin).ack(1002)));
            steps.push(flow.goes(&flow.segment().seq(1002).ack(5002)));
            steps
        },
    );
    list.both(
        0,
        "a client's fin passes with direct, and acknowledgments after it",
        |scene| {
            let flow = scene.direct();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(fin).ack(5001)));
            steps.push(flow.goes(&flow.segment().seq(1002).ack(5002)));
            steps
        },
    );
    list.both(0, "a reset of either side passes", |scene| {
        let (one, two) = (scene.nat(), scene.nat().from_port(1));
        let mut steps = [one.handshake(), two.handshake()].concat();
        steps.push(one.goes(&one.segment().flags(Flags::RST)));
        steps.push(two.returns(&two.answer().flags(Flags::RST)));
        steps
    });
    list.both(
        10,
        "a reset far off the window passes and ends nothing",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(Flags::RST).seq(0xa000_0000)));
            steps.push(Step::pass(30_000));
            steps.push(flow.goes(&flow.segment()));
            steps
        },
    )
    .in_memory_only(super::TIME_PASSES);
    list.both(
        10,
        "a fin of one side alone does not end the connection",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(fin).ack(5001)));
            steps.push(Step::pass(60_000));
            steps.push(flow.returns(&flow.answer().data(b"still sending")));
            steps
        },
    )
    .in_memory_only(super::TIME_PASSES);
}

fn checksums(list: &mut List) {
    list.both(
        4,
        "a tcp checksum that comes out as zero is written as zero",
        |scene| {
            let flow = scene.nat();
            let out = flow.there(&flow.syn()).with_zero_sum();
            let sent = flow.syn().data(out.data_octets());
            vec![flow.goes(&sent)]
        },
    );
    list.both(4, "a tcp checksum of zero is no exception", |scene| {
        let flow = scene.nat();
        vec![flow.goes(&flow.syn().with_zero_sum())]
    });
}

fn malformed(list: &mut List) {
    let drop = |name: &str, list: &mut List, reason: Reason, spoil: fn(Frame) -> Frame| {
        list.both(7, name, |scene| {
            vec![Step::client(
                &spoil(scene.nat().syn()),
                Expect::Drop(reason),
            )]
        });
    };
    drop(
        "a tcp data offset below five is dropped",
        list,
        Reason::TcpBadDataOffset,
        |syn| syn.data_offset(4),
    );
    drop(
        "a tcp data offset past the end is dropped",
        list,
        Reason::TcpBadDataOffset,
        |syn| syn.data_offset(15),
    );
    drop(
        "a tcp header that the packet cuts off is dropped",
        list,
        Reason::TcpTruncated,
        |syn| syn.upper_cut(19),
    );
    list.both(
        7,
        "a tcp header that ends in the padding is dropped",
        |scene| {
            let syn = scene.nat().syn().upper_cut(8).padded();
            vec![Step::client(&syn, Expect::Drop(Reason::TcpTruncated))]
        },
    );
    list.both(7, "unknown and broken tcp options pass", |scene| {
        let flow = scene.nat();
        let unknown = flow.syn().tcp_options(&[254, 4, 1, 2]);
        let broken = flow.from_port(1).syn().tcp_options(&[8, 0, 1, 1]);
        vec![flow.goes(&unknown), flow.from_port(1).goes(&broken)]
    });
    list.both(7, "a full header of options passes", |scene| {
        let flow = scene.nat();
        vec![flow.goes(&flow.syn().tcp_options(&[1; 40]).data(b"x"))]
    });
    list.both(0, "tcp from or to port zero is dropped", |scene| {
        let mut from = scene.client();
        from.set_port(0);
        let to = NAT.socket(scene.family, 0);
        let drop = |frame| Step::client(&frame, Expect::Drop(Reason::PortZero));
        vec![
            drop(Frame::syn(from, scene.nat().vip)),
            drop(Frame::syn(scene.client(), to)),
        ]
    });
}

fn flags(list: &mut List) {
    let all = Flags(0x3f);
    for (name, flags) in [
        ("no flags at all", Flags(0)),
        ("syn and fin", Flags::SYN.with(Flags::FIN)),
        ("syn and rst", Flags::SYN.with(Flags::RST)),
        ("all flags", all),
        ("nothing but ecn flags", Flags::ECE.with(Flags::CWR)),
    ] {
        list.both(
            8,
            &format!("a segment with {name} is dropped and leaves no connection"),
            |scene| {
                let flow = scene.nat();
                let later = Frame::tcp(flow.client, flow.vip).seq(2).ack(77);
                vec![
                    Step::client(
                        &flow.syn().flags(flags),
                        Expect::Drop(Reason::TcpIllegalFlags),
                    ),
                    Step::client(&later, Expect::reply(&flow.refusal().seq(77))),
                ]
            },
        );
    }
    list.one(
        8,
        Family::V4,
        "illegal flags are dropped on a known connection too",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(Step::client(
                &flow.segment().flags(all),
                Expect::Drop(Reason::TcpIllegalFlags),
            ));
            steps.push(flow.goes(&flow.segment()));
            steps
        },
    );
}
