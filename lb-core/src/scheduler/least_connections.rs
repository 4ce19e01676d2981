//! Least connections: of two backends drawn at random, the one with fewer live connections for its
//! weight.
//!
//! WO 00/30294 names the number of clients served among the loads that a distribution may follow;
//! this follows it per flow. "The power of two choices" (Mitzenmacher, IEEE TPDS 12(10), 2001): two
//! draws come close to the true minimum without looking at every backend, and without all lcores
//! running to the same one while its count is still on the way.
//! Draws are in proportion to weight, by an alias table (Walker 1977, in Vose's construction, IEEE
//! TSE 1991): one multiplication and one comparison each.
//! Easy to get wrong: what is compared is (live + 1) / weight, the load *with* the new flow, so an
//! idle service sends its flows to the heavier of the two; of equals the first draw must win, or
//! equal loads would no longer follow weights. Two draws of the same backend compare nothing, so
//! the second moves on to its neighbor.

use super::turn::{mix, reduce};
use super::{Candidate, Live, purpose};
use crate::flow::HashSeed;
use crate::id::BackendSlot;

/// The alias table, one column per eligible backend.
#[derive(Clone, Debug)]
pub struct LeastConnections {
    seed: HashSeed,
    columns: Box<[Column]>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// Out of 2^64, how often a draw of this column is its own backend and not the alias.
    keep: u64,
    slot: BackendSlot,
    weight: u32,
    alias: u16,
}

impl LeastConnections {
    pub(super) fn new(eligible: &[Candidate<'_>], seed: HashSeed) -> Self {
        let weights: Vec<u32> = eligible.iter().map(|candidate| candidate.weight).collect();
        let columns = eligible
            .iter()
            .zip(alias_table(&weights))
            .map(|(candidate, (keep, alias))| Column {
                keep,
                slot: candidate.slot,
                weight: candidate.weight,
                alias,
            })
            .collect();
        Self { seed, columns }
    }

    /// The less loaded of two draws; of equals, the first.
    #[inline]
    pub fn pick<L: Live>(&self, turn: &mut u64, live: &L) -> Option<BackendSlot> {
        *turn = turn.wrapping_add(1);
        let random = self.seed.octets(purpose::CHOICES, &turn.to_le_bytes());
        let first = self.draw(random);
        let mut second = self.draw(mix(random));
        if second == first {
            second = if first + 1 < self.columns.len() {
                first + 1
            } else {
                0
            };
        }
        let (first, second) = (self.columns.get(first)?, self.columns.get(second)?);
        // (live + 1) / weight, multiplied out; at most 2^32 · (2^32 - 1), so u64 holds it.
        let cost = |this: &Column, other: &Column| {
            (u64::from(live.live(this.slot)) + 1) * u64::from(other.weight)
        };
        let winner = if cost(second, first) < cost(first, second) {
            second
        } else {
            first
        };
        Some(winner.slot)
    }

    /// Draws a backend's index in proportion to weight from 64 random bits.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half of the product is the coin"
    )]
    fn draw(&self, random: u64) -> usize {
        let column = reduce(random, self.columns.len());
        let coin = (random as u128 * self.columns.len() as u128) as u64;
        match self.columns.get(column) {
            Some(entry) if coin > entry.keep => usize::from(entry.alias),
            _ => column,
        }
    }
}

