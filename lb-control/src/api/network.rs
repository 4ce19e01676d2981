//! Operations on ports, lcores, drops, neighbors and routes.
//!
//! WO 00/30294: what network interfaces 37 and switching processors 44 count, and tables 62.
//! Easy to get wrong: asking a port asks its driver. It is done beside the thread that serves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lb_core::config::{Config, KernelNetwork, NetworkInForce, Prefix, RouteInForce, Source};
use lb_core::filter::Reason;
use lb_core::id::PortId;
use lb_core::route::neighbor::{Neighbor, REACHABLE_SECONDS};
use schemars::JsonSchema;
use serde::Deserialize;

use super::body::{Asked, limit};
use super::operation::Operation;
use super::refused::Refused;
use super::{App, Shared, aside};
use crate::control::{Current, Look};
use crate::switch::{KernelFigures, LcoreFigures};
use crate::view::{self, NeighborSource, NeighborState};

/// Routes on one page, unless more are asked for.
const PAGE_USUAL: u16 = 1000;
/// Routes on one page at most.
const PAGE_MAX: u16 = 10_000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/ports",
            "list_ports",
            "Ports and what they have counted",
            ports,
        )
        .answers::<view::Ports>(),
        Operation::get(
            "/v1/lcores",
            "list_lcores",
            "Worker lcores and what they have counted",
            lcores,
        )
        .answers::<view::Lcores>(),
        Operation::get(
            "/v1/drops",
            "list_drops",
            "Packets dropped, by reason",
            drops,
        )
        .answers::<view::Drops>(),
        Operation::get(
            "/v1/neighbors",
            "list_neighbors",
            "The neighbor table",
            neighbors,
        )
        .answers::<view::Neighbors>(),
        Operation::get(
            "/v1/routes",
            "list_routes",
            "The routes in force, by pages: the document's, the kernel's, and connected networks",
            routes,
        )
        .asks::<AskedRoutes>()
        .answers::<view::Routes>(),
    ]
}

fn interface(config: &Config, port: PortId) -> Option<String> {
    let mut interfaces = config.interfaces.iter();
    let found = interfaces.find(|interface| interface.port == port)?;
    Some(found.name.clone())
}

async fn ports(State(app): State<Shared>) -> Result<Json<view::Ports>, Refused> {
    aside(&app, |app| {
        let (current, kernel) = in_force(app);
        let interfaces = &current.config.interfaces;
        let network = NetworkInForce::new(&current.config, kernel.as_deref());
        let own = network.addresses();
        let ports = app.switch.ports().into_iter().map(|port| {
            let interface = interfaces.iter().find(|one| one.port == port.port);
            let addresses = own.iter().filter(|(of, _)| *of == port.port);
            view::Port {
                port: port.port.0,
                interface: interface.map(|one| one.name.clone()),
                addresses: addresses.map(|(_, cidr)| cidr.to_string()).collect(),
                device: port.device,
                driver: port.driver,
                mac: port.mac.to_string(),
                is_up: port.is_up,
                megabits: port.megabits,
                rx_packets: port.rx_packets,
                rx_octets: port.rx_octets,
                rx_missed: port.rx_missed,
                rx_errors: port.rx_errors,
                rx_no_mbuf: port.rx_no_mbuf,
                tx_packets: port.tx_packets,
                tx_octets: port.tx_octets,
                tx_errors: port.tx_errors,
                tx_dropped: port.tx_dropped,
                kernel: port.kernel.map(exchanged),
            }
        });
        Ok(Json(view::Ports {
            ports: ports.collect(),
        }))
    })
    .await
}

fn exchanged(figures: KernelFigures) -> view::PortKernel {
    view::PortKernel {
        up: figures.up,
        up_dropped: figures.up_dropped,
        down: figures.down,
        down_dropped: figures.down_dropped,
    }
}

async fn lcores(State(app): State<Shared>) -> Result<Json<view::Lcores>, Refused> {
    aside(&app, |app| {
        let lcores = app.switch.lcores();
        Ok(Json(view::Lcores {
            lcores: lcores.iter().map(|lcore| one_lcore(app, lcore)).collect(),
        }))
    })
    .await
}

fn one_lcore(app: &App, lcore: &LcoreFigures) -> view::Lcore {
    let pulse = app.heartbeats.pulse(lcore.lcore);
    let [empty_polls, ..] = lcore.polls;
    view::Lcore {
        lcore: lcore.lcore,
        queues: lcore.queues.clone(),
        is_beating: pulse.is_beating,
        heartbeat_age_seconds: pulse.age.as_secs_f64(),
        turns: lcore.turns,
        idle_turns: lcore.idle_turns,
        busy_seconds: lcore.busy_seconds(),
        busy_ratio: pulse.busy_ratio,
        empty_polls,
        polls: lcore.polls.to_vec(),
        received: lcore.received,
        received_octets: lcore.received_octets,
        verdicts: verdicts(lcore),
        injected: lcore.injected,
        held: lcore.held,
        solicitations: lcore.solicitations,
        no_mbuf: lcore.no_mbuf,
    }
}

/// What became of one lcore's packets.
pub(super) fn verdicts(lcore: &LcoreFigures) -> view::Verdicts {
    view::Verdicts {
        forwarded: lcore.forwarded,
        replied: lcore.replied,
        punted: lcore.punted,
        apps: lcore.apps,
        dropped: lcore.dropped(),
    }
}

