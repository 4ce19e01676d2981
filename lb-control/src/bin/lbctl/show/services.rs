//! Services, in a table, and one of them in full.
//!
//! No counterpart in the patent.
//! Easy to get wrong: `BACKENDS 0/3` is a service that answers nobody; it is the first thing to look at.

use lb_control::view::{Service, ServiceSummary, Services};

use super::backends::words;
use super::format::{count, endpoint, octets, or_dash, scaled, things};
use super::rate::{Before, per_second};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
use super::table::Table;
use super::{Room, backends};

/// All services: totals, or rates since `before`.
pub(crate) fn services(now: &Services, before: Option<Before<'_, Services>>, room: Room) -> String {
    if now.services.is_empty() {
        return "no services are configured\n".to_owned();
    }
    match before {
        None => totals(now).render(room),
        Some(before) => rates(&now.services, Some(before)).render(room),
    }
}

fn totals(now: &Services) -> Table {
    let mut table = Table::new(&[
        Text("SERVICE"),
        Text("ADDRESS"),
        Number("BACKENDS"),
        Number("LIVE"),
        Number("OPENED"),
        Number("PACKETS"),
        ExtraNumber("OCTETS"),
        Extra("FORWARDING"),
        Extra("SCHEDULER"),
        Extra("WEIGHTS"),
    ]);
    for service in &now.services {
        table.row([
            service.name.clone(),
            address(service),
            taking(service),
            count(service.connections_live.into()),
            count(service.connections_opened),
            count(service.packets),
            octets(service.octets),
            service.forwarding.clone(),
            service.scheduler.clone(),
            service.weights.clone(),
        ]);
    }
    table
}

/// The table of rates; also used by `top`, whose first look has none.
pub(crate) fn rates(now: &[ServiceSummary], before: Option<Before<'_, Services>>) -> Table {
    let mut table = Table::new(&[
        Text("SERVICE"),
        Text("ADDRESS"),
        Number("BACKENDS"),
        Number("LIVE"),
        Number("NEW/s"),
        Number("PACKETS/s"),
        Number("BIT/s"),
    ]);
    for service in now {
        let earlier = before.and_then(|before| {
            let mut earlier = before.view.services.iter();
            let earlier = earlier.find(|earlier| earlier.name == service.name)?;
            Some((earlier, before.seconds))
        });
        let rate = |of: fn(&ServiceSummary) -> u64| {
            earlier.and_then(|(earlier, seconds)| per_second(of(earlier), of(service), seconds))
        };
        table.row([
            service.name.clone(),
            address(service),
            taking(service),
            count(service.connections_live.into()),
            or_dash(rate(|service| service.connections_opened), scaled),
            or_dash(rate(|service| service.packets), scaled),
            or_dash(rate(|service| service.octets), |octets| {
                scaled(octets * 8.0)
            }),
        ]);
    }
    table
}

/// One service in full, with its backends.
pub(crate) fn service(service: &Service, room: Room) -> String {
    let summary = &service.summary;
    let limit = or_dash(summary.max_connections, |limit| count(limit.into()));
    let mut text = String::new();
    for (name, value) in [
        ("service", summary.name.clone()),
        ("address", address(summary)),
        ("forwarding", summary.forwarding.clone()),
        ("scheduler", summary.scheduler.clone()),
        ("weights", summary.weights.clone()),
        ("tags", words(&summary.tags)),
        ("on_miss", summary.on_miss.clone()),
        ("on_down", word(&summary.on_down)),
        ("all_down", word(&summary.all_down)),
        ("health", health(summary)),
        ("max_connections", limit),
        (
            "connections",
            format!(
                "{} live, {} opened",
                count(summary.connections_live.into()),
                count(summary.connections_opened)
            ),
        ),
        (
            "packets",
            format!("{} ({})", count(summary.packets), octets(summary.octets)),
        ),
    ] {
        text.push_str(&format!("{name:<16} {value}\n"));
    }
    text.push('\n');
    text.push_str(&backends(&service.backends, room));
    text
}

/// A word of the document.
fn word<T: std::fmt::Debug>(value: &T) -> String {
    format!("{value:?}").to_lowercase()
}

fn health(service: &ServiceSummary) -> String {
    let up = things(service.backends_up as u64, "backend");
    match (service.is_panicking, service.is_on_backup) {
        (true, _) => format!("{up} up: too few to believe it, so all get flows"),
        (_, true) => format!("{up} up: backups serve"),
        _ => format!("{up} up"),
    }
}

fn address(service: &ServiceSummary) -> String {
    format!(
        "{}/{}",
        endpoint(&service.address, service.port),
        service.protocol
    )
}

fn taking(service: &ServiceSummary) -> String {
    let (taking, total) = (service.backends_taking, service.backends_total);
    match (service.is_panicking, service.is_on_backup) {
        (true, _) => format!("{taking}/{total} panic"),
        (_, true) => format!("{taking}/{total} backup"),
        _ => format!("{taking}/{total}"),
    }
}
