//! Switching processors of the load-balancing packet switch.
//!
//! WO 00/30294: processors 44, their packet engine (Fig. 5), and the network interfaces that they poll.
//! What a packet means and where it goes is decided in `lb_core`; here it is received and sent.
//! Unsafe code lives in [`dpdk`], and in the file of the [`interface_daemon`] that opens a TAP.

pub mod doors;
pub mod dpdk;
pub mod engine;
pub mod exception_path;
pub mod exchange;
pub mod interface_daemon;
pub mod memory;
pub mod observed;
pub mod options;
pub mod outbox;
mod packet;
pub mod placement;
pub mod program;
pub mod report;
pub mod state;
pub mod watch;
pub mod workers;
