//! One operation of the API: what the router routes and what the OpenAPI document describes.
//!
//! No counterpart in the patent. Both are made from one list, so that neither can have what the other has not.
//! Easy to get wrong: the caller is checked before the body is read, by the operation's `need`, in one place; a
//! handler never asks.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post, put};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::caller::{Caller, Need, Peer};
use super::refused::Refused;
use super::{App, Shared};

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// An operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Its name in the OpenAPI document.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) need: Need,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    /// Its answer; `None`: text.
    pub(super) answer: Option<SchemaOf>,
    /// Statuses of refusals, besides those that every operation has.
    pub(super) refusals: &'static [u16],
    /// Whether `If-Match` is looked at.
    pub(super) is_conditional: bool,
    handler: MethodRouter<Shared>,
}

macro_rules! constructors {
    ($($name:ident $need:expr),+) => {
        $(/// An operation of this method.
        pub(super) fn $name<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
        where
            H: Handler<T, Shared>,
            T: 'static,
        {
            Self {
                method: stringify!($name),
                path,
                id,
                summary,
                need: $need,
                query: None,
                body: None,
                answer: None,
                refusals: &[],
                is_conditional: false,
                handler: $name(handler),
            }
        })+
    };
}

impl Operation {
    constructors!(get Need::Read, post Need::Change, put Need::Change, patch Need::Change);

    pub(super) fn needs(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    pub(super) fn asks<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|schemas| T::json_schema(schemas));
        self
    }

    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(|schemas| schemas.subschema_for::<T>());
        self
    }

    pub(super) fn answers<T: JsonSchema>(mut self) -> Self {
        self.answer = Some(|schemas| schemas.subschema_for::<T>());
        self
    }

    pub(super) fn refuses(mut self, statuses: &'static [u16]) -> Self {
        self.refusals = statuses;
        self
    }

    pub(super) fn conditional(mut self) -> Self {
        self.is_conditional = true;
        self
    }

    /// The operation behind the check of its caller.
    pub(super) fn route(self, app: &Shared) -> (&'static str, MethodRouter<Shared>) {
        let check = from_fn_with_state((Arc::clone(app), self.need), admit);
        (self.path, self.handler.route_layer(check))
    }
}

async fn admit(
    State((app, need)): State<(Arc<App>, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&app, need, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.and_close().into_response(),
    }
}

fn caller(app: &App, need: Need, request: &Request) -> Result<Caller, Refused> {
    let peer = request
        .extensions()
        .get::<Peer>()
        .ok_or_else(|| Refused::unauthorized("nobody is known by this request"))?;
    let caller = Caller::of(peer, request.headers(), &app.access)?;
    caller.require(need)?;
    Ok(caller)
}
