//! Round-robin: every eligible backend in turn, whatever its weight.
//!
//! No counterpart in the patent. Each lcore goes round on its own cursor, so that turns are exact
//! per lcore and no two lcores share a line of memory to write.

use super::Candidate;
use super::turn::take_turn;
use crate::id::BackendSlot;

/// Eligible backends in the order given.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    slots: Box<[BackendSlot]>,
}

impl RoundRobin {
    pub(super) fn new(eligible: &[Candidate<'_>]) -> Self {
        Self {
            slots: eligible.iter().map(|candidate| candidate.slot).collect(),
        }
    }

    /// The backend whose turn it is.
    #[inline]
    pub fn pick(&self, turn: &mut u64) -> Option<BackendSlot> {
        self.slots.get(take_turn(turn, self.slots.len())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_candidates;
    use super::*;

    #[test]
    fn turns_go_round_in_the_order_given_and_ignore_weights() {
        let scheduler = with_candidates(&[1, 1000, 7], RoundRobin::new);
        let mut turn = 0;
        let picks: Vec<u32> = (0..7)
            .map(|_| scheduler.pick(&mut turn).unwrap().0)
            .collect();
        assert_eq!(picks, [100, 101, 102, 100, 101, 102, 100]);
    }

    #[test]
    fn a_cursor_at_the_end_of_its_range_goes_on_as_any_other() {
        let scheduler = with_candidates(&[1, 1, 1], RoundRobin::new);
        let mut turn = u64::MAX;
        let first = scheduler.pick(&mut turn).unwrap().0 - 100;
        let second = scheduler.pick(&mut turn).unwrap().0 - 100;
        assert_eq!(second, (first + 1) % 3);
    }
}
