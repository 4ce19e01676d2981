//! The agent as a program, against servers that these tests play.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod delivery;
mod kit;
mod refusals;
mod resources;
mod sources;
mod tls;
