//! Connections forget their way back where routes lead elsewhere now.
//!
//! WO 00/30294, routing table 62. The other way is a new epoch of next hops, after which every connection looks its way
//! up once more: with 65,536 of them and twenty changes a second, that is a tenth of a lcore.
//! Not here: which destinations these are (`Distribution::keep_ways`).
//! Easy to get wrong: it is done after every lcore has taken over the new routes. One that works by the old ones would
//! note the old way again.

use std::net::IpAddr;

use crate::config::Prefix;
use crate::conn::{ConnId, ConnTable, Direction};
use crate::flow::{DirectionKey, FlowKey};
use crate::id::PortId;
use crate::route::{NextHop, RouteTable};

use super::Tables;

/// Cells that have ever been used at most, of both tables together, where it is worth while: a few hundredths of a second.
const WORTH_WHILE: u32 = 2 << 20;
/// Cells that are looked at at once.
const STEP: u32 = 1 << 16;

/// Whether [`forget_ways`] takes a short time.
#[must_use]
pub fn can_forget_ways(tables: &Tables) -> bool {
    let used = tables
        .v4
        .used_cells()
        .saturating_add(tables.v6.used_cells());
    used <= WORTH_WHILE
}

/// Has every connection with a client at one of these destinations look up its way anew. For the control side; lcores
/// may work meanwhile.
pub fn forget_ways(tables: &Tables, destinations: &[Prefix]) {
    if destinations.is_empty() {
        return;
    }
    // Where to is not asked.
    let anywhere = NextHop {
        port: PortId(0),
        gateway: None,
    };
    let moved = RouteTable::build(
        destinations
            .iter()
            .map(|prefix| (prefix.address(), prefix.length(), Some(anywhere.into()))),
    );
    let is_moved = |client: IpAddr| moved.lookup(client).is_some();
    forget(&tables.v4, is_moved);
    forget(&tables.v6, is_moved);
}

/// A cell may change hands while it is looked at: a way too many is forgotten then, or none that a lcore has noted by
/// the routes of before.
fn forget<const W: usize>(table: &ConnTable<W>, is_moved: impl Fn(IpAddr) -> bool)
where
    FlowKey<W>: DirectionKey,
{
    let mut at = Some(ConnId(0));
    while let Some(from) = at {
        at = table.for_each(from, STEP, |_, conn| {
            if conn.next_hop() != 0 && is_moved(conn.key(Direction::Forward).src()) {
                conn.set_next_hop(0);
            }
        });
    }
}
