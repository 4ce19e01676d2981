//! Operations on ports, lcores, drops, neighbors and routes.
//!
//! WO 00/30294: what network interfaces 37 and switching processors 44 count, and tables 62.
//! Easy to get wrong: asking a port asks its driver. It is done beside the thread that serves.

use axum::Json;
use axum::extract::State;
use lb_core::config::Config;
use lb_core::filter::Reason;
use lb_core::id::PortId;
use lb_core::route::neighbor::{Neighbor, REACHABLE_SECONDS};

use super::operation::Operation;
use super::refused::Refused;
use super::{App, Shared, aside};
use crate::switch::{KernelFigures, LcoreFigures};
use crate::view::{self, NeighborState, RouteOrigin};

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
        Operation::get("/v1/routes", "list_routes", "The routes in force", routes)
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
        let current = app.control.current();
        let interfaces = &current.config.interfaces;
        let ports = app.switch.ports().into_iter().map(|port| {
            let interface = interfaces.iter().find(|one| one.port == port.port);
            let addresses = interface.iter().flat_map(|one| &one.addresses);
            view::Port {
                port: port.port.0,
                interface: interface.map(|one| one.name.clone()),
                addresses: addresses.map(ToString::to_string).collect(),
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
                kernel: port.kernel.map(kernel),
            }
        });
        Ok(Json(view::Ports {
            ports: ports.collect(),
        }))
    })
    .await
}

fn kernel(figures: KernelFigures) -> view::PortKernel {
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
        let current = app.control.current();
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

async fn routes(State(app): State<Shared>) -> Result<Json<view::Routes>, Refused> {
    aside(&app, |app| {
        let current = app.control.current();
        let config = &current.config;
        let connected = config.interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().map(|address| view::Route {
                prefix: address.network().to_string(),
                via: None,
                port: interface.port.0,
                interface: Some(interface.name.clone()),
                origin: RouteOrigin::Connected,
            })
        });
        let configured = config.routes.iter().map(|route| view::Route {
            prefix: route.prefix.to_string(),
            via: Some(route.via.to_string()),
            port: route.port.0,
            interface: interface(config, route.port),
            origin: RouteOrigin::Static,
        });
        Ok(Json(view::Routes {
            routes: connected.chain(configured).collect(),
        }))
    })
    .await
}
