//! The API's answers and requests as types: what the server writes, `lbctl` reads.
//!
//! No counterpart in the patent. One file per noun; comments on fields are the descriptions in the OpenAPI
//! document, so they are written for operators. Lists stand in an object, so that an answer can grow.
//! Not here: where the figures come from (`api`), the configuration document (`lb_core::config`).
//! Easy to get wrong: answers are read tolerantly (a newer server may say more), requests strictly (a
//! misspelt key must not pass for a default).

mod advertise;
mod agents;
mod audit;
mod boxes;
mod config;
mod connections;
mod errors;
mod explain;
mod lcores;
mod network;
mod ports;
mod services;
mod status;

pub use advertise::{Advertise, AdvertiseChange, AdvertiseState, AdvertisedVip};
pub use agents::{
    Agent, AgentValues, CheckStatement, ExternalWeights, LoadReports, Taken, WeightOf, WeightsOf,
};
pub use audit::{Audit, AuditRecord};
pub use boxes::{Boxes, FedBox};
pub use config::{
    Applied, Change, Checked, Diff, Patch, Revision, Revisions, Rollback, Saved, Who,
};
pub use connections::{Connection, Connections};
pub use errors::{Error, Errors};
pub use explain::{BackendExplained, Explained, RuleExplained};
pub use lcores::{Drop, Drops, Lcore, Lcores, Verdicts};
pub use network::{
    Neighbor, NeighborSource, NeighborState, Neighbors, NextHop, Route, Routes, Source,
};
pub use ports::{Port, PortKernel, Ports};
pub use services::{
    Backend, BackendHealth, BackendState, Backends, HealthState, Service, ServiceSummary, Services,
};
pub use status::{Fill, Pool, RoutingDaemon, Status, Task, TaskState};
