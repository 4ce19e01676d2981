//! A bucket: one cache line of slots, each a tag and the number of a cell.
//!
//! No counterpart in the patent, which leaves open how table 66 is searched. A key has two buckets
//! that it may be in. It goes to its primary one unless that is crowded, so that one line answers
//! nearly every search; a count in the primary bucket says how many of its keys had to move to their
//! alternate one, and when it is zero the alternate need not be read (two choices: Azar, Broder,
//! Karlin, Upfal 1994). The count lies in bits of slot 0 that an entry's number leaves free, so that all
//! eight words are slots.
//! Easy to get wrong: the count goes up before a slot of the alternate bucket is taken and down after
//! it is cleared; a search could pass by a live entry otherwise. And slot 0 without an entry is not zero
//! where the bucket has such keys: what is empty has no tag.

use super::entry::Direction;
use crate::flow::FlowHash;
use crate::shared::halves::{Line, equal_upper_halves};
use crate::shared::layout::MAX_CONNECTIONS;
use crate::shared::prefetch::LINE;
use crate::shared::scaled::high_product;
use crate::shared::sync::{AtomicU64, Ordering};

/// Slots of a bucket.
pub(crate) const SLOTS: usize = if cfg!(loom) { 2 } else { 8 };

/// A key goes to its alternate bucket, if that is emptier, unless its primary one has this many empty
/// slots. With 3 of 8, four simulated fills of tables for 1 Mi connections had 2 % of the keys moved at 80 %,
/// and no insert failed; when as many connections had come and gone seven times 8 %, and none failed. With 2
/// of 8, 0.8 % and 3 %, and of 13 million inserts one failed at 80 %.
pub(crate) const ROOMY: u32 = if cfg!(loom) { 2 } else { 3 };

const TAG_SHIFT: u32 = 32;
const REVERSE: u64 = 1;
const ONE_MOVED: u64 = 1 << 1;
/// All bits of the count of moved keys. One that has come so far stays: too many is only slow.
const MOVED: u64 = 0x1f << 1;
const CELL_SHIFT: u32 = LINE.ilog2();
const _: () = assert!(MAX_CONNECTIONS <= 1 << (u32::BITS - CELL_SHIFT));
const _: () = assert!(MOVED < 1 << CELL_SHIFT);

/// Buckets of a table for `connections` connections: two keys for each, eight slots in a bucket.
pub(crate) const fn buckets_for(connections: u32) -> usize {
    let half = connections.div_ceil(2);
    if half < 2 { 2 } else { half as usize }
}

/// One cache line of slots. Slot 0 also counts the keys whose primary bucket is this one and that lie in their
/// alternate bucket.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Bucket {
    words: Line<SLOTS>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            words: Line(std::array::from_fn(|_| AtomicU64::default())),
        }
    }
}

/// Contents of a slot: tag (32 bits, an odd number), cell number (26), a count in slot 0 (5), direction (1). A slot
/// without a tag is empty.
///
/// The lower half is nearly what a search wants of it: where the entry's first line begins in its column, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    #[inline]
    pub(crate) fn new(tag: Tag, direction: Direction, cell: u32) -> Self {
        let reverse = match direction {
            Direction::Forward => 0,
            Direction::Reverse => REVERSE,
        };
        Self(u64::from(tag.0) << TAG_SHIFT | u64::from(cell) << CELL_SHIFT | reverse)
    }

    /// The cell's number; `None` for an empty slot.
    #[inline(always)]
    pub(crate) const fn cell(self) -> Option<u32> {
        if self.0 >> TAG_SHIFT == 0 {
            None
        } else {
            Some(self.octet() >> CELL_SHIFT)
        }
    }

    /// An octet of the entry's first line, from the start of its column: the first, or the next.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
    const fn octet(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    pub(crate) const fn direction(self) -> Direction {
        if self.0 & REVERSE == 0 {
            Direction::Forward
        } else {
            Direction::Reverse
        }
    }
}

/// First half of a search: a candidate that has only the right tag.
///
/// Either the slot that matched, or one of two words that nobody takes for a slot, since they have no tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe(u64);

impl Probe {
    const NOTHING: Self = Self(0);
    const ELSEWHERE: Self = Self(1);

