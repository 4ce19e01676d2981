//! One backend that takes part in a move: what is known of it, and what is wanted.
//!
//! No counterpart in the patent. Seats are made anew for every move, in the order of their slots, so
//! that the order in which the caller names backends cannot reach a sum's last digit.
//! Easy to get wrong: factors are relative to the fair share among *all* seats, also in a set of them.

use super::rules::Rule;
use crate::id::BackendSlot;
use crate::load::SmoothedReport;

/// A backend that may get new flows.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    pub(super) slot: BackendSlot,
    /// Configured weight, above 0.
    pub(super) base: f64,
    pub(super) tags: &'a [String],
    /// The newest report, if it is young enough and the agent has been heard for long enough.
    pub(super) report: Option<&'a SmoothedReport>,
    /// Share over fair share, now.
    pub(super) factor: f64,
    /// Limit of the factor while the backend is new, infinite later.
    pub(super) ramp: f64,
    /// Whether it was on its way at the last move.
    pub(super) is_moving: bool,
    /// Whether it stays where it is for lack of better knowledge.
    pub(super) is_held: bool,
    /// Whether it was judged before, so that staying is better than going to neutral.
    pub(super) is_known: bool,
    /// Whether its clients say nothing of its work, because it is full.
    pub(super) is_blind: bool,
    /// Utilisation now.
    pub(super) busy: Option<f64>,
    /// Work per second now.
    pub(super) work: Option<f64>,
    /// Work per second at full utilisation, and the dead band that its error asks for.
    pub(super) strength: Option<f64>,
    pub(super) band: f64,
    /// Part of the way to the target that is gone in a period.
    pub(super) gain: f64,
    /// The algorithm's verdict on one unit of configured weight, in a unit of its own.
    pub(super) verdict: Option<f64>,
    /// The factor wanted, and its limits.
    pub(super) target: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) rules: Vec<Rule>,
}

impl Seat<'_> {
    /// New flows that the backend gets, in units of configured weight.
    pub(super) fn flows(&self) -> f64 {
        self.base * self.factor
    }

    pub(super) fn note(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

/// What all seats have in common: how busy the fleet is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fleet {
    /// Mean utilisation, each backend counted by its share; 0 if nobody is known.
    pub(super) mean: f64,
    /// Median utilisation.
    pub(super) median: f64,
}

impl Fleet {
    pub(super) fn of<'a>(seats: impl Iterator<Item = &'a Seat<'a>>) -> Self {
        let mut flows = 0.0;
        let mut sum = 0.0;
        let mut all: Vec<f64> = Vec::new();
        for seat in seats {
            if let Some(busy) = seat.busy {
                flows += seat.flows();
                sum += seat.flows() * busy;
                all.push(busy);
            }
        }
        all.sort_unstable_by(f64::total_cmp);
        let middle = |place: usize| all.get(place).copied().unwrap_or(0.0);
        Self {
            mean: if flows > 0.0 { sum / flows } else { 0.0 },
            median: f64::midpoint(
                middle(all.len().saturating_sub(1) / 2),
                middle(all.len() / 2),
            ),
        }
    }
}
