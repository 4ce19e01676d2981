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
use crate::wire::{IpProtocol, MacAddr};

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
    /// Gives the packet the other end of `opposite`, the key of the connection's other direction:
    /// a new destination on the way to the backend, a new source on the way back. Takes one hop.
    /// False where the frame is too short for its headers, which the parser has ruled out.
    fn translate(
        frame: &mut [u8],
        l4: u16,
        direction: Direction,
        opposite: &FlowKey<W>,
        deltas: Deltas,
    ) -> bool;
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

impl Family<2> for KeyV4 {
    #[inline]
    fn table(tables: &Tables) -> &ConnTable<2> {
        &tables.v4
    }

    #[inline]
    fn lane(lanes: &mut Lanes) -> &mut Lane<2> {
        &mut lanes.v4
    }

    #[inline]
    fn hops(frame: &[u8]) -> u8 {
        frame.get(ETHERNET + TTL).copied().unwrap_or(0)
    }

    fn decrement_hops(frame: &mut [u8]) {
        if let Some(ip) = frame
            .get_mut(ETHERNET..)
            .and_then(<[u8]>::first_chunk_mut::<IPV4>)
        {
            take_hop_v4(ip, Delta::NONE);
        }
    }

    #[inline]
    fn translate(
        frame: &mut [u8],
        l4: u16,
        direction: Direction,
        opposite: &Self,
        deltas: Deltas,
    ) -> bool {
        let Some((head, upper)) = frame.split_at_mut_checked(usize::from(l4)) else {
            return false;
        };
        let Some(ip) = head
            .get_mut(ETHERNET..)
            .and_then(<[u8]>::first_chunk_mut::<IPV4>)
        else {
            return false;
        };
        take_hop_v4(ip, deltas.ip);
        let protocol = IpProtocol(ip[9]);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves of the address word"
        )]
        let (src, dst) = ((opposite.0[0] >> 32) as u32, opposite.0[0] as u32);
        let (at, address, port_at, port) = match direction {
            Direction::Forward => (IPV4_DST, src, 2, opposite.src_port()),
            Direction::Reverse => (IPV4_SRC, dst, 0, opposite.dst_port()),
        };
        put(ip, at, address.to_be_bytes());
        set_port(upper, protocol, port_at, port, deltas.l4)
    }

    fn deltas(forward: &Self, reverse: &Self) -> Deltas {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves of the address word"
        )]
        let (vip, backend) = (forward.0[0] as u32, (reverse.0[0] >> 32) as u32);
        let ip = Delta::of_u32(vip, backend);
        Deltas {
            ip,
            l4: ip + Delta::of_u16(forward.dst_port(), reverse.src_port()),
        }
    }
}

impl Family<5> for KeyV6 {
    #[inline]
    fn table(tables: &Tables) -> &ConnTable<5> {
        &tables.v6
    }

    #[inline]
    fn lane(lanes: &mut Lanes) -> &mut Lane<5> {
        &mut lanes.v6
    }

    #[inline]
    fn hops(frame: &[u8]) -> u8 {
        frame.get(ETHERNET + HOP_LIMIT).copied().unwrap_or(0)
    }

    fn decrement_hops(frame: &mut [u8]) {
        if let Some(hops) = frame.get_mut(ETHERNET + HOP_LIMIT) {
            *hops = hops.saturating_sub(1);
        }
    }

    #[inline]
    fn translate(
        frame: &mut [u8],
        l4: u16,
        direction: Direction,
        opposite: &Self,
        deltas: Deltas,
    ) -> bool {
        let Some((head, upper)) = frame.split_at_mut_checked(usize::from(l4)) else {
            return false;
        };
        let Some(ip) = head
            .get_mut(ETHERNET..)
            .and_then(<[u8]>::first_chunk_mut::<IPV6>)
        else {
            return false;
        };
        ip[HOP_LIMIT] = ip[HOP_LIMIT].saturating_sub(1);
        let [src_high, src_low, dst_high, dst_low, _] = opposite.0;
        let (at, high, low, port_at, port) = match direction {
            Direction::Forward => (IPV6_DST, src_high, src_low, 2, opposite.src_port()),
            Direction::Reverse => (IPV6_SRC, dst_high, dst_low, 0, opposite.dst_port()),
        };
        put(ip, at, high.to_be_bytes());
        put(ip, at + 8, low.to_be_bytes());
        // Behind extension headers the protocol is not in the fixed header; the flow's key has it.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lowest octet is the protocol"
        )]
        let protocol = IpProtocol(opposite.ports() as u8);
        set_port(upper, protocol, port_at, port, deltas.l4)
    }

    fn deltas(forward: &Self, reverse: &Self) -> Deltas {
        let vip = u128::from(forward.0[2]) << 64 | u128::from(forward.0[3]);
        let backend = u128::from(reverse.0[0]) << 64 | u128::from(reverse.0[1]);
        let address = Delta::of_u128(vip, backend);
        let l4 = address + Delta::of_u16(forward.dst_port(), reverse.src_port());
        Deltas {
            ip: Delta::NONE,
            l4,
        }
    }
}

/// Takes one from the TTL and applies that difference, and `delta`, to the header checksum.
#[inline]
fn take_hop_v4(ip: &mut [u8; IPV4], delta: Delta) {
    ip[TTL] = ip[TTL].wrapping_sub(1);
    let old = u16::from_be_bytes([ip[IPV4_CHECKSUM], ip[IPV4_CHECKSUM + 1]]);
    let new = checksum::apply(old, delta + crate::wire::ipv4::ONE_HOP);
    put(ip, IPV4_CHECKSUM, new.to_be_bytes());
}

/// Sets a port and brings the transport checksum up to date.
#[inline]
fn set_port(upper: &mut [u8], protocol: IpProtocol, at: usize, port: u16, delta: Delta) -> bool {
    put(upper, at, port.to_be_bytes());
    if protocol == IpProtocol::TCP {
        let Some(tcp) = upper.first_chunk_mut::<20>() else {
            return false;
        };
        let new = checksum::apply(u16::from_be_bytes([tcp[16], tcp[17]]), delta);
        put(tcp, 16, new.to_be_bytes());
    } else {
        let Some(udp) = upper.first_chunk_mut::<8>() else {
            return false;
        };
        let new = checksum::apply_udp(u16::from_be_bytes([udp[6], udp[7]]), delta);
        put(udp, 6, new.to_be_bytes());
    }
    true
}

#[inline]
fn put<const N: usize>(octets: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = octets.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *place = value;
    }
}

/// Sets both Ethernet addresses.
#[inline]
pub(super) fn set_macs(frame: &mut [u8], dst: MacAddr, src: MacAddr) {
    if let Some(macs) = frame.first_chunk_mut::<12>() {
        let [d0, d1, d2, d3, d4, d5] = dst.0;
        let [s0, s1, s2, s3, s4, s5] = src.0;
        *macs = [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5];
    }
}
