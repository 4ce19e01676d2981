//! The control side against the real program: flips under traffic, random callers, faults, and agents that are asked.
//!
//! WO 00/30294: control processor 42 beside switching processors 44, as one process; the packets come and go through
//! pipes that `net_pcap` takes for capture files, so that a run may be as long as it likes.
//! Each test is short, for every day; with `LB_LONG=1` it is as long as the acceptance of this part asks.
//! Easy to get wrong: a worker lcore that waits for a pipe does not turn, and nothing can be published meanwhile. Whoever
//! feeds a pipe feeds it to the end.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test"
)]

mod agent_check;
mod client;
mod device;
mod farm;
mod flips;
mod freezer;
mod isolation;
mod kit;
mod random;
#[expect(dead_code, reason = "the tests of restarts use more of it")]
#[path = "../restart_kit/mod.rs"]
mod restart_kit;
mod traffic;
mod witness;
