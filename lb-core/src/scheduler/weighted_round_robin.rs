//! Weighted round-robin: turns in proportion to weight, spread evenly over the cycle.
//!
//! No counterpart in the patent. The cycle is laid out when the scheduler is built; a pick reads
//! the next place. Weights are divided by their greatest common divisor, and a cycle has one place
//! per unit of weight, so a full cycle honours them exactly. Within a cycle, after any number of
//! places, every backend has had its exact share rounded down or up: turn `k` of weight `w` in a
//! total `W` must fall between places `k·W/w` and `(k+1)·W/w`, and serving the earliest deadline
//! first keeps all of them (unit jobs on one machine, total utilisation 1; Liu and Layland, JACM
//! 1973).
//!
//! A total above [`LONGEST_CYCLE`] is scaled down to that many places by largest remainder. A share
//! is then off by less than one place in 65,536, with one exception: backends too light for a place
//! get one all the same, and the others give up as many (fewer than there are light backends) in
//! proportion to what they hold beyond their own first place.
//! Easy to get wrong: a cycle is per lcore, so flows are dealt out exactly within a lcore only.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Candidate;
use super::calendar::Calendar;
use super::turn::take_turn;
use crate::id::BackendSlot;

/// Places of the longest cycle that is laid out.
pub const LONGEST_CYCLE: u32 = 65_536;

/// The laid-out cycle.
#[derive(Clone, Debug)]
pub struct WeightedRoundRobin {
    slots: Box<[BackendSlot]>,
    /// Indices into `slots`.
    cycle: Box<[u16]>,
}

impl WeightedRoundRobin {
    pub(super) fn new(eligible: &[Candidate<'_>]) -> Self {
        let weights: Vec<u32> = eligible.iter().map(|candidate| candidate.weight).collect();
        Self {
            slots: eligible.iter().map(|candidate| candidate.slot).collect(),
            cycle: spread(&places(&weights)).into(),
        }
    }

    /// The backend whose turn it is.
    #[inline]
    pub fn pick(&self, turn: &mut u64) -> Option<BackendSlot> {
        let index = *self.cycle.get(take_turn(turn, self.cycle.len()))?;
        self.slots.get(usize::from(index)).copied()
    }

    /// The backend of every place of the cycle, in order.
    pub fn places(&self) -> impl ExactSizeIterator<Item = BackendSlot> {
        self.cycle.iter().map(|&index| {
            self.slots
                .get(usize::from(index))
                .copied()
                .unwrap_or_default()
        })
    }
}

/// Places in the cycle for each of the weights, all above 0.
fn places(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let reduced: Vec<u32> = weights.iter().map(|weight| weight / divisor).collect();
    let total: u64 = reduced.iter().copied().map(u64::from).sum();
    if total <= u64::from(LONGEST_CYCLE) {
        reduced
    } else {
        scale(&reduced, total)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Scales weights down to [`LONGEST_CYCLE`] places: one for each, the rest by largest remainder in
/// proportion to what each exact share has beyond one place.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no part is larger than LONGEST_CYCLE"
)]
fn scale(weights: &[u32], total: u64) -> Vec<u32> {
    let spare = u64::from(LONGEST_CYCLE) - weights.len() as u64;
    let beyond: Vec<u64> = weights
        .iter()
        .map(|&weight| (u64::from(weight) * u64::from(LONGEST_CYCLE)).saturating_sub(total))
        .collect();
    let sum: u128 = beyond.iter().copied().map(u128::from).sum::<u128>().max(1);
    let exact = |part: u64| u128::from(part) * u128::from(spare);

    let mut places: Vec<u32> = beyond
        .iter()
        .map(|&part| 1 + (exact(part) / sum) as u32)
        .collect();
    let dealt: u64 = places.iter().copied().map(u64::from).sum();
    let left = u64::from(LONGEST_CYCLE).saturating_sub(dealt) as usize;

    let mut by_remainder: Vec<_> = places.iter_mut().zip(&beyond).collect();
    by_remainder.sort_by_key(|&(_, &part)| Reverse(exact(part) % sum));
    for (place, _) in by_remainder.into_iter().take(left) {
        *place += 1;
    }
    places
}

/// Lays out a cycle with `counts[i]` places for backend `i`, evenly spread.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cycle has at most LONGEST_CYCLE places"
)]
fn spread(counts: &[u32]) -> Vec<u16> {
    let total: u64 = counts.iter().copied().map(u64::from).sum();
    let mut turns: Vec<Turns> = counts
        .iter()
        .map(|&count| Turns::new(total, count))
        .collect();
    let mut released = Calendar::new(total as usize, counts.len());
    for index in 0..counts.len() {
        released.put(0, index as u16);
    }
    let mut cycle = Vec::with_capacity(total as usize);
    let mut due = Vec::new();
    let mut ready = BinaryHeap::with_capacity(counts.len());
    for place in 0..total as usize {
        released.take(place, &mut due);
        ready.extend(due.drain(..).filter_map(|index| {
            let deadline = turns.get(usize::from(index))?.deadline();
            Some(Reverse((deadline, index)))
        }));
        // Never empty: by this place, `place + 1` turns have been released and `place` were taken.
        let Some(Reverse((_, index))) = ready.pop() else {
            break;
        };
        cycle.push(index);
        if let Some(turns) = turns.get_mut(usize::from(index)) {
            turns.advance();
            released.put((turns.release() as usize).max(place + 1), index);
        }
    }
    cycle
}

