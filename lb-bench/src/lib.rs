//! Measures the switch: the filter alone, its instructions, and the program beside DPDK's own.
//!
//! No counterpart in the patent. `docs/performance.md` says what the figures mean and how they are made
//! again; `scripts/bench` runs all of it.
//! Not here: anything that the program itself runs. Nothing depends on this crate.

pub mod bare;
pub mod buffer;
pub mod capture;
pub mod chart;
pub mod contest;
pub mod doc;
pub mod filter;
pub mod frames;
pub mod ground;
pub mod huge;
pub mod instructions;
pub mod latency;
pub mod machine;
pub mod measure;
pub mod net;
pub mod random;
pub mod stages;
pub mod suite;
pub mod switch;
pub mod traffic;
pub mod workload;
