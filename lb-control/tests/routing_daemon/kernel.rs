//! What `ip` shows, and what the daemon published, as lines that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lb_core::config::KernelNetwork;
use lb_core::id::PortId;
use lb_core::route::NextHop;
use serde_json::Value;

use crate::net::ip;
use crate::rig::{PORT_A, PORT_B, Rig};

fn port(device: &str) -> Option<PortId> {
    match device {
        "lb-a" => Some(PORT_A),
        "lb-b" => Some(PORT_B),
        _ => None,
    }
}

fn json(words: &str) -> Vec<Value> {
    let text = ip(words);
    if text.trim().is_empty() {
        return Vec::new();
    }
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// `ip` leaves out the length of hosts, and has a word for everything.
fn prefix(dst: &str, bits: u8) -> String {
    match dst {
        "default" if bits == 32 => "0.0.0.0/0".to_owned(),
        "default" => "::/0".to_owned(),
        _ if dst.contains('/') => dst.to_owned(),
        _ => format!("{dst}/{bits}"),
    }
}

fn hop(value: &Value) -> Option<String> {
    let flags = value["flags"].as_array();
    let is_dead = |flag: &Value| ["dead", "linkdown"].contains(&flag.as_str().unwrap_or_default());
    if flags.is_some_and(|flags| flags.iter().any(is_dead)) {
        return None;
    }
    let port = port(text(value, "dev"))?;
    let gateway = match text(value, "gateway") {
        "" => text(&value["via"], "host"),
        gateway => gateway,
    };
    let weight = value["weight"].as_u64().unwrap_or(1);
    Some(format!("{port} [{gateway}] {weight}"))
}

/// Routes of the main table over our devices or to nowhere, the first of each prefix and metric.
fn kernel_routes(family: &str, bits: u8) -> BTreeMap<(String, u64), String> {
    let mut routes = BTreeMap::new();
    for route in json(&format!("-N -j -{family} route show table main")) {
        let prefix = prefix(text(&route, "dst"), bits);
        if prefix.starts_with("fe80") || prefix.starts_with("ff00") {
            continue;
        }
        let hops: Vec<_> = match route["nexthops"].as_array() {
            Some(hops) => hops.iter().filter_map(hop).collect(),
            None => hop(&route).into_iter().collect(),
        };
        let is_nowhere =
            ["6", "7", "8", "blackhole", "unreachable", "prohibit"].contains(&text(&route, "type"));
        // `boot`, what `ip` itself sets, is not shown.
        let protocol = route["protocol"].as_str().unwrap_or("3");
        let line = line(&prefix, protocol, hops, is_nowhere);
        if let Some(line) = line {
            let metric = route["metric"].as_u64().unwrap_or(0);
            routes.entry((prefix, metric)).or_insert(line);
        }
    }
    routes
}

fn line(prefix: &str, protocol: &str, mut hops: Vec<String>, is_nowhere: bool) -> Option<String> {
    if is_nowhere {
        hops = vec!["nowhere".to_owned()];
    }
    hops.sort();
    (!hops.is_empty()).then(|| format!("{prefix} {protocol} {}", hops.join(", ")))
}

/// All that `ip` shows of what concerns us.
pub(crate) fn shown() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for ((_, metric), line) in kernel_routes("4", 32)
        .into_iter()
        .chain(kernel_routes("6", 128))
    {
        lines.insert(format!("route {line} metric {metric}"));
    }
    for device in json("-j addr show") {
        let Some(port) = port(text(&device, "ifname")) else {
            continue;
        };
        let flags = device["flags"].as_array().unwrap();
        let is_up = flags.iter().any(|flag| flag == "UP");
        lines.insert(format!("link {port} {} {is_up}", device["mtu"]));
        for one in device["addr_info"].as_array().unwrap() {
            if text(one, "scope") != "link" {
                // With a peer, the length is of the peer's network.
                let length = match text(one, "address") {
                    "" => one["prefixlen"].as_u64().unwrap(),
                    _ => 32,
                };
                let local = text(one, "local");
                lines.insert(format!("address {port} {local}/{length}"));
            }
        }
    }
    for neighbor in json("-j neigh show nud permanent") {
        if let Some(port) = port(text(&neighbor, "dev")) {
            let (address, mac) = (text(&neighbor, "dst"), text(&neighbor, "lladdr"));
            lines.insert(format!("neighbor {port} {address} {mac}"));
        }
    }
    lines
}

/// The same of a picture.
pub(crate) fn published(network: &KernelNetwork) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for route in network.routes.iter() {
        let hop = |(next, weight): &(NextHop, u16)| {
            let gateway = next.gateway.map_or_else(String::new, |one| one.to_string());
            format!("{} [{gateway}] {weight}", next.port)
        };
        let hops: Vec<_> = route.hops.iter().map(hop).collect();
        let protocol = route.protocol.to_string();
        let is_nowhere = hops.is_empty();
        let line = line(&route.prefix.to_string(), &protocol, hops, is_nowhere).unwrap();
        lines.insert(format!("route {line} metric {}", route.metric));
    }
    for interface in &network.interfaces {
        let port = interface.port;
        lines.insert(format!("link {port} {} {}", interface.mtu, interface.is_up));
        for address in &interface.addresses {
            lines.insert(format!("address {port} {address}"));
        }
    }
    for neighbor in &network.neighbors {
        let (port, address, mac) = (neighbor.port, neighbor.address, neighbor.mac);
        lines.insert(format!("neighbor {port} {address} {mac}"));
    }
    lines
}

/// Waits until the daemon has what `ip` shows now.
#[track_caller]
pub(crate) fn until_equal(rig: &Rig) {
    let shown = shown();
    let mut differences = String::new();
    let is_equal = |network: &KernelNetwork| published(network) == shown;
    let patience = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rig.until("what `ip` shows", is_equal);
    }));
    if patience.is_err() {
        let published = published(&rig.network());
        for line in shown.difference(&published) {
            writeln!(differences, "missing: {line}").unwrap();
        }
        for line in published.difference(&shown) {
            writeln!(differences, "too much: {line}").unwrap();
        }
        panic!("{differences}{:?}\n{:?}", rig.figures(), rig.log());
    }
}
