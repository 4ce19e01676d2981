//! What the routing daemon tells of itself.
//!
//! No counterpart in the patent.
//! Easy to get wrong: "held" is what concerns the data path; the kernel may have more.

use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::mirror::Doubt;

/// Figures of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Ports whose kernel device is there.
    pub devices: usize,
    /// Routes over them, or to nowhere, each prefix and metric once.
    pub routes: usize,
    /// Addresses on them.
    pub addresses: usize,
    /// Permanent neighbors on them.
    pub neighbors: usize,
    /// Messages about changes that were read since the program started.
    pub messages: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Times that tables were read anew, by why, in the order of [`Doubt::ALL`].
    pub resyncs: [u64; Doubt::ALL.len()],
    /// What the last one took.
    pub resync_time: Duration,
    /// Pictures given to the data path.
    pub publications: u64,
    /// What that took, all in all.
    pub publish_time: Duration,
    /// What the last one took.
    pub last_publish_time: Duration,
    /// Times that the data path was not ready for one, and it was tried again.
    pub busy: u64,
    /// When something that concerns the data path changed last, in seconds since 1970; 0: never.
    pub changed_at: f64,
}

/// The figures, shared with whoever looks.
#[derive(Debug, Default)]
pub struct Status(Mutex<Figures>);

impl Status {
    /// As they are now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.0.lock().clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.0.lock());
    }
}

pub(super) fn since_1970() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64()
}
