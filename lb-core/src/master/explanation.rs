//! Why a backend has the weight that it has.
//!
//! No counterpart in the patent. A loop that nobody can look into is switched off at the first trouble.
//! Easy to get wrong: the rules are those of the last *move*; a call between two moves repeats them.

use super::rules::Rule;
use crate::id::BackendSlot;

/// One backend's weight, and the rules that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Which backend.
    pub slot: BackendSlot,
    /// The weight that was handed out, 0 to 65535.
    pub weight: u32,
    /// Share over fair share: 1 is what the configured weight gives; 0 without new flows.
    pub factor: f64,
    /// The factor that the algorithm aims at.
    pub target: f64,
    /// Utilisation as the algorithm sees it, failed requests included; `None`: unknown.
    pub utilization: Option<f64>,
    /// Strength as the algorithm sees it: requests per second (or clients) at full utilisation.
    pub strength: Option<f64>,
    /// Rules that acted, in the order of their names' table.
    pub rules: Vec<Rule>,
}

impl Explanation {
    /// Of a backend that gets no new flows.
    pub(super) fn of_disabled(slot: BackendSlot) -> Self {
        Self {
            slot,
            weight: 0,
            factor: 0.0,
            target: 0.0,
            utilization: None,
            strength: None,
            rules: vec![Rule::Disabled],
        }
    }
}
