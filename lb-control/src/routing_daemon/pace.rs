//! When a new picture is published: soon, and not all the time.
//!
//! No counterpart in the patent. Changes come in bunches: a program that sets 1,000 routes sends 1,000 messages within
//! milliseconds. They are gathered until nothing has come for [`QUIET`], [`LONGEST`] at most. A publication is followed
//! by a pause of [`APART`], or of [`SHARE`] times what it took: in a storm it costs a quarter of a CPU, no more, and
//! lcores do not take over another distribution at every turn.
//! Easy to get wrong: a single change after a silence finds the pause over and waits for nothing but the quiet.

use std::time::{Duration, Instant};

/// Silence that ends a bunch of changes.
pub(super) const QUIET: Duration = Duration::from_millis(5);
/// Longest time that changes are gathered.
pub(super) const LONGEST: Duration = Duration::from_millis(50);
/// From the end of one publication to the next, at least.
const APART: Duration = Duration::from_millis(50);
/// Part of the time that is for others, measured in what a publication took.
const SHARE: u32 = 3;

/// Changes that wait, and the pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    first: Option<Instant>,
    last: Option<Instant>,
    not_before: Option<Instant>,
}

impl Pace {
    /// Something has changed.
    pub(super) fn note_change(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When the next publication is due; `None`: there is nothing to publish.
    pub(super) fn due(&self) -> Option<Instant> {
        let gathered = (self.last? + QUIET).min(self.first? + LONGEST);
        Some(self.not_before.map_or(gathered, |at| at.max(gathered)))
    }

    /// All has been published, from then until now.
    pub(super) fn note_done(&mut self, began: Instant, now: Instant) {
        (self.first, self.last) = (None, None);
        self.pause(began, now);
        self.not_before = self.not_before.max(Some(now + APART));
    }

    /// Something that takes turns with publications took that long.
    pub(super) fn pause(&mut self, began: Instant, now: Instant) {
        self.not_before = Some(now + now.saturating_duration_since(began) * SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_single_change_waits_for_the_quiet_only() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.due(), None);
        pace.note_change(start);
        assert_eq!(pace.due(), Some(start + QUIET));
        pace.note_done(start + ms(5), start + ms(10));
        assert_eq!(pace.due(), None);
        pace.note_change(start + ms(1000));
        assert_eq!(pace.due(), Some(start + ms(1000) + QUIET));
    }

    #[test]
    fn changes_that_do_not_end_are_published_all_the_same() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for step in 0..100 {
            pace.note_change(start + ms(step));
        }
        assert_eq!(pace.due(), Some(start + LONGEST));
    }

    #[test]
    fn a_trickle_is_gathered_too() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.note_change(start);
        pace.note_done(start + ms(5), start + ms(6));
        pace.note_change(start + ms(10));
        assert_eq!(pace.due(), Some(start + ms(6) + APART));
        pace.note_change(start + ms(20));
        assert_eq!(pace.due(), Some(start + ms(6) + APART));
    }

    #[test]
    fn what_took_long_is_followed_by_a_longer_pause() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.note_change(start);
        pace.note_done(start + ms(5), start + ms(45));
        pace.note_change(start + ms(46));
        assert_eq!(pace.due(), Some(start + ms(45 + 3 * 40)));
    }
}
