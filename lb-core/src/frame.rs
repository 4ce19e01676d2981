//! Parses a frame once: what it is, where its headers lie, the key of its flow.
//!
//! WO 00/30294, Fig. 6, step 204. Everything that makes a frame unfit for any table is found here, with
//! its reason; what a *good* frame means for us is left to `filter`.
//! The common frame (untagged, to our MAC, no IP options or extension headers, whole header in the first
//! segment) takes the straight path of [`parse`]; every other goes through `classify`.
//! Easy to get wrong: lengths come from the IP header, never from the frame, which may be padded; and
//! source addresses are *not* checked for martians here but before an entry is made, once per flow.

mod classify;

use crate::filter::Reason;
use crate::flow::{DirectionKey, FlowKey, KeyV4, KeyV6};
use crate::wire::MacAddr;
use crate::wire::octets::Octets;
use crate::wire::tcp::Flags;
pub(crate) use classify::is_martian;
pub use classify::{Ip, classify};

/// Octets of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Octets of an IPv4 header without options.
pub const IPV4: usize = IPV4_LEN as usize;
const IPV4_LEN: u16 = 20;
/// Octets of an IPv6 header.
pub const IPV6: usize = 40;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A whole TCP or UDP packet in the key width of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<const W: usize> {
    /// Key of the direction in which this packet goes.
    pub key: FlowKey<W>,
    /// Where the transport header begins, in octets from the frame's first.
    pub l4: u16,
    /// 6 or 17.
    pub protocol: u8,
    /// TCP flags; 0 for UDP.
    pub flags: u8,
}

impl<const W: usize> Flow<W>
where
    FlowKey<W>: DirectionKey,
{
    /// What the straight path does not look at, since it takes no such packet, and no connection has such a port.
    pub(crate) fn defect(&self) -> Option<Reason> {
        if self.protocol == TCP && Flags(self.flags).is_illegal() {
            return Some(Reason::TcpIllegalFlags);
        }
        let has_port_zero = self.key.src_port() == 0 || self.key.dst_port() == 0;
        has_port_zero.then_some(Reason::PortZero)
    }
}

/// What one frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// TCP or UDP over IPv4.
    FlowV4(Flow<2>),
    /// TCP or UDP over IPv6.
    FlowV6(Flow<5>),
    /// ARP, still to be read.
    Arp,
    /// Any other IP packet, or a fragment.
    Ip(Ip),
    /// Link-layer control traffic that a kernel can use (LLDP).
    LinkControl,
    /// A frame with a priority tag (VLAN 0): take the tag off, then ask again.
    PriorityTagged,
    /// Unfit, with the reason.
    Unfit(Reason),
}

/// A port's MAC address, ready to be compared with a frame's destination in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMac(u64);

/// The first six of eight octets, as they stand in a frame.
#[inline(always)]
const fn first_six(octets: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(octets);
    if cfg!(target_endian = "little") {
        word << 16
    } else {
        word >> 16
    }
}

impl OwnMac {
    /// Prepares a port's address.
    #[must_use]
    pub const fn new(mac: MacAddr) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self(first_six([a, b, c, d, e, f, 0, 0]))
    }

    #[inline(always)]
    fn is_dst_of(self, start: [u8; 8]) -> bool {
        first_six(start) == self.0
    }
}

/// What the straight path makes of a frame.
pub(crate) enum Plain {
    /// TCP or UDP over IPv4.
    V4(Flow<2>),
    /// TCP or UDP over IPv6.
    V6(Flow<5>),
    /// Anything that needs a closer look.
    Other,
}

/// EtherType, version and header length, as they stand in a frame.
const IPV4_KIND: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
const IPV4_WITHOUT_OPTIONS: u32 = u32::from_ne_bytes([0x08, 0x00, 0x45, 0]);
/// More fragments, fragment offset and protocol, as they stand in a frame from octet 20 on.
const IPV4_COURSE: u32 = u32::from_ne_bytes([0x3f, 0xff, 0, 0xff]);
const WHOLE_TCP: u32 = u32::from_ne_bytes([0, 0, 0, TCP]);
const WHOLE_UDP: u32 = u32::from_ne_bytes([0, 0, 0, UDP]);
/// EtherType and version, as they stand in a frame.
const IPV6_KIND: u32 = u32::from_ne_bytes([0xff, 0xff, 0xf0, 0]);
const IPV6_ANY: u32 = u32::from_ne_bytes([0x86, 0xdd, 0x60, 0]);

/// The straight path: untagged TCP or UDP to our MAC, without IP options or extension headers, with all
/// headers at hand, and nothing wrong with it but what [`Flow::defect`] finds.
#[inline(always)]
pub(crate) fn plain(head: &[u8], total_len: usize, own: OwnMac) -> Plain {
    let Some(f) = head.first_chunk::<54>() else {
        return Plain::Other;
    };
    if !own.is_dst_of(f.array_at::<0, 8>()) {
        return Plain::Other;
    }
    let kind = u32::from_ne_bytes(f.array_at::<12, 4>());
    if kind & IPV4_KIND == IPV4_WITHOUT_OPTIONS {
        plain_v4(f, total_len).map_or(Plain::Other, Plain::V4)
    } else if kind & IPV6_KIND == IPV6_ANY {
        plain_v6(head, total_len).map_or(Plain::Other, Plain::V6)
    } else {
        Plain::Other
    }
}

