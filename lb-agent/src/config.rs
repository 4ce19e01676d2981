//! What to report and to whom: the document, and the plan that is left after every check.
//!
//! No counterpart in the patent. The command line builds the same document as a file holds, so that both
//! are checked alike.
//! Easy to get wrong: one document may be written in two ways, so a refusal knows the key's path *and* the
//! option's name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::{Destination, Page, Place};
use crate::source::cgroup::Group;
use crate::source::prometheus::Mapping;
use crate::tls::TlsFiles;
use crate::values::Field;

mod check;
mod document;

pub use document::{
    BackendDocument, CommandDocument, Document, FileDocument, PrometheusDocument, read,
};

/// Backends that one agent may stand for.
pub const BACKENDS_MAX: usize = 64;
/// Destinations of one agent.
pub const DESTINATIONS_MAX: usize = 16;
/// Sources of one backend.
pub const SOURCES_MAX: usize = 16;
/// Seconds between two reports.
pub const INTERVAL: std::ops::RangeInclusive<f64> = 0.1..=60.0;

/// Checked: what an agent does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Time between two reports.
    pub interval: Duration,
    /// Who gets them.
    pub destinations: Vec<Destination>,
    /// Files for TLS, if there are any.
    pub tls: Option<TlsFiles>,
    /// File with the shared token.
    pub token_file: Option<PathBuf>,
    /// Backends, each with its own name.
    pub backends: Vec<BackendPlan>,
}

/// Checked: one backend.
#[derive(Clone, Debug)]
pub struct BackendPlan {
    /// Its name.
    pub name: String,
    /// Where to look, from the general to the particular.
    pub sources: Vec<SourcePlan>,
}

/// Checked: one source.
#[derive(Clone, Debug)]
pub enum SourcePlan {
    /// CPU, memory and pressure.
    Proc(Group),
    /// Connections on these ports.
    Sockets(Vec<u16>),
    /// A `stub_status` page.
    Nginx(Page),
    /// A statistics socket, and the proxies that count.
    Haproxy(Place, Vec<String>),
    /// A page of series, and what fields are made of them.
    Prometheus(Page, Vec<Mapping>),
    /// A file, the field of its number, and how old it may be.
    File(PathBuf, Option<Field>, Option<Duration>),
    /// Program, arguments, and the field of its number.
    Command(String, Vec<String>, Option<Field>),
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// The key's path in a file.
    pub path: String,
    /// The option's name on the command line.
    pub option: &'static str,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

#[cfg(test)]
mod tests;
