//! When one backend's next check is due.
//!
//! No counterpart in the patent. Pure: moments and chance are handed in.
//! From the start of one check to the start of the next is an interval, less the jitter; so checks that were begun
//! together drift apart and never come late. While a backend is in doubt its checks come sooner by so much that the one
//! which takes it out is *over* within `fall` intervals, even where each waits for its whole timeout.
//! Easy to get wrong: who is late is not to catch up. After a stall all checks would come at once.

use std::time::Duration;

use lb_core::config::HealthCheck;

/// How often a backend is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From start to start.
    pub interval: Duration,
    /// That a check may take, the interval at most.
    pub timeout: Duration,
    /// Failures until it is down.
    pub fall: u32,
    /// Thousandths of the interval by which a check may come sooner.
    pub jitter_permille: u32,
}

impl Pace {
    /// That of a check.
    #[must_use]
    pub fn of(check: &HealthCheck) -> Self {
        Self {
            interval: Duration::from_millis(check.interval_millis.into()),
            timeout: Duration::from_millis(check.timeout_millis.into()),
            fall: check.fall,
            jitter_permille: check.jitter_permille,
        }
    }

    /// From the start of the last check to that of the next. `chance` is from 0 to 1; `took` is what the last one
    /// took, which is the least.
    #[must_use]
    pub fn next(&self, is_in_doubt: bool, chance: f64, took: Duration) -> Duration {
        let wanted = if is_in_doubt {
            let others = self.fall.saturating_sub(1).max(1);
            self.interval.saturating_sub(self.timeout / others)
        } else {
            let jitter = f64::from(self.jitter_permille) / 1000.0;
            self.interval.mul_f64(1.0 - jitter * chance.clamp(0.0, 1.0))
        };
        wanted.max(took)
    }

    /// The longest from a backend's death to the verdict, of any kind of death.
    #[must_use]
    pub fn detection(&self) -> Duration {
        let doubtful = self.next(true, 0.0, self.timeout) * self.fall.saturating_sub(1);
        self.interval + doubtful + self.timeout
    }

    /// When the checks of a backend begin, after it has become known: `place` of `of` that begin together.
    #[must_use]
    pub fn first(&self, place: u32, of: u32) -> Duration {
        let spread = self.interval.min(FIRST_WITHIN);
        spread.mul_f64(f64::from(place) / f64::from(of.max(1)))
    }
}

/// Within which all backends are checked for the first time.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(interval: u64, timeout: u64, fall: u32) -> Pace {
        Pace {
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            fall,
            jitter_permille: 100,
        }
    }

    const NO_TIME: Duration = Duration::ZERO;

    #[test]
    fn jitter_only_ever_makes_a_check_sooner() {
        let pace = pace(2000, 1000, 3);
        assert_eq!(pace.next(false, 0.0, NO_TIME), Duration::from_millis(2000));
        assert_eq!(pace.next(false, 1.0, NO_TIME), Duration::from_millis(1800));
    }

    #[test]
    fn a_check_never_begins_before_the_last_one_is_over() {
        let took = Duration::from_millis(1000);
        assert_eq!(pace(1000, 1000, 2).next(true, 0.5, took), took);
        assert_eq!(pace(1000, 1000, 2).next(false, 1.0, took), took);
    }

    /// A backend that hangs right after a check passed: when the last of `fall` checks has timed out.
    fn hung(pace: Pace) -> Duration {
        let mut start = pace.interval;
        for _ in 1..pace.fall {
            start += pace.next(true, 0.0, pace.timeout);
        }
        start + pace.timeout
    }

    #[test]
    fn a_backend_that_hangs_is_out_within_fall_intervals_where_timeouts_leave_room() {
        for (interval, timeout, fall) in
            [(2000, 1000, 3), (1000, 500, 2), (500, 333, 3), (100, 10, 2)]
        {
            let pace = pace(interval, timeout, fall);
            let bound = pace.interval * fall;
            assert!(hung(pace) <= bound + Duration::from_millis(1), "{pace:?}");
            assert_eq!(hung(pace), pace.detection());
        }
    }

    #[test]
    fn where_timeouts_leave_no_room_it_is_one_interval_and_all_timeouts() {
        let slow = pace(1000, 1000, 3);
        assert_eq!(slow.detection(), Duration::from_millis(4000));
        assert_eq!(hung(slow), slow.detection());
        assert_eq!(pace(1000, 400, 1).detection(), Duration::from_millis(1400));
    }

    #[test]
    fn first_checks_are_spread_over_a_second_or_an_interval() {
        let long = pace(60_000, 1000, 3);
        assert_eq!(long.first(0, 1000), NO_TIME);
        assert_eq!(long.first(500, 1000), Duration::from_millis(500));
        assert_eq!(pace(100, 10, 3).first(1, 2), Duration::from_millis(50));
    }
}
