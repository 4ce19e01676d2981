//! Asks for a cache line before it is needed.
//!
//! No counterpart in the patent. The filter works on bursts in stages; between two stages the lines
//! of the next one travel. Off x86-64 this does nothing.
//! Easy to get wrong: a prefetch helps only when enough other work lies before the read.

#![expect(unsafe_code, reason = "the prefetch instruction has no safe name")]

use super::sync::{AtomicU64, Ordering};

/// Size of a cache line in octets.
pub const LINE: usize = 64;

/// Starts to bring the line at the beginning of `value` into all levels of the cache.
#[inline(always)]
pub fn prefetch_read<T>(value: &T) {
    prefetch(std::ptr::from_ref(value).cast());
}

/// Starts to bring all lines of a value of a few lines.
#[inline(always)]
pub(crate) fn prefetch_whole<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        prefetch(start.wrapping_add(line * LINE));
    }
}

/// Starts to bring the first two lines, or as many as it has, of item `at` of a slice. Where there is no such
/// item, nothing is gained and nothing lost.
#[inline(always)]
pub fn prefetch_item<T>(items: &[T], at: usize) {
    let item = items.as_ptr().wrapping_add(at).cast::<i8>();
    prefetch(item);
    if size_of::<T>() > LINE {
        prefetch(item.wrapping_add(LINE));
    }
}

/// Reads a word and does nothing with it. A processor may drop a prefetch when too many lines are on their way
/// (measured on Zen 4: one in eight of 32 at once, none of 16), but never a read; and many reads close together
/// wait for their lines together.
#[inline(always)]
pub(crate) fn touch(word: &AtomicU64) {
    // Relaxed reads of atomics are not optimised away.
    let _ = word.load(Ordering::Relaxed);
}

/// Starts to bring one line of item `at` of a slice. Where there is no such item, nothing is gained and nothing lost.
#[inline(always)]
pub(crate) fn prefetch_line<T>(items: &[T], at: usize, line: usize) {
    let item = items.as_ptr().wrapping_add(at).cast::<i8>();
    prefetch(item.wrapping_add(line * LINE));
}

#[inline(always)]
fn prefetch(address: *const i8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 reads nothing that the program could see and never faults, whatever
        // the address; the SSE that it needs is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
