//! Operations on the whole: status, the API's description, metrics.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a warning must name what is to be looked at; that something is wrong is seen anyway.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use lb_core::conn::ConnTable;
use lb_core::shared::Buffer;

use super::network::verdicts;
use super::openapi::{AnyObject, document};
use super::operation::Operation;
use super::refused::Refused;
use super::{App, Shared, aside};
use crate::metrics;
use crate::routing_daemon::{Doubt, Figures};
use crate::switch::{LcoreFigures, PortFigures};
use crate::view::{self, Fill, Pool, RoutingDaemon, Status, Task, TaskState};

/// A pool that is fuller than this deserves attention: the rest is what caches hold.
const POOL_ALARM: f64 = 0.95;
/// A connection table that is fuller than this soon refuses connections.
const TABLE_ALARM: f64 = 0.9;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/status",
            "read_status",
            "The state of the switch on one page",
            status,
        )
        .answers::<Status>(),
        Operation::get(
            "/v1/openapi.json",
            "read_openapi",
            "This description",
            openapi,
        )
        .answers::<AnyObject>(),
        Operation::get(
            "/metrics",
            "read_metrics",
            "Figures for Prometheus",
            read_metrics,
        ),
    ]
}

async fn openapi() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(document).as_str();
    ([(CONTENT_TYPE, "application/json")], text)
}

async fn read_metrics(State(app): State<Shared>) -> Result<impl IntoResponse, Refused> {
    let text = aside(&app, |app| Ok(metrics::page(app))).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT)], text))
}

async fn status(State(app): State<Shared>) -> Result<Json<Status>, Refused> {
    aside(&app, |app| Ok(Json(look(app)))).await
}

fn look(app: &App) -> Status {
    let about = app.switch.about();
    let ports = app.switch.ports();
    let lcores = app.switch.lcores();
    let still: Vec<u32> = lcores
        .iter()
        .map(|lcore| lcore.lcore)
        .filter(|&lcore| !app.heartbeats.pulse(lcore).is_beating)
        .collect();
    let tables = app.switch.tables();
    let pools = app.switch.pools().into_iter().map(|pool| Pool {
        name: pool.name,
        fill: Fill {
            used: pool.in_use.into(),
            capacity: pool.capacity.into(),
        },
    });
    let pools: Vec<Pool> = pools.collect();
    let tasks = app.board.tasks();
    let (connections_ipv4, connections_ipv6) = (fill(&tables.v4), fill(&tables.v6));
    let mut warnings = Vec::new();
    warn_of_ports(&ports, &mut warnings);
    warn_of_lcores(&still, &mut warnings);
    warn_of_tasks(&tasks, &mut warnings);
    for pool in &pools {
        warn_of_fill(
            &format!("mbuf pool {}", pool.name),
            pool.fill,
            POOL_ALARM,
            &mut warnings,
        );
    }
    warn_of_fill(
        "connection table (IPv4)",
        connections_ipv4,
        TABLE_ALARM,
        &mut warnings,
    );
    warn_of_fill(
        "connection table (IPv6)",
        connections_ipv6,
        TABLE_ALARM,
        &mut warnings,
    );
    warnings.extend(app.advertiser.warning());
    app.control.look(|look| {
        if look.weights_waiting > 0 {
            warnings.push(format!(
                "weights of {} service(s) wait for the next flip",
                look.weights_waiting
            ));
        }
        let services = &look.revision.config.services;
        Status {
            program: about.program,
            version: about.version,
            started_at: about.started_at,
            uptime_seconds: since(about.started_at).as_secs_f64(),
            exception_path: about.exception_path,
            routing_daemon: app.switch.routing().as_ref().map(followed),
            state_directory: about.state_directory.map(|path| path.display().to_string()),
            revision: look.revision.number,
            revision_by: (&look.revision.by).into(),
            revision_at: look.revision.at,
            generation: look.generation,
            buffer: match look.buffer {
                Buffer::A => "a".to_owned(),
                Buffer::B => "b".to_owned(),
            },
            flipped_at: look.flipped_at,
            flips: look.flips,
            refusals: look.refusals,
            ports: ports.len(),
            ports_up: ports.iter().filter(|port| port.is_up).count(),
            lcores: lcores.len(),
            lcores_beating: lcores.len() - still.len(),
            services: services.len(),
            backends: services.iter().map(|service| service.backends.len()).sum(),
            connections_ipv4,
            connections_ipv6,
            pools,
            received: lcores.iter().map(|lcore| lcore.received).sum(),
            verdicts: sum(&lcores),
            tasks,
            warnings,
        }
    })
}

fn followed(figures: &Figures) -> RoutingDaemon {
    let resyncs = Doubt::ALL.into_iter().zip(figures.resyncs);
    let overruns = resyncs.filter(|(doubt, _)| *doubt == Doubt::Overrun);
    RoutingDaemon {
        devices: figures.devices as u64,
        routes: figures.routes as u64,
        addresses: figures.addresses as u64,
        neighbors: figures.neighbors as u64,
        messages: figures.messages,
        resyncs: figures.resyncs.iter().sum(),
        overruns: overruns.map(|(_, count)| count).sum(),
        changed_at: figures.changed_at,
    }
}

fn fill<const W: usize>(table: &ConnTable<W>) -> Fill {
    Fill {
        used: table.len(),
        capacity: table.capacity().into(),
    }
}

fn sum(lcores: &[LcoreFigures]) -> view::Verdicts {
    let all = lcores.iter().map(verdicts);
    all.fold(view::Verdicts::default(), |sum, one| view::Verdicts {
        forwarded: sum.forwarded + one.forwarded,
        replied: sum.replied + one.replied,
        punted: sum.punted + one.punted,
        apps: sum.apps + one.apps,
        dropped: sum.dropped + one.dropped,
    })
}

/// Time since a second of the wall clock; none where that lies ahead.
fn since(seconds: u64) -> Duration {
    let then = UNIX_EPOCH + Duration::from_secs(seconds);
    SystemTime::now().duration_since(then).unwrap_or_default()
}

fn warn_of_ports(ports: &[PortFigures], warnings: &mut Vec<String>) {
    for port in ports.iter().filter(|port| !port.is_up) {
        warnings.push(format!("port {} ({}): no link", port.port, port.device));
    }
}

fn warn_of_lcores(still: &[u32], warnings: &mut Vec<String>) {
    for lcore in still {
        warnings.push(format!("lcore {lcore}: its loop does not turn"));
    }
}

fn warn_of_tasks(tasks: &[Task], warnings: &mut Vec<String>) {
    for task in tasks
        .iter()
        .filter(|task| task.state == TaskState::Restarting)
    {
        let said = task.last_panic.as_deref().unwrap_or_default();
        warnings.push(format!(
            "task {}: failed and will be started again: {said}",
            task.name
        ));
    }
}

fn warn_of_fill(what: &str, fill: Fill, alarm: f64, warnings: &mut Vec<String>) {
    let (used, capacity) = (fill.used as f64, fill.capacity as f64);
    if used > capacity * alarm {
        warnings.push(format!("{what}: {} of {} in use", fill.used, fill.capacity));
    }
}

impl From<&crate::control::Who> for view::Who {
    fn from(who: &crate::control::Who) -> Self {
        Self {
            name: who.name.clone(),
            via: who.via.to_owned(),
        }
    }
}
