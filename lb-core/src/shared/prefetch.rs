//! Asks for a cache line before it is needed.
//!
//! No counterpart in the patent. The filter works on bursts in stages; between two stages the lines
//! of the next one travel. Off x86-64 this does nothing.
//! Easy to get wrong: a prefetch helps only when enough other work lies before the read; and the first-level cache
//! waits for few lines at once, so that what comes from afar is brought only half the way ([`Origin::Beyond`]).

#![expect(unsafe_code, reason = "the prefetch instruction has no safe name")]

/// Size of a cache line in octets.
pub const LINE: usize = 64;

/// Where lines probably lie when they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the second-level cache: they are brought into the first.
    SecondLevel,
    /// Beyond it: they are brought into the second, which waits for more lines at once than the first does. On Zen 4
    /// a loop over random lines of memory, 32 of them under way, takes 9 to 12 ns a line by the first, 6 to 7 by the
    /// second.
    Beyond,
}

/// Entries that lie, with their buckets, in a second-level cache of a megabyte or so: no line is long on its way. What
/// a larger cache holds, packets passing by may have pushed out of it.
const CACHED: u32 = 1 << 13;

impl Origin {
    /// Where the lines of a table probably lie of which so many entries are used.
    #[inline(always)]
    #[must_use]
    pub const fn of_table(entries: u32) -> Self {
        if entries > CACHED {
            Self::Beyond
        } else {
            Self::SecondLevel
        }
    }
}

/// Starts to bring the line at the beginning of `value` into all levels of the cache.
#[inline(always)]
pub fn prefetch_read<T>(value: &T) {
    prefetch_from(Origin::SecondLevel, value);
}

/// Starts to bring the line at the beginning of `value`.
#[inline(always)]
pub fn prefetch_from<T>(origin: Origin, value: &T) {
    prefetch_at(origin, std::ptr::from_ref(value).cast());
}

/// Starts to bring all lines of a value of a few lines.
#[inline(always)]
pub(crate) fn prefetch_whole<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        prefetch_at(Origin::SecondLevel, start.wrapping_add(line * LINE));
    }
}

/// Starts to bring the line at an address, if there is memory.
#[inline(always)]
pub(crate) fn prefetch_at(origin: Origin, address: *const i8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        match origin {
            // SAFETY: PREFETCHT0 reads nothing that the program could see and never faults, whatever the address;
            // the SSE that it needs is part of x86-64.
            Origin::SecondLevel => unsafe { _mm_prefetch::<_MM_HINT_T0>(address) },
            // SAFETY: as above, PREFETCHT1.
            Origin::Beyond => unsafe { _mm_prefetch::<_MM_HINT_T1>(address) },
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (origin, address);
}
