//! Counts of reports: taken, and refused by cause.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a refusal must cost no more than an addition. Ten thousand a second are somebody's
//! plan.

use super::identity::{Identity, ReportRefusal};

/// Counts of one sender or one backend, since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    taken: u64,
    refused: [u64; ReportRefusal::CAUSES.len()],
}

impl Counts {
    /// Reports that were taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Every cause with the reports that were refused for it, zeros included.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.refused.iter().copied();
        ReportRefusal::CAUSES.into_iter().zip(counts)
    }

    /// Reports refused, for any cause.
    #[must_use]
    pub fn refused_in_all(&self) -> u64 {
        self.refused.iter().sum()
    }

    pub(super) fn count(&mut self, outcome: Result<(), ReportRefusal>) {
        let counter = match outcome {
            Ok(()) => Some(&mut self.taken),
            Err(refusal) => {
                let cause = refusal.cause();
                let mut causes = ReportRefusal::CAUSES.iter().zip(&mut self.refused);
                causes.find_map(|(&word, counter)| (word == cause).then_some(counter))
            }
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
    }
}

/// Counts by sender.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally([Counts; Identity::WORDS.len()]);

impl Tally {
    pub(super) fn count(&mut self, sender: Identity<'_>, outcome: Result<(), ReportRefusal>) {
        let [local, token, named] = &mut self.0;
        match sender {
            Identity::Local => local,
            Identity::Token => token,
            Identity::Named(_) => named,
        }
        .count(outcome);
    }

    pub(super) fn by_sender(&self) -> impl Iterator<Item = (&'static str, &Counts)> {
        Identity::WORDS.into_iter().zip(&self.0)
    }
}
