//! Safe owners over DPDK.
//!
//! WO 00/30294: the network interfaces 37, the buffers whose ownership bit says who may touch them
//! (here Rust's ownership says it), and the switching processors 44 as lcores.
//! The only unsafe code of this crate. What DPDK asks of its callers is kept by types: an [`Eal`]
//! stands for "DPDK is up" and every owner shares in it; a queue has one user; an [`Mbuf`] has one
//! owner. Not here: polling (`engine`), parsing (`lb_core`), any decision.
//! Easy to get wrong: DPDK frees nothing behind our back, and its memory is unmapped by
//! `rte_eal_cleanup`; see [`Eal::close`] for when that is allowed.
#![expect(unsafe_code, reason = "the one place that calls dpdk-sys")]

pub mod burst;
pub mod clock;
pub mod eal;
pub mod errno;
pub mod lcore;
pub mod mapping;
pub mod mbuf;
pub mod mempool;
pub mod port;
pub mod queue;
pub mod ring;
pub mod tun;
pub mod vdev;

pub use burst::Burst;
pub use clock::Clock;
pub use eal::Eal;
pub use errno::Errno;
pub use lcore::LcoreId;
pub use mbuf::Mbuf;
pub use mempool::Mempool;
pub use port::Port;
pub use queue::{RxQueue, TxQueue};
