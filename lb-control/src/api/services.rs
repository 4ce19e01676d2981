//! Operations on services and backends.
//!
//! WO 00/30294: configuration table 64 for people, with what is counted and what agents say.
//! Easy to get wrong: a change of a backend is a change of the document. It makes a revision like any other.

use axum::extract;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use lb_core::config::{Forwarding, OnMiss};
use lb_core::flow::Protocol;
use schemars::JsonSchema;
use serde::Deserialize;

use super::agents::{statement, values};
use super::body::{Asked, BODY_MAX, Named, Read, limit};
use super::caller::Caller;
use super::config::{applied, expected};
use super::operation::Operation;
use super::refused::Refused;
use super::{App, Shared, aside};
use crate::control;
use crate::health::checks::seconds_since_1970;
use crate::health::standing::State;
use crate::health::table::Entry;
use crate::inventory::{Inventory, Place, Stock};
use crate::resource_manager::ResourceManager;
use crate::view;

/// Backends on one page.
const PAGE: u16 = 1000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/services",
            "list_services",
            "All services, without their backends",
            list,
        )
        .answers::<view::Services>(),
        Operation::get(
            "/v1/services/{service}",
            "read_service",
            "One service with its backends",
            one,
        )
        .answers::<view::Service>()
        .refuses(&[404]),
        Operation::get(
            "/v1/backends",
            "list_backends",
            "Backends of one or all services, a page at a time",
            backends,
        )
        .asks::<BackendsAsked>()
        .answers::<view::Backends>()
        .refuses(&[404]),
        Operation::get(
            "/v1/services/{service}/backends/{backend}",
            "read_backend",
            "One backend",
            backend,
        )
        .answers::<view::Backend>()
        .refuses(&[404]),
        Operation::patch(
            "/v1/services/{service}/backends/{backend}",
            "patch_backend",
            "Changes the weight or the state of one backend",
            patch,
        )
        .takes::<view::Patch>()
        .answers::<view::Applied>()
        .conditional()
        .refuses(&[404, 412, 422]),
    ]
}

async fn list(
    extract::State(app): extract::State<Shared>,
) -> Result<Json<view::Services>, Refused> {
    aside(&app, |app| {
        let inventory = Inventory::of(&app.control);
        let services = inventory.services().map(|stock| summary(app, &stock));
        Ok(Json(view::Services {
            services: services.collect(),
        }))
    })
    .await
}

async fn one(
    extract::State(app): extract::State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<view::Service>, Refused> {
    aside(&app, move |app| {
        let inventory = Inventory::of_one(&app.control, &name);
        let stock = inventory.services().next();
        let stock = stock.ok_or_else(|| no_service(&name))?;
        Ok(Json(view::Service {
            summary: summary(app, &stock),
            backends: with_agents(app, stock.backends().map(|at| (stock, at))),
        }))
    })
    .await
}

async fn backend(
    extract::State(app): extract::State<Shared>,
    Named((service, backend)): Named<(String, String)>,
) -> Result<Json<view::Backend>, Refused> {
    aside(&app, move |app| {
        let inventory = Inventory::of_one(&app.control, &service);
        let stock = inventory.services().next();
        let stock = stock.ok_or_else(|| no_service(&service))?;
        let found = stock.backends().filter(|(one, _)| one.name == backend);
        let mut found = with_agents(app, found.map(|at| (stock, at)));
        found.pop().map(Json).ok_or_else(|| {
            Refused::not_found(format!("service `{service}` has no backend `{backend}`"))
        })
    })
    .await
}

/// Which backends are wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BackendsAsked {
    /// Name of their service. Default: all.
    #[serde(default)]
    service: Option<String>,
    /// Backends at most, 1 to 1000. Default: 1000.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u16>,
    /// `next` of the page before. Default: the first page.
    #[serde(default)]
    after: Option<usize>,
}

async fn backends(
    extract::State(app): extract::State<Shared>,
    Asked(asked): Asked<BackendsAsked>,
) -> Result<Json<view::Backends>, Refused> {
    let limit = usize::from(limit(asked.limit, PAGE, PAGE)?);
    aside(&app, move |app| {
        let inventory = match &asked.service {
            None => Inventory::of(&app.control),
            Some(name) => Inventory::of_one(&app.control, name),
        };
        if let (Some(name), None) = (&asked.service, inventory.services().next()) {
            return Err(no_service(name));
        }
        let first = asked.after.unwrap_or(0);
        let all = inventory
            .services()
            .flat_map(|stock| stock.backends().map(move |at| (stock, at)));
        let total: usize = inventory
            .services()
            .map(|stock| stock.service.backends.len())
            .sum();
        let end = first.saturating_add(limit);
        Ok(Json(view::Backends {
            backends: with_agents(app, all.skip(first).take(limit)),
            next: (end < total).then(|| end.to_string()),
        }))
    })
    .await
}

