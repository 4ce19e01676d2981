//! What came of one check: it passed, it failed for a cause, or it could not be made.
//!
//! No counterpart in the patent.
//! Easy to get wrong: what this box lacks (descriptors, ports, a processor) says nothing about a backend. Taken for
//! failures, it would take all backends out at the worst of moments.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No answer in time.
    Timeout,
    /// The port is closed.
    Refused,
    /// Something on the way said that nobody is there, or nobody has the address.
    Unreachable,
    /// Our own kernel knows no way there.
    NoRoute,
    /// The connection broke off.
    Closed,
    /// The TLS handshake failed.
    Tls,
    /// It answered, but not as expected.
    Unexpected,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::Timeout,
        Self::Refused,
        Self::Unreachable,
        Self::NoRoute,
        Self::Closed,
        Self::Tls,
        Self::Unexpected,
    ];

    /// The word in metrics and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NoRoute => "no_route",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::Unexpected => "unexpected",
        }
    }
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// In words.
    pub detail: String,
}

/// Characters of a detail that are kept.
const DETAIL_MAX: usize = 120;

impl Failure {
    /// A failure; what its detail repeats of others' words is made printable and cut.
    #[must_use]
    pub fn new(cause: Cause, detail: impl AsRef<str>) -> Self {
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let detail = detail.as_ref().chars().take(DETAIL_MAX);
        Self {
            cause,
            detail: detail.map(printable).collect(),
        }
    }
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed {
        /// From the first packet to the answer.
        latency: Duration,
        /// What was heard.
        what: String,
    },
    /// Not as it should be.
    Failed(Failure),
    /// It could not be made here; says nothing about the backend.
    NotMade(String),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        let cause = match errno {
            Some(Errno::CONNREFUSED) => Cause::Refused,
            Some(Errno::NETUNREACH) => Cause::NoRoute,
            Some(Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NONET) => Cause::Unreachable,
            Some(Errno::TIMEDOUT) => Cause::Timeout,
            Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => Cause::Closed,
            // Sockets, ports, memory, rights: ours.
            Some(_) => return Self::NotMade(error.to_string()),
            None if error.kind() == io::ErrorKind::TimedOut => Cause::Timeout,
            None => Cause::Closed,
        };
        Self::Failed(Failure::new(cause, error.to_string()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed { what, .. } => f.write_str(what),
            Self::Failed(Failure { cause, detail }) => write!(f, "{}: {detail}", cause.name()),
            Self::NotMade(why) => write!(f, "not checked: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_box_lacks_is_not_the_backends_failure() {
        for errno in [
            libc::EMFILE,
            libc::EADDRNOTAVAIL,
            libc::EACCES,
            libc::ENOBUFS,
        ] {
            let outcome = Outcome::from(io::Error::from_raw_os_error(errno));
            assert!(matches!(outcome, Outcome::NotMade(_)), "{errno}");
        }
    }

    #[test]
    fn errors_of_the_network_have_their_cause() {
        for (errno, cause) in [
            (libc::ECONNREFUSED, Cause::Refused),
            (libc::EHOSTUNREACH, Cause::Unreachable),
            (libc::ENETUNREACH, Cause::NoRoute),
            (libc::ECONNRESET, Cause::Closed),
            (libc::ETIMEDOUT, Cause::Timeout),
        ] {
            match Outcome::from(io::Error::from_raw_os_error(errno)) {
                Outcome::Failed(failure) => assert_eq!(failure.cause, cause),
                other => panic!("{errno}: {other}"),
            }
        }
    }

    #[test]
    fn what_others_say_is_cut_and_made_printable() {
        let failure = Failure::new(Cause::Unexpected, format!("\u{1b}[2J{}", "x".repeat(500)));
        assert!(failure.detail.starts_with("\u{fffd}[2J"));
        assert_eq!(failure.detail.chars().count(), DETAIL_MAX);
    }
}
