//! Configuration: desired state as one document, read and checked as a whole.
//!
//! WO 00/30294: what configuration table 64 is filled from. [`parse`] turns text into a [`Config`] or says
//! what is wrong with it; nothing in between exists.
//! Easy to get wrong: [`Document`] is what was written, [`Config`] what was meant; only the second is
//! to be acted upon.

mod address;
mod agents;
mod backends;
mod check;
mod decimal;
pub mod distribution;
pub mod document;
mod fitness;
mod health;
mod in_force;
mod interfaces;
mod kernel;
mod later;
mod locate;
pub mod lookup;
mod model;
mod names;
mod network;
mod next_hops;
mod object;
mod ports;
mod prefix;
mod refusal;
pub mod registry;
mod services;
mod whole;

pub use check::{check, parse, read};
pub use distribution::{BackendView, Distribution, Owner, PortView, ServiceView, Surroundings};
pub use document::{BackendState, Document, schema};
pub use fitness::{
    AllDown, FULL, Fitness, HealthCheck, HttpProbe, OnDown, Probe, Rcode, Record, TlsProbe,
};
pub use in_force::{NetworkInForce, RouteInForce, Source};
pub use kernel::{DOCUMENT_METRIC, KernelInterface, KernelNetwork, KernelRoute, PROTOCOL_ID};
pub use model::{
    AgentCheck, Backend, Config, Forwarding, Interface, OnMiss, Route, Service, StaticNeighbor,
    Timeouts,
};
pub use ports::PortsPresent;
pub use prefix::{Cidr, Prefix, PrefixError, address_bits};
pub use refusal::{REFUSALS_MAX, Refusal};
