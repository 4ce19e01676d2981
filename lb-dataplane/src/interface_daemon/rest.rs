//! How long the interface daemon waits when it finds nothing to do.
//!
//! No counterpart in the patent. After work it looks again at once; pauses then double from [`SHORTEST_NAP`] to
//! [`NAP`], and within a second of silence they grow on to [`LONGEST_NAP`]. So a frame in the midst of a conversation
//! waits some microseconds, one after a short pause a millisecond at most, one after a silence four, and a silent
//! daemon wakes up 250 times a second, which is less than a hundredth of a CPU.
//! Easy to get wrong: the main lcore's CPU has other threads, which get their turn in these pauses only.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Pause after the first turn without work.
const SHORTEST_NAP: Duration = Duration::from_micros(8);
/// Longest pause while there was work a moment ago.
const NAP: Duration = Duration::from_millis(1);
/// Longest pause: how long a frame may wait for the daemon, but for the system's own delays.
pub const LONGEST_NAP: Duration = Duration::from_millis(4);
/// Pauses longer than [`NAP`] grow by this part of themselves.
const GROWTH: u32 = 256;

/// The pause that is due next.
#[derive(Debug)]
pub(super) struct Rest {
    nap: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self { nap: SHORTEST_NAP }
    }
}

impl Rest {
    /// Waits after a turn, not longer than until one of these is readable.
    pub(super) fn after(&mut self, had_work: bool, readable: &[BorrowedFd<'_>]) {
        if had_work {
            self.nap = SHORTEST_NAP;
            return;
        }
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: self.nap.subsec_nanos().into(),
        };
        let mut asked: Vec<_> = readable
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        // A signal that ends the pause early does no harm.
        let _ = poll(&mut asked, Some(&nap));
        self.nap = if self.nap < NAP {
            NAP.min(self.nap * 2)
        } else {
            LONGEST_NAP.min(self.nap + self.nap / GROWTH)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_nothing_comes_and_begin_anew_with_work() {
        let mut rest = Rest::default();
        for _ in 0..7 {
            rest.after(false, &[]);
        }
        assert_eq!(rest.nap, NAP);
        rest.after(false, &[]);
        assert!(rest.nap > NAP);
        rest.nap = LONGEST_NAP;
        rest.after(false, &[]);
        assert_eq!(rest.nap, LONGEST_NAP);
        rest.after(true, &[]);
        assert_eq!(rest.nap, SHORTEST_NAP);
    }
}
