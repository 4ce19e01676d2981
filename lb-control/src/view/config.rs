//! The configuration document's life: revisions, changes, and what becomes of a request to change it.
//!
//! No counterpart in the patent. The document itself is `lb_core::config::Document` and travels as it was put.
//! Easy to get wrong: a *revision* is a document that was applied; a *generation* is a flip of the
//! configuration table, which new weights cause as well.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::services::BackendState;

/// Who asked for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Who {
    /// As far as it is known: `uid 0 (pid 123)`, the name in a certificate, an address.
    pub name: String,
    /// Way that the request came: `unix`, `tcp`, `tls`, `token`, `file` or `signal`.
    pub via: String,
}

/// A document that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// Counts from 1 since the program started.
    pub revision: u64,
    /// When it was applied, in seconds since 1970.
    pub at: u64,
    /// Who applied it.
    pub by: Who,
    /// Length of the document, in octets.
    pub octets: u64,
    /// Whether it is in force now.
    pub is_current: bool,
}

/// The revisions that are kept, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revisions {
    /// 16 at most.
    pub revisions: Vec<Revision>,
}

/// One difference between two documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What differs, as in `services[web].backends[web-1].weight`; list members by name, not by position.
    pub path: String,
    /// Value before; absent where the key is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value after; absent where the key is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Differences between the document in force and another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// Revision that the document was compared with.
    pub revision: u64,
    /// Empty where nothing would change.
    pub changes: Vec<Change>,
}

/// A document that could be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Interfaces in it.
    pub interfaces: usize,
    /// Static routes in it.
    pub routes: usize,
    /// Static neighbors in it.
    pub neighbors: usize,
    /// Services in it.
    pub services: usize,
    /// Backends of all services in it.
    pub backends: usize,
}

/// A change that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// Revision that the document became.
    pub revision: u64,
    /// Generation of the configuration table that has it.
    pub generation: u64,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// Request: go back to an earlier document, which becomes a new revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// One of the revisions that are kept.
    pub revision: u64,
}

/// The document in force has been written to the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// Path of the file.
    pub path: String,
}

/// Request: change one backend. A key that is left out stays as it is; at least one is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Share of new flows, 0 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 65535))]
    pub weight: Option<u32>,
    /// Whether it gets new flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BackendState>,
}
