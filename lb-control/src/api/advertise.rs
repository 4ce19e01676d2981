//! Operations on what is announced to routers.
//!
//! No counterpart in the patent.
//! Easy to get wrong: the answer to a change says how it is when the change has been made, so the handler waits for it,
//! beside the thread that serves.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::body::{BODY_MAX, Read};
use super::caller::Caller;
use super::operation::Operation;
use super::refused::Refused;
use super::{Shared, aside};
use crate::view;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/advertise",
            "read_advertise",
            "Which VIPs are announced to routers, and why others are not",
            read,
        )
        .answers::<view::Advertise>(),
        Operation::put(
            "/v1/advertise",
            "switch_advertise",
            "Announces the VIPs of this box, or one of them, or does so no longer",
            switch,
        )
        .takes::<view::AdvertiseChange>()
        .answers::<view::Advertise>()
        .refuses(&[422]),
    ]
}

async fn read(State(app): State<Shared>) -> Json<view::Advertise> {
    Json(app.advertiser.view())
}

async fn switch(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Read(change): Read<view::AdvertiseChange, BODY_MAX>,
) -> Result<Json<view::Advertise>, Refused> {
    let vip: Option<IpAddr> = change
        .vip
        .map(|vip| vip.parse())
        .transpose()
        .map_err(|_| wrong("expected an IP address, as in 192.0.2.10 or 2001:db8::10"))?;
    aside(&app, move |app| {
        let set = app.advertiser.set(vip, change.state, &caller.who);
        set.map_err(|unknown| wrong(unknown.to_string()))?;
        Ok(Json(app.advertiser.view()))
    })
    .await
}

fn wrong(message: impl Into<String>) -> Refused {
    Refused::at(StatusCode::UNPROCESSABLE_ENTITY, "vip", message)
}
