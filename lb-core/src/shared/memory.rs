//! A block of zeroed memory, and typed slices of it.
//!
//! WO 00/30294: the bare memory 34. Where it comes from is not our business: tests take it from the
//! heap, the program maps a file of hugepages and hands it in with an owner that unmaps it.
//! Easy to get wrong: memory is touched only when something is written to it. Nothing here may fill,
//! copy or even read a block as a whole, or a table of 16 million connections costs gigabytes at once.

#![expect(unsafe_code, reason = "typed slices of memory that came from outside")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use super::plain::Plain;

/// Alignment of every block, in octets: a page.
pub const PAGE: usize = 4096;

/// A block of memory that starts out zeroed; clones share it, the last one gives it back.
#[derive(Clone)]
pub struct Memory {
    block: Arc<Block>,
}

struct Block {
    base: *mut u8,
    len: usize,
    _keeper: Box<dyn Send + Sync>,
}

// SAFETY: the block is only reached through slices of `Plain` shapes, which are atomics and may be
// used from any thread; the keeper is `Send` and `Sync` itself.
unsafe impl Send for Block {}
// SAFETY: as for `Send`.
unsafe impl Sync for Block {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("octets", &self.len())
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// A zeroed block of `len` octets from the heap, aligned to 2 MiB, for tests and for use inside
    /// one process. Untouched parts cost nothing.
    #[must_use]
    pub fn heap(len: usize) -> Self {
        const HUGE: usize = 2 << 20;
        // Asking the allocator for the alignment would make it clear the block by hand and so touch
        // all of it; a plain request with room to spare is fresh from the kernel, already zero.
        let align = if len >= HUGE { HUGE } else { PAGE };
        let mut octets: Box<[u8]> = vec![0; len + align].into_boxed_slice();
        let start = octets.as_mut_ptr();
        let base = start.wrapping_add(start.align_offset(align));
        let raw = Box::into_raw(octets);
        let keeper = HeapBlock(raw);
        Self {
            block: Arc::new(Block {
                base,
                len,
                _keeper: Box::new(keeper),
            }),
        }
    }

    /// Takes over a block that somebody else mapped; `keeper` is dropped with the last use of it and
    /// unmaps it.
    ///
    /// # Safety
    /// `base` is aligned to [`PAGE`]; `len` octets from it are mapped readable and writable until
    /// `keeper` is dropped; this process reaches them only through this `Memory` and its clones;
    /// other processes, if any, write them only with atomic instructions.
    #[must_use]
    pub unsafe fn mapped(base: *mut u8, len: usize, keeper: Box<dyn Send + Sync>) -> Self {
        Self {
            block: Arc::new(Block {
                base,
                len,
                _keeper: keeper,
            }),
        }
    }

    /// Size in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.block.len
    }

    /// Whether the block has no octets at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.len == 0
    }

    /// `count` values of `T`, `offset` octets from the start; `None` when they do not lie within the
    /// block or not on an address fit for `T`.
    pub(crate) fn slice<T: Plain>(&self, offset: usize, count: usize) -> Option<Slice<T>> {
        let octets = count.checked_mul(size_of::<T>())?;
        if offset.checked_add(octets)? > self.block.len {
            return None;
        }
        let base = self.block.base.wrapping_add(offset).cast::<T>();
        let base = NonNull::new(base).filter(|base| base.is_aligned())?;
        Some(Slice::new(base, count, self.clone()))
    }
}

/// The heap's part of [`Memory::heap`].
struct HeapBlock(*mut [u8]);

// SAFETY: the pointer is only used once, to give the block back; any thread may do that.
unsafe impl Send for HeapBlock {}
// SAFETY: a shared `HeapBlock` does nothing.
unsafe impl Sync for HeapBlock {}

