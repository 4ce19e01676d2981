//! `lbctl` as a program: against the project's own API, and against servers that fail in every way there is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../support/authority.rs"]
mod authority;
mod change;
#[path = "../support/dir.rs"]
mod dir;
mod generated;
mod kit;
mod look;
mod rig;
mod silence;
mod terminal;
mod tls;
