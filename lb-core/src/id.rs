//! Identities: small numbers that must not be mixed up.
//!
//! No counterpart in the patent. A *slot* is handed out once to a service or a backend and outlives
//! configurations and processes; a connection names its backend by slot, never by a position in the
//! current distribution.

use std::fmt;

/// A port of the switch, as DPDK numbers it, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// A receive or transmit queue of one port, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u16);

/// A service's lasting identity, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceSlot(pub u32);

/// A backend's lasting identity, from 0; a server that two services name has one slot in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendSlot(pub u32);

/// A row of the neighbor table, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborId(pub u32);

impl NeighborId {
    /// No row of any table: of what no route leads to. Packets for it are dropped.
    pub const NOWHERE: Self = Self(u32::MAX - 2);
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
