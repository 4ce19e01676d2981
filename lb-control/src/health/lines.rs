//! Lines for the log, one for each change of mind, and not without bound for a backend that flaps.
//!
//! No counterpart in the patent. Pure: the moment is handed in, in seconds.
//! Easy to get wrong: what is kept back must be told in the end, or a log looks quieter than the network was.

use std::collections::HashMap;

use super::table::Id;

/// Lines that one backend may have within [`WITHIN`].
const LINES: u32 = 6;
/// In seconds.
const WITHIN: f64 = 60.0;

/// Who has had how many lines.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<Id, Had>);

#[derive(Debug)]
struct Had {
    since: f64,
    lines: u32,
    kept_back: u32,
}

impl Lines {
    /// Whether a backend may have a line now; if so, with how many were kept back before.
    pub(super) fn may(&mut self, id: &Id, now: f64) -> Option<u32> {
        let had = self.0.entry(id.clone()).or_insert(Had {
            since: now,
            lines: 0,
            kept_back: 0,
        });
        if now - had.since >= WITHIN {
            (had.since, had.lines) = (now, 0);
        }
        if had.lines == LINES {
            had.kept_back += 1;
            return None;
        }
        had.lines += 1;
        Some(std::mem::take(&mut had.kept_back))
    }

    /// Forgets a backend that is checked no more.
    pub(super) fn forget(&mut self, id: &Id) {
        self.0.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_flaps_has_a_few_lines_a_minute_and_what_was_kept_back_is_told() {
        let (flaps, steady): (Id, Id) = (("web".into(), "a".into()), ("web".into(), "b".into()));
        let mut lines = Lines::default();
        let said = (0..100).filter(|second| lines.may(&flaps, f64::from(*second) / 2.0).is_some());
        assert_eq!(said.count(), 6);
        assert_eq!(lines.may(&steady, 50.0), Some(0));
        assert_eq!(lines.may(&flaps, 60.0), Some(94));
        assert_eq!(lines.may(&flaps, 61.0), Some(0));
        lines.forget(&flaps);
        assert_eq!(lines.may(&flaps, 62.0), Some(0));
    }
}