/// Columns of an alias table: how often to keep the column's own index (out of 2^64), and the
/// other.
///
/// Every column is `total` units high, and index `i` has `weights[i] · n` units to fill columns
/// with.
#[expect(
    clippy::cast_possible_truncation,
    reason = "indices fit 16 bits, and a share is below 1"
)]
fn alias_table(weights: &[u32]) -> Vec<(u64, u16)> {
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let mut units: Vec<u64> = weights
        .iter()
        .map(|&weight| u64::from(weight) * weights.len() as u64)
        .collect();
    // Units are whole numbers, so nothing is lost on the way, and columns left over are exactly full.
    let mut table: Vec<(u64, u16)> = (0..weights.len()).map(|i| (u64::MAX, i as u16)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..units.len()).partition(|&i| units.get(i).is_some_and(|&u| u < total));
    while let (Some(light), Some(&heavy)) = (small.pop(), large.last()) {
        let (Some(has), Some(gives)) = (units.get(light).copied(), units.get_mut(heavy)) else {
            break;
        };
        *gives -= total - has;
        if *gives < total {
            large.pop();
            small.push(heavy);
        }
        if let Some(column) = table.get_mut(light) {
            let share = (u128::from(has) << 64) / u128::from(total.max(1));
            *column = (share as u64, heavy as u16);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::super::tests::with_candidates;
    use super::*;

    fn scheduler(weights: &[u32]) -> LeastConnections {
        with_candidates(weights, |c| LeastConnections::new(c, HashSeed([9; 16])))
    }

    /// Picks for `flows` flows, none of which ends.
    fn serve(scheduler: &LeastConnections, flows: u32) -> HashMap<BackendSlot, u32> {
        let live = RefCell::new(HashMap::new());
        let mut turn = 0;
        for _ in 0..flows {
            let slot = scheduler
                .pick(&mut turn, &|slot| {
                    live.borrow().get(&slot).copied().unwrap_or(0)
                })
                .unwrap();
            *live.borrow_mut().entry(slot).or_insert(0) += 1;
        }
        live.into_inner()
    }

    #[test]
    fn of_two_backends_the_less_loaded_for_its_weight_is_picked() {
        let scheduler = scheduler(&[1, 3]);
        for (light, heavy, expected) in [(0, 3, 100), (1, 2, 101), (5, 18, 100), (0, 1, 101)] {
            let live = |slot| {
                if slot == BackendSlot(100) {
                    light
                } else {
                    heavy
                }
            };
            for mut turn in 0..50 {
                let picked = scheduler.pick(&mut turn, &live);
                assert_eq!(
                    picked,
                    Some(BackendSlot(expected)),
                    "{light} and {heavy} live"
                );
            }
        }
    }

    #[test]
    fn counts_and_weights_at_the_end_of_their_range_still_compare() {
        let scheduler = scheduler(&[u32::MAX, u32::MAX]);
        let live = |slot| {
            if slot == BackendSlot(100) {
                u32::MAX
            } else {
                u32::MAX - 1
            }
        };
        for mut turn in (0..50).chain([u64::MAX]) {
            assert_eq!(scheduler.pick(&mut turn, &live), Some(BackendSlot(101)));
        }
    }

    #[test]
    fn a_loaded_service_follows_weights() {
        let live = serve(&scheduler(&[1, 2, 3, 4]), 10_000);
        for (slot, exact) in [(100, 1000), (101, 2000), (102, 3000), (103, 4000)] {
            assert!(live[&BackendSlot(slot)].abs_diff(exact) <= 10, "{live:?}");
        }
    }

    #[test]
    fn a_thousand_equal_backends_stay_within_a_few_connections_of_each_other() {
        let live = serve(&scheduler(&[7; 1000]), 100_000);
        assert_eq!(live.len(), 1000);
        assert!(live.values().all(|&n| n.abs_diff(100) <= 8), "{live:?}");
    }

    #[test]
    fn draws_between_equal_loads_follow_weights() {
        // Loads are equal when live + 1 stands as weight does.
        let weights = [10, 20, 30, 40];
        let scheduler = scheduler(&weights);
        let mut picks = [0u32; 4];
        for mut turn in 0..100_000 {
            let slot = scheduler.pick(&mut turn, &|slot: BackendSlot| (slot.0 - 99) * 10 - 1);
            picks[(slot.unwrap().0 - 100) as usize] += 1;
        }
        for (picks, weight) in picks.into_iter().zip(weights) {
            assert!(
                picks.abs_diff(weight * 1000) < 800,
                "{picks} of weight {weight}"
            );
        }
    }

    #[test]
    fn an_alias_table_gives_every_index_its_exact_share() {
        for weights in [
            &[1, 2, 3, 4][..],
            &[5],
            &[1, u32::MAX],
            &[3, 3, 3],
            &[1, 1, 1000, 1, 7],
        ] {
            let total: f64 = weights.iter().copied().map(f64::from).sum();
            let mut shares = vec![0.0; weights.len()];
            for (i, (keep, alias)) in alias_table(weights).into_iter().enumerate() {
                let kept = keep as f64 / 2f64.powi(64) / weights.len() as f64;
                shares[i] += kept;
                shares[usize::from(alias)] += 1.0 / weights.len() as f64 - kept;
            }
            for (share, &weight) in shares.into_iter().zip(weights) {
                assert!(
                    (share - f64::from(weight) / total).abs() < 1e-12,
                    "{weights:?}"
                );
            }
        }
    }
}
