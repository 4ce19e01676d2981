//! A bucket: one cache line of slots, each a tag and the number of a cell.
//!
//! No counterpart in the patent, which leaves open how table 66 is searched. A key has two buckets
//! that it may be in. It goes to its primary one unless that is crowded, so that one line answers
//! nearly every search; a count in the primary bucket says how many of its keys had to move to their
//! alternate one, and when it is zero the alternate need not be read (two choices: Azar, Broder,
//! Karlin, Upfal 1994).
//! Easy to get wrong: the count goes up *before* a slot of the alternate bucket is taken and down
//! *after* it is cleared, or a search could pass by a live entry.

use super::entry::Direction;
use crate::flow::FlowHash;
use crate::shared::sync::{AtomicU64, Ordering};

/// Slots of a bucket.
pub(crate) const SLOTS: usize = if cfg!(loom) { 2 } else { 7 };

/// From this many used slots on, a new key looks at its alternate bucket.
pub(crate) const CROWDED: u32 = if cfg!(loom) { 1 } else { 5 };

const TAG_SHIFT: u32 = 33;
const REVERSE: u64 = 1 << 32;

/// Buckets of a table for `connections` connections: two keys for each, seven slots in a bucket.
pub(crate) const fn buckets_for(connections: u32) -> usize {
    let half = connections.div_ceil(2);
    if half < 2 { 2 } else { half as usize }
}

/// One cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Bucket {
    /// Keys whose primary bucket is this one and that lie in their alternate bucket.
    moved: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            moved: AtomicU64::default(),
            slots: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// Contents of a slot: tag (31 bits), direction (1), cell number + 1 (32). Zero is an empty slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    #[inline]
    pub(crate) fn new(tag: Tag, direction: Direction, cell: u32) -> Self {
        let reverse = match direction {
            Direction::Forward => 0,
            Direction::Reverse => REVERSE,
        };
        Self(tag.0 | reverse | (u64::from(cell) + 1))
    }

    /// The cell's number; `None` for an empty slot.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes a field out of a word")]
    pub(crate) const fn cell(self) -> Option<u32> {
        (self.0 as u32).checked_sub(1)
    }

    #[inline]
    pub(crate) const fn direction(self) -> Direction {
        if self.0 & REVERSE == 0 { Direction::Forward } else { Direction::Reverse }
    }
}

/// Low bits of a hash, in their place in a slot; never zero, so that no empty slot matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    #[inline]
    pub(crate) const fn of(hash: FlowHash) -> Self {
        let tag = hash.0 << TAG_SHIFT;
        Self(if tag == 0 { 1 << TAG_SHIFT } else { tag })
    }
}

/// The slots of one bucket that matched, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matches(u32);

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let first = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (first != u32::BITS).then_some(first as usize)
    }
}

impl Bucket {
    /// Slots with this tag. Looks at all of them without a branch: where in the bucket a key lies is
    /// nothing that a processor could predict.
    #[inline]
    pub(crate) fn matches(&self, tag: Tag) -> Matches {
        let mut matches = 0;
        for (i, slot) in self.slots.iter().enumerate() {
            let same = (slot.load(Ordering::Relaxed) ^ tag.0) >> TAG_SHIFT == 0;
            matches |= u32::from(same) << i;
        }
        Matches(matches)
    }

    /// The slot's contents; acquires what was written to the cell before it was put there.
    #[inline]
    pub(crate) fn slot(&self, i: usize) -> Slot {
        Slot(self.slots.get(i).map_or(0, |slot| slot.load(Ordering::Acquire)))
    }

