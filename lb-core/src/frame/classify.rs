//! The closer look at a frame: everything that the straight path of `frame::parse` leaves over.
//!
//! WO 00/30294, Fig. 6, step 204. Names each defect by its reason, in the order in which the headers stand.
//! What good ARP, ICMP and other IP packets mean for us is left to `filter`.
//! Easy to get wrong: a header that is cut off because the *frame* ends is malformed; one that is cut off
//! because the first *segment* ends is not, we merely cannot read it, and the two have different reasons.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ETHERNET, Flow, Parsed};
use crate::filter::Reason;
use crate::flow::{KeyV4, KeyV6};
use crate::wire::{
    EtherType, IpProtocol, MacAddr, ethernet, extension, ipv4, ipv6, tcp, udp, vlan,
};

/// An IP packet that is no whole TCP or UDP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// What stands at `l4`.
    pub protocol: IpProtocol,
    /// Where the upper layer begins, in octets from the frame's first.
    pub l4: u16,
    /// Octets of the upper layer.
    pub l4_len: u16,
    /// One of several pieces of a datagram.
    pub is_fragment: bool,
    /// Came in a link-layer multicast or broadcast.
    pub is_link_group: bool,
}

/// Parses any frame; slower than `parse`, which calls it.
#[must_use]
#[cold]
pub fn classify(head: &[u8], total_len: usize, mac: MacAddr) -> Parsed {
    look(head, total_len, mac).unwrap_or_else(Parsed::Unfit)
}

fn look(head: &[u8], total_len: usize, mac: MacAddr) -> Result<Parsed, Reason> {
    let cut = |reason| {
        if head.len() < total_len {
            Reason::HeaderSplit
        } else {
            reason
        }
    };
    let link = ethernet::Header::parse(head).ok_or(cut(Reason::Runt))?;
    let is_group = link.dst().is_multicast();
    if !is_group && link.dst() != mac {
        return Err(Reason::NotOurMac);
    }
    let behind = head.get(ETHERNET..).unwrap_or_default();
    let len = total_len - ETHERNET;
    match link.ethertype() {
        EtherType::IPV4 => look_v4(behind, len, is_group),
        EtherType::IPV6 => look_v6(behind, len, is_group),
        EtherType::ARP if is_group && !link.dst().is_broadcast() => Err(Reason::LinkMulticast),
        EtherType::ARP => Ok(Parsed::Arp),
        EtherType::LLDP => Ok(Parsed::LinkControl),
        EtherType::VLAN => look_vlan(behind).ok_or(cut(Reason::Runt))?,
        EtherType::QINQ => Err(Reason::StackedVlan),
        other if other.is_llc_length() => Err(Reason::LlcFrame),
        _ if is_group => Err(Reason::LinkMulticast),
        _ => Err(Reason::UnknownEthertype),
    }
}

/// No interface has a VLAN yet: only the priority tag, which names none, is taken off.
fn look_vlan(behind: &[u8]) -> Option<Result<Parsed, Reason>> {
    let tag = vlan::Tag::parse(behind)?;
    Some(match (tag.vid(), tag.ethertype().is_vlan()) {
        (_, true) => Err(Reason::StackedVlan),
        (vlan::PRIORITY_VID, false) => Ok(Parsed::PriorityTagged),
        (_, false) => Err(Reason::UnknownVlan),
    })
}

