//! Pace: when packets are due, at an even rate.
//!
//! No counterpart in the patent. Pure: the time is handed in.
//! Easy to get wrong: a source that was held up and then sends all it owes makes a burst that no wire would
//! carry, and the switch looks slow. It owes a few bursts at most; the rest is skipped, and counted.

/// Packets told of at once.
const BURST: u64 = 32;
/// Packets owed at most: some ten microseconds at the rates of one lcore.
const OWED: u64 = 256;

/// Packets at an even rate.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Nanosecond at which the count began.
    start: u64,
    nanos_per_packet: f64,
    /// Packets told of so far.
    told: u64,
    skipped: u64,
}

impl Pace {
    /// `mpps` million packets per second, more than 0, from the nanosecond `start` on.
    #[must_use]
    pub fn new(start: u64, mpps: f64) -> Self {
        Self {
            start,
            nanos_per_packet: 1e3 / mpps,
            told: 0,
            skipped: 0,
        }
    }

    /// Packets to be sent at nanosecond `now`, 32 at most; those that it tells of are not told of again.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times far below 2^52 ns"
    )]
    pub fn due(&mut self, now: u64) -> usize {
        let due = (now.saturating_sub(self.start) as f64 / self.nanos_per_packet) as u64;
        let owed = due.saturating_sub(self.told + self.skipped);
        self.skipped += owed.saturating_sub(OWED);
        let told = owed.min(BURST);
        self.told += told;
        told as usize
    }

    /// Packets that were due and will never be told of.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_become_due_one_by_one_at_their_rate() {
        let mut pace = Pace::new(1_000, 2.0);
        assert_eq!(pace.due(900), 0);
        assert_eq!(pace.due(1_499), 0);
        assert_eq!(pace.due(1_500), 1);
        assert_eq!(pace.due(1_500), 0);
        let sum: usize = (1_501..=1_001_000).map(|now| pace.due(now)).sum();
        assert_eq!((sum, pace.skipped()), (1_999, 0));
    }

    #[test]
    fn who_was_held_up_catches_up_by_a_few_bursts_and_skips_the_rest() {
        let mut pace = Pace::new(0, 1.0);
        assert_eq!(pace.due(1_000_000), 32);
        assert_eq!(pace.skipped(), 1_000 - 256);
        let rest: usize = (0..20).map(|_| pace.due(1_000_000)).sum();
        assert_eq!((rest, pace.skipped()), (256 - 32, 1_000 - 256));
        assert_eq!(pace.due(1_001_000), 1);
    }
}