    /// Whether a key of this bucket may lie in its alternate one.
    #[inline]
    pub(crate) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Acquire) != 0
    }

    /// How many of this bucket's keys lie in their alternate one.
    #[cfg(test)]
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    /// Empty slots, one bit each.
    fn empty(&self) -> Matches {
        let mut empty = 0;
        for (i, slot) in self.slots.iter().enumerate() {
            empty |= u32::from(slot.load(Ordering::Relaxed) == 0) << i;
        }
        Matches(empty)
    }

    /// Number of used slots at this moment.
    pub(crate) fn used(&self) -> u32 {
        SLOTS as u32 - self.empty().0.count_ones()
    }

    /// Takes an empty slot, or finds none.
    pub(crate) fn take_slot(&self, value: Slot) -> bool {
        self.empty().any(|i| {
            self.slots.get(i).is_some_and(|slot| {
                slot.compare_exchange(0, value.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            })
        })
    }

    /// Empties the slot that holds `value`, if one does. Only one caller does this for a value, so
    /// there is nobody to race with.
    pub(crate) fn clear_slot(&self, value: Slot) -> bool {
        for slot in &self.slots {
            if slot.load(Ordering::Relaxed) == value.0 {
                slot.store(0, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// A key of this bucket is about to move to its alternate one.
    pub(crate) fn count_moved(&self) {
        self.moved.fetch_add(1, Ordering::AcqRel);
    }

    /// A key of this bucket has left its alternate one.
    pub(crate) fn uncount_moved(&self) {
        self.moved.fetch_sub(1, Ordering::AcqRel);
    }

    /// Empties the whole bucket, for who has the table to himself. Writes only what is not zero:
    /// memory that was never used stays untouched.
    pub(crate) fn clear(&self) {
        for word in self.slots.iter().chain([&self.moved]) {
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// The bucket, of `count`, where a key with this hash belongs.
#[inline]
pub(crate) const fn primary(hash: FlowHash, count: usize) -> usize {
    high_product(hash.0, count)
}

/// The bucket, of `count` (at least 2), where it may be instead; never the primary one.
#[inline]
pub(crate) const fn alternate(hash: FlowHash, count: usize) -> usize {
    // An odd factor moves all bits of the hash into the upper ones, which choose the bucket.
    let other = high_product(hash.0.wrapping_mul(0x9e37_79b9_7f4a_7c15), count);
    if other != primary(hash, count) {
        other
    } else if other + 1 < count {
        other + 1
    } else {
        0
    }
}

/// Scales a hash to 0..count by multiplication: no division, any count.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below count")]
const fn high_product(hash: u64, count: usize) -> usize {
    ((hash as u128 * count as u128) >> 64) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_empty_slot_matches_no_tag() {
        let bucket = Bucket::default();
        for hash in [0, 1, u64::MAX, 1 << 31] {
            assert_eq!(bucket.matches(Tag::of(FlowHash(hash))).next(), None);
        }
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        for cell in [0, 1, u32::MAX - 1] {
            for direction in [Direction::Forward, Direction::Reverse] {
                let slot = Slot::new(Tag::of(FlowHash(0x1234_5678_9abc)), direction, cell);
                assert_eq!((slot.cell(), slot.direction()), (Some(cell), direction));
            }
        }
    }

    #[test]
    fn the_eighth_key_finds_no_slot_and_the_first_is_found_and_cleared() {
        let bucket = Bucket::default();
        let slot = |i: u32| Slot::new(Tag::of(FlowHash(7)), Direction::Forward, i);
        assert!((0..7).all(|i| bucket.take_slot(slot(i))));
        assert!(!bucket.take_slot(slot(7)));
        assert_eq!(bucket.used(), 7);
        assert_eq!(bucket.matches(Tag::of(FlowHash(7))).count(), 7);
        assert!(bucket.clear_slot(slot(0)));
        assert!(!bucket.clear_slot(slot(0)));
        assert_eq!(bucket.used(), 6);
    }

    #[test]
    fn the_alternate_bucket_is_never_the_primary_one() {
        for count in [2, 3, 7, 1000] {
            for i in 0..10_000u64 {
                let hash = FlowHash(i.wrapping_mul(0x94d0_49bb_1331_11eb));
                let (first, second) = (primary(hash, count), alternate(hash, count));
                assert!(first < count && second < count && first != second);
            }
        }
    }
}
