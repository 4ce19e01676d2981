//! Services and backends: what is configured, what is in force, what has been counted.
//!
//! WO 00/30294: what configuration table 64 holds, for people.
//! Easy to get wrong: `weight` is the configured one, `effective_weight` what the scheduler works with now;
//! the latter are ratios within one service and compare with nothing else.

use lb_core::config::{AllDown, OnDown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agents::{AgentValues, CheckStatement};

/// All services, in the order of the document, without their backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// Empty where none is configured.
    pub services: Vec<ServiceSummary>,
}

/// A service, without its backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSummary {
    /// Its name.
    pub name: String,
    /// Virtual address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// How packets reach a backend: `direct` or `nat`.
    pub forwarding: String,
    /// How a new flow picks a backend.
    pub scheduler: String,
    /// How weights come about: `static`, `even`, `least-loaded` or `capability`.
    pub weights: String,
    /// Tags that are wanted of a backend, with `weights: capability`.
    pub tags: Vec<String>,
    /// What becomes of a later packet without a connection: `reset`, `drop` or `hash`.
    pub on_miss: String,
    /// What becomes of the flows of a backend that is down: `drain`, `reset` or `move`.
    pub on_down: OnDown,
    /// What becomes of an opening packet while no backend takes it: `withdraw`, `reset` or `drop`.
    pub all_down: AllDown,
    /// Connections that it may have at once; absent: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Packets forwarded for it since the program started, both directions that pass the switch.
    pub packets: u64,
    /// Their octets, Ethernet header included.
    pub octets: u64,
    /// Connections opened since the program started.
    pub connections_opened: u64,
    /// Connections now.
    pub connections_live: u32,
    /// Backends configured.
    pub backends_total: usize,
    /// Backends that take new flows now: effective weight above 0.
    pub backends_taking: usize,
    /// Backends that may have flows and are up, or are not checked.
    pub backends_up: usize,
    /// So few backends are up that all get flows as though they were (`panic`).
    pub is_panicking: bool,
    /// Only backups are left, and serve.
    pub is_on_backup: bool,
}

/// A service with its backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// The service itself.
    #[serde(flatten)]
    pub summary: ServiceSummary,
    /// In the order of the document.
    pub backends: Vec<Backend>,
}

/// Backends of one or of all services, a page at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backends {
    /// 1000 at most.
    pub backends: Vec<Backend>,
    /// Value of `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Whether a backend gets flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// Gets new flows, by its weight.
    Enabled,
    /// No new flows; old ones go on.
    Draining,
    /// As if it were not there; its old flows end.
    Disabled,
}

/// What is known of a backend's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// It has not been checked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// What a backend's health checks say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendHealth {
    /// What is known.
    pub state: HealthState,
    /// When that began, in seconds since 1970.
    pub since: f64,
    /// For how long it has been so, in seconds.
    pub age_seconds: f64,
    /// What made it so, in words.
    pub why: String,
    /// What is asked: `tcp`, `http`, `https`, `icmp`, `udp` or `dns`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How long the last check took that passed, in seconds; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
    /// Checks made since it is known.
    pub checks: u64,
    /// Those among them that failed.
    pub failures: u64,
    /// How often it went down after it was up.
    pub flaps: u64,
}

/// A backend of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backend {
    /// Name of its service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// As configured.
    pub state: BackendState,
    /// Configured weight, 0 to 65535.
    pub weight: u32,
    /// Weight that the scheduler works with now, a ratio within the service; 0: no new flows.
    pub effective_weight: u32,
    /// Tags that it has.
    pub tags: Vec<String>,
    /// It is a last resort.
    pub is_backup: bool,
    /// What its health checks say; absent where it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<BackendHealth>,
    /// Connections now.
    pub connections_live: u32,
    /// Whether the MAC address of its neighbor (itself or the router before it) is known.
    pub is_resolved: bool,
    /// Whether a route leads to it. While none does it takes no new flows, and packets of old ones are dropped.
    pub is_reachable: bool,
    /// What its agent reports; absent where none was ever heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentValues>,
    /// What its agent-check server said last; absent where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_check: Option<CheckStatement>,
}

impl From<lb_core::config::BackendState> for BackendState {
    fn from(state: lb_core::config::BackendState) -> Self {
        match state {
            lb_core::config::BackendState::Enabled => Self::Enabled,
            lb_core::config::BackendState::Draining => Self::Draining,
            lb_core::config::BackendState::Disabled => Self::Disabled,
        }
    }
}

impl From<BackendState> for lb_core::config::BackendState {
    fn from(state: BackendState) -> Self {
        match state {
            BackendState::Enabled => Self::Enabled,
            BackendState::Draining => Self::Draining,
            BackendState::Disabled => Self::Disabled,
        }
    }
}
