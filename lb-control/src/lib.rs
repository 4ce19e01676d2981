//! Control processor 42: what decides, collects and publishes, beside the packets' way.
//!
//! WO 00/30294, Fig. 4. So far only the publisher is here; resource manager 52, master 54, interface
//! daemon 53 and routing daemon 58 belong to later parts. Builds and tests without DPDK.

pub mod publisher;
