//! Epochs: when does nobody look any more?
//!
//! WO 00/30294 refills the buffer that no processor reads; this is how we know that none does. Each
//! lane (a lcore, or any thread that looks into shared tables) publishes the global epoch at every
//! turn of its loop, and by that promises to hold nothing from earlier turns. Who has unlinked
//! something advances the epoch and may reuse it once every lane has published a later one.
//! Easy to get wrong: a lane that stops turning holds up all reuse. One that waits for something must
//! go [`offline`](Epochs::offline) first.

use super::counters::Padded;
use super::sync::{AtomicU64, Ordering, fence};

const OFFLINE: u64 = 0;

/// The global epoch and what each lane has published of it.
#[derive(Debug)]
pub struct Epochs {
    global: Padded<AtomicU64>,
    lanes: Box<[Padded<AtomicU64>]>,
}

impl Epochs {
    /// Epochs for `lanes` lanes, all of them offline.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        Self {
            global: Padded(AtomicU64::new(1)),
            lanes: (0..lanes)
                .map(|_| Padded(AtomicU64::new(OFFLINE)))
                .collect(),
        }
    }

    /// Number of lanes, online or not.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// A new turn of `lane`: it holds nothing from before, and sees all that was unlinked before
    /// the epoch it publishes. Brings an offline lane online. Numbers from
    /// [`lanes`](Self::lanes) up have no lane: their turn protects nothing.
    #[inline]
    pub fn turn(&self, lane: usize) {
        let Some(own) = self.lanes.get(lane) else {
            return;
        };
        let epoch = self.global.load(Ordering::Acquire);
        let published = own.load(Ordering::Relaxed);
        if published != epoch {
            // Release: what this lane read in earlier turns was read before.
            own.store(epoch, Ordering::Release);
            if published == OFFLINE {
                // Pairs with the fence of `oldest`: either it sees this lane online, or this lane
                // sees what was unlinked before `oldest` looked.
                fence(Ordering::SeqCst);
            }
        }
    }

    /// `lane` holds nothing and will look at nothing until its next turn.
    pub fn offline(&self, lane: usize) {
        if let Some(own) = self.lanes.get(lane) {
            own.store(OFFLINE, Ordering::Release);
        }
    }

    /// Ends the current epoch and returns its number: what was unlinked before this call may be
    /// reused when [`all_passed`](Self::all_passed) says so of that number.
    pub fn advance(&self) -> u64 {
        // A lane that reads the new number synchronizes with this call, and so sees the unlinking.
        self.global.fetch_add(1, Ordering::AcqRel)
    }

    /// Whether every online lane has had a turn since `epoch` ended.
    #[must_use]
    pub fn all_passed(&self, epoch: u64) -> bool {
        self.oldest() > epoch
    }

    /// The oldest epoch that an online lane is in; `u64::MAX` when all are offline. It reads a cache
    /// line per lane, so it is not for every packet.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        fence(Ordering::SeqCst);
        let published = self.lanes.iter().map(|lane| lane.load(Ordering::Acquire));
        published
            .filter(|&epoch| epoch != OFFLINE)
            .min()
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_passed_when_every_online_lane_has_turned() {
        let epochs = Epochs::new(3);
        epochs.turn(0);
        epochs.turn(1);
        let ended = epochs.advance();
        assert!(!epochs.all_passed(ended));
        epochs.turn(0);
        assert!(!epochs.all_passed(ended));
        epochs.turn(1);
        assert!(epochs.all_passed(ended));
    }

    #[test]
    fn a_lane_that_went_offline_holds_nothing_up() {
        let epochs = Epochs::new(2);
        epochs.turn(0);
        epochs.turn(1);
        let ended = epochs.advance();
        epochs.turn(0);
        epochs.offline(1);
        assert!(epochs.all_passed(ended));
    }

    #[test]
    fn a_lane_that_came_online_after_the_end_of_an_epoch_does_not_hold_it_up() {
        let epochs = Epochs::new(2);
        epochs.turn(0);
        let ended = epochs.advance();
        epochs.turn(1);
        epochs.turn(0);
        assert!(epochs.all_passed(ended));
    }

    #[test]
    fn with_nobody_online_everything_has_passed() {
        let epochs = Epochs::new(2);
        let ended = epochs.advance();
        assert!(epochs.all_passed(ended));
    }
}
