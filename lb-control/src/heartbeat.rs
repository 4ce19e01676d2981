//! Heartbeat: whether the worker lcores' loops turn, and how busy they are.
//!
//! No counterpart in the patent, whose switching processors never fail. A lcore counts its turns; who looks
//! twice and sees the same number has seen one that stands still: stopped by a debugger, kept from its CPU by
//! the kernel, or lost in a driver. Nothing is done about it but to say so.
//! Pure: figures and time are handed in. The thread that looks is in `run`.
//! Easy to get wrong: the ratio of idle turns to all turns says little about load, for an idle turn is short. Load
//! is time in turns that had packets over all time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::switch::LcoreFigures;

/// A lcore whose loop did not turn for so long stands still: a turn takes microseconds, a kernel that gives the
/// CPU to others takes milliseconds.
pub const STILL_AFTER: Duration = Duration::from_secs(2);
/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is known of one lcore's pulse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    /// Whether its loop turns.
    pub is_beating: bool,
    /// At the last look, the time since it was seen to turn; zero if it has turned since the look before.
    pub age: Duration,
    /// Part of the time between the last two looks spent in turns with packets, 0 to 1.
    pub busy_ratio: f64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    turns: u64,
    turned_at: Instant,
    busy_nanoseconds: u64,
    looked_at: Instant,
    busy_ratio: f64,
}

/// The pulses of all worker lcores.
#[derive(Debug, Default)]
pub struct Heartbeats(Mutex<BTreeMap<u32, Seen>>);

impl Heartbeats {
    /// Looks at the lcores' figures at `now`.
    pub fn look(&self, figures: &[LcoreFigures], now: Instant) {
        let mut seen = self.0.lock();
        for lcore in figures {
            let before = seen.entry(lcore.lcore).or_insert(Seen {
                turns: lcore.turns,
                turned_at: now,
                busy_nanoseconds: lcore.busy_nanoseconds,
                looked_at: now,
                busy_ratio: 0.0,
            });
            if before.turns != lcore.turns {
                before.turns = lcore.turns;
                before.turned_at = now;
            }
            let elapsed = now.saturating_duration_since(before.looked_at);
            if !elapsed.is_zero() {
                let busy = lcore
                    .busy_nanoseconds
                    .saturating_sub(before.busy_nanoseconds);
                let busy = Duration::from_nanos(busy).as_secs_f64();
                before.busy_ratio = (busy / elapsed.as_secs_f64()).min(1.0);
                before.busy_nanoseconds = lcore.busy_nanoseconds;
                before.looked_at = now;
            }
        }
    }

    /// One lcore's pulse; one that was never looked at is given the benefit of the doubt.
    #[must_use]
    pub fn pulse(&self, lcore: u32) -> Pulse {
        let seen = self.0.lock().get(&lcore).copied();
        let Some(seen) = seen else {
            return Pulse {
                is_beating: true,
                age: Duration::ZERO,
                busy_ratio: 0.0,
            };
        };
        // Measured at the last look: a watcher that is late says nothing against the lcore.
        let age = seen.looked_at.saturating_duration_since(seen.turned_at);
        Pulse {
            is_beating: age < STILL_AFTER,
            age,
            busy_ratio: seen.busy_ratio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(turns: u64, busy_nanoseconds: u64) -> [LcoreFigures; 1] {
        [LcoreFigures {
            turns,
            busy_nanoseconds,
            ..LcoreFigures::new(1)
        }]
    }

    #[test]
    fn a_lcore_that_turns_is_beating() {
        let (beats, start) = (Heartbeats::default(), Instant::now());
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            beats.look(&figures(second, 0), now);
            assert!(beats.pulse(1).is_beating);
        }
    }

    #[test]
    fn a_lcore_that_stands_still_is_found_out_and_forgiven_when_it_turns_again() {
        let (beats, start) = (Heartbeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        beats.look(&figures(7, 0), at(0));
        beats.look(&figures(7, 0), at(1));
        assert!(beats.pulse(1).is_beating);
        beats.look(&figures(7, 0), at(3));
        let pulse = beats.pulse(1);
        assert!(!pulse.is_beating);
        assert_eq!(pulse.age, Duration::from_secs(3));
        beats.look(&figures(8, 0), at(4));
        assert!(beats.pulse(1).is_beating);
    }

    #[test]
    fn a_watcher_that_was_kept_away_blames_no_lcore() {
        let (beats, start) = (Heartbeats::default(), Instant::now());
        beats.look(&figures(7, 0), start);
        let late = start + Duration::from_secs(60);
        assert!(beats.pulse(1).is_beating);
        beats.look(&figures(9, 0), late);
        assert!(beats.pulse(1).is_beating);
    }

    #[test]
    fn load_is_time_in_turns_with_packets_over_all_time() {
        let (beats, start) = (Heartbeats::default(), Instant::now());
        beats.look(&figures(1, 0), start);
        beats.look(&figures(2, 250_000_000), start + Duration::from_secs(1));
        let ratio = beats.pulse(1).busy_ratio;
        assert!((ratio - 0.25).abs() < 1e-9, "{ratio}");
    }
}
