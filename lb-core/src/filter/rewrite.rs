//! Rewrites a packet on its way: MAC addresses, and with `nat` address, port, TTL and checksums.
//!
//! WO 00/30294, Fig. 6, step 220. Every edit goes into the checksums by its difference (RFC 1624), so the
//! payload is never read and a packet that arrived with a wrong checksum leaves with a wrong one.
//! What the differences are was worked out when the connection was made; here they are only applied.
//! Easy to get wrong: towards the client it is the *source* that changes, back to the VIP, and the
//! differences are the negative ones.

use crate::conn::{Conn, ConnTable, Direction, Lane};
use crate::flow::{DirectionKey, FlowKey, KeyV4, KeyV6};
use crate::frame::{ETHERNET, IPV4, IPV6};
use crate::wire::checksum::{self, Delta};
use crate::wire::octets::Octets;
use crate::wire::{IpProtocol, MacAddr, ipv4};

use super::links::{Ends, Way, end_at};
use super::{Lanes, Tables};

/// The differences that one direction of a connection adds to its checksums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deltas {
    /// IPv4 header, with the hop that is taken; unused for IPv6.
    pub ip: Delta,
    /// TCP or UDP, pseudo-header included.
    pub l4: Delta,
}

impl Deltas {
    /// Those of the way to the backend.
    #[inline(always)]
    pub(super) fn of<const W: usize>(conn: Conn<'_, W>) -> Self {
        let (ip, l4) = conn.deltas();
        Self {
            ip: Delta::from_u16(ip),
            l4: Delta::from_u16(l4),
        }
    }

    /// Those of the way back, which takes a hop as well.
    #[inline(always)]
    pub(super) fn back(self) -> Self {
        Self {
            ip: -self.ip + TWO_HOPS,
            l4: -self.l4,
        }
    }
}

/// Where TCP or UDP begins, in octets from the frame's first, and which of the two it is.
pub(super) type L4 = (usize, u8);

/// What the stages need to know about an address family beyond its key.
pub(super) trait Family<const W: usize>: DirectionKey {
    /// The family's connection table.
    fn table(tables: &Tables) -> &ConnTable<W>;
    /// What this lcore owns of it.
    fn lane(lanes: &mut Lanes) -> &mut Lane<W>;
    /// Where the transport header begins without IP options or extension headers.
    const PLAIN_L4: usize;
    /// The headers of a plain frame: a slice of known length, so that nothing in it needs a check.
    fn plain_headers(frame: &mut [u8]) -> Option<&mut [u8]>;
    /// TTL or hop limit.
    fn hops(frame: &[u8]) -> u8;
    /// Takes one from the TTL or hop limit; the caller knows that it is above 1.
    fn decrement_hops(frame: &mut [u8]);
    /// Gives the packet the other end of `opposite`, the key of the connection's other direction: a new
    /// destination on the way to the backend, a new source on the way back. Takes one hop. A frame that is
    /// too short for its headers, which the parser has ruled out, stays as it is.
    ///
    /// The direction is a constant, so that every offset is one.
    fn translate<const TO_BACKEND: bool>(
        frame: &mut [u8],
        l4: L4,
        opposite: &FlowKey<W>,
        deltas: Deltas,
    );
    /// Of the key of a connection's answers what [`translate`](Self::translate) needs of it on the way to the backend:
    /// from the entry, where it stands on its first line; else from the end of that way.
    fn answers(conn: Conn<'_, W>, ends: &Ends) -> FlowKey<W>;
    /// Differences of the way to the backend, for a connection with these two keys.
    fn deltas(forward: &FlowKey<W>, reverse: &FlowKey<W>) -> Deltas;
}

/// The difference to a header checksum of two hops.
const TWO_HOPS: Delta = Delta::of_u16(0x0200, 0x0000);

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
/// Octets of a TCP header without options.
const TCP: usize = 20;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

impl Family<2> for KeyV4 {
    const PLAIN_L4: usize = ETHERNET + IPV4;

