//! How often one source is asked.
//!
//! No counterpart in the patent. Two reasons to leave a source alone for some rounds: its last answer cost
//! so much CPU time that asking every round would break the agent's promise of 1 % of a core (a server with
//! 100,000 connections has a long /proc/net/tcp); or it hung, and the other sources must not wait for it.
//! Not here: measuring. Rounds are intervals between reports.
//! Easy to get wrong: a source that refuses quickly costs nothing and is asked every round.

use std::time::Duration;

/// Part of a core that all sources of an agent may use together. The rest of the 1 % is for making and
/// sending reports.
pub const CPU_SHARE: f64 = 0.006;
/// Longest time for which a costly source is left alone.
pub const LONGEST: Duration = Duration::from_secs(60);
/// Rounds that a source which keeps hanging is left alone at most.
const HUNG_ROUNDS_MAX: u32 = 8;

/// One source's turns.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    share: f64,
    skip: u32,
    hung: u32,
}

impl Pace {
    /// A source that is due at once. `share` is the part of a core that it may use, above 0.
    #[must_use]
    pub fn new(interval: Duration, share: f64) -> Self {
        Self {
            interval,
            share,
            skip: 0,
            hung: 0,
        }
    }

    /// Whether the source is to be asked in this round. Counts the round.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        is_due
    }

    /// Notes that the source answered, or refused in time, for `cost` of CPU time.
    pub fn answered(&mut self, cost: Duration) {
        self.hung = 0;
        let apart = cost.div_f64(self.share.max(1e-6)).min(LONGEST);
        self.skip = whole_rounds(apart.div_duration_f64(self.interval));
    }

    /// Notes that the source did not answer within its time.
    pub fn hung(&mut self) {
        self.skip = 1_u32
            .checked_shl(self.hung)
            .unwrap_or(HUNG_ROUNDS_MAX)
            .min(HUNG_ROUNDS_MAX);
        self.hung = (self.hung + 1).min(31);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond u32 becomes its largest value; LONGEST bounds it far below"
)]
fn whole_rounds(rounds: f64) -> u32 {
    rounds as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rounds_until_due(pace: &mut Pace) -> u32 {
        let mut rounds = 1;
        while !pace.is_due() {
            rounds += 1;
        }
        rounds
    }

    #[test]
    fn a_cheap_source_is_asked_every_round() {
        let mut pace = Pace::new(SECOND, 0.005);
        for _ in 0..3 {
            assert!(pace.is_due());
            pace.answered(Duration::from_micros(300));
        }
    }

    #[test]
    fn a_costly_source_stays_within_its_share() {
        let mut pace = Pace::new(SECOND, 0.005);
        assert!(pace.is_due());
        pace.answered(Duration::from_millis(50));
        let rounds = rounds_until_due(&mut pace);
        assert!(0.050 / f64::from(rounds) <= 0.005, "{rounds}");
        assert!(rounds <= 12, "{rounds}");
    }

    #[test]
    fn even_the_costliest_source_is_asked_again_within_a_minute_or_so() {
        let mut pace = Pace::new(SECOND, 0.005);
        assert!(pace.is_due());
        pace.answered(Duration::from_secs(5));
        assert_eq!(rounds_until_due(&mut pace), 61);
    }

    #[test]
    fn a_hung_source_is_left_alone_longer_each_time() {
        let mut pace = Pace::new(SECOND, 0.005);
        let mut rounds = Vec::new();
        for _ in 0..6 {
            pace.hung();
            rounds.push(rounds_until_due(&mut pace));
        }
        assert_eq!(rounds, [2, 3, 5, 9, 9, 9]);
        pace.answered(Duration::ZERO);
        pace.hung();
        assert_eq!(rounds_until_due(&mut pace), 2);
    }
}
