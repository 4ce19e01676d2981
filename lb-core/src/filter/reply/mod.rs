//! Packets that we answer ourselves, turned round in place.
//!
//! WO 00/30294, Fig. 6, step 208 (TCP reset); the other answers have no counterpart in the patent: echo
//! replies, ICMP errors, ARP and neighbor discovery for our own addresses.
//! An answer goes back where its question came from: out of the same port, to the MAC address that sent
//! it, so that no table has to be asked for it and a forged question costs nothing but its own answer.
//! Easy to get wrong: an answer is never made longer than the first segment has room for; where it does
//! not fit, the packet is dropped like one whose answer was held back by the rate limit.

mod echo;
mod error;
mod link;
mod reset;

use crate::config::PortView;
use crate::frame::ETHERNET;
use crate::packet::Packet;
use crate::wire::ethernet;

use super::rewrite::set_macs;

/// TTL and hop limit of answers (IANA's recommended default).
const HOPS: u8 = 64;

/// Turns the Ethernet header round: to whom it came from, from our port.
fn turn_link<P: Packet>(packet: &mut P, port: &PortView) {
    if let Some(header) = ethernet::Header::parse(packet.head()) {
        let from = header.src();
        set_macs(packet.head_mut(), from, port.mac);
    }
}

/// Makes the frame `len` octets long and hands out what follows the Ethernet header.
fn resized<P: Packet>(packet: &mut P, len: usize) -> Option<&mut [u8]> {
    let is_long_enough = packet.total_len() == len || packet.set_len(len);
    let frame = packet.head_mut();
    is_long_enough
        .then(|| frame.get_mut(ETHERNET..len))
        .flatten()
}
