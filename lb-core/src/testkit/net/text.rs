//! The configurations of the packet cases, as text.
//!
//! No counterpart in the patent. Most cases share one: services of every kind, each with a single backend, so
//! that it is plain where a packet must go.
//! Easy to get wrong: an address that a configuration names as a neighbor is never asked for; the cases about
//! asking have a configuration of their own.

use std::net::{IpAddr, SocketAddr};

use super::{
    CLIENT_SIDE, DESERTED, DIRECT, DIRECT_HASH, DNS, DNS_BACKEND, EQUATION, EQUATION_SERVER,
    Family, HTTP, HTTP_BACKEND, Host, NAT, NEAR_CLIENT, ON_MISS_DROP, ON_MISS_HASH, ONE_ARM,
    ONE_ARMED, ROUTER, SERVER, SERVER_2, SERVER_SIDE, farm,
};

/// What most cases run with: no transit, every neighbor configured, a default route.
#[must_use]
pub fn plain() -> String {
    whole(false, true)
}

/// The same with transit.
#[must_use]
pub fn transit() -> String {
    whole(true, true)
}

/// Transit without a default route: the client beyond the router cannot be reached.
#[must_use]
pub fn pathless() -> String {
    whole(true, false)
}

/// One family, one service, and no neighbor configured: each has to be asked for.
#[must_use]
pub fn asking(family: Family) -> String {
    let web = PAIRS
        .iter()
        .filter(|pair| pair.name == "web")
        .map(|pair| pair.text(family))
        .collect::<Vec<_>>();
    text(false, &[family], &[], &[], &web)
}

fn whole(transit: bool, has_default_route: bool) -> String {
    let services = PAIRS
        .iter()
        .flat_map(|pair| Family::BOTH.map(|family| pair.text(family)))
        .collect::<Vec<_>>();
    text(
        transit,
        &Family::BOTH,
        &routes(has_default_route),
        &neighbors(),
        &services,
    )
}

/// A configuration text with our interfaces and services of choice.
#[must_use]
pub fn text(
    transit: bool,
    families: &[Family],
    routes: &[String],
    neighbors: &[String],
    services: &[String],
) -> String {
    let addresses = |us: Host| {
        let address = |&family: &Family| match family {
            Family::V4 => format!("\"{}/24\"", us.v4),
            Family::V6 => format!("\"{}/64\"", us.v6),
        };
        families.iter().map(address).collect::<Vec<_>>().join(", ")
    };
    format!(
        r#"{{
  "transit": {transit},
  "hash_seed": "000102030405060708090a0b0c0d0e0f",
  "interfaces": [
    {{ "port": 0, "name": "client", "addresses": [{}] }},
    {{ "port": 1, "name": "server", "addresses": [{}] }}
  ],
  "routes": [
    {}
  ],
  "neighbors": [
    {}
  ],
  "services": [
    {}
  ]
}}
"#,
        addresses(CLIENT_SIDE),
        addresses(SERVER_SIDE),
        routes.join(",\n    "),
        neighbors.join(",\n    "),
        services.join(",\n    "),
    )
}

