//! What can keep `lbctl` from doing what was asked: one sentence each, which also says what to do.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a change whose answer did not come may have been made all the same; the sentence must
//! not say that it was not.

use std::io;
use std::process::ExitCode;

use crate::refused::Refused;

/// Why the verb was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or a file that it names, is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// A local file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// Nobody is there.
    #[error(
        "no lb-dataplane answers at {address}: {why}. Is it running? --control names its socket"
    )]
    Absent {
        /// Where it was asked.
        address: String,
        /// What the kernel said, in words.
        why: String,
    },
    /// The socket is there, and not for us.
    #[error(
        "{address} does not let this user in: {error}. Run lbctl as root, or as a member of the socket's group"
    )]
    Forbidden {
        /// Where it was asked.
        address: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// Connected, but no whole answer in time.
    #[error("{address} took the connection but did not answer within {seconds} s. {advice}")]
    Hung {
        /// Where it was asked.
        address: String,
        /// How long we waited.
        seconds: f64,
        /// What to do now.
        advice: &'static str,
    },
    /// The connection ended before the answer did.
    #[error("{address} closed the connection before its answer was complete. {advice}")]
    Closed {
        /// Where it was asked.
        address: String,
        /// What to do now.
        advice: &'static str,
    },
    /// Something answers that is not the API.
    #[error(
        "what answers at {address} is not lb-dataplane's API ({why}); does --control name another program's address?"
    )]
    Stranger {
        /// Where it was asked.
        address: String,
        /// What was strange.
        why: String,
    },
    /// TLS did not come about.
    #[error(
        "no TLS with {address}: {why}. Check --ca, --certificate and --key, or whether this port speaks TLS at all"
    )]
    Tls {
        /// Where it was asked.
        address: String,
        /// What the library said.
        why: String,
    },
    /// The API answers what these views do not have.
    #[error(
        "{path} answers what this lbctl cannot read: {why}. Is it of another version than lb-dataplane? --json prints the answer as it is"
    )]
    Unreadable {
        /// Which resource.
        path: String,
        /// What the JSON reader said.
        why: String,
    },
    /// The API said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Our own output went nowhere.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The machine has no more of what we need.
    #[error("lbctl cannot start: {0}")]
    Machine(io::Error),
}

impl Failure {
    /// Exit status: 2 for what must be put differently, 1 for what may work another time.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Refused(refused) if refused.is_final() => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether it may be gone in a moment: the server starts again, or is busy.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Absent { .. } | Self::Hung { .. } | Self::Closed { .. }
        ) || matches!(self, Self::Refused(refused) if matches!(refused.status, 429 | 503))
    }

    /// Whether the reader of our output went away, as `head` does; nobody needs to be told.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
