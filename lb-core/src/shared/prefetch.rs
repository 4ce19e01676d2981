//! Asks for a cache line before it is needed.
//!
//! No counterpart in the patent. The filter works on bursts in stages; between two stages the lines
//! of the next one travel. Off x86-64 this does nothing.
//! Easy to get wrong: a prefetch helps only when enough other work lies before the read.

#![expect(unsafe_code, reason = "the prefetch instruction has no safe name")]

/// Size of a cache line in octets.
pub const LINE: usize = 64;

/// Starts to bring the line at the beginning of `value` into all levels of the cache.
#[inline(always)]
pub fn prefetch_read<T>(value: &T) {
    prefetch_line(value, 0);
}

/// Starts to bring line `line` of `value` (0 is the first) into all levels of the cache; a line
/// past its end is ignored.
#[inline(always)]
pub fn prefetch_line<T>(value: &T, line: usize) {
    if line != 0 && line * LINE >= size_of::<T>() {
        return;
    }
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(value)
            .cast::<i8>()
            .wrapping_add(line * LINE);
        // SAFETY: PREFETCHT0 reads nothing that the program could see and never faults, whatever
        // the address; the SSE that it needs is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = value;
}