fn look_v4(packet: &[u8], len: usize, is_link_group: bool) -> Result<Parsed, Reason> {
    let cut = |reason| {
        if packet.len() < len {
            Reason::HeaderSplit
        } else {
            reason
        }
    };
    let header = ipv4::Header::parse(packet, len).map_err(|malformed| match malformed {
        ipv4::Malformed::Truncated => cut(Reason::Ipv4Truncated),
        ipv4::Malformed::HeaderBeyondFrame => Reason::Ipv4Truncated,
        ipv4::Malformed::Version => Reason::Ipv4BadVersion,
        ipv4::Malformed::HeaderLength => Reason::Ipv4BadHeaderLength,
        ipv4::Malformed::TotalBelowHeader => Reason::Ipv4TotalBelowHeader,
        ipv4::Malformed::TotalBeyondFrame => Reason::Ipv4TotalBeyondFrame,
        ipv4::Malformed::Checksum => Reason::Ipv4BadChecksum,
    })?;
    header
        .verify_checksum()
        .map_err(|_| Reason::Ipv4BadChecksum)?;
    match header.has_source_route() {
        Err(_) => return Err(Reason::Ipv4BadOption),
        Ok(true) => return Err(Reason::Ipv4SourceRoute),
        Ok(false) => {}
    }
    let dst = header.dst_addr();
    check_destination_v4(dst, is_link_group)?;
    let offset = header.header_len();
    let upper = Upper {
        protocol: header.protocol(),
        l4: packet.get(offset..).unwrap_or_default(),
        l4_len: usize::from(header.payload_len()),
        is_cut: packet.len() < len,
    };
    let l4 = position(ETHERNET + offset)?;
    if !header.is_fragment()
        && let Some(flow) = upper.transport()?
    {
        let key = KeyV4::v4(
            header.src(),
            header.dst(),
            flow.src_port,
            flow.dst_port,
            upper.protocol.0,
        );
        return Ok(Parsed::FlowV4(Flow {
            key,
            l4,
            protocol: upper.protocol.0,
            flags: flow.flags,
        }));
    }
    Ok(Parsed::Ip(Ip {
        src: IpAddr::V4(header.src_addr()),
        dst: IpAddr::V4(dst),
        protocol: upper.protocol,
        l4,
        l4_len: header.payload_len(),
        is_fragment: header.is_fragment(),
        is_link_group,
    }))
}

fn look_v6(packet: &[u8], len: usize, is_link_group: bool) -> Result<Parsed, Reason> {
    let is_cut = packet.len() < len;
    let cut = |reason| if is_cut { Reason::HeaderSplit } else { reason };
    let header = ipv6::Header::parse(packet, len).map_err(|malformed| match malformed {
        ipv6::Malformed::Truncated => cut(Reason::Ipv6Truncated),
        ipv6::Malformed::Version => Reason::Ipv6BadVersion,
        ipv6::Malformed::PayloadBeyondFrame => Reason::Ipv6PayloadBeyondFrame,
    })?;
    let walked = header.upper().map_err(|malformed| match malformed {
        extension::Malformed::Truncated => cut(Reason::Ipv6BadExtension),
        extension::Malformed::RoutingHeader0 => Reason::Ipv6RoutingHeader0,
        extension::Malformed::TooLong | extension::Malformed::BadOrder => Reason::Ipv6BadExtension,
    })?;
    let dst = header.dst_addr();
    let is_neighbor_discovery = walked.protocol == IpProtocol::ICMPV6 && dst.is_multicast();
    if !(is_neighbor_discovery && is_link_group) {
        check_destination_v6(dst, is_link_group)?;
    }
    let upper = Upper {
        protocol: walked.protocol,
        l4: packet.get(walked.l4_offset..).unwrap_or_default(),
        l4_len: walked.l4_len,
        is_cut,
    };
    let l4 = position(ETHERNET + walked.l4_offset)?;
    let is_fragment = walked
        .fragment
        .is_some_and(|fragment| !fragment.is_atomic());
    if !is_fragment
        && walked.segments_left == 0
        && let Some(flow) = upper.transport()?
    {
        if upper.protocol == IpProtocol::UDP && flow.checksum == 0 {
            return Err(Reason::UdpNoChecksum);
        }
        let key = KeyV6::v6(
            header.src(),
            header.dst(),
            flow.src_port,
            flow.dst_port,
            upper.protocol.0,
        );
        return Ok(Parsed::FlowV6(Flow {
            key,
            l4,
            protocol: upper.protocol.0,
            flags: flow.flags,
        }));
    }
    Ok(Parsed::Ip(Ip {
        src: IpAddr::V6(header.src_addr()),
        dst: IpAddr::V6(dst),
        protocol: upper.protocol,
        l4,
        l4_len: u16::try_from(upper.l4_len).map_err(|_| Reason::Ipv6PayloadBeyondFrame)?,
        is_fragment,
        is_link_group,
    }))
}

