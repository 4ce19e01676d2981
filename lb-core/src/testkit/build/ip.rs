//! The network layer of a built frame: IPv4 with options, IPv6 with extension headers.
//!
//! No counterpart in the patent. RFC 791, RFC 8200. A length or a checksum that was set by hand goes out
//! as it is; all others are computed.
//! Easy to get wrong: an IPv6 piece of a datagram needs a fragment header of its own, IPv4 has the
//! fields in every header.

use std::net::{IpAddr, Ipv6Addr};

use super::Frame;
use crate::wire::checksum::Sum;
use crate::wire::{EtherType, IpProtocol, ipv4, ipv6};

/// What the frame carries.
#[derive(Clone, Debug)]
pub(super) enum Network {
    V4(V4),
    V6(V6),
    /// Neither: the data follow the Ethernet header.
    Other(EtherType),
}

#[derive(Clone, Debug)]
pub(super) struct V4 {
    fields: ipv4::Fields,
    version: u8,
    options: Vec<u8>,
    ihl: Option<u8>,
    total_len: Option<u16>,
    has_bad_checksum: bool,
}

#[derive(Clone, Debug)]
pub(super) struct V6 {
    fields: ipv6::Fields,
    version: u8,
    extensions: Vec<(IpProtocol, Vec<u8>)>,
    payload_len: Option<u16>,
    /// Last address of a route, which the checksum is computed with.
    final_dst: Option<Ipv6Addr>,
}

/// What the upper layer's checksum needs of the addresses.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    V4(u32, u32),
    V6(u128, u128),
}

impl Ends {
    pub(super) fn sum(self, protocol: IpProtocol, len: usize) -> Sum {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        match self {
            Self::V4(src, dst) => {
                Sum::pseudo_v4(src, dst, protocol, u16::try_from(len).unwrap_or(u16::MAX))
            }
            Self::V6(src, dst) => Sum::pseudo_v6(src, dst, protocol, len),
        }
    }
}

impl Network {
    /// A packet between two addresses; of IPv4 unless both are IPv6.
    pub(super) fn between(src: IpAddr, dst: IpAddr) -> Self {
        if let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) {
            let fields = ipv6::Fields {
                src: src.into(),
                dst: dst.into(),
                ..ipv6::Fields::default()
            };
            return Self::V6(V6 {
                fields,
                version: 6,
                extensions: Vec::new(),
                payload_len: None,
                final_dst: None,
            });
        }
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u32::from(v4),
            IpAddr::V6(_) => 0,
        };
        let fields = ipv4::Fields {
            src: bits(src),
            dst: bits(dst),
            ..ipv4::Fields::default()
        };
        Self::V4(V4 {
            fields,
            version: 4,
            options: Vec::new(),
            ihl: None,
            total_len: None,
            has_bad_checksum: false,
        })
    }

    pub(super) fn ethertype(&self) -> EtherType {
        match self {
            Self::V4(_) => EtherType::IPV4,
            Self::V6(_) => EtherType::IPV6,
            Self::Other(ethertype) => *ethertype,
        }
    }

    pub(super) fn pseudo(&self) -> Option<Ends> {
        match self {
            Self::V4(v4) => Some(Ends::V4(v4.fields.src, v4.fields.dst)),
            Self::V6(v6) => Some(Ends::V6(
                v6.fields.src,
                v6.final_dst.map_or(v6.fields.dst, u128::from),
            )),
            Self::Other(_) => None,
        }
    }

    /// Headers and payload; `piece` is offset and more-flag of a fragment.
    pub(super) fn octets(
        &self,
        protocol: IpProtocol,
        payload: &[u8],
        piece: Option<(u16, bool)>,
    ) -> Vec<u8> {
        match self {
            Self::V4(v4) => v4.octets(protocol, payload, piece),
            Self::V6(v6) => v6.octets(protocol, payload, piece),
            Self::Other(_) => payload.to_vec(),
        }
    }
}

impl V4 {
    fn octets(&self, protocol: IpProtocol, payload: &[u8], piece: Option<(u16, bool)>) -> Vec<u8> {
        let header_len = ipv4::LEN + self.options.len();
        let ihl = u8::try_from(header_len / 4).unwrap_or(15);
        let computed = u16::try_from(header_len + payload.len()).unwrap_or(u16::MAX);
        let mut fields = self.fields;
        fields.ihl = ihl;
        fields.protocol = protocol;
        fields.total_len = self.total_len.unwrap_or(computed);
        if let Some((offset, more)) = piece {
            (
                fields.fragment_offset,
                fields.more_fragments,
                fields.dont_fragment,
            ) = (offset, more, false);
        }
        let mut packet = vec![0; ipv4::LEN];
        packet.extend(&self.options);
        if let Some(place) = packet.first_chunk_mut() {
            fields.emit(place);
            place[0] = self.version << 4 | self.ihl.unwrap_or(ihl);
        }
        self.fill_checksum(&mut packet);
        packet.extend(payload);
        packet
    }

