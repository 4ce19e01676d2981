//! The algorithms' names, as configurations, answers and metrics write them.
//!
//! WO 00/30294: the distribution algorithm of master module 54 is the operator's choice.
//! Easy to get wrong: an algorithm makes weights; how one flow picks a backend by them is the scheduler's.

use std::fmt;
use std::str::FromStr;

/// Where weights come from, by the names that a configuration uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `static`: the configured weights.
    #[default]
    Static,
    /// `even`: equal utilisation.
    Even,
    /// `least-loaded`: a strong bias to the lightest.
    LeastLoaded,
    /// `capability`: backends with the service's tags first, the others take the overflow.
    Capability,
}

impl Algorithm {
    /// Every algorithm, in the order of the manual.
    pub const ALL: [Self; 4] = [
        Self::Static,
        Self::Even,
        Self::LeastLoaded,
        Self::Capability,
    ];

    /// The name that a configuration uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Even => "even",
            Self::LeastLoaded => "least-loaded",
            Self::Capability => "capability",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no algorithm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no algorithm is called `{0}`: expected static, even, least-loaded or capability")]
pub struct UnknownAlgorithm(pub String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_no_other() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        for name in ["", "Even", "least_loaded", "round-robin"] {
            assert!(name.parse::<Algorithm>().is_err(), "{name}");
        }
    }
}
