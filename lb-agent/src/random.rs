//! Random numbers for jitter and for names.
//!
//! No counterpart in the patent. The kernel gives seed and names; jitter comes from a xorshift generator
//! (Marsaglia 2003, shifts 13, 7, 17), which needs to be uneven between agents and nothing more.
//! Easy to get wrong: never use [`Jitter`] where somebody must not guess.

use std::time::{SystemTime, UNIX_EPOCH};

/// Octets from the kernel.
///
/// If it has none to give, which happens only before its generator was filled at boot, from the clock.
#[must_use]
pub fn octets<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    let filled = rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty());
    if filled != Ok(N) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        for (octet, time) in octets.iter_mut().zip(since.as_nanos().to_le_bytes()) {
            *octet ^= time;
        }
    }
    octets
}

/// A source of jitter.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// One that runs differently in every agent and thread.
    #[must_use]
    pub fn new() -> Self {
        Self(u64::from_le_bytes(octets()) | 1)
    }

    /// The next number, from 0 up to but without 1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_fills_the_unit_interval() {
        let mut jitter = Jitter(1);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let unit = jitter.unit();
            assert!((0.0..1.0).contains(&unit));
            tenths[whole(unit * 10.0)] += 1;
        }
        assert!(tenths.iter().all(|n| (800..1200).contains(n)), "{tenths:?}");
    }

    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 9")]
    fn whole(number: f64) -> usize {
        number as usize
    }

    #[test]
    fn two_names_differ() {
        assert_ne!(octets::<16>(), octets::<16>());
    }
}
