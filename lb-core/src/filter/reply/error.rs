//! ICMP errors: the answer to a packet whose hops end here, or that is too long for its way out.
//!
//! No counterpart in the patent. RFC 1812, 5.3.1 and 4.3.2; RFC 1191; RFC 4443, sections 3.2 and 3.3.
//! Quotes as much of the packet as the RFCs allow: 576 octets in all for IPv4, 1,280 for IPv6. What is quoted is the
//! packet as its sender knows it, so both questions are asked before anything is rewritten.
//! Easy to get wrong: no error is ever sent about an ICMP error, or two routers answer each other for ever;
//! nor about a later fragment, whose beginning nobody could match.

use std::net::IpAddr;

use crate::frame::{ETHERNET, IPV4, IPV6};
use crate::packet::Packet;
use crate::wire::checksum::Sum;
use crate::wire::{IpProtocol, icmpv4, icmpv6, ipv4, ipv6};

use super::super::{Own, Reason, Scene, Verdict};
use super::{HOPS, resized, turn_link};
use crate::id::NeighborId;

const MOST_V4: usize = 576 - IPV4 - icmpv4::LEN;
const MOST_V6: usize = 1280 - IPV6 - icmpv6::LEN;

/// What the error says.
#[derive(Clone, Copy)]
enum About {
    HopsRanOut,
    /// The way out takes no IP packet longer than this, in octets.
    TooBig(u32),
}

impl<P: Packet> Own<P> {
    /// Answers a packet that may go no further, or drops it.
    #[cold]
    pub(in super::super) fn hops_ran_out(&mut self, scene: Scene<'_>, packet: &mut P) -> Verdict {
        self.refuse(scene, packet, About::HopsRanOut, Reason::TtlExpired)
    }

    /// What becomes of a packet on its way to this neighbor, if it is too long for the port there: it is answered,
    /// or dropped where it could go on in fragments, which we do not make. Asked before anything is rewritten.
    #[inline]
    pub(in super::super) fn too_big(
        &mut self,
        scene: Scene<'_>,
        neighbor: NeighborId,
        packet: &mut P,
    ) -> Option<Verdict> {
        let port = scene.tables.neighbors.port(neighbor)?;
        let port = scene.distribution.port(port)?;
        // No packet is longer than its frame; the frame may be longer, for it may be padded.
        let is_surely_short = packet.total_len() <= usize::from(port.longest_frame.get());
        if is_surely_short {
            None
        } else {
            self.too_long(scene, port.mtu, packet)
        }
    }

    #[cold]
    fn too_long(&mut self, scene: Scene<'_>, mtu: u32, packet: &mut P) -> Option<Verdict> {
        let octets = packet.head().get(ETHERNET..)?;
        let (len, may_be_fragmented) = match octets.first()? >> 4 {
            4 => {
                let header = ipv4::Header::parse_quoted(octets).ok()?;
                (usize::from(header.total_len()), !header.dont_fragment())
            }
            _ => {
                let header = ipv6::Header::parse_quoted(octets).ok()?;
                (IPV6 + usize::from(header.payload_len()), false)
            }
        };
        if len as u64 <= u64::from(mtu) {
            None
        } else if may_be_fragmented {
            Some(Verdict::Drop(Reason::TooBig))
        } else {
            Some(self.refuse(scene, packet, About::TooBig(mtu), Reason::TooBig))
        }
    }

    /// Turns the packet into an error about it; drops it for `otherwise` where none may be sent.
    fn refuse(
        &mut self,
        scene: Scene<'_>,
        packet: &mut P,
        about: About,
        otherwise: Reason,
    ) -> Verdict {
        let Some(plan) = Plan::of(packet.head(), scene) else {
            return Verdict::Drop(otherwise);
        };
        if !self.errors.take(scene.now.millis) {
            return Verdict::Drop(Reason::ReplyRateLimited);
        }
        match plan.carry_out(packet, about) {
            Some(()) => {
                turn_link(packet, scene.ingress);
                Verdict::Reply
            }
            None => Verdict::Drop(otherwise),
        }
    }
}

impl About {
    fn v4(self) -> icmpv4::Message {
        match self {
            Self::HopsRanOut => icmpv4::Message::TimeExceeded {
                code: icmpv4::TTL_EXCEEDED,
            },
            Self::TooBig(mtu) => icmpv4::Message::Unreachable {
                code: icmpv4::FRAGMENTATION_NEEDED,
                // A packet that is too long for it is no longer than 65,535 octets itself.
                mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            },
        }
    }

