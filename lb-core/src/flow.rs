//! A flow's 5-tuple and its two hashes.
//!
//! WO 00/30294: the key of connection table 66 (step 212). Two hashes, two jobs: [`TableKey::hash`]
//! is fast, keyed by the region's own secret, and only ever indexes the connection table of this box;
//! SipHash ([`HashSeed`]) chooses backends and is the same on every box that shares the seed.
//! Easy to get wrong: a stored key is one *direction* of a flow; with `nat` the other direction has
//! another key, not this one turned round.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip::SipHasher13;

/// IPv4 flow key: two words.
pub type KeyV4 = FlowKey<2>;
/// IPv6 flow key: five words.
pub type KeyV6 = FlowKey<5>;

/// One direction of a flow, packed for comparison: addresses first, then ports and protocol.
///
/// Words hold octets as they stand in the packet, so that a parser only loads and a rewriter only stores.
/// IPv4: `[source and destination, ports and protocol]`; IPv6: `[source (2), destination (2), ports and
/// protocol]`. The last word has the source port's two octets, the destination port's, the protocol, and
/// three octets of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey<const W: usize>(pub [u64; W]);

/// The last word of a key, from the first four octets of a TCP or UDP header and the protocol.
#[inline]
#[must_use]
pub const fn port_word(ports: [u8; 4], protocol: u8) -> u64 {
    if cfg!(target_endian = "little") {
        // What the general way comes to, in two instructions.
        return u32::from_ne_bytes(ports) as u64 | (protocol as u64) << 32;
    }
    let [s0, s1, d0, d1] = ports;
    u64::from_ne_bytes([s0, s1, d0, d1, protocol, 0, 0, 0])
}

const fn ports(src_port: u16, dst_port: u16) -> [u8; 4] {
    let ([s0, s1], [d0, d1]) = (src_port.to_be_bytes(), dst_port.to_be_bytes());
    [s0, s1, d0, d1]
}

/// An address in two words of octets as they stand in the packet, IPv4 in its v4-mapped form, so that one
/// table holds both families.
pub type AddressWords = [u64; 2];

/// The two words of an address.
#[must_use]
pub fn address_words(address: IpAddr) -> AddressWords {
    let octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    halves(octets)
}

const fn halves(octets: [u8; 16]) -> AddressWords {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

const fn whole([high, low]: AddressWords) -> [u8; 16] {
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) =
        (high.to_ne_bytes(), low.to_ne_bytes());
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

const fn mapped([a, b, c, d]: [u8; 4]) -> AddressWords {
    halves([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
}

/// What the filter asks of a key, whatever its family.
pub trait DirectionKey: Copy + Eq {
    /// Packs one direction; `None` where the addresses are of the other family.
    fn pack(src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16, protocol: u8) -> Option<Self>;
    /// Source address.
    fn src(&self) -> IpAddr;
    /// Destination address.
    fn dst(&self) -> IpAddr;
    /// Source address as table words.
    fn src_words(&self) -> AddressWords;
    /// Destination address as table words.
    fn dst_words(&self) -> AddressWords;
    /// Ports and protocol, as [`port_word`] packs them.
    fn ports(&self) -> u64;

    /// Source port.
    #[inline]
    fn src_port(&self) -> u16 {
        let [s0, s1, ..] = self.ports().to_ne_bytes();
        u16::from_be_bytes([s0, s1])
    }

    /// Destination port.
    #[inline]
    fn dst_port(&self) -> u16 {
        let [_, _, d0, d1, ..] = self.ports().to_ne_bytes();
        u16::from_be_bytes([d0, d1])
    }

    /// Number of the protocol: 6 or 17.
    #[inline]
    fn protocol(&self) -> u8 {
        let [_, _, _, _, protocol, ..] = self.ports().to_ne_bytes();
        protocol
    }

    /// Destination port and protocol alone: what tells services of one address apart.
    #[inline]
    fn service_word(&self) -> u64 {
        let [_, _, d0, d1, protocol, ..] = self.ports().to_ne_bytes();
        port_word([0, 0, d0, d1], protocol)
    }
}

/// [`DirectionKey::service_word`] of a service.
#[must_use]
pub const fn service_word(port: u16, protocol: Protocol) -> u64 {
    port_word(ports(0, port), protocol as u8)
}

impl KeyV4 {
    /// Key of the direction `src:src_port → dst:dst_port`; addresses as big-endian numbers.
    #[inline]
    #[must_use]
    pub const fn v4(src: u32, dst: u32, src_port: u16, dst_port: u16, protocol: u8) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (src.to_be_bytes(), dst.to_be_bytes());
        Self::from_packet(
            [a, b, c, d, e, f, g, h],
            ports(src_port, dst_port),
            protocol,
        )
    }

    /// Key from the octets of a packet: both addresses as they stand there, both ports, the protocol.
    #[inline]
    #[must_use]
    pub const fn from_packet(addresses: [u8; 8], ports: [u8; 4], protocol: u8) -> Self {
        Self([u64::from_ne_bytes(addresses), port_word(ports, protocol)])
    }

    /// Octets of the source and of the destination address.
    #[inline]
    #[must_use]
    pub const fn addresses(&self) -> ([u8; 4], [u8; 4]) {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        ([a, b, c, d], [e, f, g, h])
    }
}

impl KeyV6 {
    /// Key of the direction `src:src_port → dst:dst_port`; addresses as big-endian numbers.
    #[inline]
    #[must_use]
    pub const fn v6(src: u128, dst: u128, src_port: u16, dst_port: u16, protocol: u8) -> Self {
        Self::from_packet(
            src.to_be_bytes(),
            dst.to_be_bytes(),
            ports(src_port, dst_port),
            protocol,
        )
    }

    /// Key from the octets of a packet: each address as it stands there, both ports, the protocol.
    #[inline]
    #[must_use]
    pub const fn from_packet(src: [u8; 16], dst: [u8; 16], ports: [u8; 4], protocol: u8) -> Self {
        let ([s0, s1], [d0, d1]) = (halves(src), halves(dst));
        Self([s0, s1, d0, d1, port_word(ports, protocol)])
    }

    /// Octets of the source and of the destination address.
    #[inline]
    #[must_use]
    pub const fn addresses(&self) -> ([u8; 16], [u8; 16]) {
        let [s0, s1, d0, d1, _] = self.0;
        (whole([s0, s1]), whole([d0, d1]))
    }
}

impl DirectionKey for KeyV4 {
    fn pack(src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16, protocol: u8) -> Option<Self> {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) else {
            return None;
        };
        Some(Self::v4(
            src.into(),
            dst.into(),
            src_port,
            dst_port,
            protocol,
        ))
    }

    fn src(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self.addresses().0))
    }

    fn dst(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self.addresses().1))
    }

    #[inline]
    fn src_words(&self) -> AddressWords {
        mapped(self.addresses().0)
    }

    #[inline]
    fn dst_words(&self) -> AddressWords {
        mapped(self.addresses().1)
    }

    #[inline]
    fn ports(&self) -> u64 {
        self.0[1]
    }
}

