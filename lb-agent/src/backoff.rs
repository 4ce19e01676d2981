//! How long to wait before the next attempt to connect.
//!
//! No counterpart in the patent. Exponential with jitter over the upper half of each step, so that the
//! agents of a thousand servers do not come back in step after the control processor was away, and none
//! of them tries without any pause.
//! Not here: waiting.

use std::time::Duration;

/// Longest wait after the first failure.
pub const FIRST: Duration = Duration::from_millis(250);
/// Longest wait after any failure. Short, for reports of a backend are missed from the first second.
pub const LONGEST: Duration = Duration::from_secs(10);

/// Failures in a row, and what they mean.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes one more failure; how long to wait now, from half of the step to the whole of it.
    /// `random` is from 0 up to but without 1.
    pub fn failed(&mut self, random: f64) -> Duration {
        let step = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = (self.failures + 1).min(31);
        step.min(LONGEST)
            .mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// Notes a success: the next failure is the first again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.failed(1.0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn jitter_never_takes_more_than_half_of_a_wait() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(0.0), FIRST / 2);
        assert_eq!(backoff.failed(0.5), FIRST * 2 * 3 / 4);
    }

    #[test]
    fn a_success_starts_the_schedule_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            assert!(backoff.failed(0.99) <= LONGEST);
        }
        backoff.succeeded();
        assert_eq!(backoff.failed(1.0), FIRST);
    }
}