    fn v6(self) -> icmpv6::Message {
        match self {
            Self::HopsRanOut => icmpv6::Message::TimeExceeded {
                code: icmpv6::HOP_LIMIT_EXCEEDED,
            },
            Self::TooBig(mtu) => icmpv6::Message::PacketTooBig { mtu },
        }
    }
}

/// The answer: from where to where, and how much of the packet it quotes.
struct Plan {
    from: IpAddr,
    to: IpAddr,
    quoted: usize,
}

impl Plan {
    /// `None` where no error may be sent, or no address of ours could send it.
    fn of(frame: &[u8], scene: Scene<'_>) -> Option<Self> {
        let packet = frame.get(ETHERNET..)?;
        let (src, dst, len, most, is_silent) = match packet.first()? >> 4 {
            4 => {
                let header = ipv4::Header::parse_quoted(packet).ok()?;
                let upper = packet.get(header.header_len()..)?;
                let is_error = header.protocol() == IpProtocol::ICMPV4
                    && icmpv4::Header::parse(upper, upper.len()).is_none_or(|icmp| icmp.is_error());
                let is_later = header.fragment_offset() != 0;
                let ends = (IpAddr::V4(header.src_addr()), IpAddr::V4(header.dst_addr()));
                (
                    ends.0,
                    ends.1,
                    usize::from(header.total_len()),
                    MOST_V4,
                    is_error || is_later,
                )
            }
            _ => {
                let header = ipv6::Header::parse_quoted(packet).ok()?;
                let walked = header.upper().ok()?;
                let upper = packet.get(walked.l4_offset..).unwrap_or_default();
                let is_error = walked.protocol == IpProtocol::ICMPV6
                    && icmpv6::Header::parse(upper, upper.len()).is_none_or(|icmp| icmp.is_error());
                let is_later = walked.fragment.is_some_and(|fragment| fragment.offset != 0);
                let ends = (IpAddr::V6(header.src_addr()), IpAddr::V6(header.dst_addr()));
                let len = IPV6 + usize::from(header.payload_len());
                (ends.0, ends.1, len, MOST_V6, is_error || is_later)
            }
        };
        if is_silent {
            return None;
        }
        let is_vip = scene.distribution.is_vip(crate::flow::address_words(dst));
        let from = scene.ingress.source_for(src).or(is_vip.then_some(dst))?;
        Some(Self {
            from,
            to: src,
            quoted: len.min(most).min(packet.len()),
        })
    }

    /// Moves the quoted packet back and writes both headers before it.
    fn carry_out<P: Packet>(&self, packet: &mut P, about: About) -> Option<()> {
        let headers = if self.from.is_ipv4() {
            IPV4 + icmpv4::LEN
        } else {
            IPV6 + icmpv6::LEN
        };
        let len = ETHERNET + headers + self.quoted;
        if packet.head().len() < len && !packet.set_len(len) {
            return None;
        }
        packet
            .head_mut()
            .get_mut(..len)?
            .copy_within(ETHERNET..ETHERNET + self.quoted, ETHERNET + headers);
        let octets = resized(packet, len)?;
        let message_len = icmpv4::LEN + self.quoted;
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let (ip, message) = octets.split_at_mut_checked(IPV4)?;
                let header = ipv4::Fields {
                    protocol: IpProtocol::ICMPV4,
                    ttl: HOPS,
                    src: from.into(),
                    dst: to.into(),
                    total_len: u16::try_from(IPV4 + message_len).ok()?,
                    ..ipv4::Fields::default()
                };
                header.emit(ip.first_chunk_mut()?);
                about.v4().emit(message.first_chunk_mut()?);
                icmpv4::HeaderMut::parse(message)?.fill_checksum();
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let (ip, message) = octets.split_at_mut_checked(IPV6)?;
                let header = ipv6::Fields {
                    next_header: IpProtocol::ICMPV6,
                    hop_limit: HOPS,
                    src: from.into(),
                    dst: to.into(),
                    payload_len: u16::try_from(message_len).ok()?,
                    ..ipv6::Fields::default()
                };
                header.emit(ip.first_chunk_mut()?);
                about.v6().emit(message.first_chunk_mut()?);
                let len = u32::try_from(message_len).ok()?;
                let pseudo = Sum::pseudo_v6(from.into(), to.into(), IpProtocol::ICMPV6, len);
                icmpv6::HeaderMut::parse(message)?.fill_checksum(pseudo);
            }
            _ => return None,
        }
        Some(())
    }
}
