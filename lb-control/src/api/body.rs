//! What a request brings: its body, its query, the names in its path; read within bounds.
//!
//! No counterpart in the patent. A client that is slow, or sends too much, holds up nobody: the body is read on its
//! own connection's time, up to its limit.
//! Easy to get wrong: a body of an unknown length must be counted while it comes; a header says nothing about it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::refused::Refused;

/// Octets of a configuration document, or of weights, at most.
pub const DOCUMENT_MAX: usize = 16 << 20;
/// Octets of any other body at most.
pub const BODY_MAX: usize = 4 << 10;
/// Longest time for a body to arrive.
pub const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// A JSON body of at most `MAX` octets, as text.
pub(super) struct Text<const MAX: usize>(pub(super) String);

/// A JSON body of at most `MAX` octets, read.
pub(super) struct Read<T, const MAX: usize>(pub(super) T);

/// The query, read.
pub(super) struct Asked<T>(pub(super) T);

/// The path's parameters.
pub(super) struct Named<T>(pub(super) T);

impl<S: Sync, const MAX: usize> FromRequest<S> for Text<MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        check_type(&request)?;
        let octets = octets(request.into_body(), MAX).await?;
        let text = String::from_utf8(octets).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Refused::bad_request(format!("the body is not UTF-8 text, from octet {at} on"))
        })?;
        Ok(Self(text))
    }
}

impl<T: DeserializeOwned, S: Sync, const MAX: usize> FromRequest<S> for Read<T, MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let Text(text) = Text::<MAX>::from_request(request, state).await?;
        read(&text).map(Self)
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Refused::bad_request(format!(
                "query: {}",
                error.body_text()
            ))),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(error) => Err(Refused::bad_request(format!("path: {}", error.body_text()))),
        }
    }
}

/// Reads one JSON value. Text that is no JSON answers 400, JSON that does not fit 422 with the key's path.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Refused> {
    let mut from = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let inner = error.inner();
        let status = if inner.is_data() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Refused::at(status, path, inner.to_string())
    })?;
    from.end()
        .map_err(|error| Refused::bad_request(error.to_string()))?;
    Ok(value)
}

/// How many are wanted, within bounds.
pub(super) fn limit(wanted: Option<u16>, usual: u16, most: u16) -> Result<u16, Refused> {
    let limit = wanted.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("{limit} is out of range; expected a whole number from 1 to {most}");
    Err(Refused::at(StatusCode::BAD_REQUEST, "limit", message))
}

/// The type must be said: a browser's form cannot say it, so that no page elsewhere can send reports from here.
fn check_type(request: &Request) -> Result<(), Refused> {
    let said = request.headers().get(CONTENT_TYPE);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let refused = Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body must be JSON: send Content-Type: application/json",
    );
    Err(refused.and_close())
}

async fn octets(body: Body, max: usize) -> Result<Vec<u8>, Refused> {
    let all = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, max).collect()).await;
    match all {
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} s",
                BODY_PATIENCE.as_secs()
            ),
        )
        .and_close()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {max} octets"),
        )
        .and_close()),
        Ok(Err(error)) => Err(Refused::bad_request(format!("the body broke off: {error}"))),
        Ok(Ok(all)) => Ok(all.to_bytes().into()),
    }
}
