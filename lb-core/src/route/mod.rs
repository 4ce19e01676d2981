//! Routing table 62: which port and which gateway lead to an address.
//!
//! WO 00/30294, box 62 in the shared memory 34. The table is built from a list of prefixes and then
//! only asked; a change of routes is a new table in a new distribution. Longest prefix match for
//! both families.
//! Not here: following the kernel's routes (`routing_daemon`, box 58).
//! Easy to get wrong: "no route" and "on-link" are different answers. The first is `None`; the
//! second is a [`NextHop`] without a gateway, and the neighbor to ask for is the destination
//! itself.

pub mod neighbor;
mod next_hops;
mod ranges;
mod search;
mod table;

pub use next_hops::NextHops;
pub use table::{NextHop, RouteTable};
