//! What the resource manager shows of itself, for answers and metrics.
//!
//! No counterpart in the patent. A loop that nobody can look into is switched off at the first trouble.
//! Not here: how it is written (`view` of the crate, `metrics`).
//! Easy to get wrong: ages are on our clock, from the moment a report came.

use std::collections::HashMap;

use lb_core::config::BackendState;
use lb_core::id::BackendSlot;
use lb_core::load::{Report, SmoothedReport};
use lb_core::master::{Algorithm, Explanation, Rule, rules};

use super::agents::{Agent, Agents};
use super::check::Standing;
use super::identity::ReportRefusal;
use super::managed::Managed;
use super::place::Place;
use super::tally::Counts;

/// Whether an agent reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// No report has come yet.
    Never,
    /// The last report counts.
    Lately {
        /// Seconds since it came.
        age_seconds: f64,
    },
    /// The last report no longer counts: weights are on their way to neutral, or there.
    Silent {
        /// Seconds since it came.
        age_seconds: f64,
    },
}

impl Heard {
    fn of(age: Option<f64>) -> Self {
        match age {
            None => Self::Never,
            Some(age_seconds) if age_seconds <= rules::EXPIRY_SECONDS * rules::HOLD_PART => {
                Self::Lately { age_seconds }
            }
            Some(age_seconds) => Self::Silent { age_seconds },
        }
    }

    /// Seconds since the last report came; `None`: never.
    #[must_use]
    pub const fn age_seconds(&self) -> Option<f64> {
        match *self {
            Self::Never => None,
            Self::Lately { age_seconds } | Self::Silent { age_seconds } => Some(age_seconds),
        }
    }
}

/// What is known from load reports for one name that backends have.
#[derive(Clone, Copy, Debug)]
pub struct AgentView<'a> {
    /// Backend's name.
    pub backend: &'a str,
    /// Whether it reports.
    pub heard: Heard,
    /// Means over its last reports; `None`: never heard.
    pub smoothed: Option<&'a SmoothedReport>,
    /// Its newest report that was taken, as it said it.
    pub last: Option<&'a Report>,
    /// Boot id of that report.
    pub boot_id: Option<&'a str>,
    /// Its reports, taken and refused by cause.
    pub counts: &'a Counts,
    /// Its newest report that was refused.
    pub last_refusal: Option<LastRefusal>,
}

/// A report that was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastRefusal {
    /// Why.
    pub refusal: ReportRefusal,
    /// The word of who sent it.
    pub sender: &'static str,
    /// Seconds since it came.
    pub age_seconds: f64,
}

impl<'a> AgentView<'a> {
    pub(super) fn new(backend: &'a str, agent: &'a Agent, now: f64) -> Self {
        let last = agent.last.as_ref();
        Self {
            backend,
            heard: Heard::of(agent.age(now)),
            smoothed: last.map(|_| &agent.smoothed),
            last: last.map(|last| &last.report),
            boot_id: last.map(|last| last.boot_id.as_str()),
            counts: &agent.counts,
            last_refusal: agent.last_refusal.map(|refused| LastRefusal {
                refusal: refused.refusal,
                sender: refused.sender,
                age_seconds: (now - refused.at).max(0.0),
            }),
        }
    }
}

/// What is known from the agent-check of one backend.
#[derive(Clone, Copy, Debug)]
pub struct CheckView<'a> {
    /// Service's name.
    pub service: &'a str,
    /// Backend's name.
    pub backend: &'a str,
    /// What stands of its words, with counts of answers and failures.
    pub standing: &'a Standing,
    /// Seconds since its last answer; `None`: it has not answered yet, or not for so long that nothing stands.
    pub age_seconds: Option<f64>,
    /// Seconds of silence after which nothing stands.
    pub expiry_seconds: f64,
}

