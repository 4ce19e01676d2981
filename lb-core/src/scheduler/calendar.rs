//! Calendar: items waiting for numbered days, for the two builders that deal out turns.
//!
//! No counterpart in the patent. A queue of buckets in two flat arrays: putting an item down for a
//! day costs the same however many wait, where a heap would cost their logarithm for each of 65,537
//! places.
//! Easy to get wrong: a day's items come in no useful order, and an item waits for one day at a
//! time.

const NOBODY: u16 = u16::MAX;

/// Items `0..items` (at most 65,535), each waiting for at most one of the days `0..days`.
pub(super) struct Calendar {
    /// Per day, the item put down last.
    last: Vec<u16>,
    /// Per item, the one put down before it for the same day.
    before: Vec<u16>,
}

impl Calendar {
    pub(super) fn new(days: usize, items: usize) -> Self {
        Self {
            last: vec![NOBODY; days],
            before: vec![NOBODY; items],
        }
    }

    /// Puts an item down for a day; a day past the end never comes.
    pub(super) fn put(&mut self, day: usize, item: u16) {
        if let (Some(last), Some(before)) = (
            self.last.get_mut(day),
            self.before.get_mut(usize::from(item)),
        ) {
            *before = *last;
            *last = item;
        }
    }

    /// Moves the day's items to the end of `due`.
    pub(super) fn take(&mut self, day: usize, due: &mut Vec<u16>) {
        let Some(last) = self.last.get_mut(day) else {
            return;
        };
        let mut item = std::mem::replace(last, NOBODY);
        while let Some(&before) = self.before.get(usize::from(item)) {
            due.push(item);
            item = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_gives_back_its_items_once_and_only_its_own() {
        let mut calendar = Calendar::new(3, 4);
        for (day, item) in [(1, 0), (1, 3), (2, 2), (3, 1)] {
            calendar.put(day, item);
        }
        let days = [0, 1, 1, 2, 3].map(|day| {
            let mut due = Vec::new();
            calendar.take(day, &mut due);
            due.sort_unstable();
            due
        });
        assert_eq!(days, [vec![], vec![0, 3], vec![], vec![2], vec![]]);
    }
}
