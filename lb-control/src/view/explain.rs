//! Why backends have the weights that they have.
//!
//! WO 00/30294, box 54: what the master module makes of raw load data, in words.
//! Easy to get wrong: the rules are those of the last move; between two moves they stand as they were.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One service's weights, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Name of the service.
    pub service: String,
    /// Its algorithm: `static`, `even`, `least-loaded` or `capability`.
    pub weights: String,
    /// Where they come from: `configured`, `master`, or who sent them from elsewhere.
    #[serde(default)]
    pub source: String,
    /// Its backends.
    pub backends: Vec<BackendExplained>,
}

/// One backend's weight, and the rules that made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendExplained {
    /// Name of the backend.
    pub backend: String,
    /// Configured weight.
    pub configured_weight: u32,
    /// Weight that the scheduler works with now.
    pub effective_weight: u32,
    /// Its share over its fair share: 1 is what the configured weight gives.
    pub factor: f64,
    /// The factor that the algorithm aims at.
    pub target: f64,
    /// Utilisation as the algorithm sees it; absent where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    /// Strength as the algorithm sees it: requests per second (or clients) at full utilisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Per cent of its weight that its agent-check asks for; 100 where it says nothing.
    #[serde(default)]
    pub agent_check_percent: u16,
    /// Whether its agent-check keeps new flows away.
    #[serde(default)]
    pub is_kept_out: bool,
    /// Rules that acted.
    pub rules: Vec<RuleExplained>,
}

/// A rule that acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleExplained {
    /// Its name.
    pub rule: String,
    /// What it says.
    pub sentence: String,
}
