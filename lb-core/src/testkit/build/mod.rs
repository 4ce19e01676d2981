//! Builds frames from plain values, in the words of the field.
//!
//! No counterpart in the patent. A [`Frame`] is a description; [`Frame::octets`] writes it, with every
//! length and checksum computed from scratch, unless one was set or spoilt on purpose.
//! Easy to get wrong: a value that the frame's headers do not have (a TTL of an ARP request) is
//! ignored, so that the same edits serve IPv4 and IPv6.

mod ip;
mod link;
mod upper;

use std::net::{IpAddr, SocketAddr};

use crate::wire::tcp::Flags;
use crate::wire::{EtherType, IpProtocol, MacAddr, ethernet, vlan};
use ip::{Network, V4, V6};
use upper::{Check, Upper};

pub use link::{advertisement, arp_reply, arp_request, solicitation};

use super::net::{ROUTER, port_mac};

/// Length of the shortest Ethernet frame without its checksum sequence, in octets.
pub const ETHERNET_MIN: usize = 60;

/// A frame to be written.
#[derive(Clone, Debug)]
pub struct Frame {
    dst: MacAddr,
    src: MacAddr,
    tags: Vec<(EtherType, u16)>,
    network: Network,
    upper: Upper,
    check: Check,
    data: Vec<u8>,
    /// Octet offset, length and whether more follow, of a piece of the datagram.
    piece: Option<(u16, usize, bool)>,
    /// Octets behind the network layer's headers at most.
    kept: usize,
    min_len: usize,
    max_len: usize,
}

impl Frame {
    /// A frame from the router of port 0 to us.
    fn new(network: Network, upper: Upper) -> Self {
        Self {
            dst: port_mac(0),
            src: ROUTER.mac,
            tags: Vec::new(),
            network,
            upper,
            check: Check::Right,
            data: Vec::new(),
            piece: None,
            kept: usize::MAX,
            min_len: 0,
            max_len: usize::MAX,
        }
    }