    /// Whether it is already certain that there is no such connection.
    #[inline]
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether [`ConnTable::probe_again`](super::ConnTable::probe_again) must look at the alternate
    /// bucket.
    #[inline]
    #[must_use]
    pub const fn is_elsewhere(self) -> bool {
        self.0 == Self::ELSEWHERE.0
    }

    /// The slot that matched, or one without a cell. It may have been emptied meanwhile.
    #[inline(always)]
    pub(crate) const fn candidate(self) -> Slot {
        Slot(self.0)
    }

    /// An octet of the first line that is probably needed next, from the start of its column; any will do when there
    /// is none.
    #[inline(always)]
    pub(crate) const fn likely_octet(self) -> usize {
        self.candidate().octet() as usize
    }
}

/// Low bits of a hash, the lowest set: never zero, so that no empty slot matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes the low half")]
    pub(crate) const fn of(hash: FlowHash) -> Self {
        Self(hash.0 as u32 | 1)
    }
}

/// Words of one bucket that were found, two bits each; yields their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matches(u32);

impl Matches {
    /// Number of the first word; 0 when there is none.
    #[inline(always)]
    const fn first(self) -> usize {
        // Of no bit there are 32 zeros, a multiple of 16.
        (self.0.trailing_zeros() % 16 / 2) as usize
    }

    #[inline]
    pub(crate) const fn count(self) -> u32 {
        self.0.count_ones() / 2
    }
}

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let first = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        self.0 &= self.0.wrapping_sub(1);
        (first != u32::BITS).then_some(first as usize / 2)
    }
}

impl Bucket {
    /// Slots with this tag. Looks at all of them without a branch: where in the bucket a key lies is
    /// nothing that a processor could predict.
    #[inline(always)]
    pub(crate) fn matches(&self, tag: Tag) -> Matches {
        Matches(equal_upper_halves(&self.words, tag.0))
    }

    /// Empty slots at this moment.
    #[inline(always)]
    pub(crate) fn empty(&self) -> Matches {
        Matches(equal_upper_halves(&self.words, 0))
    }

    /// The slot's contents; acquires what was written to the cell before it was put there.
    #[inline]
    pub(crate) fn slot(&self, i: usize) -> Slot {
        Slot(
            self.words
                .0
                .get(i)
                .map_or(0, |slot| slot.load(Ordering::Acquire)),
        )
    }

    /// First half of a search, and whether no tag matched: then the probe holds anything, and
    /// [`unmatched`](Self::unmatched) has the right one. Without any branch: while the bucket is still on its way,
    /// nobody knows what comes out, and a wrong guess would stop the work on the packets behind until it is there.
    #[inline(always)]
    pub(crate) fn probe(&self, tag: Tag) -> (Probe, bool) {
        let matches = self.matches(tag);
        (Probe(self.slot(matches.first()).0), matches.0 == 0)
    }

    /// What a probe is after no tag has matched.
    #[inline]
    pub(crate) fn unmatched(&self) -> Probe {
        if self.has_moved() {
            Probe::ELSEWHERE
        } else {
            Probe::NOTHING
        }
    }

    /// Whether a key of this bucket may lie in its alternate one.
    #[inline]
    pub(crate) fn has_moved(&self) -> bool {
        self.words.0[0].load(Ordering::Acquire) & MOVED != 0
    }

    /// How many of this bucket's keys lie in their alternate one.
    #[cfg(test)]
    pub(crate) fn moved(&self) -> u64 {
        (self.words.0[0].load(Ordering::Acquire) & MOVED) / ONE_MOVED
    }

    /// Takes one of the slots in `empty`, unless others were faster with all of them.
    #[inline]
    pub(crate) fn take_slot(&self, mut empty: Matches, value: Slot) -> bool {
        empty.any(|i| self.words.0.get(i).is_some_and(|slot| take(slot, value)))
    }

    /// Empties the slot that holds `value`, the slot of a key with `tag`, if one does. Only one
    /// caller does this for a value, so there is nobody to race with.
    #[inline]
    pub(crate) fn clear_slot(&self, tag: Tag, value: Slot) -> bool {
        let mut slots = self.matches(tag).filter_map(|i| self.words.0.get(i));
        let found = slots.find(|slot| slot.load(Ordering::Relaxed) & !MOVED == value.0);
        found
            .inspect(|slot| _ = slot.fetch_and(MOVED, Ordering::Release))
            .is_some()
    }

