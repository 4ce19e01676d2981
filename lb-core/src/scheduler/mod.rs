//! Schedulers: which backend a new flow goes to.
//!
//! WO 00/30294, Fig. 6, between steps 210 (an opening packet) and 218 (its connection entry): the
//! distribution in the configuration table 64 names the backend.
//! The contract: a scheduler is built from a set of backends and then only asked. It holds no state
//! that changes; what must move (whose turn it is) is the asking lcore's own number, and what is
//! measured (live connections) is asked of the caller. A change of backends or weights is a new
//! scheduler in a new distribution.
//! Not here: where weights come from (`master`); known flows, which never ask (`conn`).
//! Easy to get wrong: weight 0 means "no new flows", not "few"; and when every weight is 0 the
//! answer is `None`, never a backend that was told to rest.

mod calendar;
mod kind;
mod least_connections;
mod maglev;
mod round_robin;
mod source_hash;
mod turn;
mod weighted_round_robin;

use crate::flow::{HashSeed, Tuple};
use crate::id::BackendSlot;

pub use kind::{SchedulerKind, UnknownScheduler};
pub use least_connections::LeastConnections;
pub use maglev::{MOST_PLACES, Maglev, PlaceTable, is_table_size};
pub use round_robin::RoundRobin;
pub use source_hash::SourceHash;
pub use weighted_round_robin::{LONGEST_CYCLE, WeightedRoundRobin};

/// Eligible backends that one service may have: their indices fit 16 bits, with one to spare.
pub const MOST_BACKENDS: usize = 65_535;

/// One backend of a service, as a scheduler is built from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// What a pick answers.
    pub slot: BackendSlot,
    /// Name, unique within the service; boxes that must agree call a backend by the same name.
    pub name: &'a str,
    /// Share of new flows relative to the others; 0: none at all.
    pub weight: u32,
}

/// What all schedulers of a configuration have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seed of every hash that chooses a backend; boxes that must agree share it.
    pub seed: HashSeed,
    /// Places of a `maglev` or `source-hash` table: a prime below [`MOST_PLACES`]. A hundred times
    /// the number of backends keeps their shares within 1 % of each other.
    pub maglev_table_size: u32,
}

impl Settings {
    /// Table size that the Maglev paper uses for its small table, and our default.
    pub const DEFAULT_TABLE_SIZE: u32 = 65_537;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: HashSeed::default(),
            maglev_table_size: Self::DEFAULT_TABLE_SIZE,
        }
    }
}

/// Why a scheduler cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// More eligible backends than an index can name.
    #[error("{backends} backends with a weight above 0: at most {MOST_BACKENDS} are possible")]
    TooManyBackends {
        /// Backends with a weight above 0.
        backends: usize,
    },
    /// A Maglev table of this size would not reach all its places.
    #[error("a Maglev table of {size} places: the size must be a prime below {MOST_PLACES}")]
    TableSize {
        /// The size asked for, in places.
        size: u32,
    },
    /// Some backends would get no place.
    #[error("a Maglev table of {size} places is too small for {backends} backends")]
    TableTooSmall {
        /// The size asked for, in places.
        size: u32,
        /// Backends with a weight above 0.
        backends: usize,
    },
}

/// Live connections per backend, as the caller counts them.
pub trait Live {
    /// Connections that `backend` serves now; a little out of date does no harm.
    fn live(&self, backend: BackendSlot) -> u32;
}

impl<F: Fn(BackendSlot) -> u32> Live for F {
    #[inline]
    fn live(&self, backend: BackendSlot) -> u32 {
        self(backend)
    }
}

/// One question: where does this new flow go?
#[derive(Debug)]
pub struct Ask<'a, L: Live> {
    /// The new flow.
    pub tuple: &'a Tuple,
    /// The asking lcore's cursor for this service. It may start anywhere and outlives schedulers;
    /// lcores that start at different (say, random) values do not all begin with the same backend.
    pub turn: &'a mut u64,
    /// Live connections.
    pub live: &'a L,
}

/// A built scheduler: immutable, shared by all lcores.
#[derive(Clone, Debug)]
pub enum Scheduler {
    /// See [`RoundRobin`].
    RoundRobin(RoundRobin),
    /// See [`WeightedRoundRobin`].
    WeightedRoundRobin(WeightedRoundRobin),
    /// See [`LeastConnections`].
    LeastConnections(LeastConnections),
    /// See [`SourceHash`].
    SourceHash(SourceHash),
    /// See [`Maglev`].
    Maglev(Maglev),
}