    /// A TCP segment without flags.
    #[must_use]
    pub fn tcp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::new(
            Network::between(src.ip(), dst.ip()),
            Upper::tcp(src.port(), dst.port()),
        )
    }

    /// A TCP segment that opens a connection: SYN, sequence number 1000, an MSS.
    #[must_use]
    pub fn syn(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::tcp(src, dst)
            .flags(Flags::SYN)
            .seq(1000)
            .tcp_options(&[2, 4, 0x05, 0xb4])
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::new(
            Network::between(src.ip(), dst.ip()),
            Upper::udp(src.port(), dst.port()),
        )
    }

    /// An ICMP message of the addresses' family; `rest` are the four octets behind the checksum.
    #[must_use]
    pub fn icmp(src: IpAddr, dst: IpAddr, message_type: u8, code: u8, rest: [u8; 4]) -> Self {
        let protocol = if src.is_ipv4() {
            IpProtocol::ICMPV4
        } else {
            IpProtocol::ICMPV6
        };
        Self::new(
            Network::between(src, dst),
            Upper::Icmp {
                protocol,
                message_type,
                code,
                rest,
            },
        )
    }

    /// An echo request, identifier 0x1c46, sequence number 1.
    #[must_use]
    pub fn echo_request(src: IpAddr, dst: IpAddr) -> Self {
        Self::icmp(
            src,
            dst,
            if src.is_ipv4() { 8 } else { 128 },
            0,
            [0x1c, 0x46, 0, 1],
        )
    }

    /// The answer to [`echo_request`](Self::echo_request).
    #[must_use]
    pub fn echo_reply(src: IpAddr, dst: IpAddr) -> Self {
        Self::icmp(
            src,
            dst,
            if src.is_ipv4() { 0 } else { 129 },
            0,
            [0x1c, 0x46, 0, 1],
        )
    }

    /// A time-exceeded message that quotes an IP packet.
    #[must_use]
    pub fn time_exceeded(src: IpAddr, dst: IpAddr, quoted: &[u8]) -> Self {
        Self::icmp(src, dst, if src.is_ipv4() { 11 } else { 3 }, 0, [0; 4]).data(quoted)
    }

    /// An IP packet of any protocol.
    #[must_use]
    pub fn ip(src: IpAddr, dst: IpAddr, protocol: IpProtocol, payload: &[u8]) -> Self {
        Self::new(Network::between(src, dst), Upper::Raw(protocol)).data(payload)
    }

    /// An Ethernet frame of any type.
    #[must_use]
    pub fn raw(ethertype: u16, payload: &[u8]) -> Self {
        Self::new(
            Network::Other(EtherType(ethertype)),
            Upper::Raw(IpProtocol(0)),
        )
        .data(payload)
    }

    /// Ethernet source and destination.
    #[must_use]
    pub fn link(mut self, src: MacAddr, dst: MacAddr) -> Self {
        (self.src, self.dst) = (src, dst);
        self
    }

    /// Ethernet source, to the same destination.
    #[must_use]
    pub fn from_mac(mut self, src: MacAddr) -> Self {
        self.src = src;
        self
    }

    /// Ethernet destination, from the same source.
    #[must_use]
    pub fn to_mac(mut self, dst: MacAddr) -> Self {
        self.dst = dst;
        self
    }

    /// A VLAN tag inside those that are there; `control` is priority and VLAN identifier.
    #[must_use]
    pub fn tag(mut self, kind: EtherType, control: u16) -> Self {
        self.tags.push((kind, control));
        self
    }

    /// Data behind the innermost header.
    #[must_use]
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }

    /// Zeros at the end, as far as the shortest Ethernet frame.
    #[must_use]
    pub fn padded(mut self) -> Self {
        self.min_len = ETHERNET_MIN;
        self
    }

    /// Only the first octets of the frame.
    #[must_use]
    pub fn cut(mut self, len: usize) -> Self {
        self.max_len = len;
        self
    }

    /// Only a piece of the datagram: `len` octets from `offset` on; `more` if others follow.
    #[must_use]
    pub fn piece(mut self, offset: u16, len: usize, more: bool) -> Self {
        self.piece = Some((offset, len, more));
        self
    }

    /// Only the first `len` octets behind the network layer's headers, as if there were no more.
    #[must_use]
    pub fn upper_cut(mut self, len: usize) -> Self {
        self.kept = len;
        self
    }

    /// The data behind the innermost header.
    #[must_use]
    pub fn data_octets(&self) -> &[u8] {
        &self.data
    }

    /// The frame's octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut frame = self.ethernet();
        frame.extend(self.packet());
        if frame.len() < self.min_len {
            frame.resize(self.min_len, 0);
        }
        frame.truncate(self.max_len);
        frame
    }

    /// The octets behind the Ethernet header and its tags, as an ICMP error quotes them.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let whole = match self.network.pseudo() {
            Some(pseudo) => self.upper.octets(&self.data, pseudo, self.check),
            None => self.data.clone(),
        };
        let part = match self.piece {
            Some((offset, len, _)) => {
                let start = usize::from(offset).min(whole.len());
                let end = (start + len).min(whole.len());
                whole.get(start..end).unwrap_or_default()
            }
            None => whole.get(..self.kept.min(whole.len())).unwrap_or_default(),
        };
        let position = self.piece.map(|(offset, _, more)| (offset, more));
        self.network.octets(self.upper.protocol(), part, position)
    }

    fn ethernet(&self) -> Vec<u8> {
        let mut frame = vec![0; ethernet::LEN];
        let inner = self.network.ethertype();
        let mut types = self
            .tags
            .iter()
            .map(|&(kind, _)| kind)
            .skip(1)
            .chain([inner]);
        let first = self.tags.first().map_or(inner, |&(kind, _)| kind);
        if let Some(place) = frame.first_chunk_mut() {
            ethernet::Fields {
                dst: self.dst,
                src: self.src,
                ethertype: first,
            }
            .emit(place);
        }
        for &(_, control) in &self.tags {
            let mut tag = [0; vlan::LEN];
            let fields = vlan::Fields {
                pcp: u8::try_from(control >> 13).unwrap_or(7),
                dei: control & 0x1000 != 0,
                vid: control & 0x0fff,
                ethertype: types.next().unwrap_or(inner),
            };
            fields.emit(&mut tag);
            frame.extend(tag);
        }
        frame
    }

    fn v4(mut self, edit: impl FnOnce(&mut V4)) -> Self {
        if let Network::V4(v4) = &mut self.network {
            edit(v4);
        }
        self
    }

    fn v6(mut self, edit: impl FnOnce(&mut V6)) -> Self {
        if let Network::V6(v6) = &mut self.network {
            edit(v6);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::net::{CLIENT, Family, HTTP, NAT};
    use crate::wire::checksum::Sum;
    use crate::wire::{ipv4, tcp};

    fn syn(family: Family) -> Frame {
        Frame::syn(CLIENT.socket(family, 40_000), NAT.socket(family, HTTP))
    }

    #[test]
    fn a_built_segment_has_right_checksums_and_lengths() {
        let octets = syn(Family::V4).data(b"abc").octets();
        let ip = ipv4::Header::parse(&octets[14..], octets.len() - 14).unwrap();
        assert_eq!(ip.verify_checksum(), Ok(()));
        assert_eq!(usize::from(ip.total_len()), octets.len() - 14);
        assert!(tcp::is_checksum_right(&octets[34..], ip.pseudo(27)));
    }

    #[test]
    fn a_tag_stands_between_the_addresses_and_the_type() {
        let octets = syn(Family::V6).tag(EtherType::VLAN, 0xe000).octets();
        assert_eq!(octets[12..18], [0x81, 0, 0xe0, 0, 0x86, 0xdd]);
    }

    #[test]
    fn two_pieces_carry_the_whole_segment() {
        let whole = syn(Family::V4).data(&[7; 100]);
        let (first, second) = (
            whole.clone().piece(0, 64, true),
            whole.clone().piece(64, 999, false),
        );
        let upper: Vec<_> = [first, second]
            .iter()
            .flat_map(|part| part.packet()[20..].to_vec())
            .collect();
        assert_eq!(upper, whole.packet()[20..]);
    }

    #[test]
    fn a_spoilt_checksum_is_wrong_and_an_absent_one_is_zero() {
        let udp = Frame::udp(CLIENT.socket(Family::V4, 1), NAT.socket(Family::V4, 53));
        assert_eq!(udp.clone().no_checksum().octets()[40..42], [0, 0]);
        let packet = udp.bad_checksum().packet();
        let pseudo = Sum::pseudo_v4(CLIENT.v4.into(), NAT.v4.into(), IpProtocol::UDP, 8);
        assert!(!(pseudo + Sum::octets(&packet[20..])).is_right());
    }
}
