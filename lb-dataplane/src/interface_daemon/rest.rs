//! How long the interface daemon waits when it finds nothing to do.
//!
//! No counterpart in the patent. After work it looks again at once; then pauses grow with the silence: a frame waits
//! for a thirty-second part of the silence before it at most, and never longer than [`LONGEST_NAP`]. So what is under
//! way is not held up, a lone frame now and then costs some two hundred pauses, and a silent daemon wakes up 500
//! times a second; docs/operations.md has what that costs.
//! Easy to get wrong: the main lcore's CPU has other threads, which get their turn in these pauses only. And the
//! system adds 50 µs to each pause of a thread that has not asked it to be exact.

use std::fs;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Pause after the first turn without work.
const SHORTEST_NAP: Duration = Duration::from_micros(8);
/// Longest pause: how long a frame may wait for the daemon, but for the system's own delays.
pub const LONGEST_NAP: Duration = Duration::from_millis(2);
/// Pauses that are as long as the silence before them.
const PARTS: u32 = 32;
/// Nanoseconds by which the system may lengthen a pause.
const SLACK: &str = "1000";

/// The pauses of one thread.
#[derive(Debug, Default)]
pub(super) struct Rest {
    silent_since: Option<Instant>,
    is_exact: bool,
}

impl Rest {
    /// Waits after a turn, not longer than until one of these is readable; whether one is.
    pub(super) fn after(&mut self, had_work: bool, readable: &[BorrowedFd<'_>]) -> bool {
        let now = Instant::now();
        if had_work {
            self.silent_since = Some(now);
            return true;
        }
        if !self.is_exact {
            self.is_exact = true;
            be_exact();
        }
        let since = *self.silent_since.get_or_insert(now);
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: nap(now - since).subsec_nanos().into(),
        };
        let mut asked: Vec<_> = readable
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        // A signal that ends the pause early does no harm.
        poll(&mut asked, Some(&nap)).is_ok_and(|count| count > 0)
    }
}

/// The pause that is due after so long a silence.
fn nap(silence: Duration) -> Duration {
    (silence / PARTS).clamp(SHORTEST_NAP, LONGEST_NAP)
}

/// Asks the system to end this thread's pauses when they are over. Where it cannot be asked, they are longer.
fn be_exact() {
    let thread = fs::read_link("/proc/thread-self").ok();
    if let Some(number) = thread.as_deref().and_then(|path| path.file_name()) {
        let file = std::path::Path::new("/proc").join(number);
        let _ = fs::write(file.join("timerslack_ns"), SLACK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_silence() {
        let micros = |silence| nap(Duration::from_micros(silence)).as_micros();
        assert_eq!([0, 256, 640, 6_400].map(micros), [8, 8, 20, 200]);
        assert_eq!([32_000, 64_000, 200_000].map(micros), [1000, 2000, 2000]);
        assert_eq!(nap(Duration::from_secs(3600)), LONGEST_NAP);
    }

    #[test]
    fn there_is_no_pause_after_work() {
        let mut rest = Rest::default();
        assert!(!rest.after(false, &[]));
        let silent_since = rest.silent_since;
        assert!(rest.after(true, &[]));
        assert!(rest.silent_since > silent_since);
    }
}
