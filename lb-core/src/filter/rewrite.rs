//! Rewrites a packet on its way: MAC addresses, and with `nat` address, port, TTL and checksums.
//!
//! WO 00/30294, Fig. 6, step 220. Every edit goes into the checksums by its difference (RFC 1624), so the
//! payload is never read and a packet that arrived with a wrong checksum leaves with a wrong one.
//! What the differences are was worked out when the connection was made; here they are only applied.
//! Easy to get wrong: towards the client it is the *source* that changes, back to the VIP, and the
//! differences are the negative ones.

use crate::conn::{ConnTable, Direction, Lane};
use crate::flow::{DirectionKey, FlowKey, KeyV4, KeyV6};
use crate::frame::{ETHERNET, IPV4, IPV6};
use crate::wire::checksum::{self, Delta};
use crate::wire::{IpProtocol, MacAddr, ipv4};

use super::{Lanes, Tables};

/// The differences that one direction of a connection adds to its checksums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deltas {
    /// IPv4 header; unused for IPv6.
    pub ip: Delta,
    /// TCP or UDP, pseudo-header included.
    pub l4: Delta,
}

/// What the stages need to know about an address family beyond its key.
pub(super) trait Family<const W: usize>: DirectionKey {
    /// The family's connection table.
    fn table(tables: &Tables) -> &ConnTable<W>;
    /// What this lcore owns of it.
    fn lane(lanes: &mut Lanes) -> &mut Lane<W>;
    /// TTL or hop limit.
    fn hops(frame: &[u8]) -> u8;
    /// Takes one from the TTL or hop limit; the caller knows that it is above 1.
    fn decrement_hops(frame: &mut [u8]);
    /// Gives the packet the other end of `opposite`, the key of the connection's other direction: a new
    /// destination on the way to the backend, a new source on the way back. Takes one hop. A frame that is
    /// too short for its headers, which the parser has ruled out, stays as it is.
    fn translate(
        frame: &mut [u8],
        l4: u16,
        direction: Direction,
        opposite: &FlowKey<W>,
        deltas: Deltas,
    );
    /// Differences of the way to the backend, for a connection with these two keys.
    fn deltas(forward: &FlowKey<W>, reverse: &FlowKey<W>) -> Deltas;
}

const TTL: usize = 8;
const IPV4_CHECKSUM: usize = 10;
const IPV4_SRC: usize = 12;
const IPV4_DST: usize = 16;
const HOP_LIMIT: usize = 7;
const IPV6_SRC: usize = 8;
const IPV6_DST: usize = 24;
/// Where the two ports stand in TCP and UDP.
const SRC_PORT: usize = 0;
const DST_PORT: usize = 2;

impl Family<2> for KeyV4 {
    #[inline(always)]
    fn table(tables: &Tables) -> &ConnTable<2> {
        &tables.v4
    }

    #[inline(always)]
    fn lane(lanes: &mut Lanes) -> &mut Lane<2> {
        &mut lanes.v4
    }

    #[inline(always)]
    fn hops(frame: &[u8]) -> u8 {
        frame.get(ETHERNET + TTL).copied().unwrap_or(0)
    }

    fn decrement_hops(frame: &mut [u8]) {
        if let Some(ip) = header::<IPV4>(frame) {
            take_hop_v4(ip, Delta::NONE);
        }
    }

    #[inline(always)]
    fn translate(frame: &mut [u8], l4: u16, direction: Direction, opposite: &Self, deltas: Deltas) {
        let Some((head, upper)) = frame.split_at_mut_checked(usize::from(l4)) else {
            return;
        };
        let Some(ip) = header::<IPV4>(head) else {
            return;
        };
        take_hop_v4(ip, deltas.ip);
        let (src, dst) = opposite.addresses();
        let (at, address) = match direction {
            Direction::Forward => (IPV4_DST, src),
            Direction::Reverse => (IPV4_SRC, dst),
        };
        put(ip, at, address);
        set_port(upper, direction, opposite.ports(), deltas.l4);
    }

    fn deltas(forward: &Self, reverse: &Self) -> Deltas {
        let (vip, backend) = (forward.addresses().1, reverse.addresses().0);
        let ip = Delta::of_u32(u32::from_be_bytes(vip), u32::from_be_bytes(backend));
        Deltas {
            ip,
            l4: ip + Delta::of_u16(forward.dst_port(), reverse.src_port()),
        }
    }
}

impl Family<5> for KeyV6 {
    #[inline(always)]
    fn table(tables: &Tables) -> &ConnTable<5> {
        &tables.v6
    }

