//! ARP: what we answer and believe; and, for both families, what we ask.
//!
//! No counterpart in the patent. Row 20 of the edge cases; RFC 826, RFC 5227; RFC 4861, section 7.3.
//! Easy to get wrong: a statement nobody asked for creates nothing, and nothing overwrites a
//! configured neighbor.

use super::{List, Scene, TIME_PASSES};
use crate::filter::Reason;
use crate::testkit::build::{Frame, advertisement, arp_reply, arp_request, solicitation};
use crate::testkit::case::{Expect, Out, Step};
use crate::testkit::net::{
    CLIENT_SIDE, Family, Host, NAT, NEAR_CLIENT, SERVER, SERVER_SIDE, STRANGER, asking, plain,
    port_mac,
};
use crate::wire::MacAddr;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn add(list: &mut List) {
    list.with(plain());
    arp(list);
    arp_refused(list);
    arp_malformed(list);
    for family in Family::BOTH {
        list.with(asking(family));
        resolution(list, family);
    }
}

pub(super) const fn v4(host: Host) -> (Ipv4Addr, MacAddr) {
    (host.v4, host.mac)
}

pub(super) const fn v6(host: Host) -> (Ipv6Addr, MacAddr) {
    (host.v6, host.mac)
}

const fn vip(port: u8) -> (Ipv4Addr, MacAddr) {
    (NAT.v4, port_mac(port))
}

pub(super) fn drop(frame: &Frame, reason: Reason) -> Step {
    Step::client(frame, Expect::Drop(reason))
}

fn arp(list: &mut List) {
    list.one(
        20,
        Family::V4,
        "arp for a vip is answered with the port's mac address",
        |_| {
            let answer = |port, asker| Expect::reply(&arp_reply(vip(port), v4(asker)));
            vec![
                Step::client(
                    &arp_request(v4(NEAR_CLIENT), NAT.v4),
                    answer(0, NEAR_CLIENT),
                ),
                Step::server(&arp_request(v4(SERVER), NAT.v4), answer(1, SERVER)),
            ]
        },
    );
    list.one(
        20,
        Family::V4,
        "arp for the port's own address is answered",
        |_| {
            let request = arp_request(v4(NEAR_CLIENT), CLIENT_SIDE.v4).padded();
            vec![Step::client(
                &request,
                Expect::reply(&arp_reply(v4(CLIENT_SIDE), v4(NEAR_CLIENT))),
            )]
        },
    );
    list.one(
        20,
        Family::V4,
        "a stranger's arp request is answered too",
        |_| {
            let request = arp_request(v4(STRANGER), NAT.v4);
            vec![Step::client(
                &request,
                Expect::reply(&arp_reply(vip(0), v4(STRANGER))),
            )]
        },
    );
    list.one(
        20,
        Family::V4,
        "an arp request to our mac address alone is answered",
        |_| {
            let request = arp_request(v4(NEAR_CLIENT), NAT.v4).to_mac(port_mac(0));
            vec![Step::client(
                &request,
                Expect::reply(&arp_reply(vip(0), v4(NEAR_CLIENT))),
            )]
        },
    );
    list.one(
        20,
        Family::V4,
        "an arp probe for a vip is answered, so that nobody takes it",
        |_| {
            let prober = (Ipv4Addr::UNSPECIFIED, STRANGER.mac);
            vec![Step::client(
                &arp_request(prober, NAT.v4),
                Expect::reply(&arp_reply(vip(0), prober)),
            )]
        },
    );
    list.one(
        20,
        Family::V4,
        "who announces a vip as his own is contradicted",
        |_| {
            let claim = (NAT.v4, STRANGER.mac);
            vec![Step::client(
                &arp_request(claim, NAT.v4),
                Expect::reply(&arp_reply(vip(0), claim)),
            )]
        },
    );
}

