//! What the document says about where addresses are, and who is reachable by it.
//!
//! No counterpart in the patent. Filled by `interfaces`, then by `next_hops`, then asked by `services`.
//! Not here: the routing table that packets are looked up in (`route`).
//! Easy to get wrong: after a refused interface or route nobody knows what would have been
//! reachable through it, so [`Network`] then accepts every address instead of refusing its consequences.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use super::address::host;
use super::model::{Interface, Route};
use super::prefix::{Cidr, Prefix};
use crate::id::PortId;

/// Networks that a message lists at most.
const LISTED_MAX: usize = 8;

/// Interfaces and routes that passed their checks.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) interfaces: Vec<Interface>,
    pub(super) routes: Vec<Route>,
    /// Networks that interfaces are connected to, each once.
    connected: Vec<(Prefix, PortId)>,
    /// Own addresses, with the interface's name.
    own: HashMap<IpAddr, String>,
    /// False once an interface was refused.
    pub(super) interfaces_known: bool,
    /// False once a route was refused.
    pub(super) routes_known: bool,
    /// The kernel may lead where the document does not.
    follows_kernel: bool,
}

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Connected,
    Routed,
    Nowhere,
}

impl Network {
    /// A network of nothing, before any interface or route was looked at.
    pub(super) fn new(follows_kernel: bool) -> Self {
        Self {
            interfaces: Vec::new(),
            routes: Vec::new(),
            connected: Vec::new(),
            own: HashMap::new(),
            interfaces_known: true,
            routes_known: true,
            follows_kernel,
        }
    }

    /// Notes an own address and its network.
    pub(super) fn add_address(
        &mut self,
        cidr: Cidr,
        name: &str,
        port: PortId,
    ) -> Result<(), String> {
        let network = cidr.network();
        let known = self.port_of(network);
        if let Some(other) = known.filter(|other| *other != port) {
            return Err(format!(
                "the network {network} is on port {other} already; expected every network on one port only"
            ));
        }
        match self.own.entry(cidr.address()) {
            Entry::Occupied(owner) => {
                return Err(format!(
                    "{} is an address of interface `{}` already; expected every address once",
                    cidr.address(),
                    owner.get()
                ));
            }
            Entry::Vacant(vacant) => vacant.insert(name.to_owned()),
        };
        if known.is_none() {
            self.connected.push((network, port));
        }
        Ok(())
    }

    /// Reads the address of a host that must be on an interface's network, and finds the port.
    ///
    /// There is no port only if an interface was refused before.
    pub(super) fn next_hop(&self, text: &str) -> Result<(IpAddr, Option<PortId>), String> {
        let address = host(text)?;
        self.other_host(address)?;
        let port = self.connected_port(address);
        if port.is_none() && self.interfaces_known {
            return Err(format!(
                "{address} is on no interface's network; {}",
                self.expected_networks()
            ));
        }
        Ok((address, port))
    }

    /// Refuses own addresses, and those that a connected network keeps for itself.
    pub(super) fn other_host(&self, address: IpAddr) -> Result<(), String> {
        if let Some(name) = self.own.get(&address) {
            return Err(format!(
                "{address} is this machine's own address on interface `{name}`; expected another host's"
            ));
        }
        self.host_on_network(address)
    }

    /// Refuses the address of a connected network and its broadcast address.
    pub(super) fn host_on_network(&self, address: IpAddr) -> Result<(), String> {
        match self
            .connected
            .iter()
            .find(|(network, _)| network.is_network_or_broadcast(address))
        {
            Some((network, _)) => Err(format!(
                "{address} is the network or broadcast address of {network}; expected the address of a host"
            )),
            None => Ok(()),
        }
    }

    /// Refuses a host that no route leads to, unless the kernel may know one.
    pub(super) fn reachable(&self, address: IpAddr) -> Result<(), String> {
        let known = self.interfaces_known && self.routes_known && !self.follows_kernel;
        if known && self.reach(address) == Reach::Nowhere {
            return Err(format!(
                "no route leads to {address}; expected an address behind a route, or {}",
                self.listed_networks()
            ));
        }
        Ok(())
    }

    /// Refuses a host that is not on an interface's network, or that a longer route leads away from. Where nothing in
    /// the document leads, the kernel may have an address on the host's network.
    pub(super) fn adjacent(&self, address: IpAddr) -> Result<(), String> {
        let known = self.interfaces_known && self.routes_known;
        let reach = self.reach(address);
        let may_be_the_kernels = self.follows_kernel && reach == Reach::Nowhere;
        if known && !may_be_the_kernels && reach != Reach::Connected {
            return Err(format!(
                "{address} is on no interface's network, which forwarding `direct` needs; {}",
                self.expected_networks()
            ));
        }
        Ok(())
    }

    /// The port that is connected to exactly this network.
    pub(super) fn port_of(&self, network: Prefix) -> Option<PortId> {
        self.connected
            .iter()
            .find(|(other, _)| *other == network)
            .map(|(_, port)| *port)
    }

    /// The port of the longest connected network that contains `address`.
    fn connected_port(&self, address: IpAddr) -> Option<PortId> {
        let networks = self
            .connected
            .iter()
            .filter(|(network, _)| network.contains(address));
        networks
            .max_by_key(|(network, _)| network.length())
            .map(|(_, port)| *port)
    }

    /// How the longest match among networks and routes reaches `address`.
    fn reach(&self, address: IpAddr) -> Reach {
        let longest = |prefixes: &mut dyn Iterator<Item = Prefix>| {
            prefixes
                .filter(|prefix| prefix.contains(address))
                .map(|prefix| prefix.length())
                .max()
        };
        let connected = longest(&mut self.connected.iter().map(|(network, _)| *network));
        let routed = longest(&mut self.routes.iter().map(|route| route.prefix));
        match (connected, routed) {
            (None, None) => Reach::Nowhere,
            (connected, routed) if connected >= routed => Reach::Connected,
            _ => Reach::Routed,
        }
    }

    fn expected_networks(&self) -> String {
        format!("expected {}", self.listed_networks())
    }

    /// The connected networks, as an operator would look for them.
    fn listed_networks(&self) -> String {
        if self.connected.is_empty() {
            return "one on an interface's network, but no interface has an address".to_owned();
        }
        let names: Vec<String> = self
            .connected
            .iter()
            .take(LISTED_MAX)
            .map(|(network, _)| network.to_string())
            .collect();
        let more = if self.connected.len() > LISTED_MAX {
            ", …"
        } else {
            ""
        };
        format!("one on an interface's network ({}{more})", names.join(", "))
    }
}