    /// A key of this bucket is about to move to its alternate one.
    pub(crate) fn count_moved(&self) {
        self.recount(|word| word + ONE_MOVED);
    }

    /// A key of this bucket has left its alternate one.
    pub(crate) fn uncount_moved(&self) {
        self.recount(|word| word - ONE_MOVED);
    }

    fn recount(&self, change: impl Fn(u64) -> u64) {
        let changed = |word| (word & MOVED != MOVED).then(|| change(word));
        // Err: the count is full, and stays.
        let _ = self.words.0[0].fetch_update(Ordering::AcqRel, Ordering::Relaxed, changed);
    }

    /// Empties the whole bucket, for who has the table to himself. Writes only what is not zero:
    /// memory that was never used stays untouched.
    pub(crate) fn clear(&self) {
        for word in &self.words.0 {
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// Takes a slot that has no tag, whatever it counts.
#[inline]
fn take(slot: &AtomicU64, value: Slot) -> bool {
    let mut seen = 0;
    while let Err(other) =
        slot.compare_exchange(seen, seen | value.0, Ordering::AcqRel, Ordering::Relaxed)
    {
        if other >> TAG_SHIFT != 0 {
            return false;
        }
        seen = other;
    }
    true
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_empty_slot_matches_no_tag() {
        let bucket = Bucket::default();
        for hash in [0, 1, u64::MAX, 1 << 32] {
            assert_eq!(bucket.matches(Tag::of(FlowHash(hash))).next(), None);
        }
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        for cell in [0, 1, (64 << 20) - 1] {
            for direction in [Direction::Forward, Direction::Reverse] {
                let slot = Slot::new(Tag::of(FlowHash(0x1234_5678_9abc)), direction, cell);
                assert_eq!((slot.cell(), slot.direction()), (Some(cell), direction));
            }
        }
    }

    #[test]
    fn the_ninth_key_finds_no_slot_and_the_first_is_found_and_cleared() {
        let bucket = Bucket::default();
        let slot = |i: u32| Slot::new(Tag::of(FlowHash(7)), Direction::Forward, i);
        let tag = Tag::of(FlowHash(7));
        assert!((0..8).all(|i| bucket.take_slot(bucket.empty(), slot(i))));
        assert!(!bucket.take_slot(bucket.empty(), slot(8)));
        assert_eq!(bucket.empty().count(), 0);
        assert_eq!(bucket.matches(tag).count(), 8);
        assert!(bucket.clear_slot(tag, slot(0)));
        assert!(!bucket.clear_slot(tag, slot(0)));
        assert_eq!(bucket.empty().count(), 1);
    }

    #[test]
    fn the_count_of_moved_keys_and_slot_0_leave_each_other_alone() {
        let bucket = Bucket::default();
        let tag = Tag::of(FlowHash(7));
        let slot = Slot::new(tag, Direction::Reverse, (64 << 20) - 1);
        for _ in 0..3 {
            bucket.count_moved();
            assert!(bucket.empty().count() == 8 && bucket.unmatched().is_elsewhere());
            assert!(bucket.take_slot(bucket.empty(), slot));
            assert_eq!(bucket.slot(0).cell(), slot.cell());
            assert_eq!(bucket.slot(0).direction(), slot.direction());
            bucket.count_moved();
            assert_eq!(bucket.moved(), 2);
            assert!(bucket.clear_slot(tag, slot));
            assert_eq!(bucket.moved(), 2);
            bucket.uncount_moved();
            bucket.uncount_moved();
            assert!(bucket.unmatched().is_nothing());
        }
    }

    #[test]
    fn a_count_that_was_full_stays() {
        let bucket = Bucket::default();
        (0..31).for_each(|_| bucket.count_moved());
        assert_eq!(bucket.moved(), 31);
        bucket.count_moved();
        (0..32).for_each(|_| bucket.uncount_moved());
        assert_eq!(bucket.moved(), 31);
        bucket.clear();
        assert_eq!(bucket.moved(), 0);
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
