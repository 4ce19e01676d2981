//! What a counter did between two looks at it.
//!
//! No counterpart in the patent. Time is handed in.
//! Easy to get wrong: a counter that went back belongs to a program that was started again; there is no
//! difference to take then, not a negative one and not the whole new value either.

use std::time::Instant;

/// How much a counter grew since the look before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growth {
    last: Option<f64>,
}

impl Growth {
    /// Growth since the last call; `None` at the first one and after the counter went back.
    pub fn next(&mut self, counter: f64) -> Option<f64> {
        let grown = counter - self.last.replace(counter)?;
        (grown >= 0.0).then_some(grown)
    }
}

/// How fast a counter grows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    growth: Growth,
    last: Option<Instant>,
}

impl Rate {
    /// Growth per second since the last call; `None` where [`Growth::next`] says so and where no time passed.
    pub fn next(&mut self, at: Instant, counter: f64) -> Option<f64> {
        self.next_without(at, counter, 0.0)
    }

    /// The same, where `own` of the growth was our doing and does not count.
    pub fn next_without(&mut self, at: Instant, counter: f64, own: f64) -> Option<f64> {
        let grown = self.growth.next(counter);
        let passed = at.saturating_duration_since(self.last.replace(at)?);
        let rate = (grown? - own).max(0.0) / passed.as_secs_f64();
        rate.is_finite().then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_rate_needs_two_samples() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.next(start, 100.0), None);
        assert_eq!(rate.next(start + Duration::from_secs(2), 150.0), Some(25.0));
        assert_eq!(rate.next(start + Duration::from_secs(3), 150.0), Some(0.0));
    }

    #[test]
    fn a_counter_that_was_started_again_gives_no_rate_once() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.next(start, 1_000.0);
        assert_eq!(rate.next(start + Duration::from_secs(1), 10.0), None);
        assert_eq!(rate.next(start + Duration::from_secs(2), 30.0), Some(20.0));
    }

    #[test]
    fn two_samples_of_one_moment_give_no_rate() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.next(start, 1.0);
        assert_eq!(rate.next(start, 2.0), None);
    }

    #[test]
    fn a_counter_that_is_not_a_number_never_becomes_a_rate() {
        let mut growth = Growth::default();
        growth.next(1.0);
        assert_eq!(growth.next(f64::NAN), None);
        assert_eq!(growth.next(5.0), None);
        assert_eq!(growth.next(6.0), Some(1.0));
    }
}
