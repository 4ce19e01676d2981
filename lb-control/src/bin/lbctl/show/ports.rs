//! Ports: link, traffic, losses.
//!
//! No counterpart in the patent.
//! Easy to get wrong: the ways to lose a frame at a port have different cures, and each has its column;
//! those that nobody has met yet are left out.

use lb_control::view::{Port, PortKernel, Ports};

use super::Room;
use super::format::{count, octets, or_dash, scaled};
use super::rate::{Before, per_second};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
use super::table::Table;

/// All ports: totals, or rates since `before`.
pub(crate) fn ports(now: &Ports, before: Option<Before<'_, Ports>>, room: Room) -> String {
    if now.ports.is_empty() {
        return "no ports are in use\n".to_owned();
    }
    let mut table = Table::new(match before {
        None => &[
            Number("PORT"),
            Text("INTERFACE"),
            Text("LINK"),
            Number("RX"),
            Number("TX"),
            Text("LOST"),
            ExtraNumber("RX OCTETS"),
            ExtraNumber("TX OCTETS"),
            ExtraNumber("TO KERNEL"),
            ExtraNumber("FROM KERNEL"),
            Extra("MAC"),
            Extra("DEVICE"),
        ],
        Some(_) => &[
            Number("PORT"),
            Text("INTERFACE"),
            Text("LINK"),
            Number("RX/s"),
            Number("TX/s"),
            Text("LOST/s"),
            Number("RX BIT/s"),
            Number("TX BIT/s"),
            ExtraNumber("TO KERNEL/s"),
            ExtraNumber("FROM KERNEL/s"),
            Extra("MAC"),
            Extra("DEVICE"),
        ],
    });
    for port in &now.ports {
        let earlier = before.map(|before| (earlier(port, &before), before.seconds));
        let counter = |of: fn(&Port) -> u64| match earlier {
            None => count(of(port)),
            Some((earlier, seconds)) => or_dash(rate(earlier, port, of, seconds), scaled),
        };
        let size = |of: fn(&Port) -> u64| match earlier {
            None => octets(of(port)),
            Some((earlier, seconds)) => or_dash(rate(earlier, port, of, seconds), |octets| {
                scaled(octets * 8.0)
            }),
        };
        let with_kernel = |counted| or_dash(port.kernel.as_ref(), |_| counted);
        table.row([
            port.port.to_string(),
            or_dash(port.interface.clone(), |name| name),
            link(port),
            counter(|port| port.rx_packets),
            counter(|port| port.tx_packets),
            lost(port, earlier),
            size(|port| port.rx_octets),
            size(|port| port.tx_octets),
            with_kernel(counter(|port| kernel(port, |kernel| kernel.up))),
            with_kernel(counter(|port| kernel(port, |kernel| kernel.down))),
            port.mac.clone(),
            format!("{} ({})", port.device, port.driver),
        ]);
    }
    table.render(room)
}

fn earlier<'a>(port: &Port, before: &Before<'a, Ports>) -> Option<&'a Port> {
    let mut earlier = before.view.ports.iter();
    earlier.find(|earlier| earlier.port == port.port)
}

fn rate(earlier: Option<&Port>, now: &Port, of: fn(&Port) -> u64, seconds: f64) -> Option<f64> {
    per_second(of(earlier?), of(now), seconds)
}

fn link(port: &Port) -> String {
    match (port.is_up, port.megabits) {
        (false, _) => "down".to_owned(),
        (true, None) => "up".to_owned(),
        (true, Some(megabits)) => format!("up {}bit/s", scaled(f64::from(megabits) * 1e6)),
    }
}

fn kernel(port: &Port, of: fn(&PortKernel) -> u64) -> u64 {
    port.kernel.as_ref().map_or(0, of)
}

type Loss = (&'static str, fn(&Port) -> u64);

const LOSSES: [Loss; 7] = [
    ("rx_missed", |port| port.rx_missed),
    ("rx_errors", |port| port.rx_errors),
    ("rx_no_mbuf", |port| port.rx_no_mbuf),
    ("tx_errors", |port| port.tx_errors),
    ("tx_dropped", |port| port.tx_dropped),
    ("up_dropped", |port| {
        kernel(port, |kernel| kernel.up_dropped)
    }),
    ("down_dropped", |port| {
        kernel(port, |kernel| kernel.down_dropped)
    }),
];

fn lost(port: &Port, earlier: Option<(Option<&Port>, f64)>) -> String {
    let shown = LOSSES.iter().filter_map(|&(name, of)| match earlier {
        None => (of(port) != 0).then(|| format!("{name} {}", count(of(port)))),
        Some((earlier, seconds)) => {
            let rate = rate(earlier, port, of, seconds).filter(|rate| *rate > 0.0)?;
            Some(format!("{name} {}", scaled(rate)))
        }
    });
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        return "-".to_owned();
    }
    shown.join(" ")
}