    #[inline(always)]
    fn lane(lanes: &mut Lanes) -> &mut Lane<5> {
        &mut lanes.v6
    }

    #[inline(always)]
    fn hops(frame: &[u8]) -> u8 {
        frame.get(ETHERNET + HOP_LIMIT).copied().unwrap_or(0)
    }

    fn decrement_hops(frame: &mut [u8]) {
        if let Some(ip) = header::<IPV6>(frame) {
            ip[HOP_LIMIT] = ip[HOP_LIMIT].wrapping_sub(1);
        }
    }

    #[inline(always)]
    fn translate(frame: &mut [u8], l4: u16, direction: Direction, opposite: &Self, deltas: Deltas) {
        let Some((head, upper)) = frame.split_at_mut_checked(usize::from(l4)) else {
            return;
        };
        let Some(ip) = header::<IPV6>(head) else {
            return;
        };
        ip[HOP_LIMIT] = ip[HOP_LIMIT].wrapping_sub(1);
        let (src, dst) = opposite.addresses();
        let (at, address) = match direction {
            Direction::Forward => (IPV6_DST, src),
            Direction::Reverse => (IPV6_SRC, dst),
        };
        put(ip, at, address);
        set_port(upper, direction, opposite.ports(), deltas.l4);
    }

    fn deltas(forward: &Self, reverse: &Self) -> Deltas {
        let (vip, backend) = (forward.addresses().1, reverse.addresses().0);
        let address = Delta::of_u128(u128::from_be_bytes(vip), u128::from_be_bytes(backend));
        let l4 = address + Delta::of_u16(forward.dst_port(), reverse.src_port());
        Deltas {
            ip: Delta::NONE,
            l4,
        }
    }
}

/// The first octets of the IP header.
#[inline(always)]
fn header<const N: usize>(frame: &mut [u8]) -> Option<&mut [u8; N]> {
    frame.get_mut(ETHERNET..).and_then(<[u8]>::first_chunk_mut)
}

/// Takes one from the TTL and applies that difference, and `delta`, to the header checksum.
#[inline(always)]
fn take_hop_v4(ip: &mut [u8; IPV4], delta: Delta) {
    ip[TTL] = ip[TTL].wrapping_sub(1);
    let old = u16::from_be_bytes([ip[IPV4_CHECKSUM], ip[IPV4_CHECKSUM + 1]]);
    put(
        ip,
        IPV4_CHECKSUM,
        checksum::apply(old, delta + ipv4::ONE_HOP).to_be_bytes(),
    );
}

/// Sets the port at the end that changes, and brings the transport checksum up to date. `opposite` are the
/// ports and the protocol of the other direction's key.
#[inline(always)]
fn set_port(upper: &mut [u8], direction: Direction, opposite: u64, delta: Delta) {
    let [s0, s1, d0, d1, protocol, ..] = opposite.to_ne_bytes();
    let (at, port) = match direction {
        Direction::Forward => (DST_PORT, [s0, s1]),
        Direction::Reverse => (SRC_PORT, [d0, d1]),
    };
    if protocol == IpProtocol::TCP.0 {
        let Some(tcp) = upper.first_chunk_mut::<18>() else {
            return;
        };
        put(tcp, at, port);
        let new = checksum::apply(u16::from_be_bytes([tcp[16], tcp[17]]), delta);
        put(tcp, 16, new.to_be_bytes());
    } else {
        let Some(udp) = upper.first_chunk_mut::<8>() else {
            return;
        };
        put(udp, at, port);
        let new = checksum::apply_udp(u16::from_be_bytes([udp[6], udp[7]]), delta);
        put(udp, 6, new.to_be_bytes());
    }
}

#[inline(always)]
fn put<const N: usize>(octets: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = octets.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *place = value;
    }
}

/// Sets both Ethernet addresses, given as numbers of 48 bits.
#[inline(always)]
pub(super) fn address_frame(frame: &mut [u8], dst: u64, src: u64) {
    if let Some(macs) = frame.first_chunk_mut::<12>() {
        let [_, _, _, _, s2, s3, s4, s5] = src.to_be_bytes();
        put(macs, 0, (dst << 16 | src >> 32).to_be_bytes());
        put(macs, 8, [s2, s3, s4, s5]);
    }
}

/// Sets both Ethernet addresses.
pub(super) fn set_macs(frame: &mut [u8], dst: MacAddr, src: MacAddr) {
    address_frame(frame, dst.to_u64(), src.to_u64());
}
