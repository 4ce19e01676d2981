//! Echo replies for VIPs and our own addresses (RFC 792, RFC 4443 section 4.2).
//!
//! No counterpart in the patent. A VIP answers whether a backend is up or not: it is the switch that is
//! asked. Data are returned as they came, in all segments; only type, addresses and hops change.
//! Easy to get wrong: the checksum can be verified only where the whole message is in the first segment;
//! a longer message is answered unverified, and a wrong checksum then stays wrong.

use std::net::IpAddr;

use crate::frame::{ETHERNET, Ip};
use crate::packet::Packet;
use crate::wire::checksum::{Delta, Sum};
use crate::wire::{IpProtocol, icmpv4, icmpv6, ipv4, ipv6};

use super::super::{Own, Reason, Scene, Verdict};
use super::{HOPS, turn_link};

impl<P: Packet> Own<P> {
    /// Turns an echo request into its reply.
    #[cold]
    pub(in super::super) fn echo(&mut self, scene: Scene<'_>, ip: Ip, packet: &mut P) -> Verdict {
        if !is_intact(packet.head(), ip) {
            return Verdict::Drop(Reason::IcmpMalformed);
        }
        if !self.replies.take(scene.now.millis) {
            return Verdict::Drop(Reason::ReplyRateLimited);
        }
        turn_link(packet, scene.ingress);
        match turn(packet.head_mut(), ip) {
            Some(()) => Verdict::Reply,
            None => Verdict::Drop(Reason::IcmpMalformed),
        }
    }
}

/// Whether the checksum is right, as far as the message is at hand.
fn is_intact(frame: &[u8], ip: Ip) -> bool {
    let start = usize::from(ip.l4);
    let Some(message) = frame.get(start..start + usize::from(ip.l4_len)) else {
        return true;
    };
    match (ip.src, ip.dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let pseudo = Sum::pseudo_v6(
                src.into(),
                dst.into(),
                IpProtocol::ICMPV6,
                u32::from(ip.l4_len),
            );
            icmpv6::is_checksum_right(message, pseudo)
        }
        _ => icmpv4::is_checksum_right(message),
    }
}

fn turn(frame: &mut [u8], ip: Ip) -> Option<()> {
    let (head, message) = frame.split_at_mut_checked(usize::from(ip.l4))?;
    let packet = head.get_mut(ETHERNET..)?;
    match (ip.src, ip.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            icmpv4::HeaderMut::parse(message)?.turn_into_echo_reply();
            let hops = ipv4::Header::parse_quoted(packet).ok()?.ttl();
            let mut header = ipv4::HeaderMut::parse(packet)?;
            header.set_src(dst.into());
            header.set_dst(src.into());
            header.set_ttl(HOPS);
            let (old, new) = (u16::from_be_bytes([hops, 0]), u16::from_be_bytes([HOPS, 0]));
            header.update_checksum(Delta::of_u16(old, new));
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            icmpv6::HeaderMut::parse(message)?.turn_into_echo_reply();
            let mut header = ipv6::HeaderMut::parse(packet)?;
            header.set_src(dst.into());
            header.set_dst(src.into());
            header.set_hop_limit(HOPS);
        }
        _ => return None,
    }
    Some(())
}