fn arp_refused(list: &mut List) {
    list.one(
        20,
        Family::V4,
        "arp for addresses that are not this port's is not answered",
        |_| {
            [SERVER_SIDE, SERVER, STRANGER, NEAR_CLIENT]
                .map(|host| {
                    drop(
                        &arp_request((Ipv4Addr::new(198, 51, 100, 77), STRANGER.mac), host.v4),
                        Reason::ArpNotOurs,
                    )
                })
                .to_vec()
        },
    );
    list.one(
        20,
        Family::V4,
        "an arp reply that nobody asked for is not believed",
        |_| {
            vec![drop(
                &arp_reply(v4(STRANGER), v4(CLIENT_SIDE)),
                Reason::NeighborUnasked,
            )]
        },
    );
    list.one(
        20,
        Family::V4,
        "a stranger's gratuitous arp is not believed",
        |_| {
            let reply = arp_reply(v4(STRANGER), (STRANGER.v4, MacAddr::BROADCAST));
            vec![
                drop(
                    &arp_request(v4(STRANGER), STRANGER.v4),
                    Reason::NeighborUnasked,
                ),
                drop(&reply, Reason::NeighborUnasked),
            ]
        },
    );
    list.one(
        20,
        Family::V4,
        "a reply that claims an address of ours is not believed",
        |scene| {
            let flow = scene.nat();
            let claim = |address| arp_reply((address, STRANGER.mac), v4(CLIENT_SIDE));
            vec![
                drop(&claim(NAT.v4), Reason::NeighborUnasked),
                drop(&claim(CLIENT_SIDE.v4), Reason::NeighborUnasked),
                flow.goes(&flow.syn()),
            ]
        },
    );
    list.one(
        20,
        Family::V4,
        "a configured neighbor is not overwritten by arp",
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let thief = (NEAR_CLIENT.v4, STRANGER.mac);
            vec![
                drop(&arp_reply(thief, v4(CLIENT_SIDE)), Reason::NeighborUnasked),
                drop(&arp_request(thief, NEAR_CLIENT.v4), Reason::NeighborUnasked),
                flow.goes(&flow.syn()),
                flow.returns(&flow.syn_ack()),
            ]
        },
    );
}

/// The frame with other octets in its message.
pub(super) fn spoilt(frame: &Frame, at: usize, octets: &[u8]) -> Frame {
    let mut message = frame.data_octets().to_vec();
    if let Some(place) = message.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
    frame.clone().data(&message)
}

fn arp_malformed(list: &mut List) {
    let request = arp_request(v4(NEAR_CLIENT), NAT.v4).padded();
    for (name, at, octets) in [
        ("for another hardware", 0, &[0, 6][..]),
        ("for another protocol", 2, &[0x86, 0xdd]),
        ("with a hardware length of eight", 4, &[8]),
        ("with a protocol length of sixteen", 5, &[16]),
        ("with operation three", 6, &[0, 3]),
        ("with operation zero", 6, &[0, 0]),
    ] {
        list.one(20, Family::V4, format!("arp {name} is dropped"), |_| {
            vec![drop(&spoilt(&request, at, octets), Reason::ArpMalformed)]
        });
    }
    list.one(
        20,
        Family::V4,
        "arp that the frame cuts off is dropped",
        |_| {
            vec![
                drop(&request.clone().cut(41), Reason::ArpMalformed),
                drop(&request.clone().cut(14), Reason::ArpMalformed),
            ]
        },
    );
    list.one(
        20,
        Family::V4,
        "arp in a link multicast or to another mac address is dropped",
        |_| {
            let to = |mac| request.clone().to_mac(mac);
            vec![
                drop(&to(MacAddr([1, 0, 0x5e, 0, 0, 1])), Reason::LinkMulticast),
                drop(&to(STRANGER.mac), Reason::NotOurMac),
            ]
        },
    );
}

/// Our question for a neighbor, asked of everybody on its link.
fn question(family: Family, us: Host, about: Host) -> Frame {
    match family {
        Family::V4 => arp_request(v4(us), about.v4),
        Family::V6 => solicitation(v6(us), about.v6),
    }
}

/// A neighbor's answer to it.
fn answer(family: Family, us: Host, about: Host) -> Frame {
    match family {
        Family::V4 => arp_reply(v4(about), v4(us)),
        Family::V6 => advertisement(v6(about), v6(us), false, true),
    }
}

/// In a capture the answer comes in the turn of its question, before that has left.
const ANSWERED_AT_ONCE: &str = "a neighbor answers a question";

