//! Health checks over real sockets: what each kind of check makes of servers that work, refuse, hang, err or break
//! off; and what follows for who gets new flows.
//!
//! No counterpart in the patent. Servers listen on loopback; where they stand in the document is another address, which
//! nothing is ever sent to.
//! Easy to get wrong: nobody may wait for a time here. What is waited for is that something has happened.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod kit;
mod many;
mod probes;
mod servers;
mod tls;
mod whole;
