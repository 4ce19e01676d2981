//! Agent: runs on a back-end server and tells the control processor how loaded it is.
//!
//! WO 00/30294: the agents that gather raw load data for resource manager 52 (claims on load feedback).
//! One thread per backend asks its sources and makes a report every interval; one thread per destination
//! sends whatever report is newest. Pure parts (`rate`, `pace`, `backoff`, `schedule`, the parsers under
//! `source`) know neither clock nor socket.
//! Not here: what a report means for a backend's weight (`lb_core::master`).
//! Easy to get wrong: a report is a state and not a log; one that could not be sent is replaced by the
//! next and never queued.

pub mod address;
pub mod agent;
pub mod backoff;
pub mod config;
pub mod http;
pub mod identity;
pub mod mailbox;
pub mod notice;
pub mod options;
pub mod pace;
pub mod random;
pub mod rate;
pub mod sampler;
pub mod schedule;
pub mod sender;
pub mod source;
pub mod stream;
pub mod tls;
pub mod token;
pub mod values;
