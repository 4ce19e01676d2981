//! The network of the measurements: who is who, and the configuration.
//!
//! No counterpart in the patent. Clients are 131,072 hosts of the networks that RFC 2544 and RFC 5180 reserve
//! for benchmarks, behind gateways on port 0; backends are neighbors on the server port; all neighbors are
//! configured, so that nothing has to be asked for.
//! Easy to get wrong: no two flows may share a client's address *and* port, whatever services they go to:
//! behind NAT a backend tells connections apart by nothing else.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use clap::{Args, ValueEnum};
use lb_core::wire::MacAddr;

/// Flows of one kind at most: the clients' addresses times the ports that each uses.
pub const MAX_FLOWS: u32 = 1 << 24;
const ADDRESS_BITS: u32 = 17;
/// Ports between two flows of one client, and kinds of flows at most.
const PORT_STEP: u16 = 500;

/// Port that clients speak to.
pub const SERVICE_PORT: u16 = 80;
/// Port that backends of a `nat` service listen on.
pub const BACKEND_PORT: u16 = 8080;

const CLIENTS_V4: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const CLIENTS_V6: u128 = 0x2001_0002_0000 << 80 | 1;
/// The clients' bits in an IPv6 address come right after its /48.
const CLIENT_SHIFT_V6: u32 = 80 - ADDRESS_BITS;
const VIPS_V4: u32 = u32::from_be_bytes([10, 2, 0, 1]);
const VIPS_V6: u128 = 0x2001_0db8_000a << 80 | 1;
const BACKENDS_V4: u32 = u32::from_be_bytes([10, 1, 0, 16]);
const BACKENDS_V6: u128 = 0x2001_0db8_000b << 80 | 16;
const GATEWAYS: u8 = 4;

/// Address family of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// IPv4
    #[value(name = "4")]
    V4,
    /// IPv6
    #[value(name = "6")]
    V6,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forwarding {
    /// MAC, IP address and port are rewritten
    Nat,
    /// MAC only
    Direct,
}

impl Forwarding {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Direct => "direct",
        }
    }
}

/// What becomes of a later packet that belongs to no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMiss {
    /// It is dropped.
    Drop,
    /// It opens a connection.
    Hash,
}

impl OnMiss {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Hash => "hash",
        }
    }
}

impl Version {
    /// 4 or 6.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// How large the configuration is.
#[derive(Clone, Debug, Args)]
pub struct Network {
    /// Address family
    #[arg(long, default_value = "4")]
    pub family: Version,
    /// Forwarding of all services
    #[arg(long, default_value = "nat")]
    pub forwarding: Forwarding,
    /// Services, each with an address of its own; flows are spread over all of them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub services: u16,
    /// Backends of each service
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=50000))]
    pub backends: u16,
    /// Routes to the clients, besides the default route
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=131072))]
    pub routes: u32,
    /// Scheduler of all services
    #[arg(long, default_value = "weighted-round-robin")]
    pub scheduler: String,
    /// For packets that belong to no connection.
    #[arg(skip = OnMiss::Drop)]
    pub on_miss: OnMiss,
    /// Port number of the interface that leads to the backends
    #[arg(skip = 1_u16)]
    pub server_port: u16,
}

/// One end of a flow; an IPv4 address stands in the low 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Address.
    pub address: u128,
    /// TCP port.
    pub port: u16,
}

/// What flows are for: each kind has clients of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connections that exist.
    Known = 0,
    /// Connections that are opened while measured.
    New = 1,
    /// Connections that never existed.
    Stray = 2,
}

/// MAC address of one of our ports, as DPDK's `net_pcap` gives it.
#[must_use]
pub const fn port_mac(port: u16) -> MacAddr {
    let [high, low] = port.to_be_bytes();
    MacAddr([0x02, b'p', b'c', b'a', b'p' ^ high, low])
}

/// MAC address of everybody out there; receivers do not look at it.
pub const PEER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xfe]);

impl Network {
    /// The client of a flow, one of [`MAX_FLOWS`] of its kind.
    #[must_use]
    pub fn client(&self, flow: u32, kind: Kind) -> End {
        // Odd factors and shifts keep 24 bits a permutation of 24 bits.
        let mask = MAX_FLOWS - 1;
        let mut mixed = flow.wrapping_mul(0x9e37_79b1) & mask;
        mixed ^= mixed >> 12;
        mixed = mixed.wrapping_mul(0x85eb_ca6b) & mask;
        let host = mixed & ((1 << ADDRESS_BITS) - 1);
        let turn = u16::try_from(mixed >> ADDRESS_BITS).unwrap_or(0);
        End {
            address: match self.family {
                Version::V4 => u128::from(CLIENTS_V4 | host),
                Version::V6 => CLIENTS_V6 | u128::from(host) << CLIENT_SHIFT_V6,
            },
            port: 1024 + turn * PORT_STEP + kind as u16,
        }
    }

    /// Where a flow's client connects to.
    #[must_use]
    pub fn vip(&self, flow: u32) -> End {
        let service = flow % u32::from(self.services);
        End {
            address: match self.family {
                Version::V4 => u128::from(VIPS_V4 + service),
                Version::V6 => VIPS_V6 + u128::from(service),
            },
            port: SERVICE_PORT,
        }
    }

    /// A backend by number.
    #[must_use]
    pub fn backend(&self, number: u16) -> End {
        End {
            address: match self.family {
                Version::V4 => u128::from(BACKENDS_V4 + u32::from(number)),
                Version::V6 => BACKENDS_V6 + u128::from(number),
            },
            port: match self.forwarding {
                Forwarding::Nat => BACKEND_PORT,
                Forwarding::Direct => SERVICE_PORT,
            },
        }
    }

