//! Counters that one lcore writes and everybody reads.
//!
//! No counterpart in the patent. The owner adds with a plain load and store, which costs no more than
//! a local variable; readers sum the lcores' counters and may be a few packets late.
//! Easy to get wrong: with two writers additions get lost. A counter belongs to one lcore, and lcores'
//! counters lie on different cache lines ([`Padded`]).

use std::ops::Deref;

use super::sync::{AtomicU64, Ordering};

/// A count that a single owner advances and anybody reads. It wraps at 2^64.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owner may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// Takes `n` away; the count wraps below zero, so that sums over several owners come out right.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(n),
            Ordering::Relaxed,
        );
    }

    /// The count now, as far as this lcore can see.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value alone on its cache lines: two of them, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn what_one_lcore_adds_and_another_takes_away_sums_to_zero() {
        let lcores: Vec<Padded<Counter>> = (0..2).map(|_| Padded::default()).collect();
        lcores[0].add(3);
        lcores[1].sub(3);
        let sum = lcores
            .iter()
            .fold(0u64, |sum, counter| sum.wrapping_add(counter.value()));
        assert_eq!(sum, 0);
    }

    #[test]
    fn counters_of_two_lcores_share_no_cache_line() {
        let lcores: [Padded<Counter>; 2] = Default::default();
        let distance = (&raw const lcores[1]).addr() - (&raw const lcores[0]).addr();
        assert!(distance >= 128, "{distance} octets apart");
    }
}
