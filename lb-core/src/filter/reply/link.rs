//! ARP and neighbor discovery: answers for our own addresses, and what neighbors say of theirs.
//!
//! No counterpart in the patent. RFC 826, RFC 5227; RFC 4861, section 7.2.
//! Our own are the ingress port's interface addresses and every VIP. With an exception path the kernel answers for
//! the first, and gets what neighbors say of themselves; what it asked for, it finds there, and we learn on the way.
//! Easy to get wrong: a request also tells where its sender is, but only a row that we made ourselves is
//! brought up to date by it; a stranger's statement makes none.

use std::net::IpAddr;

use crate::config::Owner;
use crate::flow::address_words;
use crate::frame::{ETHERNET, IPV6, Ip};
use crate::packet::Packet;
use crate::route::neighbor::Learned;
use crate::wire::arp::{self, Operation};
use crate::wire::ndp::{self, Advertisement, Message, Solicitation};
use crate::wire::{EtherType, IpProtocol, MacAddr, ethernet, ipv6};

use super::super::punt::Class;
use super::super::rewrite::set_macs;
use super::super::{Own, Reason, Scene, Verdict};
use super::{resized, turn_link};

impl<P: Packet> Own<P> {
    /// An ARP message.
    #[cold]
    pub(in super::super) fn arp(&mut self, scene: Scene<'_>, packet: &mut P) -> Verdict {
        let octets = packet.head().get(ETHERNET..).unwrap_or_default();
        let message = match arp::Message::parse(octets) {
            Ok(message) => message,
            Err(arp::Malformed::Truncated) if packet.total_len() >= ETHERNET + arp::LEN => {
                return Verdict::Drop(Reason::HeaderSplit);
            }
            Err(_) => return Verdict::Drop(Reason::ArpMalformed),
        };
        let is_ours = is_ours(scene, IpAddr::V4(message.target_ip));
        match message.operation {
            Operation::Other(_) => Verdict::Drop(Reason::ArpMalformed),
            Operation::Reply => {
                let learned = learn(
                    scene,
                    IpAddr::V4(message.sender_ip),
                    message.sender_mac,
                    is_ours,
                );
                self.learned(scene, learned)
            }
            Operation::Request => {
                let learned = learn(
                    scene,
                    IpAddr::V4(message.sender_ip),
                    message.sender_mac,
                    false,
                );
                if !is_ours && message.is_gratuitous() {
                    return self.learned(scene, learned);
                }
                if !is_ours {
                    return Verdict::Drop(Reason::ArpNotOurs);
                }
                if self.answers_itself(scene, IpAddr::V4(message.target_ip)) {
                    return self.punt(scene, Class::Neighbor);
                }
                self.answer_arp(scene, packet, &message)
            }
        }
    }

    fn answer_arp(&mut self, scene: Scene<'_>, packet: &mut P, message: &arp::Message) -> Verdict {
        if !self.replies.take(scene.now.millis) {
            return Verdict::Drop(Reason::ReplyRateLimited);
        }
        turn_link(packet, scene.ingress);
        let place =
            resized(packet, ETHERNET + arp::LEN).and_then(|octets| octets.first_chunk_mut());
        let Some(octets) = place else {
            return Verdict::Drop(Reason::ArpMalformed);
        };
        message.answer(scene.ingress.mac).emit(octets);
        Verdict::Reply
    }

    /// ICMPv6 types 133 to 137.
    #[cold]
    pub(in super::super) fn neighbor_discovery(
        &mut self,
        scene: Scene<'_>,
        ip: Ip,
        packet: &mut P,
    ) -> Verdict {
        // Of routers, and redirects: nothing that we use.
        let kind = packet.head().get(usize::from(ip.l4));
        if matches!(kind, Some(133 | 134 | 137)) && self.has_kernel(scene) {
            return self.punt(scene, Class::Neighbor);
        }
        let Some(message) = read(packet.head(), ip) else {
            return Verdict::Drop(Reason::HeaderSplit);
        };
        match message {
            Err(ndp::Malformed::OtherType) => Verdict::Drop(Reason::IcmpUnanswered),
            Err(_) => Verdict::Drop(Reason::NdInvalid),
            Ok(Message::Advertisement(said)) => {
                let target = IpAddr::V6(said.target);
                // Asked alone, a neighbor may leave its MAC address out (RFC 4861, 7.2.4): it has not moved.
                let confirmed = || {
                    said.is_solicited
                        .then(|| known_mac(scene, target))
                        .flatten()
                };
                let Some(mac) = said.target_mac.or_else(confirmed) else {
                    return self.learned(scene, Learned::Unasked);
                };
                let learned = learn(scene, target, mac, said.is_solicited);
                self.learned(scene, learned)
            }
            Ok(Message::Solicitation(asked)) => {
                if let Some(mac) = asked.source_mac {
                    learn(scene, IpAddr::V6(asked.source), mac, false);
                }
                let target = IpAddr::V6(asked.target);
                if self.answers_itself(scene, target) {
                    return self.punt(scene, Class::Neighbor);
                }
                if !is_ours(scene, target) {
                    return Verdict::Drop(Reason::NdNotOurs);
                }
                self.answer_solicitation(scene, packet, asked)
            }
        }
    }

