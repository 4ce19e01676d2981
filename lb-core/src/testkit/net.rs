//! The network of the packet cases: who is who, and the configurations.
//!
//! No counterpart in the patent. Port 0 leads to clients, some on the link and some behind a router; port 1
//! to servers. Addresses are those reserved for documentation; every neighbor is configured, so that no
//! case but those about neighbors has to resolve one.
//! Easy to get wrong: the ports' MAC addresses are those of DPDK's `net_pcap`, numbered from 0 in the order
//! of its devices, so that a case means the same in memory and through the program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::MacAddr;

/// MAC address of a port, as `net_pcap` gives it.
#[must_use]
pub const fn port_mac(port: u8) -> MacAddr {
    MacAddr([0x02, b'p', b'c', b'a', b'p', port])
}

/// An IPv4 address and its IPv6 counterpart: one host in two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// IPv4 address.
    pub v4: Ipv4Addr,
    /// IPv6 address.
    pub v6: Ipv6Addr,
    /// MAC address on its link; of a host behind the router, the router's.
    pub mac: MacAddr,
}

impl Host {
    /// The address of the wanted family.
    #[must_use]
    pub const fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }

    /// Address and port.
    #[must_use]
    pub const fn socket(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(family), port)
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, for cases that hold in either.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

const fn host(v4: [u8; 4], v6: [u16; 8], mac: [u8; 6]) -> Host {
    let [a, b, c, d] = v4;
    let [s, t, u, v, w, x, y, z] = v6;
    Host { v4: Ipv4Addr::new(a, b, c, d), v6: Ipv6Addr::new(s, t, u, v, w, x, y, z), mac: MacAddr(mac) }
}

/// Us, on port 0.
pub const CLIENT_SIDE: Host = host([198, 51, 100, 1], [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1], port_mac(0).0);
/// Us, on port 1.
pub const SERVER_SIDE: Host = host([10, 0, 0, 1], [0x2001, 0xdb8, 2, 0, 0, 0, 0, 1], port_mac(1).0);

const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
/// The router of port 0, next hop of all that is not on a link.
pub const ROUTER: Host = host([198, 51, 100, 254], [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xfe], ROUTER_MAC);
/// A client behind the router.
pub const CLIENT: Host = host([203, 0, 113, 7], [0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 7], ROUTER_MAC);
/// A client on the link of port 0.
pub const NEAR_CLIENT: Host = host([198, 51, 100, 7], [0x2001, 0xdb8, 1, 0, 0, 0, 0, 7], [2, 0, 0, 0, 0, 7]);
/// The only backend of most services.
pub const SERVER: Host = host([10, 0, 0, 11], [0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x11], [2, 0, 0, 0, 1, 0x11]);
/// A second backend, where a service has two.
pub const SERVER_2: Host = host([10, 0, 0, 12], [0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x12], [2, 0, 0, 0, 1, 0x12]);
/// A host on the link of port 0 that is a backend too, of the one-armed service.
pub const ONE_ARM: Host = host([198, 51, 100, 40], [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x40], [2, 0, 0, 0, 0, 0x40]);
/// Somebody on the link of port 0 whom no configuration names.
pub const STRANGER: Host = host([198, 51, 100, 99], [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x99], [2, 0, 0, 0, 0, 0x99]);
/// A host beyond a routed network on the servers' side.
pub const REMOTE: Host = host([10, 9, 0, 5], [0x2001, 0xdb8, 9, 0, 0, 0, 0, 5], SERVER.mac.0);

const fn vip(v4: [u8; 4], last: u16) -> Host {
    host(v4, [0x2001, 0xdb8, 0xa, 0, 0, 0, 0, last], [0; 6])
}

/// Services with forwarding `nat`: TCP 80 → 8080, UDP 53 → 5353; both on [`SERVER`].
pub const NAT: Host = vip([192, 0, 2, 10], 0x10);
/// Services with forwarding `direct`: TCP 80, UDP 53; both on [`SERVER`].
pub const DIRECT: Host = vip([192, 0, 2, 20], 0x20);
/// TCP 80, `nat`, `on_miss` is `drop`.
pub const ON_MISS_DROP: Host = vip([192, 0, 2, 30], 0x30);
/// TCP 80, `nat`, `on_miss` is `hash`.
pub const ON_MISS_HASH: Host = vip([192, 0, 2, 31], 0x31);
/// TCP 80, `direct`, `on_miss` is `hash`.
pub const DIRECT_HASH: Host = vip([192, 0, 2, 32], 0x32);
/// TCP 80 and UDP 53, without a backend that takes new flows.
pub const DESERTED: Host = vip([192, 0, 2, 33], 0x33);
/// TCP 80, `nat`, on [`ONE_ARM`], port 8080.
pub const ONE_ARMED: Host = vip([192, 0, 2, 40], 0x40);
/// The address words of RFC 1624's example: 0x5555 becomes 0x3285 on the way to [`EQUATION_SERVER`].
pub const EQUATION: Host = vip([10, 0, 0x55, 0x55], 0x50);
/// Backend of [`EQUATION`], behind a route.
pub const EQUATION_SERVER: Host = host([10, 0, 0x32, 0x85], [0x2001, 0xdb8, 9, 0, 0, 0, 0, 0x50], SERVER.mac.0);

