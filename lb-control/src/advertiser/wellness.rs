//! Whether the data path is well enough to be announced: pure, time is handed in.
//!
//! No counterpart in the patent. One worker lcore that stands still is enough: which flows meet it nobody outside
//! can know, and another box would serve them all.
//! Easy to get wrong: what is withdrawn in a moment must not come back in a moment. Every change of mind travels
//! through all routers of the network, so who was unwell is watched for [`TRUSTED_AFTER`] first.

use std::time::{Duration, Instant};

use crate::heartbeat::Heartbeats;
use crate::switch::LcoreFigures;

/// A lcore that has not turned for so long makes the data path unwell.
pub const UNWELL_AFTER: Duration = Duration::from_secs(1);
/// All lcores must have turned for so long until it is well again.
pub const TRUSTED_AFTER: Duration = Duration::from_secs(2);
/// Between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is known of the data path's health.
#[derive(Debug, Default)]
pub(super) struct Wellness {
    beats: Heartbeats,
    silent: Option<u32>,
    /// Since when all have turned, where one had not.
    turning_since: Option<Instant>,
}

impl Wellness {
    /// Looks at the lcores; the one that stands still, or has stood still until lately.
    pub(super) fn look(&mut self, figures: &[LcoreFigures], now: Instant) -> Option<u32> {
        self.beats.look(figures, now);
        let age = |lcore: &LcoreFigures| self.beats.pulse(lcore.lcore).age;
        let silent = figures.iter().find(|lcore| age(lcore) >= UNWELL_AFTER);
        if let Some(lcore) = silent {
            self.silent = Some(lcore.lcore);
            self.turning_since = None;
        } else if self.silent.is_some() {
            let since = *self.turning_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= TRUSTED_AFTER {
                self.silent = None;
                self.turning_since = None;
            }
        }
        self.silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(turns: [u64; 2]) -> [LcoreFigures; 2] {
        [(1, turns[0]), (2, turns[1])].map(|(lcore, turns)| LcoreFigures {
            turns,
            ..LcoreFigures::new(lcore)
        })
    }

    /// Looks ten times a second from tenth `from` to `to`; lcore 1 turns always, lcore 2 where `turns` says so.
    fn watch(
        wellness: &mut Wellness,
        start: Instant,
        tenths: std::ops::Range<u64>,
        second_turns: impl Fn(u64) -> u64,
    ) -> Option<u32> {
        tenths
            .map(|tenth| {
                let now = start + Duration::from_millis(100 * tenth);
                wellness.look(&figures([tenth, second_turns(tenth)]), now)
            })
            .last()
            .flatten()
    }

    #[test]
    fn a_lcore_that_is_silent_for_a_second_makes_the_data_path_unwell() {
        let (mut wellness, start) = (Wellness::default(), Instant::now());
        assert_eq!(watch(&mut wellness, start, 0..10, |_| 7), None);
        assert_eq!(watch(&mut wellness, start, 10..11, |_| 7), Some(2));
    }

    #[test]
    fn it_is_trusted_again_after_two_seconds_of_turning() {
        let (mut wellness, start) = (Wellness::default(), Instant::now());
        assert_eq!(watch(&mut wellness, start, 0..20, |_| 7), Some(2));
        assert_eq!(watch(&mut wellness, start, 20..40, |tenth| tenth), Some(2));
        assert_eq!(watch(&mut wellness, start, 40..41, |tenth| tenth), None);
    }

    #[test]
    fn a_lcore_that_turns_only_now_and_then_is_not_trusted() {
        let (mut wellness, start) = (Wellness::default(), Instant::now());
        let now_and_then = |tenth| tenth / 15;
        assert_eq!(watch(&mut wellness, start, 0..150, now_and_then), Some(2));
    }

    #[test]
    fn a_watcher_that_was_kept_away_blames_nobody() {
        let (mut wellness, start) = (Wellness::default(), Instant::now());
        wellness.look(&figures([1, 1]), start);
        let late = start + Duration::from_secs(60);
        assert_eq!(wellness.look(&figures([2, 2]), late), None);
    }
}
