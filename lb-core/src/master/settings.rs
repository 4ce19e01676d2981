//! What an operator chooses for a service's weights.
//!
//! No counterpart in the patent. Defaults are the constants of [`rules`].
//! Easy to get wrong: an expiry below 30 s leaves the glide to neutral too few steps to end in time.

use super::algorithm::Algorithm;
use super::rules;
use crate::scheduler::SchedulerKind;

/// Settings of one service's master.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where weights come from.
    pub algorithm: Algorithm,
    /// Tags that `capability` prefers: a backend must have all of them. Others ignore it.
    pub tags: Vec<String>,
    /// Seconds between two moves, above 0.
    pub period_seconds: f64,
    /// Seconds over which a newcomer grows to its full share; 0: none.
    pub slow_start_seconds: f64,
    /// Seconds of silence until a backend is neutral.
    pub expiry_seconds: f64,
    /// Share of all new flows that may change its backend in a period: above 0, up to 1.
    pub churn_budget: f64,
}

impl Settings {
    /// Defaults for an algorithm and the scheduler that its weights go to.
    #[must_use]
    pub const fn new(algorithm: Algorithm, scheduler: SchedulerKind) -> Self {
        Self {
            algorithm,
            tags: Vec::new(),
            period_seconds: rules::PERIOD_SECONDS,
            slow_start_seconds: rules::SLOW_START_SECONDS,
            expiry_seconds: rules::EXPIRY_SECONDS,
            churn_budget: match scheduler {
                SchedulerKind::Maglev | SchedulerKind::SourceHash => rules::CHURN_BUDGET_HASHED,
                SchedulerKind::RoundRobin
                | SchedulerKind::WeightedRoundRobin
                | SchedulerKind::LeastConnections => rules::CHURN_BUDGET,
            },
        }
    }
}
