//! The schedulers' names, as configurations, answers and metrics write them.
//!
//! No counterpart in the patent. Easy to get wrong: a name is matched exactly; `Maglev` is none.

use std::fmt;
use std::str::FromStr;

/// The ways to pick a backend for a new flow, by the names that a configuration uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchedulerKind {
    /// `round-robin`: equal turns, weights ignored.
    RoundRobin,
    /// `weighted-round-robin`: turns in proportion to weight, evenly spread.
    WeightedRoundRobin,
    /// `least-connections`: the less loaded of two random choices.
    LeastConnections,
    /// `source-hash`: all flows of a client address to one backend.
    SourceHash,
    /// `maglev`: consistent hashing of the whole tuple.
    Maglev,
}

impl SchedulerKind {
    /// Every kind, in the order of the manual.
    pub const ALL: [Self; 5] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnections,
        Self::SourceHash,
        Self::Maglev,
    ];

    /// The name that a configuration uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::WeightedRoundRobin => "weighted-round-robin",
            Self::LeastConnections => "least-connections",
            Self::SourceHash => "source-hash",
            Self::Maglev => "maglev",
        }
    }
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no scheduler's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no scheduler is called `{0}`: expected round-robin, weighted-round-robin, least-connections, \
     source-hash or maglev"
)]
pub struct UnknownScheduler(pub String);

impl FromStr for SchedulerKind {
    type Err = UnknownScheduler;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownScheduler(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_the_name_it_prints() {
        for kind in SchedulerKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(
            SchedulerKind::WeightedRoundRobin.to_string(),
            "weighted-round-robin"
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_there_are() {
        let message = "Maglev".parse::<SchedulerKind>().unwrap_err().to_string();
        assert!(message.contains("`Maglev`"), "{message}");
        assert!(
            SchedulerKind::ALL
                .iter()
                .all(|kind| message.contains(kind.name())),
            "{message}"
        );
    }
}