async fn patch(
    extract::State(app): extract::State<Shared>,
    Extension(caller): Extension<Caller>,
    Named((service, backend)): Named<(String, String)>,
    headers: HeaderMap,
    Read(wanted): Read<view::Patch, BODY_MAX>,
) -> Result<impl IntoResponse, Refused> {
    if wanted == view::Patch::default() {
        return Err(Refused::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "nothing to change: expected weight, state or both",
        ));
    }
    aside(&app, move |app| {
        let expected = expected(app, &headers)?;
        let patch = control::Patch {
            weight: wanted.weight,
            state: wanted.state.map(Into::into),
        };
        let by = &caller.who;
        let done = app
            .control
            .patch_backend(&service, &backend, &patch, by, expected)?;
        applied(app, done)
    })
    .await
}

fn no_service(name: &str) -> Refused {
    Refused::not_found(format!("there is no service `{name}`"))
}

fn summary(app: &App, stock: &Stock<'_>) -> view::ServiceSummary {
    let service = stock.service;
    let figures = stock
        .slot
        .map(|slot| app.switch.service(slot))
        .unwrap_or_default();
    let live = app.switch.tables().v4.live();
    view::ServiceSummary {
        name: service.name.clone(),
        address: service.address.to_string(),
        port: service.port,
        protocol: protocol(service.protocol).to_owned(),
        forwarding: match service.forwarding {
            Forwarding::Direct => "direct".to_owned(),
            Forwarding::Nat => "nat".to_owned(),
        },
        scheduler: service.scheduler.name().to_owned(),
        weights: service.algorithm.name().to_owned(),
        tags: service.tags.clone(),
        on_miss: match service.on_miss {
            OnMiss::Reset => "reset".to_owned(),
            OnMiss::Drop => "drop".to_owned(),
            OnMiss::Hash => "hash".to_owned(),
        },
        on_down: service.on_down,
        all_down: service.all_down,
        max_connections: service.max_connections,
        packets: figures.packets,
        octets: figures.octets,
        connections_opened: figures.connections,
        connections_live: stock.slot.map_or(0, |slot| live.service(slot)),
        backends_total: service.backends.len(),
        backends_taking: stock.taking(),
        backends_up: stock.outlook.up,
        is_panicking: stock.outlook.is_panicking,
        is_on_backup: stock.outlook.is_on_backup,
    }
}

/// What a backend's checks say.
fn health(entry: Entry) -> view::BackendHealth {
    let Entry {
        check, standing, ..
    } = entry;
    view::BackendHealth {
        state: match standing.state() {
            State::Unknown => view::HealthState::Unknown,
            State::Up => view::HealthState::Up,
            State::Down => view::HealthState::Down,
        },
        since: standing.since,
        age_seconds: (seconds_since_1970() - standing.since).max(0.0),
        kind: check.probe.name().to_owned(),
        latency_seconds: standing.latency,
        checks: standing.checks,
        failures: standing.failures,
        flaps: standing.flaps,
        why: standing.why,
    }
}

/// The protocol's word.
pub(super) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Backends with what their agents say, which is asked for all of them at one moment.
fn with_agents<'a>(
    app: &App,
    backends: impl Iterator<Item = (Stock<'a>, (&'a lb_core::config::Backend, Place))>,
) -> Vec<view::Backend> {
    app.manager.ask(|manager, now| {
        backends
            .map(|(stock, at)| one_backend(app, &stock, at, manager, now))
            .collect()
    })
}

fn one_backend(
    app: &App,
    stock: &Stock<'_>,
    (backend, place): (&lb_core::config::Backend, Place),
    manager: &ResourceManager,
    now: f64,
) -> view::Backend {
    let tables = app.switch.tables();
    let live = tables.v4.live();
    let link = place.neighbor.and_then(|id| tables.neighbors.link(id));
    let service = &stock.service.name;
    view::Backend {
        service: service.clone(),
        name: backend.name.clone(),
        address: backend.address.to_string(),
        port: backend.port,
        state: backend.state.into(),
        weight: backend.weight,
        effective_weight: place.weight,
        tags: backend.tags.clone(),
        is_backup: backend.is_backup,
        health: app.checks.entry(service, &backend.name).map(health),
        connections_live: place.slot.map_or(0, |slot| live.backend(slot)),
        is_resolved: link.is_some(),
        is_reachable: place.is_reachable(),
        agent: manager
            .agent(&backend.name, now)
            .and_then(|agent| values(&agent)),
        agent_check: manager
            .check(service, &backend.name, now)
            .and_then(|check| statement(&check)),
    }
}
