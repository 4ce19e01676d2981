//! Rate limit of the packets that we send of our own: a token bucket per lcore and kind.
//!
//! No counterpart in the patent. Answers go to addresses that may be forged, so what a lcore sends in
//! answer is bounded (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f). Time is handed in, in milliseconds.
//! Easy to get wrong: the limit is *per lcore*, so that no two lcores share a counter; a box with n
//! worker lcores sends up to n times as much.

/// Tokens per second and the burst that may go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Packets per second; at most 4,000,000.
    pub per_second: u32,
    /// Packets at once after a pause; at least 1.
    pub burst: u32,
}

/// A token bucket that counts in thousandths of a packet, so that no time is lost to rounding.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Rate,
    thousandths: u64,
    filled_millis: u32,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub const fn new(rate: Rate) -> Self {
        Self {
            rate,
            thousandths: rate.burst as u64 * 1000,
            filled_millis: 0,
        }
    }

    /// Takes one packet's worth, if there is one.
    pub fn take(&mut self, now_millis: u32) -> bool {
        let passed = now_millis.wrapping_sub(self.filled_millis);
        if passed != 0 {
            self.filled_millis = now_millis;
            let gained = u64::from(passed) * u64::from(self.rate.per_second);
            self.thousandths = (self.thousandths + gained).min(u64::from(self.rate.burst) * 1000);
        }
        let has_one = self.thousandths >= 1000;
        if has_one {
            self.thousandths -= 1000;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let mut bucket = Bucket::new(Rate {
            per_second: 10,
            burst: 3,
        });
        let at_once = (0..10).filter(|_| bucket.take(0)).count();
        let in_a_second = (1..=1000).filter(|&ms| bucket.take(ms)).count();
        assert_eq!((at_once, in_a_second), (3, 10));
    }

    #[test]
    fn a_long_pause_saves_up_no_more_than_a_burst() {
        let mut bucket = Bucket::new(Rate {
            per_second: 1000,
            burst: 5,
        });
        while bucket.take(0) {}
        assert_eq!((0..100).filter(|_| bucket.take(1_000_000)).count(), 5);
    }
}
