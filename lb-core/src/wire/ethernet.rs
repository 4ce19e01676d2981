//! Ethernet II header, MAC addresses and EtherTypes.
//!
//! WO 00/30294: the MAC addresses that step 220 rewrites (forwarding `direct`, claims 11 and 12).
//! Not here: VLAN tags (`vlan`), which stand behind this header and carry the real EtherType.
//! Easy to get wrong: a value below 0x0600 in the type field is a length (IEEE 802.3), and what
//! follows is an LLC header such as spanning tree's.

use std::fmt;
use std::str::FromStr;

use super::octets::Octets;

/// Octets of the header, without preamble and frame check sequence.
pub const LEN: usize = 14;

const DST: usize = 0;
const SRC: usize = 6;
const ETHERTYPE: usize = 12;

/// A 48-bit MAC address, in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set; true of the broadcast address too.
    #[inline]
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        let [first, ..] = self.0;
        first & 1 != 0
    }

    /// Whether this is the address of every station.
    #[inline]
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        self.to_u64() == Self::BROADCAST.to_u64()
    }

    /// Whether one station can own this address: no group address, and not all zero.
    #[inline]
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && self.to_u64() != 0
    }

    /// The address as a number below 2^48, first octet highest.
    #[inline]
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The address of a number, first octet highest; bits 48 to 63 are ignored.
    #[inline]
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The address as a word that can be written into a frame without turning it round.
    #[inline]
    #[must_use]
    pub const fn word(self) -> MacWord {
        let [a, b, c, d, e, f] = self.0;
        MacWord(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

/// A MAC address in the low 48 bits of a word, first octet lowest: on little-endian machines, as it stands in a
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacWord(u64);

impl MacWord {
    const BITS: u32 = 48;

    /// The address in the low 48 bits of any word.
    #[inline(always)]
    #[must_use]
    pub const fn low_bits(word: u64) -> Self {
        Self(word & ((1 << Self::BITS) - 1))
    }

    /// The word; below 2^48.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = self.0.to_le_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

/// A source address, cut where the second word of a frame begins: what stands behind any destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceMac {
    /// The first two octets, in the upper 16 bits.
    head: u64,
    tail: [u8; 4],
}

impl SourceMac {
    /// Prepares an address.
    #[must_use]
    pub const fn new(address: MacAddr) -> Self {
        let [a, b, c, d, e, f] = address.0;
        Self {
            head: u64::from_le_bytes([0, 0, 0, 0, 0, 0, a, b]),
            tail: [c, d, e, f],
        }
    }

    /// The first eight octets of a frame from this source.
    #[inline(always)]
    #[must_use]
    pub const fn head_behind(self, dst: MacWord) -> [u8; 8] {
        (dst.0 | self.head).to_le_bytes()
    }

    /// The next four.
    #[inline(always)]
    #[must_use]
    pub const fn tail(self) -> [u8; 4] {
        self.tail
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// Why a text is not a MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMacAddr {
    /// Not six groups; holds how many there are.
    #[error("expected six groups separated by colons, found {0}")]
    Groups(usize),
    /// A group is not two hexadecimal digits; holds its place, 1 to 6.
    #[error("group {0} is not two hexadecimal digits")]
    Digits(usize),
}

impl FromStr for MacAddr {
    type Err = BadMacAddr;

    fn from_str(text: &str) -> Result<Self, BadMacAddr> {
        let found = text.split(':').count();
        if found != 6 {
            return Err(BadMacAddr::Groups(found));
        }
        let mut octets = [0; 6];
        for (place, (octet, group)) in octets.iter_mut().zip(text.split(':')).enumerate() {
            // The parser of numbers would also take a sign.
            let two_digits = group.len() == 2 && group.bytes().all(|c| c.is_ascii_hexdigit());
            *octet = u8::from_str_radix(group, 16)
                .ok()
                .filter(|_| two_digits)
                .ok_or(BadMacAddr::Digits(place + 1))?;
        }
        Ok(Self(octets))
    }
}

/// What an Ethernet frame or a VLAN tag carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// Customer VLAN tag (IEEE 802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// Pause and the other MAC control frames (IEEE 802.3 annex 31).
    pub const PAUSE: Self = Self(0x8808);
    /// LACP and the other slow protocols (IEEE 802.3 annex 57A).
    pub const SLOW: Self = Self(0x8809);
    /// Port authentication (IEEE 802.1X).
    pub const EAPOL: Self = Self(0x888e);
    /// Service VLAN tag, the outer one of two (IEEE 802.1ad).
    pub const QINQ: Self = Self(0x88a8);
    /// Link Layer Discovery Protocol (IEEE 802.1AB).
    pub const LLDP: Self = Self(0x88cc);

    /// Whether the field is a length in octets, and an LLC header follows.
    #[inline]
    #[must_use]
    pub const fn is_llc_length(self) -> bool {
        self.0 < 0x0600
    }

    /// Whether a VLAN tag follows.
    #[inline]
    #[must_use]
    pub const fn is_vlan(self) -> bool {
        self.0 == Self::VLAN.0 || self.0 == Self::QINQ.0
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// An Ethernet header, read.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(&'a [u8; LEN]);

impl<'a> Header<'a> {
    /// The header at the beginning of `frame`; `None` with fewer than 14 octets.
    #[inline]
    #[must_use]
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        frame.first_chunk().map(Self)
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> MacAddr {
        MacAddr(self.0.array_at::<DST, 6>())
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src(&self) -> MacAddr {
        MacAddr(self.0.array_at::<SRC, 6>())
    }

    /// Type of what follows, or its length in octets.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        EtherType(self.0.u16_at::<ETHERTYPE>())
    }
}

/// An Ethernet header, to be rewritten.
#[derive(Debug)]
pub struct HeaderMut<'a>(&'a mut [u8; LEN]);

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `frame`; `None` with fewer than 14 octets.
    #[inline]
    #[must_use]
    pub fn parse(frame: &'a mut [u8]) -> Option<Self> {
        frame.first_chunk_mut().map(Self)
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_dst(&mut self, mac: MacAddr) {
        self.0.put_array::<DST, 6>(mac.0);
    }

    /// Sets the source address.
    #[inline]
    pub fn set_src(&mut self, mac: MacAddr) {
        self.0.put_array::<SRC, 6>(mac.0);
    }

    /// Sets the type of what follows.
    #[inline]
    pub fn set_ethertype(&mut self, ethertype: EtherType) {
        self.0.put_u16::<ETHERTYPE>(ethertype.0);
    }
}

/// A whole header as values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Destination address.
    pub dst: MacAddr,
    /// Source address.
    pub src: MacAddr,
    /// Type of what follows.
    pub ethertype: EtherType,
}

impl Fields {
    /// Writes the header.
    #[inline]
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let mut header = HeaderMut(out);
        header.set_dst(self.dst);
        header.set_src(self.src);
        header.set_ethertype(self.ethertype);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_an_ipv4_frame_is_read_and_written_back_octet_for_octet() {
        let frame = [
            0x02, 0, 0, 0, 0x01, 0x01, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x00,
        ];
        let header = Header::parse(&frame).unwrap();
        assert_eq!(header.dst().to_string(), "02:00:00:00:01:01");
        assert_eq!(header.src().to_string(), "52:54:00:12:34:56");
        assert_eq!(header.ethertype(), EtherType::IPV4);
        let mut out = [0; LEN];
        let fields = Fields {
            dst: header.dst(),
            src: header.src(),
            ethertype: header.ethertype(),
        };
        fields.emit(&mut out);
        assert_eq!(out, frame);
    }

    #[test]
    fn a_frame_of_thirteen_octets_has_no_header() {
        assert!(Header::parse(&[0; 13]).is_none());
        assert!(HeaderMut::parse(&mut [0; 13]).is_none());
    }

    #[test]
    fn broadcast_is_multicast_and_the_zero_address_is_nobodys() {
        assert!(MacAddr::BROADCAST.is_broadcast() && MacAddr::BROADCAST.is_multicast());
        let all_nodes = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
        assert!(all_nodes.is_multicast() && !all_nodes.is_broadcast() && !all_nodes.is_unicast());
        assert!(MacAddr([2, 0, 0, 0, 0, 1]).is_unicast());
        assert!(!MacAddr::default().is_unicast());
    }

    #[test]
    fn an_address_and_its_number_are_the_same_order() {
        let mac = MacAddr([2, 0, 0, 0, 1, 0xff]);
        assert_eq!(mac.to_u64(), 0x0200_0000_01ff);
        assert_eq!(MacAddr::from_u64(0xffff_0200_0000_01ff), mac);
        assert_eq!(mac.word().address(), mac);
        assert_eq!(MacWord::low_bits(mac.word().number() | 7 << 48), mac.word());
    }

    #[test]
    fn text_round_trips_in_either_case_and_every_refusal_says_where() {
        let mac: MacAddr = "02:00:5E:00:aa:Ff".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:00:aa:ff");
        let refused = |text: &str| text.parse::<MacAddr>().unwrap_err();
        assert_eq!(refused("02:00:00:00:01"), BadMacAddr::Groups(5));
        assert_eq!(refused("02:00:00:00:01:02:03"), BadMacAddr::Groups(7));
        assert_eq!(refused(""), BadMacAddr::Groups(1));
        assert_eq!(refused("02:00:00:0:01:02"), BadMacAddr::Digits(4));
        assert_eq!(refused("02:+1:00:00:01:02"), BadMacAddr::Digits(2));
        assert_eq!(refused("02:00:00:00:01:0g"), BadMacAddr::Digits(6));
    }

    #[test]
    fn a_type_below_0x600_is_a_length() {
        assert!(EtherType(0x05ff).is_llc_length());
        assert!(!EtherType(0x0600).is_llc_length());
        assert!(EtherType::QINQ.is_vlan() && !EtherType::LLDP.is_vlan());
    }
}
