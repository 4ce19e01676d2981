//! Items of two parts: in one cache line side by side, else each part in a column of its own.
//!
//! No counterpart in the patent. Where an item takes two lines and mostly only the first is read, lines that are
//! read would lie two apart: on twice as many pages, and each of an even number, which the second-level cache of
//! Zen 4 takes at half its speed. So all first lines lie side by side, and behind them all second ones: random
//! reads of 16 Mi items, 32 under way, took 16 to 18 ns instead of 44.
//! Easy to get wrong: nobody may see such a room as the items that its type names. Only this page reads it.

#![expect(unsafe_code, reason = "items at another place than their type says")]

use super::plain::Plain;
use super::prefetch::{LINE, Origin, prefetch_at};

/// Room for one item; where it takes two lines, for any two.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Pair<A, B> {
    first: A,
    second: B,
}

/// Items in their room.
#[derive(Debug)]
pub(crate) struct Columns<'a, A, B>(&'a [Pair<A, B>]);

impl<A, B> Clone for Columns<'_, A, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, B> Copy for Columns<'_, A, B> {}

impl<'a, A, B> Columns<'a, A, B>
where
    Pair<A, B>: Plain,
{
    /// Whether the parts lie apart. Loom's atomics have no places in a line.
    pub(crate) const ARE_APART: bool = size_of::<Pair<A, B>>() > LINE && !cfg!(loom);

    /// As many items as there is room for.
    #[inline(always)]
    pub(crate) const fn new(room: &'a [Pair<A, B>]) -> Self {
        const {
            assert!(!Self::ARE_APART || size_of::<Pair<A, B>>() == 2 * LINE);
            assert!(!Self::ARE_APART || size_of::<A>() <= LINE && size_of::<B>() <= LINE);
            assert!(align_of::<A>() <= LINE && align_of::<B>() <= LINE);
        }
        Self(room)
    }

    /// Both parts of an item; `None` past the end.
    #[inline(always)]
    pub(crate) fn get(self, at: u32) -> Option<(&'a A, &'a B)> {
        let at = at as usize;
        if !Self::ARE_APART {
            return self.0.get(at).map(|Pair { first, second }| (first, second));
        }
        if at >= self.0.len() {
            return None;
        }
        let start = self.0.as_ptr().cast::<u8>();
        let [first, second] = [at, self.0.len() + at].map(|line| start.wrapping_add(line * LINE));
        // SAFETY: `at` is below the number of items and so of lines in a column, the first of two in the room; a line's
        // boundary suffices for either part; this line is read as a first part always; `Plain` makes any contents
        // valid, and shared writes atomic.
        let first = unsafe { &*first.cast() };
        // SAFETY: as above; the line is of the second column, and read as a second part always.
        let second = unsafe { &*second.cast() };
        Some((first, second))
    }

    /// Starts to bring an item's first line. Where there is no such item, nothing is gained and nothing lost.
    #[inline(always)]
    pub(crate) fn prefetch(self, origin: Origin, at: u32) {
        prefetch_at(origin, self.line(at));
    }

    /// The same for the line of the second part, or again of the first: without a branch.
    #[inline(always)]
    pub(crate) fn prefetch_part(self, origin: Origin, at: u32, is_second: bool) {
        if Self::ARE_APART {
            let column = self.0.len() * LINE;
            let offset = column & usize::from(is_second).wrapping_neg();
            prefetch_at(origin, self.line(at).wrapping_add(offset));
        }
    }

    /// Where an item's first line begins.
    #[inline(always)]
    fn line(self, at: u32) -> *const i8 {
        let distance = if Self::ARE_APART {
            LINE
        } else {
            size_of::<Pair<A, B>>()
        };
        let start = self.0.as_ptr().cast::<i8>();
        start.wrapping_add(at as usize * distance)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::conn::Cell;
    use crate::shared::memory::{Memory, Slice};

    fn room<const W: usize>(count: usize) -> Slice<Cell<W>> {
        let memory = Memory::heap(count * size_of::<Cell<W>>());
        memory.slice(0, count).unwrap()
    }

    /// Where the parts of each item begin and end, in octets from the start of the room.
    fn places<const W: usize>(room: &[Cell<W>]) -> Vec<[(usize, usize); 2]> {
        let start = room.as_ptr().addr();
        let place = |address: usize, len| (address - start, address - start + len);
        let items = Columns::new(room);
        let parts = (0..).map_while(|at| items.get(at));
        parts
            .map(|(first, second)| {
                [
                    place(std::ptr::from_ref(first).addr(), size_of_val(first)),
                    place(std::ptr::from_ref(second).addr(), size_of_val(second)),
                ]
            })
            .collect()
    }

    #[test]
    fn no_part_lies_in_another_or_outside_of_the_room() {
        fn check<const W: usize>() {
            let room = room::<W>(100);
            let places = places(&room);
            assert_eq!(places.len(), 100);
            let mut all = places.concat();
            all.sort_unstable();
            assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            assert!(all.last().is_some_and(|last| last.1 <= size_of_val(&*room)));
        }
        check::<2>();
        check::<5>();
    }

    #[test]
    fn first_parts_of_two_lines_lie_side_by_side() {
        for (at, [first, second]) in places(&room::<5>(100)).into_iter().enumerate() {
            assert_eq!((first.0, second.0), (at * LINE, (100 + at) * LINE));
        }
    }

    #[test]
    fn parts_that_share_a_line_stay_together() {
        for (at, [first, second]) in places(&room::<2>(100)).into_iter().enumerate() {
            assert_eq!((first.0 / LINE, second.0 / LINE), (at, at));
        }
    }
}