impl Scheduler {
    /// Builds a scheduler of `kind` over the candidates whose weight is above 0.
    ///
    /// # Errors
    /// More than [`MOST_BACKENDS`] eligible candidates; for the kinds with a Maglev table, a size
    /// that is not a prime in range or is below the number of eligible candidates.
    pub fn build(
        kind: SchedulerKind,
        candidates: &[Candidate<'_>],
        settings: &Settings,
    ) -> Result<Self, BuildError> {
        let eligible: Vec<Candidate<'_>> = candidates
            .iter()
            .copied()
            .filter(|candidate| candidate.weight > 0)
            .collect();
        if eligible.len() > MOST_BACKENDS {
            return Err(BuildError::TooManyBackends {
                backends: eligible.len(),
            });
        }
        Ok(match kind {
            SchedulerKind::RoundRobin => Self::RoundRobin(RoundRobin::new(&eligible)),
            SchedulerKind::WeightedRoundRobin => {
                Self::WeightedRoundRobin(WeightedRoundRobin::new(&eligible))
            }
            SchedulerKind::LeastConnections => {
                Self::LeastConnections(LeastConnections::new(&eligible, settings.seed))
            }
            SchedulerKind::SourceHash => Self::SourceHash(SourceHash::new(&eligible, settings)?),
            SchedulerKind::Maglev => Self::Maglev(Maglev::new(&eligible, settings)?),
        })
    }

    /// Picks a backend for a new flow; `None` when no backend is eligible.
    #[inline]
    pub fn pick<L: Live>(&self, ask: Ask<'_, L>) -> Option<BackendSlot> {
        match self {
            Self::RoundRobin(scheduler) => scheduler.pick(ask.turn),
            Self::WeightedRoundRobin(scheduler) => scheduler.pick(ask.turn),
            Self::LeastConnections(scheduler) => scheduler.pick(ask.turn, ask.live),
            Self::SourceHash(scheduler) => scheduler.pick(ask.tuple),
            Self::Maglev(scheduler) => scheduler.pick(ask.tuple),
        }
    }

    /// The kind that this scheduler was built as.
    #[must_use]
    pub const fn kind(&self) -> SchedulerKind {
        match self {
            Self::RoundRobin(_) => SchedulerKind::RoundRobin,
            Self::WeightedRoundRobin(_) => SchedulerKind::WeightedRoundRobin,
            Self::LeastConnections(_) => SchedulerKind::LeastConnections,
            Self::SourceHash(_) => SchedulerKind::SourceHash,
            Self::Maglev(_) => SchedulerKind::Maglev,
        }
    }
}

/// Uses of [`HashSeed::octets`] in this folder; two uses never share a number.
mod purpose {
    /// Where a backend's permutation of the Maglev table starts.
    pub(super) const OFFSET: u8 = 1;
    /// The step of that permutation.
    pub(super) const SKIP: u8 = 2;
    /// The random choices of `least-connections`.
    pub(super) const CHOICES: u8 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Protocol;

    /// A flow of client number `client`, of which there are 16 million.
    pub(super) fn flow(client: u32) -> Tuple {
        let [_, b, c, d] = client.to_be_bytes();
        Tuple {
            src: [10, b, c, d].into(),
            dst: [192, 0, 2, 10].into(),
            src_port: 40_000,
            dst_port: 80,
            protocol: Protocol::Tcp,
        }
    }

    /// Candidates called `web-0`, `web-1`, … with slots from 100 and the weights given.
    pub(super) fn with_candidates<T>(weights: &[u32], f: impl FnOnce(&[Candidate<'_>]) -> T) -> T {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("web-{i}")).collect();
        let candidates: Vec<_> = (100..)
            .zip(&names)
            .zip(weights)
            .map(|((slot, name), &weight)| Candidate {
                slot: BackendSlot(slot),
                name,
                weight,
            })
            .collect();
        f(&candidates)
    }

    fn build(kind: SchedulerKind, weights: &[u32]) -> Scheduler {
        with_candidates(weights, |c| {
            Scheduler::build(kind, c, &Settings::default()).unwrap()
        })
    }

    #[test]
    fn a_scheduler_is_of_the_kind_it_was_built_as() {
        for kind in SchedulerKind::ALL {
            assert_eq!(build(kind, &[1]).kind(), kind);
        }
    }

    #[test]
    fn without_an_eligible_backend_nobody_is_picked() {
        for kind in SchedulerKind::ALL {
            for weights in [&[][..], &[0, 0]] {
                let scheduler = build(kind, weights);
                for mut turn in [0, 1, u64::MAX] {
                    let ask = Ask {
                        tuple: &flow(1),
                        turn: &mut turn,
                        live: &|_| 0,
                    };
                    assert_eq!(scheduler.pick(ask), None, "{kind} {weights:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_eligible_backend_gets_everything() {
        for kind in SchedulerKind::ALL {
            let scheduler = build(kind, &[0, u32::MAX, 0]);
            let mut turn = u64::MAX;
            for client in 0..100 {
                let ask = Ask {
                    tuple: &flow(client),
                    turn: &mut turn,
                    live: &|_| u32::MAX,
                };
                assert_eq!(scheduler.pick(ask), Some(BackendSlot(101)), "{kind}");
            }
        }
    }

    #[test]
    fn more_backends_than_indices_are_refused() {
        let candidate = Candidate {
            slot: BackendSlot(0),
            name: "web",
            weight: 1,
        };
        let mut candidates = vec![candidate; MOST_BACKENDS + 1];
        for kind in SchedulerKind::ALL {
            let error = Scheduler::build(kind, &candidates, &Settings::default()).unwrap_err();
            assert_eq!(error, BuildError::TooManyBackends { backends: 65_536 });
        }
        candidates[0].weight = 0;
        let kind = SchedulerKind::RoundRobin;
        assert!(Scheduler::build(kind, &candidates, &Settings::default()).is_ok());
    }
}
