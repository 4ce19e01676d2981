//! A slice whose items are found by a hash of any size, without a division and without a check.
//!
//! No counterpart in the patent. The hash is scaled to the slice by multiplication: item `hash × len / 2^64`.
//! Easy to get wrong: there must be an item at all; that is asked once, when the slice is taken.

#![expect(unsafe_code, reason = "an index that cannot be too large")]

/// Items by the high product of a hash and their number. Never empty.
#[derive(Debug)]
pub(crate) struct Scaled<'a, T>(&'a [T]);

impl<T> Clone for Scaled<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Scaled<'_, T> {}

impl<'a, T> Scaled<'a, T> {
    /// # Panics
    /// Without items.
    #[inline(always)]
    pub(crate) const fn new(items: &'a [T]) -> Self {
        assert!(!items.is_empty(), "there is an item");
        Self(items)
    }

    /// The hash's item.
    #[inline(always)]
    pub(crate) fn at(self, hash: u64) -> &'a T {
        let at = high_product(hash, self.0.len());
        // SAFETY: hash is at most 2^64 - 1, so hash × len is below len × 2^64, and its upper half is below len,
        // which is not 0.
        unsafe { self.0.get_unchecked(at) }
    }
}

/// Scales a hash to 0..count by multiplication: no division, any count.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below count"
)]
pub(crate) const fn high_product(hash: u64, count: usize) -> usize {
    ((hash as u128 * count as u128) >> 64) as usize
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_largest_hash_finds_the_last_item_and_the_smallest_the_first() {
        for len in [1, 2, 3, 7, 1000] {
            let items: Vec<usize> = (0..len).collect();
            let scaled = Scaled::new(&items);
            assert_eq!((*scaled.at(0), *scaled.at(u64::MAX)), (0, len - 1));
        }
    }

    #[test]
    fn every_item_has_its_share_of_the_hashes() {
        let items: Vec<usize> = (0..5).collect();
        for (fifth, start) in (0..5).map(|i| (i, u64::MAX / 5 * i as u64 + 5)) {
            assert_eq!(*Scaled::new(&items).at(start), fifth);
        }
    }
}
