//! What the tests of the connection table share: a table, and flows that differ.
//!
//! No counterpart in the patent. Every flow made here carries a digest of its own number in the parts
//! of its entry that are nobody else's, so that an entry mixed up with another's shows.

use std::sync::Arc;

use lb_core::conn::{Conn, ConnState, ConnTable, Direction, Lane, NewConn, Sweeping, Tick};
use lb_core::flow::{FlowKey, HashSeed, KeyV4, KeyV6, TableKey};
use lb_core::id::{BackendSlot, ServiceSlot};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret};

pub(crate) const SECRET: Secret = Secret {
    table_key: TableKey([
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
        0x4528_21e6_38d0_1377,
        0xbe54_66cf_34e9_0c6c,
    ]),
    seed: HashSeed(*b"sixteen octets. "),
};

pub(crate) fn region(capacity: u32) -> Region {
    let layout = Layout::new(capacity).unwrap();
    Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1000).unwrap()
}

pub(crate) fn table<const W: usize>(capacity: u32, lanes: usize) -> (ConnTable<W>, Vec<Lane<W>>) {
    open(&region(capacity), lanes)
}

pub(crate) fn open<const W: usize>(region: &Region, lanes: usize) -> (ConnTable<W>, Vec<Lane<W>>) {
    let (table, _) = ConnTable::open(region, Arc::new(Epochs::new(lanes))).unwrap();
    let of = u32::try_from(lanes).unwrap();
    let lanes = (0..of)
        .map(|number| {
            let mut lane = table
                .lane(number as usize, Some(Sweeping { number, of }))
                .unwrap();
            table.turn(&mut lane);
            lane
        })
        .collect();
    (table, lanes)
}

/// A flow of either address family.
pub(crate) trait Flow<const W: usize> {
    fn key(src: u128, dst: u128, src_port: u16, dst_port: u16) -> FlowKey<W>;
}

pub(crate) struct Make;

impl Flow<2> for Make {
    fn key(src: u128, dst: u128, src_port: u16, dst_port: u16) -> KeyV4 {
        let low = |address: u128| u32::try_from(address & 0xffff_ffff).unwrap();
        KeyV4::v4(low(src), low(dst), src_port, dst_port, 6)
    }
}

impl Flow<5> for Make {
    fn key(src: u128, dst: u128, src_port: u16, dst_port: u16) -> KeyV6 {
        KeyV6::v6(
            0x2001_0db8 << 96 | src,
            0x2001_0db8 << 96 | dst,
            src_port,
            dst_port,
            6,
        )
    }
}

/// NAT flow number `n`: client 10.x.y.z and port from the number, one VIP, 1000 backends.
pub(crate) fn flow<const W: usize>(n: u32) -> NewConn<W>
where
    Make: Flow<W>,
{
    let client = u128::from(0x0a00_0000 | n >> 4);
    let port = u16::try_from(1024 + (n & 15)).unwrap();
    let backend = n % 1000;
    let (vip, server) = (0xc000_020a, 0x0a64_0000 | u128::from(backend));
    NewConn {
        forward: Make::key(client, vip, port, 80),
        reverse: Some(Make::key(server, client, 8080, port)),
        service: ServiceSlot(n % 7),
        backend: BackendSlot(backend),
        state: ConnState {
            protocol: 1,
            flags: 0,
        },
        ip_delta: half(digest(n)),
        l4_delta: half(digest(n) >> 16),
        next_hop: 0,
        sequence: [digest(n), !digest(n)],
        now: Tick(1),
        due: Tick(61),
    }
}

fn half(word: u32) -> u16 {
    u16::try_from(word & 0xffff).unwrap()
}

pub(crate) fn digest(n: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1).rotate_left(13) ^ 0x5bd1_e995
}

/// Whether the entry is flow number `n` in all its parts.
pub(crate) fn is_flow<const W: usize>(conn: Conn<'_, W>, n: u32) -> bool
where
    Make: Flow<W>,
{
    let flow = flow::<W>(n);
    conn.key(Direction::Forward) == flow.forward
        && Some(conn.key(Direction::Reverse)) == flow.reverse
        && (conn.service(), conn.backend()) == (flow.service, flow.backend)
        && conn.deltas() == (flow.ip_delta, flow.l4_delta)
        && [Direction::Forward, Direction::Reverse].map(|d| conn.sequence(d)) == flow.sequence
}