/// Port of the TCP services.
pub const HTTP: u16 = 80;
/// Port of their backends with `nat`.
pub const HTTP_BACKEND: u16 = 8080;
/// Port of the UDP services.
pub const DNS: u16 = 53;
/// Port of their backends with `nat`.
pub const DNS_BACKEND: u16 = 5353;

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
    let web = PAIRS.iter().filter(|pair| pair.name == "web").map(|pair| pair.text(family)).collect::<Vec<_>>();
    text(false, &[family], &[], &[], &web)
}

fn whole(transit: bool, has_default_route: bool) -> String {
    let services = PAIRS.iter().flat_map(|pair| Family::BOTH.map(|family| pair.text(family))).collect::<Vec<_>>();
    text(transit, &Family::BOTH, &routes(has_default_route), &neighbors(), &services)
}

/// A configuration text with our interfaces and services of choice.
#[must_use]
pub fn text(transit: bool, families: &[Family], routes: &[String], neighbors: &[String], services: &[String]) -> String {
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
    let route = |prefix: &str, via: IpAddr| format!(r#"{{ "prefix": "{prefix}", "via": "{via}" }}"#);
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
    let addresses = |host: &Host| [(IpAddr::V4(host.v4), host.mac), (IpAddr::V6(host.v6), host.mac)];
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
    pair("hash-direct", DIRECT_HASH, "tcp", "direct", "hash", Some(SERVER)),
    pair("deserted", DESERTED, "tcp", "nat", "reset", None),
    pair("deserted-dns", DESERTED, "udp", "nat", "reset", None),
    pair("one-armed", ONE_ARMED, "tcp", "nat", "reset", Some(ONE_ARM)),
    pair("equation", EQUATION, "udp", "nat", "reset", Some(EQUATION_SERVER)),
];

const fn pair(
    name: &'static str,
    vip: Host,
    protocol: &'static str,
    forwarding: &'static str,
    on_miss: &'static str,
    backend: Option<Host>,
) -> Pair {
    Pair { name, vip, protocol, forwarding, on_miss, backend }
}

impl Pair {
    fn text(&self, family: Family) -> String {
        let Self { name, protocol, forwarding, on_miss, .. } = self;
        let (port, nat_port) = if *protocol == "tcp" { (HTTP, HTTP_BACKEND) } else { (DNS, DNS_BACKEND) };
        let backend_port = if *forwarding == "nat" { nat_port } else { port };
        // A backend of weight 0 takes no new flow, as if there were none.
        let (backend, weight) = self.backend.map_or((SERVER_2, 0), |backend| (backend, 100));
        let keys = format!(
            r#""protocol": "{protocol}", "forwarding": "{forwarding}", "scheduler": "maglev", "maglev_table_size": 251, "on_miss": "{on_miss}""#
        );
        let backends = [(backend.socket(family, backend_port), weight)];
        service(&format!("{name}-{family}"), self.vip.socket(family, port), &keys, &backends)
    }
}

/// A service: its socket, its other keys as they are written, its backends with their weights.
#[must_use]
pub fn service(name: &str, vip: SocketAddr, keys: &str, backends: &[(SocketAddr, u32)]) -> String {
    let backend = |(number, (backend, weight)): (u32, &(SocketAddr, u32))| {
        let (address, port) = (backend.ip(), backend.port());
        format!(r#"{{ "name": "{name}-{number}", "address": "{address}", "port": {port}, "weight": {weight} }}"#)
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

/// One of a farm of backends, 0 to 99, on the link of port 1; in no configuration of the cases.
#[must_use]
pub const fn farm(number: u8) -> Host {
    let last = 100 + number % 100;
    host([10, 0, 0, last], [0x2001, 0xdb8, 2, 0, 0, 0, 1, last as u16], [2, 0, 0, 0, 2, last])
}

/// A configuration with one service over the first backends of the farm, with these weights, in one family.
/// `keys` are the service's keys besides name, address, port and protocol; it is TCP 80 of [`NAT`].
#[must_use]
pub fn farmed(family: Family, keys: &str, weights: &[u32]) -> String {
    let port = if keys.contains("direct") { HTTP } else { HTTP_BACKEND };
    let hosts: Vec<Host> = (0..).zip(weights).map(|(number, _)| farm(number)).collect();
    let backends: Vec<_> = hosts.iter().map(|host| host.socket(family, port)).zip(weights.iter().copied()).collect();
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
        for text in [plain(), transit(), pathless(), asking(Family::V4), asking(Family::V6)] {
            let checked = parse(&text, &ports);
            assert!(checked.is_ok(), "{checked:#?}\n{text}");
        }
    }
}