fn resolution(list: &mut List, family: Family) {
    let asks = move |about: Host| Out::Question(1, question(family, SERVER_SIDE, about).octets());
    let learned = move |us: Host, about: Host| answer(family, us, about);
    let sent = |port, frame: &Frame| Out::Sent(port, frame.octets());
    let resolved = move |scene: Scene| {
        let flow = scene.nat().from_near(NEAR_CLIENT);
        vec![
            Step::client(&flow.syn(), Expect::Wait).also(asks(SERVER)),
            Step::server(
                &learned(SERVER_SIDE, SERVER),
                Expect::Drop(Reason::NeighborLearned),
            )
            .also(sent(1, &flow.there(&flow.syn()))),
        ]
    };
    list.one(
        20,
        family,
        format!("the first syn waits until its backend's mac address is known, {family}"),
        resolved,
    )
    .in_memory_only(ANSWERED_AT_ONCE);
    list.one(
        20,
        family,
        format!("packets that waited leave in the order in which they came, {family}"),
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let [one, two] = [
                flow.segment().data(b"one"),
                flow.segment().seq(1004).data(b"two"),
            ];
            let mut steps = vec![Step::client(&flow.syn(), Expect::Wait).also(asks(SERVER))];
            steps.extend([&one, &two].map(|segment| Step::client(segment, Expect::Wait)));
            let known = Step::server(
                &learned(SERVER_SIDE, SERVER),
                Expect::Drop(Reason::NeighborLearned),
            );
            let all = [flow.syn(), one, two];
            steps.push(
                all.iter()
                    .fold(known, |step, frame| step.also(sent(1, &flow.there(frame)))),
            );
            steps
        },
    )
    .in_memory_only(ANSWERED_AT_ONCE);
    list.one(
        20,
        family,
        format!("an answer waits until its client's mac address is known, {family}"),
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let mut steps = resolved(scene);
            let asks = Out::Question(0, question(family, CLIENT_SIDE, NEAR_CLIENT).octets());
            steps.push(Step::server(&flow.syn_ack(), Expect::Wait).also(asks));
            steps.push(
                Step::client(
                    &learned(CLIENT_SIDE, NEAR_CLIENT),
                    Expect::Drop(Reason::NeighborLearned),
                )
                .also(sent(0, &flow.back(&flow.syn_ack()))),
            );
            steps
        },
    )
    .in_memory_only("the client answers after the server");
    list.one(
        20,
        family,
        format!("a packet whose neighbor stays silent is dropped after three seconds, {family}"),
        |scene| {
            let flow = scene.nat();
            let silence = Step::pass(3_000)
                .also(asks(SERVER))
                .also(asks(SERVER))
                .also(asks(SERVER));
            vec![
                Step::client(&flow.syn(), Expect::Wait).also(asks(SERVER)),
                silence.also(Out::Dropped(Reason::NeighborUnresolved)),
            ]
        },
    )
    .in_memory_only(TIME_PASSES);
    list.one(
        20,
        family,
        format!(
            "a known neighbor is asked alone after half a minute, and believed again, {family}"
        ),
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let again = match family {
                Family::V4 => question(family, SERVER_SIDE, SERVER).to_mac(SERVER.mac),
                Family::V6 => question(family, SERVER_SIDE, SERVER)
                    .dst(SERVER.v6.into())
                    .to_mac(SERVER.mac),
            };
            // Over IPv6 Linux answers a question to itself alone without its MAC address (RFC 4861, 7.2.4).
            let confirmed = match family {
                Family::V4 => learned(SERVER_SIDE, SERVER),
                Family::V6 => learned(SERVER_SIDE, SERVER).data_cut(16),
            };
            let mut steps = resolved(scene);
            steps.push(Step::pass(30_000).also(Out::Question(1, again.octets())));
            steps.push(Step::server(
                &confirmed,
                Expect::Drop(Reason::NeighborLearned),
            ));
            steps.push(Step::pass(29_000));
            steps.push(flow.goes(&flow.segment()));
            steps
        },
    )
    .in_memory_only(TIME_PASSES);
    list.one(
        20,
        family,
        format!("a server that has moved to another mac address is followed, {family}"),
        |scene| {
            let flow = scene.nat().from_near(NEAR_CLIENT);
            let moved = Host {
                mac: MacAddr([2, 0, 0, 0, 1, 0x77]),
                ..SERVER
            };
            // It asks for us, and by that says where it is.
            let (asks, told) = match family {
                Family::V4 => (
                    arp_request(v4(moved), SERVER_SIDE.v4),
                    arp_reply(v4(SERVER_SIDE), v4(moved)),
                ),
                Family::V6 => {
                    let told = advertisement(v6(SERVER_SIDE), v6(moved), true, true);
                    (solicitation(v6(moved), SERVER_SIDE.v6), told)
                }
            };
            let mut steps = resolved(scene);
            steps.push(Step::server(&asks, Expect::reply(&told)));
            let out = flow.there(&flow.segment()).to_mac(moved.mac);
            steps.push(Step::client(&flow.segment(), Expect::out(1, &out)));
            steps
        },
    )
    .in_memory_only("the client speaks after the server");
}
