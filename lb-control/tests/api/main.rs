//! The API over real sockets.
//!
//! No counterpart in the patent.
//! Easy to get wrong: no test may wait for time to pass; where something must happen first, it is asked for again
//! and again.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it says"
)]

mod advertise;
#[expect(
    dead_code,
    reason = "here certificates have more about them than a name"
)]
#[path = "../support/authority.rs"]
mod authority;
mod client;
mod config;
mod connections;
#[path = "../support/dir.rs"]
mod dir;
mod hostile;
mod look;
mod metrics;
mod openapi;
mod random;
mod reports;
mod rig;
mod roles;
mod tls;
