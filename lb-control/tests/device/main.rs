//! The resource manager as a device of its own: the real program `lb-control` between agents and boxes.
//!
//! The boxes are the project's own control side over real sockets; only ports and lcores are missing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

#[path = "../support/authority.rs"]
mod authority;
#[expect(dead_code, reason = "the tests of the API use more of it")]
#[path = "../api/client.rs"]
mod client;
#[path = "../support/dir.rs"]
mod dir;
mod feeding;
mod kit;
#[expect(dead_code, reason = "the tests of the API use more of it")]
#[path = "../api/rig.rs"]
mod rig;
