//! Checks static routes and static neighbors.
//!
//! No counterpart in the patent. Both name a host on a network that an interface is connected to: a
//! route through a route is refused.
//! Not here: the tables that packets are looked up in (`route`).
//! Easy to get wrong: the port of a route or neighbor is not written in the document, it follows from
//! the longest network that contains the address.

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::family;
use super::document;
use super::locate::KeyPath;
use super::model::{Route, StaticNeighbor};
use super::network::Network;
use super::prefix::Prefix;
use super::refusal::{Refusals, printable};
use crate::wire::MacAddr;

/// Checks all routes and adds them to the network.
pub(super) fn check_routes(
    routes: &[document::Route],
    network: &mut Network,
    refusals: &mut Refusals,
) {
    let at = KeyPath::default().key("routes");
    let mut seen = HashMap::new();
    for (position, route) in routes.iter().enumerate() {
        let at = at.index(position);
        match check_route(route, &at, position, network, &mut seen, refusals) {
            Some(route) => network.routes.push(route),
            None => network.routes_known = false,
        }
    }
}

/// Checks all static neighbors.
pub(super) fn check_neighbors(
    neighbors: &[document::Neighbor],
    network: &Network,
    refusals: &mut Refusals,
) -> Vec<StaticNeighbor> {
    let at = KeyPath::default().key("neighbors");
    let mut seen = HashMap::new();
    let mut checked = Vec::with_capacity(neighbors.len());
    for (position, neighbor) in neighbors.iter().enumerate() {
        let at = at.index(position);
        checked.extend(check_neighbor(
            neighbor, &at, position, network, &mut seen, refusals,
        ));
    }
    checked
}

/// Checks a route; its next hop's network gives the port.
fn check_route(
    route: &document::Route,
    at: &KeyPath,
    position: usize,
    network: &Network,
    seen: &mut HashMap<Prefix, usize>,
    refusals: &mut Refusals,
) -> Option<Route> {
    let prefix = refusals.keep(
        at.key("prefix"),
        route_prefix(&route.prefix, position, network, seen),
    );
    let via = refusals.keep(at.key("via"), network.next_hop(&route.via));
    let (prefix, (via, port)) = prefix.zip(via)?;
    if family(prefix.address()) != family(via) {
        refusals.add(
            at.key("via"),
            format!(
                "{via} is {}, but {prefix} is {}; expected both of one family",
                family(via),
                family(prefix.address())
            ),
        );
        return None;
    }
    // A next hop on no network was let pass only because an interface was refused.
    Some(Route {
        prefix,
        via,
        port: port?,
    })
}

fn route_prefix(
    text: &str,
    position: usize,
    network: &Network,
    seen: &mut HashMap<Prefix, usize>,
) -> Result<Prefix, String> {
    let prefix = Prefix::parse(text)
        .map_err(|error| format!("`{}` is no prefix: {error}", printable(text)))?;
    let multicast_bits = if prefix.address().is_ipv4() { 4 } else { 8 };
    if prefix.address().is_multicast() && prefix.length() >= multicast_bits {
        return Err(format!(
            "{prefix} is multicast; expected unicast destinations"
        ));
    }
    if let Some(first) = seen.insert(prefix, position) {
        return Err(format!(
            "routes[{first}] has the prefix {prefix} already; expected every prefix once"
        ));
    }
    if let Some(port) = network.port_of(prefix) {
        return Err(format!(
            "port {port} is connected to {prefix}; expected a prefix that needs a next hop"
        ));
    }
    Ok(prefix)
}

/// Checks a static neighbor.
fn check_neighbor(
    neighbor: &document::Neighbor,
    at: &KeyPath,
    position: usize,
    network: &Network,
    seen: &mut HashMap<IpAddr, usize>,
    refusals: &mut Refusals,
) -> Option<StaticNeighbor> {
    let address = network
        .next_hop(&neighbor.address)
        .and_then(|(address, port)| match seen.insert(address, position) {
            Some(first) => Err(format!(
                "neighbors[{first}] has the address {address} already; expected every neighbor once"
            )),
            None => Ok((address, port)),
        });
    let address = refusals.keep(at.key("address"), address);
    let mac = refusals.keep(at.key("mac"), neighbor_mac(&neighbor.mac));
    let ((address, port), mac) = address.zip(mac)?;
    Some(StaticNeighbor {
        address,
        mac,
        port: port?,
    })
}

/// Reads the MAC address of one neighbor.
fn neighbor_mac(text: &str) -> Result<MacAddr, String> {
    let mac: MacAddr = text
        .parse()
        .map_err(|error| format!("`{}` is no MAC address: {error}", printable(text)))?;
    if mac.is_unicast() {
        return Ok(mac);
    }
    let kind = if mac.is_multicast() {
        "multicast"
    } else {
        "nobody's"
    };
    Err(format!(
        "{mac} is {kind}; expected the unicast MAC address of one neighbor"
    ))
}
