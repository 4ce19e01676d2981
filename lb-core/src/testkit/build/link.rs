//! Messages about neighbors: ARP and neighbor discovery.
//!
//! No counterpart in the patent. RFC 826, RFC 4861. Each function gives a whole frame with the Ethernet
//! addresses that the RFC wants; the edits of [`Frame`] spoil it where a case needs that.
//! Easy to get wrong: neighbor discovery goes with hop limit 255, else it is ignored.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Frame;
use crate::wire::arp::{self, Operation};
use crate::wire::ndp::{self, multicast_mac, solicited_node};
use crate::wire::{EtherType, MacAddr};

fn arp_frame(message: arp::Message, to: MacAddr) -> Frame {
    let mut octets = [0; arp::LEN];
    message.emit(&mut octets);
    Frame::raw(EtherType::ARP.0, &octets).link(message.sender_mac, to)
}

/// Who has `target`? Asked by the owner of an address and a MAC, of everybody.
#[must_use]
pub fn arp_request(sender: (Ipv4Addr, MacAddr), target: Ipv4Addr) -> Frame {
    let (sender_ip, sender_mac) = sender;
    let target_mac = MacAddr([0; 6]);
    let operation = Operation::Request;
    arp_frame(
        arp::Message {
            operation,
            sender_mac,
            sender_ip,
            target_mac,
            target_ip: target,
        },
        MacAddr::BROADCAST,
    )
}

/// `sender` is here; told to one asker.
#[must_use]
pub fn arp_reply(sender: (Ipv4Addr, MacAddr), target: (Ipv4Addr, MacAddr)) -> Frame {
    let ((sender_ip, sender_mac), (target_ip, target_mac)) = (sender, target);
    let operation = Operation::Reply;
    arp_frame(
        arp::Message {
            operation,
            sender_mac,
            sender_ip,
            target_mac,
            target_ip,
        },
        target_mac,
    )
}

/// Flags and reserved bits of an advertisement, or zeros, as octets.
const fn message_word(router: bool, solicited: bool, overrides: bool) -> [u8; 4] {
    [
        (router as u8) << 7 | (solicited as u8) << 6 | (overrides as u8) << 5,
        0,
        0,
        0,
    ]
}

fn discovery(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    message_type: u8,
    word: [u8; 4],
    target: Ipv6Addr,
) -> Frame {
    Frame::icmp(src.into(), dst.into(), message_type, 0, word)
        .data(&target.octets())
        .hops(ndp::HOP_LIMIT)
}

/// Who has `target`? With the sender's MAC, of the target's solicited-node group.
#[must_use]
pub fn solicitation(sender: (Ipv6Addr, MacAddr), target: Ipv6Addr) -> Frame {
    let group = solicited_node(target);
    discovery(sender.0, group, 135, [0; 4], target)
        .option(1, sender.1)
        .link(sender.1, multicast_mac(group))
}

/// `sender` is here; `solicited` if it was asked. `from_router` is what we say of ourselves.
#[must_use]
pub fn advertisement(
    sender: (Ipv6Addr, MacAddr),
    to: (Ipv6Addr, MacAddr),
    from_router: bool,
    solicited: bool,
) -> Frame {
    discovery(
        sender.0,
        to.0,
        136,
        message_word(from_router, solicited, true),
        sender.0,
    )
    .option(2, sender.1)
    .link(sender.1, to.1)
}

impl Frame {
    /// A link-layer address option behind the data: 1 of the source, 2 of the target.
    #[must_use]
    pub fn option(self, kind: u8, mac: MacAddr) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        self.more_data(&[kind, 1, a, b, c, d, e, f])
    }

    /// Octets behind the data that are there.
    #[must_use]
    pub fn more_data(self, octets: &[u8]) -> Self {
        let data = [self.data.as_slice(), octets].concat();
        self.data(&data)
    }

    /// The same frame with `len` octets of data at most.
    #[must_use]
    pub fn data_cut(self, len: usize) -> Self {
        let data: Vec<u8> = self.data.iter().copied().take(len).collect();
        self.data(&data)
    }
}
