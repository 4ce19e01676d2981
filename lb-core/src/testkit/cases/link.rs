//! Frames as such: runts, types, tags.
//!
//! No counterpart in the patent. Rows 24, 25 and 26 of the edge cases.
//! Easy to get wrong: a priority tag names no VLAN; the frame is treated as if it had none, and leaves
//! without it.

use super::List;
use crate::filter::Reason;
use crate::testkit::build::{Frame, arp_reply, arp_request};
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{Family, NAT, NEAR_CLIENT, plain, port_mac};
use crate::wire::{EtherType, MacAddr};

pub(super) fn add(list: &mut List) {
    list.with(plain());
    types(list);
    tags(list);
}

fn types(list: &mut List) {
    let drop = |frame: Frame, reason| Step::client(&frame, Expect::Drop(reason));
    list.one(
        25,
        Family::V4,
        "a frame shorter than its ethernet header is dropped",
        |scene| {
            [1, 6, 13]
                .map(|len| drop(scene.nat().syn().cut(len), Reason::Runt))
                .to_vec()
        },
    );
    list.one(
        25,
        Family::V4,
        "a frame that ends with its ethernet header is dropped",
        |scene| vec![drop(scene.nat().syn().cut(14), Reason::Ipv4Truncated)],
    );
    list.one(
        26,
        Family::V4,
        "llc and spanning tree frames are dropped",
        |_| {
            let bridges = MacAddr([1, 0x80, 0xc2, 0, 0, 0]);
            let bpdu = Frame::raw(38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]).padded();
            vec![
                drop(bpdu.clone().to_mac(bridges), Reason::LlcFrame),
                drop(bpdu, Reason::LlcFrame),
            ]
        },
    );
    list.one(26, Family::V4, "lldp is for the control processor", |_| {
        let lldp = Frame::raw(EtherType::LLDP.0, &[2, 7, 4, 2, 0, 0, 0, 0, 0xfe, 0, 0]).padded();
        vec![drop(
            lldp.to_mac(MacAddr([1, 0x80, 0xc2, 0, 0, 0xe])),
            Reason::NoExceptionPath,
        )]
    });
    list.one(26, Family::V4, "a pause frame is nobody's here", |_| {
        let pause = Frame::raw(EtherType::PAUSE.0, &[0, 1, 0xff, 0xff]).padded();
        vec![drop(
            pause.to_mac(MacAddr([1, 0x80, 0xc2, 0, 0, 1])),
            Reason::LinkMulticast,
        )]
    });
    list.one(26, Family::V4, "an unknown ethertype is dropped", |_| {
        let frame = Frame::raw(0x88b5, &[1; 46]);
        vec![
            drop(frame.clone(), Reason::UnknownEthertype),
            drop(frame.to_mac(MacAddr::BROADCAST), Reason::LinkMulticast),
        ]
    });
}

fn tags(list: &mut List) {
    let vlan = EtherType::VLAN;
    list.both(24, "a priority tag is taken off", |scene| {
        let (nat, direct) = (scene.nat(), scene.direct().from_port(1));
        let tagged = |frame: Frame| frame.tag(vlan, 7 << 13);
        vec![
            Step::client(&tagged(nat.syn()), Expect::out(1, &nat.there(&nat.syn()))),
            Step::client(
                &tagged(direct.syn()),
                Expect::out(1, &direct.there(&direct.syn())),
            ),
            Step::server(
                &tagged(nat.syn_ack()),
                Expect::out(0, &nat.back(&nat.syn_ack())),
            ),
        ]
    });
    list.one(
        24,
        Family::V4,
        "an arp request with a priority tag is answered without one",
        |_| {
            let asker = (NEAR_CLIENT.v4, NEAR_CLIENT.mac);
            let request = arp_request(asker, NAT.v4).tag(vlan, 0);
            vec![Step::client(
                &request,
                Expect::reply(&arp_reply((NAT.v4, port_mac(0)), asker)),
            )]
        },
    );
    list.both(
        24,
        "an echo request with a priority tag is answered without one",
        |scene| {
            let client = scene.client().ip();
            let request = Frame::echo_request(client, scene.at(NAT))
                .data(b"tagged")
                .tag(vlan, 0x6000);
            let reply = Frame::echo_reply(scene.at(NAT), client).data(b"tagged");
            vec![Step::client(
                &request,
                Expect::reply(&reply.link(port_mac(0), scene.nat().client_mac)),
            )]
        },
    );
    list.both(
        24,
        "a tag of a vlan that no interface has is dropped",
        |scene| {
            [1, 100, 4094, 4095]
                .map(|vid| {
                    Step::client(
                        &scene.nat().syn().tag(vlan, vid),
                        Expect::Drop(Reason::UnknownVlan),
                    )
                })
                .to_vec()
        },
    );
    list.both(24, "stacked tags are dropped", |scene| {
        let syn = || scene.nat().syn();
        let stacks = [
            syn().tag(EtherType::QINQ, 100).tag(vlan, 7),
            syn().tag(EtherType::QINQ, 0),
            syn().tag(vlan, 0).tag(vlan, 0),
            syn().tag(vlan, 0).tag(EtherType::QINQ, 5),
            syn().tag(vlan, 5).tag(vlan, 6),
        ];
        stacks
            .map(|frame| Step::client(&frame, Expect::Drop(Reason::StackedVlan)))
            .to_vec()
    });
    list.one(
        24,
        Family::V4,
        "a frame that ends inside its tag is dropped",
        |scene| {
            [14, 16, 17]
                .map(|len| {
                    Step::client(
                        &scene.nat().syn().tag(vlan, 0).cut(len),
                        Expect::Drop(Reason::Runt),
                    )
                })
                .to_vec()
        },
    );
    list.one(
        24,
        Family::V4,
        "a frame that ends with its priority tag is dropped",
        |scene| {
            vec![Step::client(
                &scene.nat().syn().tag(vlan, 0).cut(18),
                Expect::Drop(Reason::Ipv4Truncated),
            )]
        },
    );
}
