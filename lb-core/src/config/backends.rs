//! Checks the backends of one service.
//!
//! WO 00/30294: the back-end application servers among which step 210 chooses.
//! Not here: whether a backend is alive, and slots that outlive a document.
//! Easy to get wrong: no backend may be a VIP of *any* service; the packet would come back to us.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{family, host};
use super::agents::agent_address;
use super::document;
use super::fitness::{Fitness, HealthCheck};
use super::health::Checking;
use super::locate::KeyPath;
use super::model::{Backend, Forwarding};
use super::names::{self, unique_name};
use super::network::Network;
use super::refusal::Refusals;

/// VIPs, each with the name of its first service.
pub(super) type Vips<'d> = HashMap<IpAddr, &'d str>;

/// What the backends stand behind. A key of the service that was refused is `None`, and what
/// depends on it is not checked.
pub(super) struct Front<'d> {
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) asks_agents: bool,
    /// Whether the service has the key `health`, right or wrong.
    pub(super) has_health: bool,
    /// That key, if it is right.
    pub(super) checking: Option<&'d Checking<'d>>,
    pub(super) network: &'d Network,
    pub(super) vips: &'d Vips<'d>,
}

/// What has been seen in earlier backends, with its position.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    endpoints: HashMap<(IpAddr, u16), usize>,
}

/// Checks all backends of a service.
pub(super) fn check(
    backends: &[document::Backend],
    at: &KeyPath,
    front: &Front<'_>,
    refusals: &mut Refusals,
) -> Vec<Backend> {
    let mut seen = Seen::default();
    let mut checked = Vec::with_capacity(backends.len());
    for (position, backend) in backends.iter().enumerate() {
        let at = at.index(position);
        checked.extend(check_backend(
            backend, &at, position, front, &mut seen, refusals,
        ));
    }
    checked
}

fn check_backend(
    backend: &document::Backend,
    at: &KeyPath,
    position: usize,
    front: &Front<'_>,
    seen: &mut Seen,
    refusals: &mut Refusals,
) -> Option<Backend> {
    let name = unique_name(&backend.name, position, "backends", &mut seen.names);
    let name = refusals.keep(at.key("name"), name);
    let port = match backend.port {
        Some(port) => refusals.number(at.key("port"), port),
        None => front.port,
    };
    let port = refusals
        .keep(at.key("port"), front.port_allows(port))
        .flatten();
    let address = host(&backend.address)
        .and_then(|address| front.address_allows(address))
        .and_then(|address| seen.endpoint(address, port, position));
    let address = refusals.keep(at.key("address"), address);
    let weight = refusals.number(at.key("weight"), backend.weight);
    let tags = names::tags(&backend.tags, &at.key("tags"), refusals);
    let agent = match &backend.agent_address {
        Some(text) => refusals
            .keep(
                at.key("agent_address"),
                agent_address(text, front.asks_agents),
            )
            .map(Some),
        None => Some(None),
    };
    // Stands in for what was refused, so that this key is looked at all the same.
    let nobody = IpAddr::from([192, 0, 2, 1]);
    let asked = SocketAddr::new(address.unwrap_or(nobody), port.unwrap_or(1));
    let health = front.health(backend, asked, &at.key("health"), refusals);
    Some(Backend {
        name: name?,
        address: address?,
        port: port?,
        weight: weight?,
        state: backend.state,
        tags: tags?,
        agent_address: agent?,
        is_backup: backend.backup,
        health: health?.map(Arc::new),
        fitness: Fitness::FIT,
    })
}

impl Front<'_> {
    /// How a backend's health is found out; `None` inside: not at all.
    fn health(
        &self,
        backend: &document::Backend,
        asked: SocketAddr,
        at: &KeyPath,
        refusals: &mut Refusals,
    ) -> Option<Option<HealthCheck>> {
        if backend.health.is_some() && !self.has_health {
            refusals.add(
                at.clone(),
                "this key belongs to a service with `health`; expected it there only",
            );
            return None;
        }
        let Some(checking) = self.checking else {
            return Some(None);
        };
        match &backend.health {
            None => checking.plain(asked).map(Some),
            Some(document::BackendHealth::Off) => Some(None),
            Some(document::BackendHealth::Own(own)) => {
                checking.of_backend(own, asked, at, refusals).map(Some)
            }
        }
    }

    /// With `direct` the packet keeps its port, so the backend's is the service's.
    fn port_allows(&self, port: Option<u16>) -> Result<Option<u16>, String> {
        match (self.forwarding, self.port, port) {
            (Some(Forwarding::Direct), Some(service), Some(own)) if service != own => Err(format!(
                "forwarding `direct` leaves the port as it is; expected the service's port {service} or no key `port`, not {own}"
            )),
            _ => Ok(port),
        }
    }

    fn address_allows(&self, address: IpAddr) -> Result<IpAddr, String> {
        if let Some(vip) = self.address.filter(|vip| family(*vip) != family(address)) {
            return Err(format!(
                "{address} is {}, but the service's address {vip} is {}; expected both of one family",
                family(address),
                family(vip)
            ));
        }
        if self.address == Some(address) {
            return Err(format!(
                "{address} is the service's own address; expected the address that the server has besides"
            ));
        }
        if let Some(service) = self.vips.get(&address) {
            return Err(format!(
                "{address} is the address of service `{service}`; expected the address of a server"
            ));
        }
        self.network.other_host(address)?;
        match self.forwarding {
            Some(Forwarding::Direct) => self.network.adjacent(address)?,
            Some(Forwarding::Nat) => self.network.reachable(address)?,
            None => {}
        }
        Ok(address)
    }
}

impl Seen {
    /// Refuses address and port of an earlier backend.
    fn endpoint(
        &mut self,
        address: IpAddr,
        port: Option<u16>,
        position: usize,
    ) -> Result<IpAddr, String> {
        let Some(port) = port else { return Ok(address) };
        match self.endpoints.insert((address, port), position) {
            Some(first) => Err(format!(
                "backends[{first}] has the address {address} and port {port} already; expected every server once"
            )),
            None => Ok(address),
        }
    }
}
