//! Operations on the configuration document and its revisions.
//!
//! No counterpart in the patent. All of it is `Control`'s work; here requests become calls and outcomes answers.
//! Easy to get wrong: the document is answered exactly as it was put, octet for octet, also its layout.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use lb_core::config::{Config, Document};

use super::body::{BODY_MAX, DOCUMENT_MAX, Named, Read, Text};
use super::caller::Caller;
use super::openapi::AnyObject;
use super::operation::Operation;
use super::refused::{Refused, reason};
use super::{App, Shared, aside};
use crate::control::Revision;
use crate::view;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/config",
            "read_config",
            "The document in force, as it was put",
            read,
        )
        .answers::<Document>(),
        Operation::put(
            "/v1/config",
            "apply_config",
            "Applies a document: all of it or nothing",
            apply,
        )
        .takes::<Document>()
        .answers::<view::Applied>()
        .conditional()
        .refuses(&[412, 422]),
        Operation::post(
            "/v1/config/check",
            "check_config",
            "Whether a document could be applied",
            check,
        )
        .takes::<Document>()
        .answers::<view::Checked>()
        .refuses(&[422]),
        Operation::post(
            "/v1/config/diff",
            "diff_config",
            "What a document would change",
            diff,
        )
        .takes::<Document>()
        .answers::<view::Diff>()
        .refuses(&[422]),
        Operation::post(
            "/v1/config/rollback",
            "rollback_config",
            "Applies an earlier revision again",
            rollback,
        )
        .takes::<view::Rollback>()
        .answers::<view::Applied>()
        .refuses(&[404, 422]),
        Operation::post(
            "/v1/config/save",
            "save_config",
            "Writes the document in force to the file",
            save,
        )
        .answers::<view::Saved>()
        .refuses(&[409]),
        Operation::post(
            "/v1/config/reload",
            "reload_config",
            "Reads the file again and applies it",
            reload,
        )
        .answers::<view::Applied>()
        .refuses(&[409, 422]),
        Operation::get(
            "/v1/config/revisions",
            "list_revisions",
            "Revisions that are kept, newest first",
            revisions,
        )
        .answers::<view::Revisions>(),
        Operation::get(
            "/v1/config/revisions/{revision}",
            "read_revision",
            "The document of one revision, as it was put",
            revision,
        )
        .answers::<AnyObject>()
        .refuses(&[404]),
    ]
}

fn document(revision: &Revision) -> impl IntoResponse + use<> {
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (ETAG, etag(revision.number)),
    ];
    (headers, revision.text.to_string())
}

fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

async fn read(State(app): State<Shared>) -> Result<impl IntoResponse, Refused> {
    aside(&app, |app| Ok(document(&app.control.current().revision))).await
}

async fn revision(
    State(app): State<Shared>,
    Named(number): Named<u64>,
) -> Result<impl IntoResponse, Refused> {
    aside(&app, move |app| {
        let all = app.control.revisions();
        let found = all.iter().find(|revision| revision.number == number);
        let found = found.ok_or_else(|| {
            Refused::not_found(format!(
                "revision {number} is not kept; see /v1/config/revisions"
            ))
        })?;
        Ok(document(found))
    })
    .await
}

async fn revisions(State(app): State<Shared>) -> Result<Json<view::Revisions>, Refused> {
    aside(&app, |app| {
        let current = app.control.current().number;
        let all = app.control.revisions();
        let revisions = all.iter().map(|revision| view::Revision {
            revision: revision.number,
            at: revision.at,
            by: (&revision.by).into(),
            octets: revision.text.len() as u64,
            is_current: revision.number == current,
        });
        Ok(Json(view::Revisions {
            revisions: revisions.collect(),
        }))
    })
    .await
}

async fn apply(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Text(text): Text<DOCUMENT_MAX>,
) -> Result<impl IntoResponse, Refused> {
    aside(&app, move |app| {
        let expected = expected(app, &headers)?;
        applied(app, app.control.apply(&text, &caller.who, expected)?)
    })
    .await
}

async fn rollback(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Read(to): Read<view::Rollback, BODY_MAX>,
) -> Result<impl IntoResponse, Refused> {
    aside(&app, move |app| {
        applied(app, app.control.rollback(to.revision, &caller.who)?)
    })
    .await
}

async fn reload(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<impl IntoResponse, Refused> {
    aside(&app, move |app| {
        applied(app, app.control.reload(&caller.who)?)
    })
    .await
}

/// What follows every change: the resource manager hears of it before the caller does.
pub(super) fn applied(
    app: &App,
    applied: crate::control::Applied,
) -> Result<impl IntoResponse + use<>, Refused> {
    app.manager.catch_up();
    let view = view::Applied {
        revision: applied.revision,
        generation: applied.generation,
        changes: changes(applied.changes),
    };
    Ok(([(ETAG, etag(view.revision))], Json(view)))
}

async fn save(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<view::Saved>, Refused> {
    aside(&app, move |app| {
        let path = app.control.save(&caller.who)?;
        Ok(Json(view::Saved {
            path: path.display().to_string(),
        }))
    })
    .await
}

async fn check(
    State(app): State<Shared>,
    Text(text): Text<DOCUMENT_MAX>,
) -> Result<Json<view::Checked>, Refused> {
    aside(&app, move |app| {
        let config = app.control.check(&text);
        let config = config.map_err(|refusals| Refused::document(&refusals))?;
        Ok(Json(checked(&config)))
    })
    .await
}

fn checked(config: &Config) -> view::Checked {
    view::Checked {
        interfaces: config.interfaces.len(),
        routes: config.routes.len(),
        neighbors: config.neighbors.len(),
        services: config.services.len(),
        backends: config
            .services
            .iter()
            .map(|service| service.backends.len())
            .sum(),
    }
}

async fn diff(
    State(app): State<Shared>,
    Text(text): Text<DOCUMENT_MAX>,
) -> Result<Json<view::Diff>, Refused> {
    aside(&app, move |app| {
        let revision = app.control.current().number;
        let found = app.control.diff(&text);
        let found = found.map_err(|refusals| Refused::document(&refusals))?;
        Ok(Json(view::Diff {
            revision,
            changes: changes(found),
        }))
    })
    .await
}

/// Changes as they are answered.
pub(super) fn changes(changes: Vec<crate::control::Change>) -> Vec<view::Change> {
    let changes = changes.into_iter().map(|change| view::Change {
        path: change.path,
        before: change.before,
        after: change.after,
    });
    changes.collect()
}

/// The revision that must be in force, by `If-Match` (RFC 9110, 13.1.1): `*` is any; of several the one that is.
pub(super) fn expected(app: &App, headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let mut wanted = HashSet::new();
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().unwrap_or_default();
        for tag in text.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(None);
            }
            let number = tag
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(|tag| tag.parse::<u64>().ok());
            let number = number.ok_or_else(|| {
                Refused::bad_request("If-Match: expected the ETag of a document, such as \"17\"")
            })?;
            wanted.insert(number);
        }
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    let is = app.control.current().number;
    if wanted.contains(&is) {
        return Ok(Some(is));
    }
    Err(Refused::of(
        StatusCode::PRECONDITION_FAILED,
        vec![reason(
            "",
            format!(
                "revision {is} is in force: somebody changed the document meanwhile; read it again"
            ),
        )],
    ))
}
