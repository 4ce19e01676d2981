//! Neighbors and routes.
//!
//! No counterpart in the patent.
//! Easy to get wrong: an unresolved neighbor that is needed is a backend or router that does not answer.

use lb_control::view::{Neighbor, NeighborState, Neighbors, RouteOrigin, Routes};

use super::Room;
use super::format::{or_dash, whole_seconds};
use super::table::Column::{Extra, ExtraNumber, Text};
use super::table::Table;

/// The neighbor table.
pub(crate) fn neighbors(neighbors: &Neighbors, room: Room) -> String {
    if neighbors.neighbors.is_empty() {
        return "no neighbors are known or needed\n".to_owned();
    }
    let mut table = Table::new(&[
        Text("ADDRESS"),
        Text("INTERFACE"),
        Text("MAC"),
        Text("STATE"),
        ExtraNumber("CONFIRMED"),
        Extra("NEEDED"),
    ]);
    for neighbor in &neighbors.neighbors {
        table.row([
            neighbor.address.clone(),
            interface(neighbor.interface.as_deref(), neighbor.port),
            or_dash(neighbor.mac.clone(), |mac| mac),
            state(neighbor).to_owned(),
            or_dash(neighbor.confirmed_seconds_ago, |seconds| {
                format!("{} ago", whole_seconds(seconds))
            }),
            if neighbor.is_needed { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.render(room)
}

fn state(neighbor: &Neighbor) -> &'static str {
    match neighbor.state {
        NeighborState::Static => "static",
        NeighborState::Reachable => "reachable",
        NeighborState::Stale => "stale",
        NeighborState::Unresolved => "unresolved",
    }
}

/// The routes in force.
pub(crate) fn routes(routes: &Routes, room: Room) -> String {
    if routes.routes.is_empty() {
        return "no routes: no interface has an address\n".to_owned();
    }
    let mut table = Table::new(&[
        Text("PREFIX"),
        Text("VIA"),
        Text("INTERFACE"),
        Extra("ORIGIN"),
    ]);
    for route in &routes.routes {
        let origin = match route.origin {
            RouteOrigin::Connected => "connected",
            RouteOrigin::Static => "static",
        };
        table.row([
            route.prefix.clone(),
            or_dash(route.via.clone(), |via| via),
            interface(route.interface.as_deref(), route.port),
            origin.to_owned(),
        ]);
    }
    table.render(room)
}

fn interface(name: Option<&str>, port: u16) -> String {
    match name {
        Some(name) => name.to_owned(),
        None => format!("port {port}"),
    }
}