/// The upper layer of a packet, as far as it is at hand.
struct Upper<'a> {
    protocol: IpProtocol,
    l4: &'a [u8],
    l4_len: usize,
    is_cut: bool,
}

/// What a flow needs of its transport header.
struct Transport {
    src_port: u16,
    dst_port: u16,
    flags: u8,
    checksum: u16,
}

impl Upper<'_> {
    /// The transport header of TCP or UDP; `None` for any other protocol.
    fn transport(&self) -> Result<Option<Transport>, Reason> {
        let cut = |reason| {
            if self.is_cut {
                Reason::HeaderSplit
            } else {
                reason
            }
        };
        let transport =
            match self.protocol {
                IpProtocol::TCP => {
                    let header = tcp::Header::parse(self.l4, self.l4_len).map_err(|malformed| {
                        match malformed {
                            tcp::Malformed::Truncated if self.l4_len < tcp::LEN => {
                                Reason::TcpTruncated
                            }
                            tcp::Malformed::Truncated => cut(Reason::TcpTruncated),
                            tcp::Malformed::DataOffset | tcp::Malformed::DataOffsetBeyondPacket => {
                                Reason::TcpBadDataOffset
                            }
                        }
                    })?;
                    let flags = header.flags();
                    if flags.is_illegal() {
                        return Err(Reason::TcpIllegalFlags);
                    }
                    Transport {
                        src_port: header.src_port(),
                        dst_port: header.dst_port(),
                        flags: flags.0,
                        checksum: header.checksum(),
                    }
                }
                IpProtocol::UDP => {
                    let header = udp::Header::parse(self.l4, self.l4_len).map_err(|malformed| {
                        match malformed {
                            udp::Malformed::Truncated if self.l4_len >= udp::LEN => {
                                cut(Reason::UdpBadLength)
                            }
                            _ => Reason::UdpBadLength,
                        }
                    })?;
                    Transport {
                        src_port: header.src_port(),
                        dst_port: header.dst_port(),
                        flags: 0,
                        checksum: header.checksum(),
                    }
                }
                _ => return Ok(None),
            };
        if transport.src_port == 0 || transport.dst_port == 0 {
            return Err(Reason::PortZero);
        }
        Ok(Some(transport))
    }
}

/// Edge-case rows 22 and 23 for the destination: what is never forwarded to.
fn check_destination_v4(dst: Ipv4Addr, is_link_group: bool) -> Result<(), Reason> {
    let is_ip_group = dst.is_multicast() || dst.is_broadcast();
    match (is_ip_group, is_link_group) {
        (true, true) => Err(Reason::LinkMulticast),
        (true, false) => Err(Reason::MartianDestination),
        (false, _) if is_martian_v4(dst) => Err(Reason::MartianDestination),
        (false, true) => Err(Reason::UnicastInBroadcast),
        (false, false) => Ok(()),
    }
}

fn check_destination_v6(dst: Ipv6Addr, is_link_group: bool) -> Result<(), Reason> {
    match (dst.is_multicast(), is_link_group) {
        (true, true) => Err(Reason::LinkMulticast),
        (true, false) => Err(Reason::MartianDestination),
        (false, _) if is_martian_v6(dst) => Err(Reason::MartianDestination),
        (false, true) => Err(Reason::UnicastInBroadcast),
        (false, false) => Ok(()),
    }
}

/// Whether an address can neither send nor be sent to (RFC 6890), multicast aside.
pub(crate) fn is_martian(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_martian_v4(v4),
        IpAddr::V6(v6) => is_martian_v6(v6),
    }
}

fn is_martian_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first == 0 || first == 127 || first >= 240
}

fn is_martian_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified() || address.is_loopback() || address.to_ipv4_mapped().is_some()
}

fn position(octets: usize) -> Result<u16, Reason> {
    u16::try_from(octets).map_err(|_| Reason::Ipv6BadExtension)
}