impl DirectionKey for KeyV6 {
    fn pack(src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16, protocol: u8) -> Option<Self> {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) else {
            return None;
        };
        Some(Self::v6(
            src.into(),
            dst.into(),
            src_port,
            dst_port,
            protocol,
        ))
    }

    fn src(&self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.addresses().0))
    }

    fn dst(&self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.addresses().1))
    }

    #[inline]
    fn src_words(&self) -> AddressWords {
        [self.0[0], self.0[1]]
    }

    #[inline]
    fn dst_words(&self) -> AddressWords {
        [self.0[2], self.0[3]]
    }

    #[inline]
    fn ports(&self) -> u64 {
        self.0[4]
    }
}

/// Hash of a flow key under one table's secret: all 64 bits are usable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowHash(pub u64);

/// Secret of the connection table's hash: six random words, drawn once for a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableKey(pub [u64; 6]);

/// Multiplies to 128 bits and folds the halves.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "folds both halves of the product"
)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

impl TableKey {
    /// Hashes one direction of a flow; two dependent multiplications for IPv4.
    #[inline]
    #[must_use]
    pub fn hash<const W: usize>(&self, key: &FlowKey<W>) -> FlowHash {
        let [k0, k1, k2, k3, k4, k5] = self.0;
        let mut words = key.0.iter().copied();
        let mut next = || words.next().unwrap_or(0);
        let mixed = if W <= 2 {
            fold(next() ^ k0, next() ^ k1)
        } else {
            fold(next() ^ k0, next() ^ k1)
                ^ fold(next() ^ k2, next() ^ k3).rotate_left(23)
                ^ next().wrapping_mul(k4 | 1)
        };
        FlowHash(fold(mixed ^ k4, k5 | 1))
    }
}

/// Transport protocols that can be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// Transmission Control Protocol, number 6.
    Tcp = 6,
    /// User Datagram Protocol, number 17.
    Udp = 17,
}

/// A new flow as the schedulers see it: once per flow, so in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Client address.
    pub src: IpAddr,
    /// Service address (VIP).
    pub dst: IpAddr,
    /// Client port.
    pub src_port: u16,
    /// Service port.
    pub dst_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Seed of the SipHash that chooses backends: 16 octets; boxes that must agree share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashSeed(pub [u8; 16]);

