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
use crate::flow::{FlowKey, KeyV4, KeyV6};
use crate::wire::MacAddr;
pub(crate) use classify::is_martian;
pub use classify::{Ip, classify};

/// Octets of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Octets of an IPv4 header without options.
pub const IPV4: usize = 20;
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

/// Parses one frame that came in on a port with the address `mac`.
///
/// `head` is the frame's first segment and `total_len` the octets of all its segments.
#[inline]
#[must_use]
pub fn parse(head: &[u8], total_len: usize, mac: MacAddr) -> Parsed {
    if let Some(frame) = head.first_chunk::<54>() {
        let [d0, d1, d2, d3, d4, d5, ..] = *frame;
        if [d0, d1, d2, d3, d4, d5] == mac.0 {
            if frame[12] == 0x08 && frame[13] == 0x00 && frame[14] == 0x45 {
                if let Some(parsed) = plain_v4(frame, total_len) {
                    return parsed;
                }
            } else if frame[12] == 0x86 && frame[13] == 0xdd {
                if let Some(parsed) = head
                    .first_chunk::<74>()
                    .and_then(|f| plain_v6(f, total_len))
                {
                    return parsed;
                }
            }
        }
    }
    classify(head, total_len, mac)
}

/// TCP or UDP behind an IPv4 header without options; `None` for anything that needs a closer look.
#[inline]
fn plain_v4(f: &[u8; 54], total_len: usize) -> Option<Parsed> {
    let ip_len = usize::from(be16(f[16], f[17]));
    let unfragmented = be16(f[20], f[21]) & 0x3fff == 0;
    let checksum = be32(f, 14) + be32(f, 18) + be32(f, 22) + be32(f, 26) + be32(f, 30);
    let whole = ip_len + ETHERNET <= total_len && ip_len >= IPV4 + 8;
    if !(unfragmented && whole && folds_to_ones(checksum)) {
        return None;
    }
    let l4_len = ip_len - IPV4;
    let flags = match f[23] {
        TCP => tcp_flags(f[46], f[47], l4_len)?,
        UDP => udp_len_fits(be16(f[38], f[39]), l4_len).then_some(0)?,
        _ => return None,
    };
    let (src_port, dst_port) = (be16(f[34], f[35]), be16(f[36], f[37]));
    if src_port == 0 || dst_port == 0 {
        return None;
    }
    let src = u32::from_be_bytes([f[26], f[27], f[28], f[29]]);
    let dst = u32::from_be_bytes([f[30], f[31], f[32], f[33]]);
    Some(Parsed::FlowV4(Flow {
        key: KeyV4::v4(src, dst, src_port, dst_port, f[23]),
        l4: 34,
        protocol: f[23],
        flags,
    }))
}

/// TCP or UDP directly behind an IPv6 header; `None` for anything that needs a closer look.
#[inline]
fn plain_v6(f: &[u8; 74], total_len: usize) -> Option<Parsed> {
    let l4_len = usize::from(be16(f[18], f[19]));
    if f[14] >> 4 != 6 || l4_len + ETHERNET + IPV6 > total_len || l4_len < 8 {
        return None;
    }
    let flags = match f[20] {
        TCP => tcp_flags(f[66], f[67], l4_len)?,
        UDP => {
            (udp_len_fits(be16(f[58], f[59]), l4_len) && be16(f[60], f[61]) != 0).then_some(0)?
        }
        _ => return None,
    };
    let (src_port, dst_port) = (be16(f[54], f[55]), be16(f[56], f[57]));
    if src_port == 0 || dst_port == 0 {
        return None;
    }
    let (_, addresses) = f.split_first_chunk::<22>()?;
    let (src, rest) = addresses.split_first_chunk::<16>()?;
    let dst = rest.first_chunk::<16>()?;
    Some(Parsed::FlowV6(Flow {
        key: KeyV6::v6(
            u128::from_be_bytes(*src),
            u128::from_be_bytes(*dst),
            src_port,
            dst_port,
            f[20],
        ),
        l4: 54,
        protocol: f[20],
        flags,
    }))
}

/// The flags of a well-formed TCP header; `None` where the offset or the flags are wrong.
#[inline]
fn tcp_flags(offset: u8, flags: u8, l4_len: usize) -> Option<u8> {
    let header = usize::from(offset >> 4) * 4;
    (header >= 20 && header <= l4_len && !is_illegal(flags)).then_some(flags)
}

/// Edge-case row 8: flag sets that no stack sends, as a bit set over the six classic flags.
#[inline]
#[must_use]
pub(crate) const fn is_illegal(flags: u8) -> bool {
    ILLEGAL_FLAGS >> (flags & 0x3f) & 1 == 1
}

const ILLEGAL_FLAGS: u64 = {
    let (fin, syn, rst) = (0x01, 0x02, 0x04);
    let mut set = 0;
    let mut flags = 0;
    while flags < 64 {
        let none = flags == 0;
        let syn_fin = flags & (syn | fin) == syn | fin;
        let syn_rst = flags & (syn | rst) == syn | rst;
        if none || syn_fin || syn_rst {
            set |= 1 << flags;
        }
        flags += 1;
    }
    set
};

#[inline]
fn udp_len_fits(udp_len: u16, l4_len: usize) -> bool {
    let udp_len = usize::from(udp_len);
    udp_len >= 8 && udp_len <= l4_len
}

#[inline]
const fn be16(hi: u8, lo: u8) -> u16 {
    u16::from_be_bytes([hi, lo])
}

/// The four octets at a constant offset, as a term of a wide ones'-complement sum.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "constant offsets below 54, folded away when inlined"
)]
fn be32(f: &[u8; 54], at: usize) -> u64 {
    u64::from(u32::from_be_bytes([f[at], f[at + 1], f[at + 2], f[at + 3]]))
}

/// Whether a wide sum of 32-bit words folds to 0xFFFF, as a correct checksum does (RFC 1071).
#[inline]
const fn folds_to_ones(sum: u64) -> bool {
    // A sum is congruent to 0 modulo 0xFFFF exactly when it folds to 0xFFFF; it cannot be 0 here,
    // since the first octet of the header is 0x45.
    let once = (sum & 0xffff_ffff) + (sum >> 32);
    let twice = (once & 0xffff) + (once >> 16 & 0xffff) + (once >> 32);
    let folded = (twice & 0xffff) + (twice >> 16);
    folded == 0xffff
}