impl<'a> CheckView<'a> {
    pub(super) fn all(service: &'a Managed, now: f64) -> impl Iterator<Item = Self> {
        let places = service.check_expiry().map(|expiry| {
            let places = service.places.iter();
            places.map(move |place| (place, expiry))
        });
        places
            .into_iter()
            .flatten()
            .map(move |(place, expiry)| Self {
                service: &service.name,
                backend: &place.backend.name,
                standing: &place.standing,
                age_seconds: place.standing.age(now),
                expiry_seconds: expiry,
            })
    }
}

/// Where a service's weights come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source<'a> {
    /// The document alone.
    Configured,
    /// The master here, and agent-checks.
    Master,
    /// A resource manager elsewhere.
    External {
        /// Who sent them.
        by: &'a str,
        /// Seconds for which they stand unless they are sent again.
        left_seconds: f64,
    },
}

/// Why the weights of a service are what they are.
#[derive(Clone, Debug)]
pub struct ServiceExplanation<'a> {
    /// Service's name.
    pub service: &'a str,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Where its weights come from.
    pub source: Source<'a>,
    /// Whether it has backends and all of them have weight 0: nobody takes new flows, because everybody
    /// said so.
    pub is_all_out: bool,
    /// Its backends, in the document's order.
    pub backends: Vec<BackendExplanation<'a>>,
}

/// Why a backend has the weight that it has.
#[derive(Clone, Debug)]
pub struct BackendExplanation<'a> {
    /// Backend's name.
    pub backend: &'a str,
    /// Configured weight.
    pub configured: u32,
    /// Configured state.
    pub state: BackendState,
    /// Weight of the last step, after everything; before the first step the configured one.
    pub weight: u32,
    /// Whether its agent reports.
    pub heard: Heard,
    /// Whether its agent-check keeps new flows away.
    pub is_kept_out: bool,
    /// Per cent of its weight that its agent-check asks for; 100 where it says nothing.
    pub percent: u16,
    /// What the local master did and why. Its weight is the one before percentages.
    pub master: Explanation,
}

impl<'a> ServiceExplanation<'a> {
    pub(super) fn new(service: &'a Managed, agents: &'a Agents, now: f64) -> Self {
        // After a configuration the master's explanations are still those of the backends before.
        let known: HashMap<BackendSlot, &Explanation> = service
            .master
            .explanations()
            .iter()
            .filter(|_| service.is_moving())
            .map(|explanation| (explanation.slot, explanation))
            .collect();
        let places = service.places.iter();
        let backends: Vec<_> = places
            .map(|place| {
                let master = known.get(&place.slot()).copied();
                let age = place.heard(agents).and_then(|agent| agent.age(now));
                BackendExplanation::new(place, master, Heard::of(age))
            })
            .collect();
        let is_out = |backend: &BackendExplanation<'_>| backend.weight == 0;
        Self {
            service: &service.name,
            algorithm: service.algorithm,
            source: match &service.external {
                _ if !service.is_moving() => Source::Configured,
                Some(external) if now < external.until => Source::External {
                    by: &external.by,
                    left_seconds: external.until - now,
                },
                _ => Source::Master,
            },
            is_all_out: !backends.is_empty() && backends.iter().all(is_out),
            backends,
        }
    }
}

impl<'a> BackendExplanation<'a> {
    fn new(place: &'a Place, master: Option<&Explanation>, heard: Heard) -> Self {
        let configured = place.backend.weight;
        let wanted = if Place::wants_flows(&place.backend) {
            configured
        } else {
            0
        };
        Self {
            backend: &place.backend.name,
            configured,
            state: place.backend.state,
            weight: place.weight.unwrap_or(wanted),
            heard,
            is_kept_out: !place.standing.lets_flows_in(),
            percent: place.standing.percent(),
            master: master.map_or_else(|| unmoved(place, wanted), Explanation::clone),
        }
    }
}

/// The explanation of a weight that no master has looked at.
fn unmoved(place: &Place, weight: u32) -> Explanation {
    let factor = if weight > 0 { 1.0 } else { 0.0 };
    Explanation {
        slot: place.slot(),
        weight,
        factor,
        target: factor,
        utilization: None,
        strength: None,
        rules: vec![if weight > 0 {
            Rule::Configured
        } else {
            Rule::Disabled
        }],
    }
}
