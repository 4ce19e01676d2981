//! Control processor 42: what decides, collects and publishes, beside the packets' way.
//!
//! WO 00/30294, Fig. 4: [`resource_manager`] is box 52, which also steps the master modules of box 54
//! (`lb_core::master`); [`publisher`] fills the buffers of configuration table 64. Everything that changes goes through
//! [`control`], everything that is asked through [`api`]; [`running`] starts all of it. Builds and tests without DPDK.
//! Easy to get wrong: nothing here may make a worker lcore wait. What they count is read, what they read is published.

pub mod advertiser;
pub mod agent_check;
pub mod api;
pub mod control;
pub mod desired;
pub mod device;
pub mod health;
pub mod heartbeat;
mod inventory;
mod manager;
pub mod metrics;
pub mod netlink;
pub mod publisher;
pub mod resource_manager;
pub mod routing_daemon;
pub mod running;
pub mod supervisor;
pub mod switch;
mod unreachable;
pub mod view;

pub use running::{Parts, Running, run};
