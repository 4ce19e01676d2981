//! The API of a resource manager that is a device of its own: load reports in, and looks.
//!
//! WO 00/30294: raw load data on their way to a resource manager elsewhere. Reports, what is known from them, and
//! explanations are those of a box's API, made by the same code; what a box has and the device has not is not here.
//! Easy to get wrong: nothing can be changed here. Services and weights are the boxes'; who wants others changes those.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};

use super::agents::{ExplainAsked, explained, said, take_reports};
use super::body::{Asked, BODY_MAX, Text};
use super::caller::{Caller, Need, Peer};
use super::refused::Refused;
use super::{no_such_method, nothing_here};
use crate::device::Desk;
use crate::view;

/// The routes over a desk.
pub(crate) fn router(desk: &Arc<Desk>) -> Router {
    let admit = |need| from_fn_with_state((Arc::clone(desk), need), admit);
    let reports = get(list)
        .route_layer(admit(Need::Read))
        .merge(post(send).route_layer(admit(Need::Report)));
    Router::new()
        .route("/v1/load-reports", reports)
        .route("/v1/explain", get(explain).route_layer(admit(Need::Read)))
        .route("/v1/boxes", get(boxes).route_layer(admit(Need::Read)))
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::clone(desk))
}

async fn admit(
    State((desk, need)): State<(Arc<Desk>, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match request.extensions().get::<Peer>() {
        Some(peer) => Caller::of(peer, request.headers(), &desk.access),
        None => Err(Refused::unauthorized("nobody is known by this request")),
    };
    match caller.and_then(|caller| caller.require(need).map(|()| caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.and_close().into_response(),
    }
}

async fn send(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Text(text): Text<BODY_MAX>,
) -> Result<Json<view::Taken>, Refused> {
    take_reports(&text, &desk.meters, |report| {
        desk.report(report, caller.identity())
    })
}

async fn list(State(desk): State<Arc<Desk>>) -> Json<view::LoadReports> {
    let unreadable = desk.meters.unreadable();
    Json(desk.ask(|manager, names, now| {
        let names = names.iter();
        let named: Vec<(&str, &str)> = names
            .map(|(service, backend)| (service.as_str(), backend.as_str()))
            .collect();
        said(manager, &named, unreadable, now)
    }))
}

async fn explain(
    State(desk): State<Arc<Desk>>,
    Asked(asked): Asked<ExplainAsked>,
) -> Result<Json<view::Explained>, Refused> {
    let weights = desk.weights(&asked.service);
    desk.ask(|manager, _, now| {
        let why = manager.explanations(&asked.service, now);
        let why = why.ok_or_else(|| {
            Refused::not_found(format!("there is no service `{}`", asked.service))
        })?;
        let weight = |name: &str| {
            let found = weights.iter().find(|(backend, _)| backend == name);
            found.map_or(0, |(_, weight)| *weight)
        };
        Ok(Json(explained(&asked.service, &why, weight)))
    })
}

async fn boxes(State(desk): State<Arc<Desk>>) -> Json<view::Boxes> {
    Json(desk.boxes())
}
