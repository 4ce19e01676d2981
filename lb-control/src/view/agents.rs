//! Load reports, agent-check statements and weights from elsewhere: what backends say and what came of it.
//!
//! WO 00/30294: raw load data, and what resource manager 52 keeps of them.
//! Easy to get wrong: ages are measured on our clock from the moment a report came; the agent's clock serves
//! to tell replays only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All that is known from agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadReports {
    /// One for each backend that was heard of, by name.
    pub agents: Vec<Agent>,
    /// Reports taken since the program started.
    pub taken: u64,
    /// Reports refused since the program started, by cause.
    pub refused: BTreeMap<String, u64>,
}

/// An agent's last words for one backend in one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// Service.
    pub service: String,
    /// Backend.
    pub backend: String,
    /// What its reports say; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<AgentValues>,
    /// What its agent-check server said; absent where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_check: Option<CheckStatement>,
}

/// Smoothed values of a backend's reports. What the agent does not know is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentValues {
    /// Seconds since the newest report came.
    pub age_seconds: f64,
    /// Whether the newest report is too old to be believed: the weight is neutral then.
    pub is_expired: bool,
    /// Reports taken in all.
    pub reports: u64,
    /// Clients now served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<f64>,
    /// Processor time used over processor time there is: from 0; may pass 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    /// Memory in use over memory there is: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_utilization: Option<f64>,
    /// Mean execution time of a request, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_time_seconds: Option<f64>,
    /// Requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rps_fractional: Option<f64>,
    /// Failed requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Values of the application's own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named_metrics: BTreeMap<String, f64>,
}

/// What an agent-check server said last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckStatement {
    /// Its words, such as `75%` or `drain`; `neutral` after they expired.
    pub said: String,
    /// Seconds since they came.
    pub age_seconds: f64,
}

/// Load reports that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// How many.
    pub taken: usize,
}

/// Request: weights that a resource manager elsewhere has worked out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalWeights {
    /// Seconds for which they hold unless they are sent again: above 0, 3600 at most.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 3600))]
    pub ttl_seconds: f64,
    /// Services that they concern; others are left as they are.
    pub services: Vec<WeightsOf>,
}

/// Weights of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsOf {
    /// Name of the service.
    pub service: String,
    /// All of its backends that may have flows: weights are ratios.
    pub backends: Vec<WeightOf>,
}

/// Weight of one backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightOf {
    /// Name of the backend.
    pub backend: String,
    /// 0 to 65535.
    #[schemars(range(max = 65535))]
    pub weight: u32,
}
