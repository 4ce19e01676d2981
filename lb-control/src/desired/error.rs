//! What came of a change: what it did, or why it did nothing.
//!
//! No counterpart in the patent. Whatever the reason, a change that was refused has changed nothing.
//! Easy to get wrong: "busy" is no fault of the caller; the same call may succeed a moment later.

use std::io;
use std::path::PathBuf;

use lb_core::config::Refusal;

use super::diff::Change;

/// A change that took place.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Revision that is in force now.
    pub revision: u64,
    /// Generation that packets see now.
    pub generation: u64,
    /// What is different; empty where only the text's layout is.
    pub changes: Vec<Change>,
}

/// Why a change did not take place.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The document is wrong, or needs what this box does not have.
    #[error("the document is refused: {}", first_of(.0))]
    Refused(Vec<Refusal>),
    /// Somebody else was faster.
    #[error(
        "revision {is} is in force, not {expected}: somebody changed the document meanwhile; read it again"
    )]
    Conflict {
        /// The revision that the caller knew.
        expected: u64,
        /// The one in force.
        is: u64,
    },
    /// The document has no such service, or the service no such backend.
    #[error("{}", missing(.service, .backend.as_deref()))]
    NotFound {
        /// Name of the service.
        service: String,
        /// Name of the backend, where the service is there.
        backend: Option<String>,
    },
    /// That revision is not kept, or never was.
    #[error("revision {wanted} is not kept; expected one from {oldest} to {newest}")]
    NoSuchRevision {
        /// The one asked for.
        wanted: u64,
        /// Oldest that is kept.
        oldest: u64,
        /// The one in force.
        newest: u64,
    },
    /// The program was started without a file.
    #[error("there is no file to read: the program was started without one")]
    NoFile,
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// See [`Busy`].
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Some lcore has still not left the generation before; it may have by the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "some worker lcore has not taken over the generation before for 100 ms; nothing was changed, try again"
)]
pub struct Busy;

/// Why the document was not written to the file.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The program was started without a file.
    #[error("there is no file to write: the program was started without one")]
    NoFile,
    /// What is in the file is not what was read from it or written to it last.
    #[error(
        "{}: somebody else has changed it; reload it, or move it away and save again", .path.display()
    )]
    Changed {
        /// Its path.
        path: PathBuf,
    },
    /// A step failed; the file is as it was.
    #[error("{}: cannot be written: {source}", .path.display())]
    Write {
        /// The file, its new copy or its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn first_of(refusals: &[Refusal]) -> String {
    match refusals {
        [] => "no reason is known".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

fn missing(service: &str, backend: Option<&str>) -> String {
    match backend {
        None => format!("there is no service `{service}`"),
        Some(backend) => format!("service `{service}` has no backend `{backend}`"),
    }
}