    fn fill_checksum(&self, header: &mut [u8]) {
        if let Some(place) = header.get_mut(10..12) {
            place.fill(0);
        }
        let mut checksum = Sum::octets(header).checksum();
        if self.has_bad_checksum {
            checksum ^= 0x0100;
        }
        if let Some(place) = header.get_mut(10..12) {
            place.copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

impl V6 {
    fn octets(&self, protocol: IpProtocol, payload: &[u8], piece: Option<(u16, bool)>) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some((offset, more)) = piece {
            let [high, low] = (offset | u16::from(more)).to_be_bytes();
            extensions.push((
                IpProtocol::FRAGMENT,
                vec![0, 0, high, low, 0, 0, 0x1c, 0x46],
            ));
        }
        let following = extensions
            .iter()
            .map(|&(kind, _)| kind)
            .skip(1)
            .chain([protocol]);
        let mut chain = Vec::new();
        for ((_, octets), next) in extensions.iter().zip(following) {
            let start = chain.len();
            chain.extend(octets);
            if let Some(place) = chain.get_mut(start) {
                *place = next.0;
            }
        }
        let mut fields = self.fields;
        fields.next_header = extensions.first().map_or(protocol, |&(kind, _)| kind);
        let computed = u16::try_from(chain.len() + payload.len()).unwrap_or(u16::MAX);
        fields.payload_len = self.payload_len.unwrap_or(computed);
        let mut packet = vec![0; ipv6::LEN];
        if let Some(place) = packet.first_chunk_mut() {
            fields.emit(place);
            place[0] = self.version << 4 | place[0] & 0x0f;
        }
        packet.extend(chain);
        packet.extend(payload);
        packet
    }
}

impl Frame {
    /// Source address; of the frame's own family.
    #[must_use]
    pub fn src(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(src) => self.v4(|v4| v4.fields.src = src.into()),
            IpAddr::V6(src) => self.v6(|v6| v6.fields.src = src.into()),
        }
    }

    /// Destination address; of the frame's own family.
    #[must_use]
    pub fn dst(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(dst) => self.v4(|v4| v4.fields.dst = dst.into()),
            IpAddr::V6(dst) => self.v6(|v6| v6.fields.dst = dst.into()),
        }
    }

    /// TTL or hop limit.
    #[must_use]
    pub fn hops(self, hops: u8) -> Self {
        self.v4(|v4| v4.fields.ttl = hops)
            .v6(|v6| v6.fields.hop_limit = hops)
    }

    /// Differentiated services and ECN: TOS or traffic class.
    #[must_use]
    pub fn dscp_ecn(self, octet: u8) -> Self {
        self.v4(|v4| v4.fields.dscp_ecn = octet)
            .v6(|v6| v6.fields.dscp_ecn = octet)
    }

    /// IPv4 identification.
    #[must_use]
    pub fn id(self, id: u16) -> Self {
        self.v4(|v4| v4.fields.id = id)
    }

    /// IPv6 flow label.
    #[must_use]
    pub fn flow_label(self, label: u32) -> Self {
        self.v6(|v6| v6.fields.flow_label = label)
    }

    /// Whether IPv4 may not fragment the packet; it may not by default.
    #[must_use]
    pub fn dont_fragment(self, set: bool) -> Self {
        self.v4(|v4| v4.fields.dont_fragment = set)
    }

    /// IPv4 options, a multiple of four octets.
    #[must_use]
    pub fn options(self, octets: &[u8]) -> Self {
        self.v4(|v4| v4.options = octets.to_vec())
    }

    /// One more IPv6 extension header, behind those that are there; its first octet is filled in.
    #[must_use]
    pub fn extension(self, kind: IpProtocol, octets: &[u8]) -> Self {
        self.v6(|v6| v6.extensions.push((kind, octets.to_vec())))
    }

    /// The address that the upper layer's checksum is computed with, where a routing header leads on.
    #[must_use]
    pub fn final_dst(self, address: Ipv6Addr) -> Self {
        self.v6(|v6| v6.final_dst = Some(address))
    }

    /// A version that the EtherType does not promise.
    #[must_use]
    pub fn version(self, version: u8) -> Self {
        self.v4(|v4| v4.version = version)
            .v6(|v6| v6.version = version)
    }

    /// An IPv4 header length in words that is not the header's.
    #[must_use]
    pub fn ihl(self, words: u8) -> Self {
        self.v4(|v4| v4.ihl = Some(words))
    }

    /// IPv4 total length or IPv6 payload length, whatever the packet's is.
    #[must_use]
    pub fn ip_len(self, octets: u16) -> Self {
        self.v4(|v4| v4.total_len = Some(octets))
            .v6(|v6| v6.payload_len = Some(octets))
    }

    /// A wrong IPv4 header checksum.
    #[must_use]
    pub fn bad_header_checksum(self) -> Self {
        self.v4(|v4| v4.has_bad_checksum = true)
    }

    /// IPv4 identification that was set; 0 of other packets.
    #[must_use]
    pub fn identification(&self) -> u16 {
        match &self.network {
            Network::V4(v4) => v4.fields.id,
            Network::V6(_) | Network::Other(_) => 0,
        }
    }

    /// The identification with which the IPv4 header's checksum is `wanted`.
    #[must_use]
    pub fn with_header_checksum(self, wanted: u16) -> Self {
        let packet = self.clone().id(0).packet();
        let now = packet
            .get(10..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |word| u16::from_be_bytes(*word));
        // What the sum of the header gains, its checksum loses, modulo 0xFFFF.
        let id = (u32::from(now) + 0xffff - u32::from(wanted)) % 0xffff;
        self.id(u16::try_from(id).unwrap_or(0))
    }
}
