//! How long connections live: what is still known, and what is forgotten, after a while.
//!
//! No counterpart in the patent, which ends a connection with its closing packet. Rows 10 and 27 of the edge
//! cases; RFC 5382, RFC 4787. A forgotten connection shows by the reset that a later segment gets.
//! Easy to get wrong: aging is swept once a second, so every wait here keeps away from the exact moment.

use super::{Flow, List, Scene, TIME_PASSES};
use crate::filter::Reason;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::plain;
use crate::wire::tcp::Flags;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    opening(list);
    established(list);
    closing(list);
    datagrams(list);
}

fn seconds(count: u32) -> Step {
    Step::pass(count * 1000)
}

/// A segment that finds no connection any more.
fn forgotten(flow: &Flow) -> Step {
    Step::client(&flow.segment(), Expect::reply(&flow.refusal().seq(5001)))
}

/// A case in which time passes, in both families.
fn case(list: &mut List, row: u8, name: &str, steps: impl Fn(Scene) -> Vec<Step>) {
    list.both(row, name, steps).in_memory_only(TIME_PASSES);
}

fn opening(list: &mut List) {
    case(
        list,
        27,
        "a syn that nobody answers is forgotten after a minute",
        |scene| {
            let flow = scene.nat();
            vec![
                flow.goes(&flow.syn()),
                seconds(55),
                flow.returns(&flow.syn_ack()),
                seconds(65),
                forgotten(&flow),
            ]
        },
    );
    case(
        list,
        27,
        "a client alone establishes nothing where answers pass us",
        |scene| {
            let flow = scene.nat();
            vec![
                flow.goes(&flow.syn()),
                flow.goes(&flow.segment()),
                seconds(65),
                forgotten(&flow),
            ]
        },
    );
    case(
        list,
        27,
        "with direct the client's second segment establishes",
        |scene| {
            let flow = scene.direct();
            vec![
                flow.goes(&flow.syn()),
                flow.goes(&flow.segment()),
                seconds(600),
                flow.goes(&flow.segment()),
            ]
        },
    );
}

fn established(list: &mut List) {
    case(
        list,
        27,
        "an established connection is kept for two hours and four minutes",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.extend([
                seconds(7430),
                flow.goes(&flow.segment()),
                seconds(7450),
                forgotten(&flow),
            ]);
            steps
        },
    );
    case(
        list,
        27,
        "a backend's segments keep a connection alive too",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.extend([
                seconds(7000),
                flow.returns(&flow.answer()),
                seconds(7000),
                flow.goes(&flow.segment()),
            ]);
            steps
        },
    );
}

fn closing(list: &mut List) {
    let fin = Flags::FIN;
    case(
        list,
        27,
        "a connection closed by both sides is forgotten after ten seconds",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(fin).ack(5001)));
            steps.push(flow.returns(&flow.answer().flags(fin).ack(1002)));
            steps.extend([
                seconds(5),
                flow.goes(&flow.segment().seq(1002)),
                seconds(15),
                forgotten(&flow),
            ]);
            steps
        },
    );
    case(
        list,
        27,
        "a connection closed by one side is kept for four minutes",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.returns(&flow.answer().flags(fin).ack(1001)));
            steps.extend([
                seconds(230),
                flow.goes(&flow.segment()),
                seconds(250),
                forgotten(&flow),
            ]);
            steps
        },
    );
    case(
        list,
        10,
        "a reset in the window ends a connection within ten seconds",
        |scene| {
            let (client, backend) = (scene.nat(), scene.nat().from_port(1));
            let mut steps = [client.handshake(), backend.handshake()].concat();
            steps.push(client.goes(&client.segment().flags(Flags::RST)));
            steps.push(backend.returns(&backend.answer().flags(Flags::RST)));
            steps.extend([seconds(15), forgotten(&client), forgotten(&backend)]);
            steps
        },
    );
    case(
        list,
        10,
        "data from the side that seemed to reset show that the reset was forged",
        |scene| {
            let flow = scene.nat();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(Flags::RST)));
            steps.push(flow.goes(&flow.segment().data(b"still here")));
            steps.extend([seconds(600), flow.goes(&flow.segment())]);
            steps
        },
    );
    case(
        list,
        10,
        "with direct a reset ends a connection within ten seconds",
        |scene| {
            let flow = scene.direct();
            let mut steps = flow.handshake();
            steps.push(flow.goes(&flow.segment().flags(Flags::RST)));
            steps.extend([seconds(15), forgotten(&flow)]);
            steps
        },
    );
}

fn datagrams(list: &mut List) {
    case(
        list,
        27,
        "a datagram flow is kept for two minutes of silence",
        |scene| {
            let flow = scene.nat_udp();
            let late = Step::server(
                &flow.answer_datagram(b"too late"),
                Expect::Drop(Reason::NotForUs),
            );
            vec![
                flow.goes(&flow.datagram(b"question")),
                seconds(115),
                flow.returns(&flow.answer_datagram(b"answer")),
                seconds(125),
                late,
                flow.goes(&flow.datagram(b"a new flow")),
                flow.returns(&flow.answer_datagram(b"its answer")),
            ]
        },
    );
}
