//! The routing daemon against a real kernel: `ip` commands in a namespace of each test's own.
//!
//! WO 00/30294, box 58. Pairs of veth devices named `lb-…` stand in for the kernel devices.
//! Easy to get wrong: a namespace is a thread's. Whatever a test starts, it starts from the thread that went in.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test"
)]

mod changes;
mod kernel;
mod net;
mod rig;
mod scale;
