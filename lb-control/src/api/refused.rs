//! A refusal as an answer: status, reasons, and what a client needs to do better.
//!
//! No counterpart in the patent. Every refusal has the body of `view::Errors`, also those that the router makes.
//! Easy to get wrong: 503 is for what may succeed a moment later with nothing changed; all that is wrong with the
//! request itself is 4xx.

use axum::Json;
use axum::http::header::{CONNECTION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lb_core::config::Refusal;

use crate::control::{ApplyError, Busy, SaveError};
use crate::view::{Error, Errors};

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    errors: Errors,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// For one reason that concerns the request as a whole.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            errors: Errors::whole(message),
            headers: Vec::new(),
        }
    }

    /// For one reason that concerns one key or parameter.
    pub(super) fn at(
        status: StatusCode,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::of(status, vec![reason(path, message)])
    }

    /// For several reasons.
    pub(super) fn of(status: StatusCode, errors: Vec<Error>) -> Self {
        Self {
            status,
            errors: Errors { errors },
            headers: Vec::new(),
        }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        let refused = Self::new(StatusCode::UNAUTHORIZED, message);
        refused.with(WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A document that is wrong.
    pub(super) fn document(refusals: &[Refusal]) -> Self {
        let errors = refusals.iter().map(|refusal| Error {
            path: refusal.path.clone(),
            message: refusal.message.clone(),
            line: Some(refusal.line),
        });
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, errors.collect())
    }

    /// May succeed in a second.
    pub(super) fn later(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, message).with(RETRY_AFTER, "1")
    }

    /// The connection ends with this answer: what else is on its way is not read.
    pub(super) fn and_close(self) -> Self {
        self.with(CONNECTION, "close")
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

/// One reason.
pub(super) fn reason(path: impl Into<String>, message: impl Into<String>) -> Error {
    Error {
        path: path.into(),
        message: message.into(),
        line: None,
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.errors)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<ApplyError> for Refused {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Refused(refusals) => Self::document(&refusals),
            ApplyError::Conflict { .. } => Self::new(StatusCode::PRECONDITION_FAILED, message),
            ApplyError::NotFound { .. } | ApplyError::NoSuchRevision { .. } => {
                Self::not_found(message)
            }
            ApplyError::NoFile | ApplyError::File { .. } => {
                Self::new(StatusCode::CONFLICT, message)
            }
            ApplyError::Busy(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, message),
        }
    }
}

impl From<Busy> for Refused {
    fn from(busy: Busy) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, busy.to_string())
    }
}

impl From<SaveError> for Refused {
    fn from(error: SaveError) -> Self {
        Self::new(StatusCode::CONFLICT, error.to_string())
    }
}
