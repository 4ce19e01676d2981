//! TCP resets: the answer to a segment that belongs to no service or no connection.
//!
//! WO 00/30294, Fig. 6, step 208. Numbers as RFC 9293, section 3.10.7.1 has them.
//! Easy to get wrong: a reset is never answered with a reset, or two hosts would go on for ever; the callers
//! have dropped those before. SYN and FIN count as one octet each in what is acknowledged.

use std::net::IpAddr;

use crate::flow::{DirectionKey, FlowKey};
use crate::frame::{ETHERNET, IPV4, IPV6};
use crate::packet::Packet;
use crate::wire::checksum::Sum;
use crate::wire::tcp::{self, Flags};
use crate::wire::{EtherType, IpProtocol, ethernet, ipv4, ipv6};

use super::super::{Item, Own, Reason, Scene, Verdict};
use super::{HOPS, resized, turn_link};

impl<P: Packet> Own<P> {
    /// Turns a segment into the reset that refuses it.
    #[cold]
    pub(in super::super) fn reset<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
    ) -> Verdict
    where
        FlowKey<W>: DirectionKey,
    {
        if !self.replies.take(scene.now.millis) {
            return Verdict::Drop(Reason::ReplyRateLimited);
        }
        let key = &item.flow.key;
        match refusal(packet.head(), item.flow.l4, key) {
            Some(fields) if write(packet, key.dst(), key.src(), fields).is_some() => {
                turn_link(packet, scene.ingress);
                Verdict::Reply
            }
            _ => Verdict::Drop(Reason::ReplyRateLimited),
        }
    }
}

/// The reset's TCP header, from the segment that it refuses.
fn refusal<const W: usize>(frame: &[u8], l4: u16, key: &FlowKey<W>) -> Option<tcp::Fields>
where
    FlowKey<W>: DirectionKey,
{
    let segment_len = segment_len(frame, l4)?;
    let segment = tcp::Header::parse(frame.get(usize::from(l4)..)?, segment_len).ok()?;
    let flags = segment.flags();
    let data = segment_len - segment.header_len();
    let counted = u32::from(flags.contains(Flags::SYN)) + u32::from(flags.contains(Flags::FIN));
    let (seq, ack, flags) = if flags.contains(Flags::ACK) {
        (segment.ack(), 0, Flags::RST)
    } else {
        let len = u32::try_from(data).ok()? + counted;
        (
            0,
            segment.seq().wrapping_add(len),
            Flags::RST.with(Flags::ACK),
        )
    };
    Some(tcp::Fields {
        src_port: key.dst_port(),
        dst_port: key.src_port(),
        seq,
        ack,
        flags,
        window: 0,
        ..tcp::Fields::default()
    })
}

/// Octets of the TCP segment, by the IP header.
fn segment_len(frame: &[u8], l4: u16) -> Option<usize> {
    let packet = frame.get(ETHERNET..)?;
    let end = match packet.first()? >> 4 {
        4 => usize::from(ipv4::Header::parse_quoted(packet).ok()?.total_len()),
        _ => IPV6 + usize::from(ipv6::Header::parse_quoted(packet).ok()?.payload_len()),
    };
    (ETHERNET + end).checked_sub(usize::from(l4))
}

/// Writes the whole packet anew behind the Ethernet header: no options, no extension headers.
fn write<P: Packet>(packet: &mut P, from: IpAddr, to: IpAddr, fields: tcp::Fields) -> Option<()> {
    let (ip_len, ethertype) = match from {
        IpAddr::V4(_) => (IPV4, EtherType::IPV4),
        IpAddr::V6(_) => (IPV6, EtherType::IPV6),
    };
    let octets = resized(packet, ETHERNET + ip_len + tcp::LEN)?;
    let (ip, segment) = octets.split_at_mut_checked(ip_len)?;
    fields.emit(segment.first_chunk_mut()?);
    let pseudo = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = ipv4::Fields {
                protocol: IpProtocol::TCP,
                ttl: HOPS,
                dont_fragment: true,
                src: from.into(),
                dst: to.into(),
                total_len: 40,
                ..ipv4::Fields::default()
            };
            header.emit(ip.first_chunk_mut()?);
            Sum::pseudo_v4(from.into(), to.into(), IpProtocol::TCP, 20)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = ipv6::Fields {
                next_header: IpProtocol::TCP,
                hop_limit: HOPS,
                src: from.into(),
                dst: to.into(),
                payload_len: 20,
                ..ipv6::Fields::default()
            };
            header.emit(ip.first_chunk_mut()?);
            Sum::pseudo_v6(from.into(), to.into(), IpProtocol::TCP, 20)
        }
        _ => return None,
    };
    tcp::HeaderMut::parse(segment)?.fill_checksum(pseudo);
    ethernet::HeaderMut::parse(packet.head_mut())?.set_ethertype(ethertype);
    Some(())
}
