//! Rounds of the same work, and what is said of them: the median, the best, the worst.
//!
//! No counterpart in the patent.
//! Easy to get wrong: the mean of rounds on a shared machine says more about the neighbors than about us.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Figures of several rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of figures in any order; all 0 where there are none.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(0.0);
        let (low, high) = (figures.len().saturating_sub(1) / 2, figures.len() / 2);
        Self {
            median: f64::midpoint(at(low), at(high)),
            min: at(0),
            max: at(figures.len().saturating_sub(1)),
        }
    }

    /// The same figures in another unit; `change` must keep their order or turn it round.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (change(self.min), change(self.max));
        Self {
            median: change(self.median),
            min: a.min(b),
            max: a.max(b),
        }
    }
}

/// Nanoseconds per item of work that took `time` for `items` of it.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts far below 2^52 in times far below 2^52 ns"
)]
pub fn nanos_per_item(time: Duration, items: u64) -> f64 {
    time.as_nanos() as f64 / items.max(1) as f64
}

/// Repeats `work`, which says how many items it did, for about `time`; the items, and the time they took.
pub fn for_about(time: Duration, mut work: impl FnMut() -> u64) -> (u64, Duration) {
    let start = Instant::now();
    let mut items = 0;
    loop {
        items += work();
        let elapsed = start.elapsed();
        if elapsed >= time {
            return (items, elapsed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle_whatever_the_order() {
        let odd = Spread::of(vec![9.0, 1.0, 5.0]);
        assert_eq!((odd.median, odd.min, odd.max), (5.0, 1.0, 9.0));
        assert_eq!(Spread::of(vec![4.0, 2.0]).median, 3.0);
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn a_rate_is_best_where_the_time_was_shortest() {
        let rate = Spread::of(vec![10.0, 20.0, 40.0]).map(|ns| 1000.0 / ns);
        assert_eq!((rate.median, rate.min, rate.max), (50.0, 25.0, 100.0));
    }
}
