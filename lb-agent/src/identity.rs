//! What tells this run of the agent from every other.
//!
//! No counterpart in the patent. Sequence numbers count within one `boot_id`; the clock is the machine's
//! (seconds since it booted), so it goes on where an agent that was started again left off.
//! Easy to get wrong: `boot_id` names the *agent's* start and not the machine's, for a restarted agent counts
//! from 1 again and would look like a replay otherwise.

use std::fmt::Write;

use rustix::time::{ClockId, clock_gettime};

/// One run of the agent.
#[derive(Clone, Debug)]
pub struct Identity {
    boot_id: String,
}

impl Identity {
    /// A new one, drawn at random.
    #[must_use]
    pub fn new() -> Self {
        let mut boot_id = String::with_capacity(32);
        for octet in crate::random::octets::<16>() {
            // Writing to a string cannot fail.
            let _ = write!(boot_id, "{octet:02x}");
        }
        Self { boot_id }
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// Seconds on the machine's monotonic clock.
#[must_use]
pub fn monotonic_seconds() -> f64 {
    seconds(ClockId::Monotonic)
}

/// CPU time that the calling thread has used, in seconds.
#[must_use]
pub fn thread_cpu_seconds() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_two_identities() {
        let (one, other) = (Identity::new(), Identity::new());
        assert_eq!(one.boot_id().len(), 32);
        assert_ne!(one.boot_id(), other.boot_id());
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let before = monotonic_seconds();
        assert!(before > 0.0);
        assert!(monotonic_seconds() >= before);
    }
}