    /// The number of a backend by its address.
    #[must_use]
    pub fn backend_number(&self, address: u128) -> Option<u16> {
        let number = address.checked_sub(self.backend(0).address)?;
        u16::try_from(number).ok().filter(|&n| n < self.backends)
    }

    /// An address as text.
    #[must_use]
    pub fn text(&self, address: u128) -> String {
        match (self.family, u32::try_from(address)) {
            (Version::V4, Ok(v4)) => Ipv4Addr::from_bits(v4).to_string(),
            _ => Ipv6Addr::from_bits(address).to_string(),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn configuration(&self) -> String {
        let services: Vec<_> = (0..u32::from(self.services))
            .map(|service| self.service(service))
            .collect();
        format!(
            r#"{{
  "hash_seed": "000102030405060708090a0b0c0d0e0f",
  "interfaces": [
    {{ "port": 0, "name": "client", "addresses": ["198.51.100.1/24", "2001:db8:1::1/64"] }},
    {{ "port": {}, "name": "server", "addresses": ["10.1.0.1/16", "2001:db8:b::1/64"] }}
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
            self.server_port,
            self.routes().join(",\n    "),
            self.neighbors().join(",\n    "),
            services.join(",\n    "),
        )
    }

    fn gateway(&self, number: u32) -> String {
        let host = 251 + number % u32::from(GATEWAYS);
        match self.family {
            Version::V4 => format!("198.51.100.{host}"),
            Version::V6 => format!("2001:db8:1::{host:x}"),
        }
    }

    fn routes(&self) -> Vec<String> {
        let entry =
            |prefix: String, via: String| format!(r#"{{ "prefix": "{prefix}", "via": "{via}" }}"#);
        // The clients' network in as many parts of one size as are needed.
        let bits = self.routes.max(1).next_power_of_two().ilog2();
        let (all, length) = match self.family {
            Version::V4 => ("0.0.0.0/0", 32 - ADDRESS_BITS + bits),
            Version::V6 => ("::/0", 48 + bits),
        };
        let mut routes = vec![entry(all.to_owned(), self.gateway(0))];
        for number in 0..self.routes {
            let network = match self.family {
                Version::V4 => u128::from(CLIENTS_V4 | number << (ADDRESS_BITS - bits)),
                Version::V6 => (CLIENTS_V6 & !1) | u128::from(number) << (80 - bits),
            };
            routes.push(entry(
                format!("{}/{length}", self.text(network)),
                self.gateway(number),
            ));
        }
        routes
    }

    fn neighbors(&self) -> Vec<String> {
        let gateways =
            (0..u32::from(GATEWAYS)).map(|number| (self.gateway(number), 0xfe00 | number));
        let backends = (0..self.backends).map(|number| {
            let address = self.text(self.backend(number).address);
            (address, 0x10_0000 | u32::from(number))
        });
        gateways
            .chain(backends)
            .map(|(address, host)| {
                let [_, a, b, c] = host.to_be_bytes();
                format!(
                    r#"{{ "address": "{address}", "mac": "02:00:00:{a:02x}:{b:02x}:{c:02x}" }}"#
                )
            })
            .collect()
    }

    fn service(&self, number: u32) -> String {
        let vip = self.vip(number);
        let mut backends = String::new();
        for number in 0..self.backends {
            let End { address, port } = self.backend(number);
            let separator = if number == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(
                backends,
                r#"{separator}{{ "name": "b{number}", "address": "{}", "port": {port} }}"#,
                self.text(address),
            );
        }
        format!(
            r#"{{ "name": "s{number}", "address": "{}", "port": {}, "protocol": "tcp", "forwarding": "{}",
      "scheduler": "{}", "on_miss": "{}", "backends": [ {backends} ] }}"#,
            self.text(vip.address),
            vip.port,
            self.forwarding.word(),
            self.scheduler,
            self.on_miss.word(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_core::config::{PortsPresent, parse};
    use lb_core::id::PortId;
    use std::collections::HashSet;

    fn network(family: Version) -> Network {
        Network {
            family,
            forwarding: Forwarding::Nat,
            services: 3,
            backends: 5,
            routes: 100,
            scheduler: "maglev".to_owned(),
            on_miss: OnMiss::Drop,
            server_port: 1,
        }
    }

    #[test]
    fn the_configuration_is_accepted_in_both_families() {
        let ports: PortsPresent = [PortId(0), PortId(1)].into_iter().collect();
        for family in [Version::V4, Version::V6] {
            let checked = parse(&network(family).configuration(), &ports);
            assert!(checked.is_ok(), "{checked:#?}");
        }
    }

    #[test]
    fn no_two_flows_have_the_same_client() {
        let network = network(Version::V6);
        let mut seen = HashSet::new();
        for kind in [Kind::Known, Kind::New, Kind::Stray] {
            for flow in (0..1 << 16).chain(MAX_FLOWS - (1 << 16)..MAX_FLOWS) {
                let End { address, port } = network.client(flow, kind);
                assert!(seen.insert((address, port)), "flow {flow}");
            }
        }
    }

    #[test]
    fn every_client_lies_in_the_network_that_the_routes_part() {
        for flow in (0..MAX_FLOWS).step_by(9973) {
            let v4 = network(Version::V4).client(flow, Kind::Known).address;
            assert_eq!(v4 >> ADDRESS_BITS, u128::from(CLIENTS_V4 >> ADDRESS_BITS));
            let v6 = network(Version::V6).client(flow, Kind::Known).address;
            assert_eq!(v6 >> 80, CLIENTS_V6 >> 80);
        }
    }
}
