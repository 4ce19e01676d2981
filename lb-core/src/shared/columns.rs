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
    /// Whether the parts lie apart.
    const ARE_APART: bool = size_of::<Pair<A, B>>() > LINE;

    /// As many items as there is room for.
    #[inline(always)]
    pub(crate) const fn new(room: &'a [Pair<A, B>]) -> Self {
        #[cfg(not(loom))]
        const {
            let lines = 1 + Self::ARE_APART as usize;
            assert!(size_of::<Pair<A, B>>() == lines * LINE);
            assert!(size_of::<A>() <= LINE && align_of::<A>() <= LINE);
            assert!(size_of::<B>() <= LINE && align_of::<B>() <= LINE);
        }
        Self(room)
    }

    /// Both parts of an item; `None` past the end.
    #[inline(always)]
    pub(crate) fn get(self, at: u32) -> Option<(&'a A, &'a B)> {
        self.get_by_octet(at as usize * LINE)
    }

    /// Both parts of the item in whose first line an octet lies, counted from the start of the column; `None` past
    /// the end.
    #[inline(always)]
    pub(crate) fn get_by_octet(self, octet: usize) -> Option<(&'a A, &'a B)> {
        if cfg!(loom) {
            // Its atomics have no places in a line.
            let pair = self.0.get(octet / LINE);
            return pair.map(|Pair { first, second }| (first, second));
        }
        let offset = octet & !(LINE - 1);
        if offset >= self.column() {
            return None;
        }
        let first = self.0.as_ptr().wrapping_byte_add(offset);
        let second = if Self::ARE_APART {
            first.wrapping_byte_add(self.column()).cast()
        } else {
            // SAFETY: the room begins with a column of lines, of which one begins at the offset: a whole item lies there.
            unsafe { &raw const (*first).second }
        };
        // SAFETY: the line lies in the room, as was just asked. Its boundary suffices for the part, and whoever reads
        // it reads it as a first part. `Plain` makes any contents valid, and shared writes atomic.
        let first = unsafe { &*first.cast() };
        // SAFETY: as above; where the parts lie apart, the room has a second column as long as the first.
        let second = unsafe { &*second };
        Some((first, second))
    }

    /// Starts to bring the first line in which an octet lies, counted as in [`get_by_octet`](Self::get_by_octet).
    /// Where there is no such item, nothing is gained and nothing lost.
    #[inline(always)]
    pub(crate) fn prefetch(self, origin: Origin, octet: usize) {
        prefetch_at(origin, self.address(octet));
    }

    /// The same for the line of the second part, or again of the first: without a branch. Where both parts share a
    /// line, nothing.
    #[inline(always)]
    pub(crate) fn prefetch_part(self, origin: Origin, octet: usize, is_second: bool) {
        if Self::ARE_APART {
            let further = self.column() & usize::from(is_second).wrapping_neg();
            prefetch_at(origin, self.address(octet).wrapping_add(further));
        }
    }

    /// Length of a column in octets.
    #[inline(always)]
    const fn column(self) -> usize {
        self.0.len() * LINE
    }

    #[inline(always)]
    const fn address(self, octet: usize) -> *const i8 {
        self.0.as_ptr().cast::<i8>().wrapping_add(octet)
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