async fn drops(State(app): State<Shared>) -> Result<Json<view::Drops>, Refused> {
    aside(&app, |app| {
        let lcores = app.switch.lcores();
        let of = |at: usize| -> u64 {
            let counts = lcores.iter().filter_map(|lcore| lcore.drops.get(at));
            counts.sum()
        };
        let reasons = Reason::ALL
            .iter()
            .enumerate()
            .map(|(at, reason)| view::Drop {
                reason: reason.name().to_owned(),
                sentence: reason.sentence().trim().to_owned(),
                packets: of(at),
            });
        Ok(Json(view::Drops {
            dropped: lcores.iter().map(LcoreFigures::dropped).sum(),
            reasons: reasons.collect(),
        }))
    })
    .await
}

async fn neighbors(State(app): State<Shared>) -> Result<Json<view::Neighbors>, Refused> {
    aside(&app, |app| {
        let (current, kernel) = in_force(app);
        let network = NetworkInForce::new(&current.config, kernel.as_deref());
        let sources: HashMap<_, _> = network
            .neighbors()
            .into_iter()
            .map(|(neighbor, source)| ((neighbor.address, neighbor.port), source))
            .collect();
        let now = app.switch.now().tick;
        let mut rows: Vec<Neighbor> = app.switch.tables().neighbors.iter().collect();
        rows.sort_by_key(|row| (row.port, row.address));
        let neighbors = rows.iter().map(|row| {
            let age = (row.confirmed != 0).then(|| now.saturating_sub(row.confirmed));
            view::Neighbor {
                address: row.address.to_string(),
                port: row.port.0,
                interface: interface(&current.config, row.port),
                mac: row.mac.map(|mac| mac.to_string()),
                state: neighbor_state(row, age),
                source: match sources.get(&(row.address, row.port)) {
                    Some(Source::Kernel) => NeighborSource::Kernel,
                    Some(Source::Document | Source::Connected) => NeighborSource::Document,
                    None => NeighborSource::Learned,
                },
                is_needed: row.is_pinned,
                confirmed_seconds_ago: age,
            }
        });
        Ok(Json(view::Neighbors {
            neighbors: neighbors.collect(),
        }))
    })
    .await
}

fn neighbor_state(row: &Neighbor, age: Option<u32>) -> NeighborState {
    match (row.is_static, row.mac, age) {
        (true, ..) => NeighborState::Static,
        (false, None, _) => NeighborState::Unresolved,
        (false, Some(_), Some(age)) if age <= REACHABLE_SECONDS => NeighborState::Reachable,
        (false, Some(_), _) => NeighborState::Stale,
    }
}

async fn routes(
    State(app): State<Shared>,
    Asked(asked): Asked<AskedRoutes>,
) -> Result<Json<view::Routes>, Refused> {
    let address = asked.address.as_deref().map(|text| {
        text.parse::<IpAddr>().map_err(|_| {
            let message = "expected an IPv4 or IPv6 address without a prefix length";
            Refused::at(StatusCode::BAD_REQUEST, "address", message)
        })
    });
    let address = address.transpose()?;
    let after = asked.after.as_deref().map(|text| {
        Prefix::parse(text).map_err(|_| {
            let message = "expected the value of `next` from the page before";
            Refused::at(StatusCode::BAD_REQUEST, "after", message)
        })
    });
    let after = after.transpose()?;
    let limit = usize::from(limit(asked.limit, PAGE_USUAL, PAGE_MAX)?);
    aside(&app, move |app| {
        let (current, kernel) = in_force(app);
        let config = &current.config;
        // Beside the lock: a hundred thousand routes take a while to write down.
        let mut routes = NetworkInForce::new(config, kernel.as_deref()).routes();
        if let Some(address) = address {
            routes.retain(|route| route.prefix.contains(address));
            let longest = routes.iter().map(|route| route.prefix.length()).max();
            routes.retain(|route| Some(route.prefix.length()) == longest);
        }
        let first = after.map_or(0, |after| {
            routes.partition_point(|route| route.prefix <= after)
        });
        let rest = routes.get(first..).unwrap_or_default();
        let page = rest.get(..limit).unwrap_or(rest);
        let last = page.last().filter(|_| page.len() < rest.len());
        Ok(Json(view::Routes {
            routes: page.iter().map(|route| one_route(config, route)).collect(),
            next: last.map(|route| route.prefix.to_string()),
        }))
    })
    .await
}

fn one_route(config: &Config, route: &RouteInForce<'_>) -> view::Route {
    let hops = route.hops.iter().map(|(hop, weight)| view::NextHop {
        via: hop.gateway.map(|gateway| gateway.to_string()),
        port: hop.port.0,
        interface: interface(config, hop.port),
        weight: *weight,
    });
    view::Route {
        prefix: route.prefix.to_string(),
        next_hops: hops.collect(),
        metric: route.metric,
        source: route.source.into(),
        protocol: route.protocol,
    }
}

/// Document and kernel's view of one moment.
fn in_force(app: &App) -> (Arc<Current>, Option<Arc<KernelNetwork>>) {
    let both = |look: &Look<'_>| (Arc::clone(look.revision), look.network.cloned());
    app.control.look(both)
}

/// Which routes are wanted.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskedRoutes {
    /// Only the route that packets to this address follow. Default: all.
    address: Option<String>,
    /// Routes at most, 1 to 10000. Default: 1000.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<u16>,
    /// `next` of the page before. Default: the first page.
    after: Option<String>,
}