impl Drop for HeapBlock {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` and is given back once, after the last slice.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Typed values in a block of [`Memory`]; keeps the block alive. Reads as `&[T]`.
pub struct Slice<T> {
    #[cfg(not(loom))]
    base: NonNull<T>,
    #[cfg(not(loom))]
    len: usize,
    #[cfg(loom)]
    items: Arc<[T]>,
    memory: Memory,
}

impl<T: Plain> Slice<T> {
    #[cfg(not(loom))]
    fn new(base: NonNull<T>, len: usize, memory: Memory) -> Self {
        Self { base, len, memory }
    }

    // Loom's atomics live in its own books, not in octets: every slice is made of fresh values.
    #[cfg(loom)]
    fn new(_base: NonNull<T>, len: usize, memory: Memory) -> Self {
        Self {
            items: (0..len).map(|_| T::default()).collect(),
            memory,
        }
    }
}

#[cfg(not(loom))]
impl<T> Deref for Slice<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `Memory::slice` checked bounds and alignment, the block lives as long as
        // `self.memory`, and `T: Plain` makes any contents valid and shared writes atomic.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

#[cfg(loom)]
impl<T> Deref for Slice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

// SAFETY: a `Slice` is a shared view of `Plain` values, which are `Send` and `Sync`.
#[cfg(not(loom))]
unsafe impl<T: Plain> Send for Slice<T> {}
// SAFETY: as for `Send`.
#[cfg(not(loom))]
unsafe impl<T: Plain> Sync for Slice<T> {}

impl<T> Clone for Slice<T> {
    fn clone(&self) -> Self {
        Self {
            #[cfg(not(loom))]
            base: self.base,
            #[cfg(not(loom))]
            len: self.len,
            #[cfg(loom)]
            items: Arc::clone(&self.items),
            memory: self.memory.clone(),
        }
    }
}

impl<T> fmt::Debug for Slice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slice")
            .field("values", &self.len())
            .field("of", &self.memory)
            .finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::shared::sync::{AtomicU64, Ordering};

    #[test]
    fn a_slice_past_the_end_or_across_it_is_refused() {
        let memory = Memory::heap(4096);
        assert!(memory.slice::<AtomicU64>(0, 512).is_some());
        assert!(memory.slice::<AtomicU64>(8, 512).is_none());
        assert!(memory.slice::<AtomicU64>(8192, 0).is_none());
        assert!(memory.slice::<AtomicU64>(0, usize::MAX).is_none());
        assert!(memory.slice::<AtomicU64>(usize::MAX, 1).is_none());
    }

    #[test]
    fn a_slice_off_its_alignment_is_refused() {
        let memory = Memory::heap(4096);
        assert!(memory.slice::<AtomicU64>(4, 1).is_none());
    }

    #[test]
    fn a_slice_outlives_the_memory_handle_it_came_from() {
        let memory = Memory::heap(3 << 20);
        let slice = memory.slice::<AtomicU64>(2 << 20, 4).unwrap();
        drop(memory);
        slice[3].store(7, Ordering::Relaxed);
        assert_eq!(slice.clone()[3].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn large_blocks_start_on_a_two_mebibyte_boundary() {
        let memory = Memory::heap(5 << 20);
        assert_eq!(memory.block.base.addr() % (2 << 20), 0);
    }

    #[test]
    fn a_mapped_block_is_given_back_with_its_last_slice() {
        use std::sync::atomic::{AtomicBool, Ordering};

        struct Keeper(Arc<AtomicBool>, Vec<u64>);
        impl Drop for Keeper {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let unmapped = Arc::new(AtomicBool::new(false));
        let mut keeper = Keeper(Arc::clone(&unmapped), vec![0; 16]);
        let base = keeper.1.as_mut_ptr().cast::<u8>();
        // SAFETY: the vector lives in the keeper, and nothing else reaches its contents.
        let memory = unsafe { Memory::mapped(base, 128, Box::new(keeper)) };
        let slice = memory.slice::<AtomicU64>(0, 16);
        drop(memory);
        assert!(!unmapped.load(Ordering::Relaxed));
        drop(slice);
        assert!(unmapped.load(Ordering::Relaxed));
    }
}