/// Parses one frame that came in on a port with the address `mac`.
///
/// `head` is the frame's first segment and `total_len` the octets of all its segments.
#[must_use]
pub fn parse(head: &[u8], total_len: usize, mac: MacAddr) -> Parsed {
    match plain(head, total_len, OwnMac::new(mac)) {
        Plain::V4(flow) if flow.defect().is_none() => Parsed::FlowV4(flow),
        Plain::V6(flow) if flow.defect().is_none() => Parsed::FlowV6(flow),
        _ => classify(head, total_len, mac),
    }
}

/// TCP or UDP behind an IPv4 header without options; `None` for anything that needs a closer look.
#[inline(always)]
fn plain_v4(f: &[u8; 54], total_len: usize) -> Option<Flow<2>> {
    let ip_len = f.u16_at::<16>();
    let is_whole = usize::from(ip_len) + ETHERNET <= total_len;
    let course = u32::from_ne_bytes(f.array_at::<20, 4>()) & IPV4_COURSE;
    let words = [
        u64::from_ne_bytes(f.array_at::<14, 8>()),
        u64::from_ne_bytes(f.array_at::<22, 8>()),
        u32::from_ne_bytes(f.array_at::<30, 4>()).into(),
    ];
    if !(is_whole && folds_to_ones(words)) {
        return None;
    }
    let flow = |protocol, flags| Flow {
        key: KeyV4::from_packet(f.array_at::<26, 8>(), f.array_at::<34, 4>(), protocol),
        l4: 34,
        protocol,
        flags,
    };
    if course == WHOLE_TCP {
        tcp_fits(f[46], IPV4_LEN, ip_len).then(|| flow(TCP, f[47]))
    } else {
        rarer();
        let is_udp = course == WHOLE_UDP && udp_fits(f.u16_at::<38>(), IPV4_LEN, ip_len);
        is_udp.then(|| flow(UDP, 0))
    }
}

/// TCP or UDP directly behind an IPv6 header; `None` for anything that needs a closer look.
#[inline(always)]
fn plain_v6(head: &[u8], total_len: usize) -> Option<Flow<5>> {
    let f = head.first_chunk::<74>()?;
    let l4_len = f.u16_at::<18>();
    if usize::from(l4_len) + ETHERNET + IPV6 > total_len {
        return None;
    }
    let flow = |protocol, flags| Flow {
        key: KeyV6::from_packet(
            f.array_at::<22, 16>(),
            f.array_at::<38, 16>(),
            f.array_at::<54, 4>(),
            protocol,
        ),
        l4: 54,
        protocol,
        flags,
    };
    if f[20] == TCP {
        tcp_fits(f[66], 0, l4_len).then(|| flow(TCP, f[67]))
    } else {
        let has_sum = f.u16_at::<60>() != 0;
        let is_udp = f[20] == UDP && udp_fits(f.u16_at::<58>(), 0, l4_len) && has_sum;
        is_udp.then(|| flow(UDP, 0))
    }
}

/// Stands on the way that fewer packets go, so that the compiler puts the other one first.
#[cold]
#[inline]
const fn rarer() {}

/// Whether a TCP header with this data offset, which stands `before` octets behind the beginning of what is `len`
/// octets long, has its 20 octets and lies within.
#[inline(always)]
const fn tcp_fits(offset: u8, before: u16, len: u16) -> bool {
    // What is below 20 octets comes out as a gigabyte: one comparison for both.
    let words = (offset as u32).wrapping_sub(5 << 4) >> 4;
    before as u32 + 20 + 4 * words <= len as u32
}

#[inline(always)]
const fn udp_fits(udp_len: u16, before: u16, len: u16) -> bool {
    udp_len >= 8 && before as u32 + udp_len as u32 <= len as u32
}

/// Whether words add up to what folds to 0xFFFF, as a header with a correct checksum does. The order of
/// octets does not matter to that (RFC 1071, section 2 B).
#[inline(always)]
const fn folds_to_ones([a, b, c]: [u64; 3]) -> bool {
    // 2^64 is congruent to 1 modulo 0xFFFF, so a carry counts as one. Congruent to 0 is the sum exactly
    // when it folds to 0xFFFF: it cannot be 0, since the header's first octet is 0x45. The remainder by a
    // constant costs one multiplication.
    let (sum, carry) = a.overflowing_add(b);
    let (sum, second) = (sum + carry as u64).overflowing_add(c);
    (sum + second as u64).is_multiple_of(0xffff)
}