impl HashSeed {
    /// Hash of the whole tuple: every flow of a client may go elsewhere. Source and destination address,
    /// both ports, protocol, as they stand in a packet.
    #[must_use]
    pub fn flow(&self, tuple: &Tuple) -> u64 {
        let [s0, s1, d0, d1] = ports(tuple.src_port, tuple.dst_port);
        let protocol = tuple.protocol as u8;
        let sip = SipHasher13::new_with_key(&self.0);
        match (tuple.src, tuple.dst) {
            // At once it takes half the time of piece by piece, with the same result.
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let ([a, b, c, d], [e, f, g, h]) = (src.octets(), dst.octets());
                sip.hash(&[a, b, c, d, e, f, g, h, s0, s1, d0, d1, protocol])
            }
            (src, dst) => {
                let mut sip = sip;
                write_address(&mut sip, src);
                write_address(&mut sip, dst);
                sip.write(&[s0, s1, d0, d1, protocol]);
                sip.finish()
            }
        }
    }

    /// Hash of the client's address alone: all flows of a client stay together.
    #[must_use]
    pub fn source(&self, tuple: &Tuple) -> u64 {
        let mut sip = SipHasher13::new_with_key(&self.0);
        write_address(&mut sip, tuple.src);
        sip.finish()
    }

    /// Hash of octets, with a small number that tells independent uses apart.
    #[must_use]
    pub fn octets(&self, purpose: u8, octets: &[u8]) -> u64 {
        let mut sip = SipHasher13::new_with_key(&self.0);
        sip.write(&[purpose]);
        sip.write(octets);
        sip.finish()
    }
}

fn write_address(sip: &mut SipHasher13, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => sip.write(&v4.octets()),
        IpAddr::V6(v6) => sip.write(&v6.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::world::SECRET;

    const KEY: TableKey = SECRET.table_key;

    #[test]
    fn the_two_directions_of_a_flow_have_different_keys() {
        let there = KeyV4::v4(1, 2, 3, 4, 6);
        let back = KeyV4::v4(2, 1, 4, 3, 6);
        assert_ne!(there, back);
        assert_ne!(KEY.hash(&there), KEY.hash(&back));
    }

    #[test]
    fn consecutive_source_ports_spread_over_buckets() {
        let mut buckets = [0u32; 256];
        for port in 0..25_600u32 {
            let port = u16::try_from(port).unwrap();
            let hash = KEY.hash(&KeyV4::v4(0x0a00_0001, 0xc000_020a, port, 80, 6));
            buckets[(hash.0 >> 56) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|&n| (50..=160).contains(&n)),
            "{buckets:?}"
        );
    }

    #[test]
    fn every_word_of_an_ipv6_key_reaches_the_hash() {
        let base = KeyV6::v6(1 << 64 | 1, 2 << 64 | 2, 3, 4, 17);
        for word in 0..5 {
            let mut other = base;
            other.0[word] ^= 1 << 20;
            assert_ne!(KEY.hash(&base), KEY.hash(&other), "word {word}");
        }
    }

    #[test]
    fn a_key_gives_back_what_it_was_packed_from() {
        let (src, dst) = (
            "198.51.100.7".parse().unwrap(),
            "192.0.2.10".parse().unwrap(),
        );
        let key = KeyV4::pack(src, dst, 40_000, 80, 6).unwrap();
        assert_eq!(
            (key.src(), key.dst(), key.src_port(), key.dst_port()),
            (src, dst, 40_000, 80)
        );
        assert_eq!(
            (key.src_words(), key.dst_words()),
            (address_words(src), address_words(dst))
        );
        assert_eq!(key.service_word(), service_word(80, Protocol::Tcp));
        let (src, dst) = (
            "2001:db8::7".parse().unwrap(),
            "2001:db8:1::10".parse().unwrap(),
        );
        let key = KeyV6::pack(src, dst, 40_000, 53, 17).unwrap();
        assert_eq!(
            (key.src(), key.dst(), key.src_port(), key.dst_port()),
            (src, dst, 40_000, 53)
        );
        assert_eq!(
            (key.src_words(), key.dst_words()),
            (address_words(src), address_words(dst))
        );
        assert_eq!(key.service_word(), service_word(53, Protocol::Udp));
        assert_eq!(
            KeyV6::pack(src, "192.0.2.10".parse().unwrap(), 1, 2, 6),
            None
        );
    }

    #[test]
    fn an_ipv4_flow_hashes_as_its_octets_do_one_after_the_other() {
        let seed = HashSeed([7; 16]);
        let tuple = Tuple {
            src: "198.51.100.7".parse().unwrap(),
            dst: "192.0.2.10".parse().unwrap(),
            src_port: 0x1234,
            dst_port: 80,
            protocol: Protocol::Tcp,
        };
        let mut sip = SipHasher13::new_with_key(&seed.0);
        for octet in [198, 51, 100, 7, 192, 0, 2, 10, 0x12, 0x34, 0, 80, 6] {
            sip.write(&[octet]);
        }
        assert_eq!(seed.flow(&tuple), sip.finish());
    }

    #[test]
    fn source_hash_ignores_the_port_and_flow_hash_does_not() {
        let seed = HashSeed([7; 16]);
        let a = Tuple {
            src: "198.51.100.7".parse().unwrap(),
            dst: "192.0.2.10".parse().unwrap(),
            src_port: 1000,
            dst_port: 80,
            protocol: Protocol::Tcp,
        };
        let b = Tuple {
            src_port: 1001,
            ..a
        };
        assert_eq!(seed.source(&a), seed.source(&b));
        assert_ne!(seed.flow(&a), seed.flow(&b));
    }
}
