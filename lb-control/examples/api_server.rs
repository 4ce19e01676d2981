//! The API over an empty data path, for tools that test it from outside (`ci/schemathesis`).
//!
//! No counterpart in the patent. The control side of the integration tests, on a loopback port that is free. The
//! first line on standard output is its address; it ends with its standard input.
//! Easy to get wrong: plain TCP may only look. Who sends the admin token, which is this file's, may do everything.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a tool for tests"
)]

use std::io::Read;

use lb_control::api::{Access, Token};

#[path = "../tests/support/dir.rs"]
mod dir;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/api/rig.rs"]
mod rig;

const TOKEN: &str = "an-admin-token-for-tests";

fn main() {
    let dir = dir::Dir::new();
    let token = Token::from_file(&dir.write("token", TOKEN)).unwrap();
    let rig = rig::Rig::with(rig::Setup {
        listeners: vec![rig::plain()],
        access: Access {
            admin_token: Some(token),
            ..Access::default()
        },
        ..rig::Setup::default()
    });
    println!("127.0.0.1:{}", rig.port(1));
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
}
