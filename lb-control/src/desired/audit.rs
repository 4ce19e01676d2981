//! Audit log: who changed what, when, from what to what, and what came of it.
//!
//! No counterpart in the patent. Every change of the document stands here, refused ones too; weights that the master
//! moves do not. The last [`RECORDS_KEPT`] are in memory, all of them in a file of JSON lines that is renamed to `.1`
//! when it has grown to [`FILE_OCTETS_MAX`], up to `.3`.
//! Easy to get wrong: a disk that is full must not keep an operator from draining a backend, so a line that cannot be
//! written is counted and not an error. And a record repeats what was sent to us, so it is cut to a bounded length.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diff::Change;

/// Records in memory.
pub const RECORDS_KEPT: usize = 1000;
/// Octets of the file before it is renamed.
pub const FILE_OCTETS_MAX: u64 = 8 << 20;
/// Files beside the one that is written.
const FILES_KEPT: u32 = 3;
/// Changes of one record.
const CHANGES_MAX: usize = 100;
/// Octets of all values of one record, about.
const OCTETS_MAX: usize = 16 << 10;
/// Octets of one value.
const VALUE_OCTETS_MAX: usize = 2 << 10;
/// Characters of a path.
const PATH_MAX: usize = 300;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The program started.
    Start,
    /// A whole document.
    Apply,
    /// A change of one backend.
    Patch,
    /// An earlier revision.
    Rollback,
    /// The file, read again.
    Reload,
    /// The file, written.
    Save,
    /// A switch of what is announced to routers.
    Advertise,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Nothing has changed.
    Refused,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Who.
    pub by: String,
    /// By which way: `unix`, `tls`, `tcp`, `file`, `signal`.
    pub via: String,
    /// What was asked for.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// Revision in force before; 0: none.
    pub revision_before: u64,
    /// Revision in force afterwards; 0: none.
    pub revision: u64,
    /// What changed, or with a refusal what would have, as far as it could be read; at most 100. Long values are
    /// replaced by a sentence.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Changes beyond those.
    #[serde(default)]
    pub changes_left_out: usize,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl AuditRecord {
    /// Takes in as many changes as a record may hold.
    pub(crate) fn set_changes(&mut self, changes: &[Change]) {
        let mut octets = 0;
        for change in changes.iter().take(CHANGES_MAX) {
            let change = Change {
                path: change.path.chars().take(PATH_MAX).collect(),
                before: change.before.as_ref().map(|value| cut(value, &mut octets)),
                after: change.after.as_ref().map(|value| cut(value, &mut octets)),
            };
            self.changes.push(change);
            if octets > OCTETS_MAX {
                break;
            }
        }
        self.changes_left_out = changes.len() - self.changes.len();
    }
}

/// The value, or a sentence in place of a long one; adds what it takes to `octets`.
fn cut(value: &Value, octets: &mut usize) -> Value {
    let length = value.to_string().len();
    *octets += length.min(VALUE_OCTETS_MAX);
    if length <= VALUE_OCTETS_MAX {
        return value.clone();
    }
    Value::String(format!("{length} octets, too long for this log"))
}

/// The log.
#[derive(Debug)]
pub(crate) struct Audit {
    records: VecDeque<AuditRecord>,
    path: Option<PathBuf>,
    /// The file and its length; `None` until the first line, and after a failure.
    open: Option<(File, u64)>,
    lost: u64,
}

impl Audit {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self {
            records: VecDeque::new(),
            path,
            open: None,
            lost: 0,
        }
    }

    pub(crate) fn add(&mut self, record: AuditRecord) {
        if self.path.is_some() && self.write(&record).is_err() {
            self.open = None;
            self.lost += 1;
        }
        self.records.truncate(RECORDS_KEPT - 1);
        self.records.push_front(record);
    }

    /// The last ones, newest first.
    pub(crate) fn last(&self, most: usize) -> Vec<AuditRecord> {
        self.records.iter().take(most).cloned().collect()
    }

    /// Records that could not be written to the file.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let (mut file, length) = match self.open.take() {
            Some((file, length)) if length < FILE_OCTETS_MAX => (file, length),
            Some(_) => {
                rotate(path)?;
                open(path)?
            }
            None => open(path)?,
        };
        file.write_all(&line)?;
        self.open = Some((file, length + line.len() as u64));
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o640).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Renames `audit.log` to `audit.log.1`, that to `.2`, and so on; the last one is overwritten.
fn rotate(path: &Path) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = OsString::from(path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..FILES_KEPT).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests;
