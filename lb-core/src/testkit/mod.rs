//! Test kit: frames in the words of the field, a switch without DPDK, and packet cases as data.
//!
//! No counterpart in the patent. The feature `testkit` brings it into tests of this and other crates;
//! the program is built without it. A case says: this configuration, this frame on this port, this
//! verdict, these octets out. The same table runs in memory ([`run()`]) and through the program (captures).
//! Easy to get wrong: an expected frame is built from plain values by [`build`], checksums computed anew;
//! it must never come from the code that is tested, or incremental updates would be checked against themselves.

pub mod build;
pub mod case;
pub mod cases;
pub mod layout;
pub mod net;
pub mod packet;
pub mod pcap;
pub mod run;
pub mod sums;
pub mod world;

pub use build::Frame;
pub use case::{Case, Expect, Out, Step, Way};
pub use packet::TestPacket;
pub use run::run;
pub use world::{Answer, Late, World};