    #[inline(always)]
    fn plain_headers(frame: &mut [u8]) -> Option<&mut [u8]> {
        let headers = frame.first_chunk_mut::<{ ETHERNET + IPV4 + TCP }>()?;
        Some(headers)
    }

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
            take_hop_v4(ip, ipv4::ONE_HOP);
        }
    }

    #[inline(always)]
    fn translate<const TO_BACKEND: bool>(
        frame: &mut [u8],
        l4: L4,
        opposite: &Self,
        deltas: Deltas,
    ) {
        let Some((head, upper)) = frame.split_at_mut_checked(l4.0) else {
            return;
        };
        let Some(ip) = header::<IPV4>(head) else {
            return;
        };
        take_hop_v4(ip, deltas.ip);
        let (src, dst) = opposite.addresses();
        if TO_BACKEND {
            ip.put_array::<IPV4_DST, 4>(src);
        } else {
            ip.put_array::<IPV4_SRC, 4>(dst);
        }
        set_port::<TO_BACKEND>(upper, l4.1, opposite.ports(), deltas.l4);
    }

    #[inline(always)]
    fn answers(conn: Conn<'_, 2>, _: &Ends) -> Self {
        conn.key(Direction::Reverse)
    }

    fn deltas(forward: &Self, reverse: &Self) -> Deltas {
        let (vip, backend) = (forward.addresses().1, reverse.addresses().0);
        let ip = Delta::of_u32(u32::from_be_bytes(vip), u32::from_be_bytes(backend));
        Deltas {
            ip: ip + ipv4::ONE_HOP,
            l4: ip + Delta::of_u16(forward.dst_port(), reverse.src_port()),
        }
    }
}

impl Family<5> for KeyV6 {
    const PLAIN_L4: usize = ETHERNET + IPV6;

    #[inline(always)]
    fn plain_headers(frame: &mut [u8]) -> Option<&mut [u8]> {
        let headers = frame.first_chunk_mut::<{ ETHERNET + IPV6 + TCP }>()?;
        Some(headers)
    }

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
    fn translate<const TO_BACKEND: bool>(
        frame: &mut [u8],
        l4: L4,
        opposite: &Self,
        deltas: Deltas,
    ) {
        let Some((head, upper)) = frame.split_at_mut_checked(l4.0) else {
            return;
        };
        let Some(ip) = header::<IPV6>(head) else {
            return;
        };
        ip[HOP_LIMIT] = ip[HOP_LIMIT].wrapping_sub(1);
        let (src, dst) = opposite.addresses();
        if TO_BACKEND {
            ip.put_array::<IPV6_DST, 16>(src);
        } else {
            ip.put_array::<IPV6_SRC, 16>(dst);
        }
        set_port::<TO_BACKEND>(upper, l4.1, opposite.ports(), deltas.l4);
    }

    #[inline(always)]
    fn answers(conn: Conn<'_, 5>, ends: &Ends) -> Self {
        let [high, low, ports] = end_at(ends, conn.backend());
        Self([high, low, 0, 0, ports])
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

/// Takes one from the TTL, and applies a difference that has it to the header checksum.
#[inline(always)]
fn take_hop_v4(ip: &mut [u8; IPV4], delta: Delta) {
    ip[TTL] = ip[TTL].wrapping_sub(1);
    let old = ip.array_at::<IPV4_CHECKSUM, 2>();
    ip.put_array::<IPV4_CHECKSUM, 2>(delta.edit(old));
}

/// Sets the port at the end that changes, and brings the transport checksum up to date. `opposite` is
/// the port word of the other direction's key.
#[inline(always)]
fn set_port<const TO_BACKEND: bool>(upper: &mut [u8], protocol: u8, opposite: u64, delta: Delta) {
    let [s0, s1, d0, d1, ..] = opposite.to_ne_bytes();
    let Some(ports) = upper.first_chunk_mut::<4>() else {
        return;
    };
    if TO_BACKEND {
        ports.put_array::<DST_PORT, 2>([s0, s1]);
    } else {
        ports.put_array::<SRC_PORT, 2>([d0, d1]);
    }
    if protocol == IpProtocol::TCP.0 {
        if let Some(tcp) = upper.first_chunk_mut::<18>() {
            let old = tcp.array_at::<TCP_CHECKSUM, 2>();
            tcp.put_array::<TCP_CHECKSUM, 2>(delta.edit(old));
        }
    } else if let Some(udp) = upper.first_chunk_mut::<8>() {
        let old = udp.array_at::<UDP_CHECKSUM, 2>();
        udp.put_array::<UDP_CHECKSUM, 2>(checksum::edit_udp(old, delta));
    }
}

/// Sets both Ethernet addresses.
#[inline(always)]
pub(super) fn address_frame(frame: &mut [u8], way: &Way) {
    if let Some(macs) = frame.first_chunk_mut::<12>() {
        macs.put_array::<0, 8>(way.start);
        macs.put_array::<8, 4>(way.rest);
    }
}

/// Sets both Ethernet addresses.
pub(super) fn set_macs(frame: &mut [u8], dst: MacAddr, src: MacAddr) {
    if let Some(macs) = frame.first_chunk_mut::<12>() {
        macs.put_array::<0, 6>(dst.0);
        macs.put_array::<6, 6>(src.0);
    }
}
