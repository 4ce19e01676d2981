//! Every decision and every table of the switch.
//!
//! WO 00/30294: the packet filter 74 (Fig. 6) and the shared memory 34 with its tables 62, 64, 66.
//! Nothing here polls, sends, sleeps, reads a clock or starts a thread: time, packets and memory are
//! handed in, so that all of it is tested on any machine, without DPDK.
//! Unsafe code lives in [`shared`] only.

pub mod config;
pub mod conn;
pub mod filter;
pub mod flow;
pub mod frame;
pub mod id;
pub mod load;
pub mod master;
pub mod offload;
pub mod packet;
pub mod route;
pub mod scheduler;
pub mod shared;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod wire;
