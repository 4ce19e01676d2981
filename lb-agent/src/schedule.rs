//! When the next report is due.
//!
//! No counterpart in the patent. Moments lie a whole interval apart, shifted once by a random part of an
//! interval and each by a little jitter: the mean rate is exact, and many agents spread over the interval.
//! Easy to get wrong: an agent that was held up must not catch up; the moments it missed are gone.

use std::time::{Duration, Instant};

/// Largest delay of one report behind its moment, as a part of the interval.
pub const JITTER: f64 = 0.1;

/// Moments of one backend's reports.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    next: Instant,
}

impl Schedule {
    /// A schedule whose first moment lies from one to two intervals behind `start`;
    /// `random` is from 0 up to but without 1.
    #[must_use]
    pub fn new(start: Instant, interval: Duration, random: f64) -> Self {
        Self {
            interval,
            next: start + interval + interval.mul_f64(random.clamp(0.0, 1.0)),
        }
    }

    /// How long to wait from `now` to the next report; `random` as for [`Schedule::new`].
    pub fn wait(&mut self, now: Instant, random: f64) -> Duration {
        if self.next + self.interval < now {
            self.next = now;
        }
        let moment = self.next + self.interval.mul_f64(JITTER * random.clamp(0.0, 1.0));
        self.next += self.interval;
        moment.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn jitter_does_not_add_up() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, SECOND, 0.0);
        let mut now = start;
        for round in 1..=100 {
            now += schedule.wait(now, 0.99);
            let late = now - (start + SECOND * round);
            assert!(late < SECOND.mul_f64(JITTER), "{round}: {late:?}");
        }
    }

    #[test]
    fn agents_that_start_together_do_not_report_together() {
        let start = Instant::now();
        assert_eq!(Schedule::new(start, SECOND, 0.0).wait(start, 0.0), SECOND);
        assert_eq!(
            Schedule::new(start, SECOND, 0.5).wait(start, 0.0),
            SECOND * 3 / 2
        );
    }

    #[test]
    fn missed_moments_are_not_made_up_for() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, SECOND, 0.0);
        let late = start + SECOND * 60;
        assert_eq!(schedule.wait(late, 0.0), Duration::ZERO);
        assert_eq!(schedule.wait(late, 0.0), SECOND);
    }
}