/// The current turn of one backend: from place `release` on, before place `deadline`.
///
/// The turn's exact start `k·total/count` is kept as `at + rest/count`, so that going to the next
/// needs no division.
struct Turns {
    count: u32,
    step: u32,
    step_rest: u32,
    at: u32,
    rest: u32,
}

impl Turns {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "total is at most LONGEST_CYCLE"
    )]
    const fn new(total: u64, count: u32) -> Self {
        let total = total as u32;
        Self {
            count,
            step: total / count,
            step_rest: total % count,
            at: 0,
            rest: 0,
        }
    }

    const fn next(&self) -> (u32, u32) {
        let (at, rest) = (self.at + self.step, self.rest + self.step_rest);
        if rest >= self.count {
            (at + 1, rest - self.count)
        } else {
            (at, rest)
        }
    }

    const fn advance(&mut self) {
        (self.at, self.rest) = self.next();
    }

    const fn release(&self) -> u32 {
        self.at
    }

    const fn deadline(&self) -> u32 {
        let (at, rest) = self.next();
        if rest > 0 { at + 1 } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_candidates;
    use super::*;

    #[test]
    fn one_heavy_and_two_light_backends_take_turns_without_a_long_run() {
        assert_eq!(spread(&[5, 1, 1]), [0, 0, 0, 1, 0, 0, 2]);
    }

    #[test]
    fn equal_weights_are_plain_turns() {
        let scheduler = with_candidates(&[300, 300, 300], WeightedRoundRobin::new);
        let slots: Vec<u32> = scheduler.places().map(|slot| slot.0).collect();
        assert_eq!(slots, [100, 101, 102]);
    }

    #[test]
    fn a_total_at_the_limit_is_exact_and_one_above_is_scaled_back_to_it() {
        assert_eq!(places(&[65_535, 1]), [65_535, 1]);
        assert_eq!(places(&[65_535, 2]), [65_534, 2]);
    }

    #[test]
    fn the_lightest_backend_keeps_a_place_beside_the_heaviest() {
        let places = places(&[u32::MAX, 1, u32::MAX, 1]);
        assert_eq!(places, [32_767, 1, 32_767, 1]);
    }

    #[test]
    fn scaling_stays_within_one_place_where_no_share_is_below_one() {
        let weights: Vec<u32> = (0..1000).map(|i| 1_000_003 + i * i * 977).collect();
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let places = places(&weights);
        assert_eq!(places.iter().sum::<u32>(), LONGEST_CYCLE);
        for (&weight, &place) in weights.iter().zip(&places) {
            let exact = u64::from(weight) * u64::from(LONGEST_CYCLE);
            assert!(
                (u64::from(place) * total).abs_diff(exact) < total,
                "{weight}: {place}"
            );
        }
    }

    #[test]
    fn as_many_backends_as_indices_fill_the_longest_cycle() {
        let mut weights = vec![1; super::super::MOST_BACKENDS];
        weights[7] = u32::MAX;
        let places = places(&weights);
        assert_eq!((places[7], places[8]), (2, 1));
        assert_eq!(spread(&places).len(), 65_536);
    }
}
