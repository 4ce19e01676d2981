//! The state of the switch on one page.
//!
//! No counterpart in the patent.
//! Easy to get wrong: the program can be up and forward while a control task is down; `warnings` says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::Who;
use super::lcores::Verdicts;

/// The state of the switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Name of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// When it started, in seconds since 1970.
    pub started_at: u64,
    /// Seconds since then.
    pub uptime_seconds: f64,
    /// How packets for the control processor get there: `virtio-user`, `tap` or `none`.
    pub exception_path: String,
    /// What is followed of the kernel; absent without an exception path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_daemon: Option<RoutingDaemon>,
    /// Where shared memory and sockets live; absent where the tables die with the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_directory: Option<String>,
    /// Revision of the document in force.
    pub revision: u64,
    /// Who applied it.
    pub revision_by: Who,
    /// When, in seconds since 1970.
    pub revision_at: u64,
    /// Generation of the configuration table.
    pub generation: u64,
    /// Buffer of the configuration table that packets see: `a` or `b`.
    pub buffer: String,
    /// When it became so, in seconds since 1970.
    pub flipped_at: f64,
    /// Flips since the program started.
    pub flips: u64,
    /// Changes that were refused since the program started.
    pub refusals: u64,
    /// Ports in use.
    pub ports: usize,
    /// Ports whose link is up.
    pub ports_up: usize,
    /// Worker lcores that poll.
    pub lcores: usize,
    /// Worker lcores whose loop turns.
    pub lcores_beating: usize,
    /// Services configured.
    pub services: usize,
    /// Backends configured, over all services.
    pub backends: usize,
    /// Connections over IPv4.
    pub connections_ipv4: Fill,
    /// Connections over IPv6.
    pub connections_ipv6: Fill,
    /// Pools of mbufs.
    pub pools: Vec<Pool>,
    /// Packets received since the program started.
    pub received: u64,
    /// What became of them.
    pub verdicts: Verdicts,
    /// Tasks of the control side.
    pub tasks: Vec<Task>,
    /// What deserves attention, in words; empty when all is well.
    pub warnings: Vec<String>,
}

/// What the routing daemon follows of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingDaemon {
    /// Ports whose kernel device is there.
    pub devices: u64,
    /// Routes of the main table over them, or to nowhere.
    pub routes: u64,
    /// Addresses on them.
    pub addresses: u64,
    /// Permanent neighbors on them.
    pub neighbors: u64,
    /// Messages about changes since the program started.
    pub messages: u64,
    /// Times that tables were read anew: at the start, and where changes are not told or messages were lost.
    pub resyncs: u64,
    /// Those of them that lost messages made necessary.
    pub overruns: u64,
    /// When something changed last, in seconds since 1970; 0: never.
    pub changed_at: f64,
}

/// How full a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fill {
    /// Places taken.
    pub used: u64,
    /// Places there are.
    pub capacity: u64,
}

/// A pool of mbufs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How full of use it is.
    #[serde(flatten)]
    pub fill: Fill,
}

/// A task of the control side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// What it does now.
    pub state: TaskState,
    /// Times it panicked, and was started again.
    pub panics: u64,
    /// What it said at the last panic; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_panic: Option<String>,
    /// Seconds since it last gave a sign of life.
    pub heartbeat_age_seconds: f64,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// At work.
    Running,
    /// Waits to be started again after a panic.
    Restarting,
    /// Over, because the program ends.
    Ended,
}
