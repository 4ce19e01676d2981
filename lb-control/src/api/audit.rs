//! The audit log.
//!
//! No counterpart in the patent.
//! Easy to get wrong: what was refused stands there as well; only what was done has a revision of its own.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::body::{Asked, limit};
use super::config::changes;
use super::operation::Operation;
use super::refused::Refused;
use super::{Shared, aside};
use crate::control::{Action, AuditRecord, Outcome};
use crate::view;

/// Audit records in one answer, unless more are asked for.
const AUDIT_USUAL: u16 = 100;
/// Audit records in one answer at most.
const AUDIT_MAX: u16 = 1000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/audit",
            "read_audit",
            "Who changed what, newest first",
            audit,
        )
        .asks::<AuditAsked>()
        .answers::<view::Audit>(),
    ]
}

/// What is asked of the audit log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditAsked {
    /// Records at most, 1 to 1000. Default: 100.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u16>,
}

async fn audit(
    State(app): State<Shared>,
    Asked(asked): Asked<AuditAsked>,
) -> Result<Json<view::Audit>, Refused> {
    let limit = limit(asked.limit, AUDIT_USUAL, AUDIT_MAX)?;
    aside(&app, move |app| {
        let records = app.control.audit(limit.into());
        Ok(Json(view::Audit {
            records: records.into_iter().map(record).collect(),
        }))
    })
    .await
}

fn record(record: AuditRecord) -> view::AuditRecord {
    let is_done = record.outcome == Outcome::Done;
    let what = match record.action {
        Action::Start => "start",
        Action::Apply => "apply",
        Action::Patch => "patch",
        Action::Rollback => "rollback",
        Action::Reload => "reload",
        Action::Save => "save",
        Action::Advertise => "advertise",
    };
    view::AuditRecord {
        at: record.at,
        by: view::Who {
            name: record.by,
            via: record.via,
        },
        what: what.to_owned(),
        outcome: if is_done {
            "done".to_owned()
        } else {
            record.errors.join("; ")
        },
        is_done,
        revision: (record.revision != record.revision_before).then_some(record.revision),
        changes: changes(record.changes),
    }
}
