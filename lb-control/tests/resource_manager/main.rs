//! Resource manager: what agents and others say, and the weights that come of it.
//!
//! WO 00/30294, boxes 52 and 54. Time is a number here.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test"
)]

mod elsewhere;
mod kit;
mod reports;
mod statements;
