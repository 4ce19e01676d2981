//! A simulated fleet behind a master: what `tests/master_simulation.rs` plays its stories with.
//!
//! No counterpart in the patent. Servers queue and serve, agents report late or never, and new flows go
//! by weight. Everything follows from a seed; no clock, no thread.
//! Easy to get wrong: the numbers measured here stand in `docs/feedback.md`.

pub(crate) mod agents;
pub(crate) mod random;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod traffic;
pub(crate) mod verdict;
