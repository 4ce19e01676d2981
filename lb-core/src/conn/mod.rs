//! Connection table 66: which backend a known flow belongs to, and how its packets are rewritten.
//!
//! WO 00/30294: table 66 of Fig. 4, read in steps 212 and 220, written in step 218 of Fig. 6. One
//! table for all lcores and one per address family: [`ConnTable<2>`](ConnTable) for IPv4,
//! `ConnTable<5>` for IPv6. Both directions of a flow lead to the same [`Conn`]. Lock-free: looking up
//! writes nothing, inserting costs one compare-and-swap per direction, an entry is reused only after
//! every lane has turned (`shared::epoch`). No entry has a timer: [`ConnTable::sweep`] walks a dense
//! array of deadlines in small steps.
//! Not here: which backend (`scheduler`), the protocols' states and time-outs (`filter`), the clock.
//! Easy to get wrong: a `Conn` stays readable for as long as the table, but it means that flow only
//! until the lane's next [`ConnTable::turn`].

mod adopt;
pub(crate) mod bucket;
mod cells;
mod entry;
mod insert;
mod limbo;
mod remove;
mod sweep;
mod table;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use adopt::Adopted;
pub use bucket::Probe;
pub use cells::{Lane, Sweeping};
pub(crate) use entry::{Cell, Known};
pub use entry::{Conn, ConnId, ConnState, Direction};
pub use insert::{InsertError, NewConn};
pub use table::{Buckets, ConnTable, Entries, Found, NotATable};

pub use crate::shared::region::Tick;