    fn answer_solicitation(
        &mut self,
        scene: Scene<'_>,
        packet: &mut P,
        asked: Solicitation,
    ) -> Verdict {
        if !self.replies.take(scene.now.millis) {
            return Verdict::Drop(Reason::ReplyRateLimited);
        }
        let said = asked.answer(scene.ingress.mac, true);
        let asker = ethernet::Header::parse(packet.head()).map(|link| link.src());
        let to = if asked.is_duplicate_detection() {
            Some(ndp::multicast_mac(said.destination))
        } else {
            asked.source_mac.or(asker)
        };
        let sent = to.and_then(|to| write_advertisement(packet, said, to, scene.ingress.mac));
        sent.map_or(Verdict::Drop(Reason::NdInvalid), |()| Verdict::Reply)
    }
}

impl<P> Own<P> {
    /// What becomes of a neighbor's statement, after it was taken over or not: the kernel may have asked for it
    /// as well, or may keep an old one up to date, and decides for itself what it believes.
    fn learned(&mut self, scene: Scene<'_>, learned: Learned) -> Verdict {
        if self.has_kernel(scene) {
            self.punt(scene, Class::Neighbor)
        } else {
            Verdict::Drop(reason_of(learned))
        }
    }

    /// Whether the kernel answers for an address on this port: its own, no VIP.
    fn answers_itself(&self, scene: Scene<'_>, address: IpAddr) -> bool {
        let words = address_words(address);
        let is_its_own = scene.distribution.owner(words) == Owner::Interface(scene.ingress.id)
            || self.is_kernels(scene, address);
        self.has_kernel(scene) && is_its_own && !scene.distribution.is_vip(words)
    }
}

/// Whether an address is one that we answer for on this port.
fn is_ours(scene: Scene<'_>, address: IpAddr) -> bool {
    let words = address_words(address);
    scene.distribution.is_vip(words)
        || scene.distribution.owner(words) == Owner::Interface(scene.ingress.id)
}

/// Takes over a neighbor's statement; never one about an address of ours.
fn learn(scene: Scene<'_>, address: IpAddr, mac: MacAddr, answers_us: bool) -> Learned {
    if scene.distribution.owner(address_words(address)) != Owner::Other {
        return Learned::Unasked;
    }
    scene
        .tables
        .neighbors
        .learn(address, scene.ingress.id, mac, answers_us, scene.now)
}

/// The MAC address under which a neighbor on this link is known already.
fn known_mac(scene: Scene<'_>, address: IpAddr) -> Option<MacAddr> {
    let neighbors = &scene.tables.neighbors;
    let link = neighbors.link(neighbors.find(address, scene.ingress.id)?)?;
    Some(link.mac().address())
}

const fn reason_of(learned: Learned) -> Reason {
    match learned {
        Learned::Updated => Reason::NeighborLearned,
        Learned::Unasked | Learned::Static => Reason::NeighborUnasked,
    }
}

/// The message of a packet that is whole in the first segment.
fn read(frame: &[u8], ip: Ip) -> Option<Result<Message, ndp::Malformed>> {
    let start = usize::from(ip.l4);
    let message = frame.get(start..start + usize::from(ip.l4_len))?;
    let hops = ipv6::Header::parse_quoted(frame.get(ETHERNET..)?)
        .ok()?
        .hop_limit();
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (ip.src, ip.dst) else {
        return None;
    };
    Some(Message::parse(message, src, dst, hops))
}

/// Writes the whole frame anew as an advertisement.
fn write_advertisement<P: Packet>(
    packet: &mut P,
    said: Advertisement,
    to: MacAddr,
    from: MacAddr,
) -> Option<()> {
    let octets = resized(packet, ETHERNET + IPV6 + ndp::LEN_WITH_OPTION)?;
    let (ip, message) = octets.split_at_mut_checked(IPV6)?;
    said.emit(message.first_chunk_mut()?);
    let header = ipv6::Fields {
        next_header: IpProtocol::ICMPV6,
        hop_limit: ndp::HOP_LIMIT,
        src: said.source.into(),
        dst: said.destination.into(),
        payload_len: u16::try_from(ndp::LEN_WITH_OPTION).ok()?,
        ..ipv6::Fields::default()
    };
    header.emit(ip.first_chunk_mut()?);
    set_macs(packet.head_mut(), to, from);
    ethernet::HeaderMut::parse(packet.head_mut())?.set_ethertype(EtherType::IPV6);
    Some(())
}
