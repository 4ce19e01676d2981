//! Neighbors and routes.
//!
//! No counterpart in the patent.
//! Easy to get wrong: an unresolved neighbor that is needed is a backend or router that does not answer.

use lb_control::view::{
    Neighbor, NeighborSource, NeighborState, Neighbors, NextHop, Route, Source,
};

use super::Room;
use super::format::{count, or_dash, whole_seconds};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
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
        Extra("SOURCE"),
        ExtraNumber("CONFIRMED"),
        Extra("NEEDED"),
    ]);
    for neighbor in &neighbors.neighbors {
        table.row([
            neighbor.address.clone(),
            interface(neighbor.interface.as_deref(), neighbor.port),
            or_dash(neighbor.mac.clone(), |mac| mac),
            state(neighbor).to_owned(),
            match neighbor.source {
                NeighborSource::Document => "document",
                NeighborSource::Kernel => "kernel",
                NeighborSource::Learned => "learned",
            }
            .to_owned(),
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

/// The routes in force, a line for each next hop.
pub(crate) fn routes(routes: &[Route], room: Room) -> String {
    if routes.is_empty() {
        return "no routes\n".to_owned();
    }
    let mut table = Table::new(&[
        Text("PREFIX"),
        Text("VIA"),
        Text("INTERFACE"),
        ExtraNumber("WEIGHT"),
        Number("METRIC"),
        Text("SOURCE"),
        Extra("PROTOCOL"),
    ]);
    for route in routes {
        let dash = || "-".to_owned();
        let weight = |hop: &NextHop| {
            let is_shared = route.next_hops.len() > 1;
            or_dash(is_shared.then_some(hop.weight), |weight| weight.to_string())
        };
        let mut hops = route.next_hops.iter().map(|hop| {
            let interface = interface(hop.interface.as_deref(), hop.port);
            [or_dash(hop.via.clone(), |via| via), interface, weight(hop)]
        });
        let drops = || ["drops".to_owned(), dash(), dash()];
        let [via, interface, share] = hops.next().unwrap_or_else(drops);
        let source = match route.source {
            Source::Connected => "connected",
            Source::Document => "document",
            Source::Kernel => "kernel",
        };
        table.row([
            route.prefix.clone(),
            via,
            interface,
            share,
            count(route.metric.into()),
            source.to_owned(),
            route.protocol.to_string(),
        ]);
        for [via, interface, share] in hops {
            let [prefix, metric, source, protocol] = [const { String::new() }; 4];
            table.row([prefix, via, interface, share, metric, source, protocol]);
        }
    }
    table.render(room)
}

fn interface(name: Option<&str>, port: u16) -> String {
    match name {
        Some(name) => name.to_owned(),
        None => format!("port {port}"),
    }
}