/// The routes of the cases; with a default route, or without.
#[must_use]
pub fn routes(has_default: bool) -> Vec<String> {
    let route =
        |prefix: &str, via: IpAddr| format!(r#"{{ "prefix": "{prefix}", "via": "{via}" }}"#);
    let mut routes = vec![
        route("10.9.0.0/16", SERVER.v4.into()),
        route("10.0.50.0/24", SERVER.v4.into()),
        route("2001:db8:9::/48", SERVER.v6.into()),
    ];
    if has_default {
        routes.push(route("0.0.0.0/0", ROUTER.v4.into()));
        routes.push(route("::/0", ROUTER.v6.into()));
    }
    routes
}

/// Every neighbor of the cases, configured.
#[must_use]
pub fn neighbors() -> Vec<String> {
    neighbors_of(&[ROUTER, NEAR_CLIENT, SERVER, SERVER_2, ONE_ARM])
}

/// Hosts on our links, configured as neighbors in both families.
#[must_use]
pub fn neighbors_of(hosts: &[Host]) -> Vec<String> {
    let addresses = |host: &Host| {
        [
            (IpAddr::V4(host.v4), host.mac),
            (IpAddr::V6(host.v6), host.mac),
        ]
    };
    hosts
        .iter()
        .flat_map(addresses)
        .map(|(address, mac)| format!(r#"{{ "address": "{address}", "mac": "{mac}" }}"#))
        .collect()
}

/// One service in both families.
struct Pair {
    name: &'static str,
    vip: Host,
    protocol: &'static str,
    forwarding: &'static str,
    on_miss: &'static str,
    backend: Option<Host>,
}

const PAIRS: &[Pair] = &[
    pair("web", NAT, "tcp", "nat", "reset", Some(SERVER)),
    pair("dns", NAT, "udp", "nat", "reset", Some(SERVER)),
    pair("web-direct", DIRECT, "tcp", "direct", "reset", Some(SERVER)),
    pair("dns-direct", DIRECT, "udp", "direct", "reset", Some(SERVER)),
    pair("drop", ON_MISS_DROP, "tcp", "nat", "drop", Some(SERVER)),
    pair("hash", ON_MISS_HASH, "tcp", "nat", "hash", Some(SERVER)),
    pair(
        "hash-direct",
        DIRECT_HASH,
        "tcp",
        "direct",
        "hash",
        Some(SERVER),
    ),
    pair("deserted", DESERTED, "tcp", "nat", "reset", None),
    pair("deserted-dns", DESERTED, "udp", "nat", "reset", None),
    pair("one-armed", ONE_ARMED, "tcp", "nat", "reset", Some(ONE_ARM)),
    pair(
        "equation",
        EQUATION,
        "udp",
        "nat",
        "reset",
        Some(EQUATION_SERVER),
    ),
];

const fn pair(
    name: &'static str,
    vip: Host,
    protocol: &'static str,
    forwarding: &'static str,
    on_miss: &'static str,
    backend: Option<Host>,
) -> Pair {
    Pair {
        name,
        vip,
        protocol,
        forwarding,
        on_miss,
        backend,
    }
}

impl Pair {
    fn text(&self, family: Family) -> String {
        let Self {
            name,
            protocol,
            forwarding,
            on_miss,
            ..
        } = self;
        let (port, nat_port) = if *protocol == "tcp" {
            (HTTP, HTTP_BACKEND)
        } else {
            (DNS, DNS_BACKEND)
        };
        let backend_port = if *forwarding == "nat" { nat_port } else { port };
        // A backend of weight 0 takes no new flow, as if there were none.
        let (backend, weight) = self.backend.map_or((SERVER_2, 0), |backend| (backend, 100));
        let keys = format!(
            r#""protocol": "{protocol}", "forwarding": "{forwarding}", "scheduler": "maglev", "maglev_table_size": 251, "on_miss": "{on_miss}""#
        );
        let backends = [(backend.socket(family, backend_port), weight)];
        service(
            &format!("{name}-{family}"),
            self.vip.socket(family, port),
            &keys,
            &backends,
        )
    }
}

/// A service: its socket, its other keys as they are written, its backends with their weights.
#[must_use]
pub fn service(name: &str, vip: SocketAddr, keys: &str, backends: &[(SocketAddr, u32)]) -> String {
    let backend = |(number, (backend, weight)): (u32, &(SocketAddr, u32))| {
        let (address, port) = (backend.ip(), backend.port());
        format!(
            r#"{{ "name": "{name}-{number}", "address": "{address}", "port": {port}, "weight": {weight} }}"#
        )
    };
    let backends: Vec<_> = (1..).zip(backends).map(backend).collect();
    format!(
        r#"{{ "name": "{name}", "address": "{}", "port": {}, {keys},
      "backends": [ {} ] }}"#,
        vip.ip(),
        vip.port(),
        backends.join(", "),
    )
}

/// A configuration with one service over the first backends of the farm, with these weights, in one family.
/// `keys` are the service's keys besides name, address, port and protocol; it is TCP 80 of [`NAT`].
#[must_use]
pub fn farmed(family: Family, keys: &str, weights: &[u32]) -> String {
    let port = if keys.contains("direct") {
        HTTP
    } else {
        HTTP_BACKEND
    };
    let hosts: Vec<Host> = (0..).zip(weights).map(|(number, _)| farm(number)).collect();
    let backends: Vec<_> = hosts
        .iter()
        .map(|host| host.socket(family, port))
        .zip(weights.iter().copied())
        .collect();
    let keys = format!(r#""protocol": "tcp", {keys}"#);
    let services = [service("web", NAT.socket(family, HTTP), &keys, &backends)];
    let neighbors = [neighbors(), neighbors_of(&hosts)].concat();
    text(false, &Family::BOTH, &routes(true), &neighbors, &services)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PortsPresent, parse};
    use crate::id::PortId;

    #[test]
    fn every_configuration_of_the_cases_is_accepted() {
        let ports: PortsPresent = [PortId(0), PortId(1)].into_iter().collect();
        for text in [
            plain(),
            transit(),
            pathless(),
            asking(Family::V4),
            asking(Family::V6),
        ] {
            let checked = parse(&text, &ports);
            assert!(checked.is_ok(), "{checked:#?}\n{text}");
        }
    }
}
