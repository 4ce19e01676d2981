//! Questions for neighbors that we ask of our own accord: ARP requests and neighbor solicitations.
//!
//! No counterpart in the patent. RFC 826; RFC 4861, section 7.2.2. When to ask is said in `route::neighbor`.
//! Easy to get wrong: the first question goes to everybody (broadcast, solicited-node group), one for a
//! neighbor that is already known goes to its last MAC alone, so that a quiet link stays quiet.

use std::net::IpAddr;

use crate::config::Distribution;
use crate::frame::{ETHERNET, IPV6};
use crate::id::PortId;
use crate::packet::Packet;
use crate::route::neighbor::Neighbor;
use crate::wire::arp::{self, Operation};
use crate::wire::ndp::{self, Solicitation};
use crate::wire::{EtherType, IpProtocol, MacAddr, ethernet, ipv6};

/// Writes the question; the port to send it on.
pub(super) fn write<P: Packet>(
    distribution: &Distribution,
    about: &Neighbor,
    packet: &mut P,
) -> Option<PortId> {
    let port = distribution.port(about.port)?;
    match (about.address, port.source_for(about.address)?) {
        (IpAddr::V4(target), IpAddr::V4(source)) => {
            let to = about.mac.unwrap_or(MacAddr::BROADCAST);
            let message = arp::Message {
                operation: Operation::Request,
                sender_mac: port.mac,
                sender_ip: source,
                target_mac: MacAddr([0; 6]),
                target_ip: target,
            };
            let octets = framed(packet, arp::LEN, to, port.mac, EtherType::ARP)?;
            message.emit(octets.first_chunk_mut()?);
        }
        (IpAddr::V6(target), IpAddr::V6(source)) => {
            let group = ndp::solicited_node(target);
            let (destination, to) = match about.mac {
                Some(mac) => (target, mac),
                None => (group, ndp::multicast_mac(group)),
            };
            let octets = framed(
                packet,
                IPV6 + ndp::LEN_WITH_OPTION,
                to,
                port.mac,
                EtherType::IPV6,
            )?;
            let (ip, message) = octets.split_at_mut_checked(IPV6)?;
            let asked = Solicitation {
                source,
                destination,
                target,
                source_mac: Some(port.mac),
            };
            asked.emit(message.first_chunk_mut()?);
            let header = ipv6::Fields {
                next_header: IpProtocol::ICMPV6,
                hop_limit: ndp::HOP_LIMIT,
                src: source.into(),
                dst: destination.into(),
                payload_len: u16::try_from(ndp::LEN_WITH_OPTION).ok()?,
                ..ipv6::Fields::default()
            };
            header.emit(ip.first_chunk_mut()?);
        }
        _ => return None,
    }
    Some(about.port)
}

/// A frame of this payload's length, its Ethernet header written; the payload's octets.
fn framed<P: Packet>(
    packet: &mut P,
    payload: usize,
    dst: MacAddr,
    src: MacAddr,
    ethertype: EtherType,
) -> Option<&mut [u8]> {
    if !packet.set_len(ETHERNET + payload) {
        return None;
    }
    let frame = packet.head_mut();
    let (header, octets) = frame.split_first_chunk_mut::<ETHERNET>()?;
    ethernet::Fields {
        dst,
        src,
        ethertype,
    }
    .emit(header);
    octets.get_mut(..payload)
}
