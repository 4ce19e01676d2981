//! Items of which each begins on another parity of lines than those some way before it.
//!
//! No counterpart in the patent. Where items are an even number of cache lines long and only their first line is
//! read, every line that is asked for has an even number, and the second-level cache takes them at half its speed:
//! random reads of a large table on Zen 4, 32 under way, took 21 ns an item; with a line left free after each 32
//! items 13, as with items of one line.
//! Easy to get wrong: the free lines count as room, so there are fewer items than the room's length says.

#![expect(unsafe_code, reason = "items at another distance than their size")]

use super::plain::Plain;
use super::prefetch::{LINE, Origin, prefetch_at};

/// Items between two free lines.
const TOGETHER: usize = 32;

/// Octets left free after each [`TOGETHER`] items.
const fn gap<T>() -> usize {
    if size_of::<T>().is_multiple_of(2 * LINE) && !cfg!(loom) {
        LINE
    } else {
        0
    }
}

/// Length of the room that holds `count` items.
pub(crate) const fn room_for<T>(count: usize) -> usize {
    let octets = offset::<T>(count);
    octets.div_ceil(size_of::<T>())
}

/// Where an item begins, in octets from the room's start.
#[inline(always)]
const fn offset<T>(at: usize) -> usize {
    at * size_of::<T>() + at / TOGETHER * gap::<T>()
}

/// Items in their room.
#[derive(Debug)]
pub(crate) struct Staggered<'a, T> {
    room: &'a [T],
    /// Where the last item may begin, in octets from the start.
    last: usize,
}

impl<T> Clone for Staggered<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Staggered<'_, T> {}

impl<'a, T: Plain> Staggered<'a, T> {
    /// Items in `room`, as many as [`room_for`] has counted.
    ///
    /// # Panics
    /// Without room for a single one.
    #[inline(always)]
    pub(crate) const fn new(room: &'a [T]) -> Self {
        const { assert!(align_of::<T>() <= LINE) };
        assert!(!room.is_empty(), "there is an item");
        let last = size_of_val(room) - size_of::<T>();
        Self { room, last }
    }

    /// An item; `None` past the end.
    #[inline(always)]
    pub(crate) fn get(self, at: u32) -> Option<&'a T> {
        let at = at as usize;
        if gap::<T>() == 0 {
            return self.room.get(at);
        }
        let offset = offset::<T>(at);
        if offset > self.last {
            return None;
        }
        let item = self.room.as_ptr().wrapping_byte_add(offset);
        // SAFETY: the item lies within the room, as was just asked, and like the room's items on a boundary of
        // `LINE` octets, or of all that `T` needs; `T: Plain` makes any contents valid, and shared writes atomic.
        Some(unsafe { &*item })
    }

    /// Starts to bring one line of an item. Where there is no such item, nothing is gained and nothing lost.
    #[inline(always)]
    pub(crate) fn prefetch(self, origin: Origin, at: u32, line: usize) {
        let start = self.room.as_ptr().cast::<i8>();
        prefetch_at(
            origin,
            start.wrapping_add(offset::<T>(at as usize) + line * LINE),
        );
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::conn::Conn;
    use crate::shared::memory::Memory;

    fn distances<const W: usize>() -> Vec<usize> {
        let room = room_for::<Conn<W>>(100);
        let memory = Memory::heap(room * size_of::<Conn<W>>());
        let items = memory.slice::<Conn<W>>(0, room).unwrap();
        let items = Staggered::new(&items);
        assert!(items.get(u32::MAX).is_none());
        let start = |at| std::ptr::from_ref(items.get(at).unwrap()).addr();
        (1..100).map(|at| start(at) - start(at - 1)).collect()
    }

    #[test]
    fn items_of_two_lines_change_their_parity_and_items_of_one_line_lie_close() {
        assert!(distances::<2>().iter().all(|&distance| distance == 64));
        let wide = distances::<5>();
        let gaps = (1..).zip(&wide).filter(|(_, distance)| **distance == 192);
        assert!(gaps.map(|(at, _)| at).eq([32, 64, 96]));
        assert_eq!(wide.iter().filter(|&&distance| distance == 128).count(), 96);
    }

    #[test]
    fn the_last_item_lies_within_its_room() {
        for count in [1, 31, 32, 33, 64, 65, 1000] {
            let octets = room_for::<Conn<5>>(count) * size_of::<Conn<5>>();
            let end = offset::<Conn<5>>(count - 1) + size_of::<Conn<5>>();
            assert!(end <= octets && octets < end + 2 * size_of::<Conn<5>>());
            assert_eq!(room_for::<Conn<2>>(count), count);
        }
    }
}
