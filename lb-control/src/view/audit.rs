//! Who changed what, and when.
//!
//! No counterpart in the patent. Requests that were refused stand here as well.
//! Easy to get wrong: only a bounded number of records is kept in memory; the file has more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::{Change, Who};

/// The last records, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// As many as were asked for and are kept.
    pub records: Vec<AuditRecord>,
}

/// One request to change something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Who.
    pub by: Who,
    /// What was asked for, such as `apply`, `patch services[web].backends[web-1]` or `rollback 3`.
    pub what: String,
    /// `done`, or why not.
    pub outcome: String,
    /// Whether it was done.
    pub is_done: bool,
    /// Revision that it made; absent where it made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}
