//! Builds a distribution from a checked configuration.
//!
//! WO 00/30294: the filling of the spare buffer of configuration table 64. Control side only, and pure: slots
//! come from the register, next hops get rows in the neighbor table, schedulers that need not change are
//! taken over from the generation before.
//! Easy to get wrong: a build may fail half-way; what it did to the neighbor table until then is undone by
//! [`Distribution::settle_neighbors`] of the generation that stays in use.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::lookup::Lookup;
use super::super::registry::{BackendIdentity, Registry, ServiceIdentity, SlotsExhausted};
use super::super::{Backend, Config, Interface, Service};
use super::weigh::scheduler_for;
use super::{
    ABSENT, BackendView, Distribution, IS_INTERFACE, IS_VIP, PortView, ServiceView, address_key,
};
use crate::flow::{HashSeed, address_words, service_word};
use crate::id::{BackendSlot, NeighborId, PortId, ServiceSlot};
use crate::route::neighbor::{NeighborTable, Now};
use crate::route::{NextHop, RouteTable};
use crate::scheduler;
use crate::wire::MacAddr;

/// Why a distribution cannot be built from a configuration that is right in itself.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No slot is left for a service or backend.
    #[error("service `{service}`: {source}")]
    Slots {
        /// Name of the service.
        service: String,
        /// Which slots.
        source: SlotsExhausted,
    },
    /// The scheduler refuses the set of backends.
    #[error("service `{service}`: {source}")]
    Scheduler {
        /// Name of the service.
        service: String,
        /// Its reason.
        source: scheduler::BuildError,
    },
    /// No route leads to a backend.
    #[error("service `{service}`, backend `{backend}`: no route leads to {address}")]
    NoRoute {
        /// Name of the service.
        service: String,
        /// Name of the backend.
        backend: String,
        /// Its address.
        address: IpAddr,
    },
    /// The neighbor table has no row left.
    #[error("the neighbor table is full; no row for {address}")]
    NeighborTable {
        /// Next hop that found no row.
        address: IpAddr,
    },
}

/// What a distribution is built with, besides the configuration.
pub struct Surroundings<'a> {
    /// The ports there are, with their MAC addresses.
    pub ports: &'a [(PortId, MacAddr)],
    /// Seed of the scheduling hashes where the configuration names none.
    pub seed: HashSeed,
    /// Rows for next hops.
    pub neighbors: &'a NeighborTable,
    /// Moment of the build.
    pub now: Now,
    /// Whether a backend slot is idle: without connections and in no distribution in use.
    pub is_idle: &'a dyn Fn(BackendSlot) -> bool,
    /// The same of a service slot.
    pub is_idle_service: &'a dyn Fn(ServiceSlot) -> bool,
}

impl Distribution {
    /// Builds the next generation from a checked configuration.
    ///
    /// Next hops get rows in the neighbor table and are pinned there; what an abandoned build or an older
    /// generation has pinned is [settled](Self::settle_neighbors) by the publisher. Slots that a build which fails
    /// was handed go back; those of one that is abandoned go back with [`Registry::undo`].
    ///
    /// # Errors
    /// Where slots, neighbor rows or a scheduler's limits do not suffice.
    pub fn build(
        config: &Config,
        around: &Surroundings<'_>,
        registry: &mut Registry,
        previous: &Self,
    ) -> Result<Self, BuildError> {
        registry.begin();
        let mut next = Self::empty(around.ports);
        next.generation = previous.generation + 1;
        next.transit = config.transit;
        for port in &mut next.ports {
            if let Some(interface) = config.interfaces.iter().find(|i| i.port == port.id) {
                port.addresses.clone_from(&interface.addresses);
            }
        }
        next.set_routes(config, previous);
        let mut building = Building {
            next,
            around,
            registry,
            previous,
            seed: config.hash_seed.unwrap_or(around.seed),
            backends: Vec::new(),
            pinned: Vec::new(),
            configured: Vec::new(),
        };
        let is_built = building.run(config);
        let next = building.finish(config);
        if is_built.is_err() {
            registry.undo();
        }
        is_built.map(|()| next)
    }

    /// Takes the routing table over from the previous generation where nothing about it has changed, so that next
    /// hops which connections remember stay good.
    fn set_routes(&mut self, config: &Config, previous: &Self) {
        self.routes_made_of = routes_digest(config, &self.ports);
        if self.routes_made_of == previous.routes_made_of {
            self.routes = Arc::clone(&previous.routes);
            self.route_generation = previous.route_generation;
        } else {
            self.routes = Arc::new(route_table(config));
            self.route_generation = previous.route_generation.wrapping_add(1);
        }
    }

    /// Builds the two lookups and the slot index.
    fn index(&mut self, interfaces: &[Interface]) {
        let mut services = Vec::new();
        let mut addresses = Vec::new();
        for interface in interfaces {
            for address in &interface.addresses {
                let words = address_words(address.address());
                addresses.push((
                    address_key(words, IS_INTERFACE),
                    u32::from(interface.port.0),
                ));
            }
        }
        for (at, service) in (0u32..).zip(&self.services) {
            let [high, low] = address_words(service.address);
            let ports = service_word(service.port, service.protocol);
            services.push(([high, low, ports], at));
            addresses.push((address_key([high, low], IS_VIP), at));
            let slot = service.slot.0 as usize;
            if self.service_by_slot.len() <= slot {
                self.service_by_slot.resize(slot + 1, None);
            }
            if let Some(place) = self.service_by_slot.get_mut(slot) {
                *place = Some(at);
            }
        }
        self.service_index = Lookup::build(&services);
        self.addresses = Lookup::build(&addresses);
    }
}

/// A distribution that is being built, and what it is built with.
struct Building<'a, 'b> {
    next: Distribution,
    around: &'a Surroundings<'b>,
    registry: &'a mut Registry,
    previous: &'a Distribution,
    seed: HashSeed,
    /// By slot, each with its weight.
    backends: Vec<Option<(BackendView, u32)>>,
    pinned: Vec<NeighborId>,
    configured: Vec<(NeighborId, PortId, MacAddr)>,
}

impl Building<'_, '_> {
    fn run(&mut self, config: &Config) -> Result<(), BuildError> {
        for neighbor in &config.neighbors {
            let id = self.row(neighbor.address, neighbor.port)?;
            self.configured.push((id, neighbor.port, neighbor.mac));
        }
        for route in &config.routes {
            self.row(route.via, route.port)?;
        }
        for service in &config.services {
            self.add_service(service)?;
        }
        Ok(())
    }

    fn finish(self, config: &Config) -> Distribution {
        let mut next = self.next;
        let weights = self.backends.iter();
        next.weights = weights
            .map(|place| place.as_ref().map_or(0, |(_, weight)| *weight))
            .collect();
        next.backend_neighbors = self
            .backends
            .iter()
            .map(|place| place.as_ref().map_or(ABSENT, |(view, _)| view.neighbor))
            .collect();
        let views = self.backends.into_iter();
        next.backends = views.map(|place| place.map(|(view, _)| view)).collect();
        next.pinned = self.pinned.into();
        next.configured = self.configured.into();
        next.index(&config.interfaces);
        next
    }

    /// A row that stays while this distribution is in use.
    fn row(&mut self, address: IpAddr, port: PortId) -> Result<NeighborId, BuildError> {
        let neighbors = self.around.neighbors;
        let id = neighbors
            .find_or_create(address, port, self.around.now)
            .ok_or(BuildError::NeighborTable { address })?;
        neighbors.pin(id, true);
        self.pinned.push(id);
        Ok(id)
    }

    fn add_service(&mut self, service: &Service) -> Result<(), BuildError> {
        let slots = |source| BuildError::Slots {
            service: service.name.clone(),
            source,
        };
        let identity = ServiceIdentity {
            address: service.address,
            port: service.port,
            protocol: service.protocol,
        };
        let is_idle = self.around.is_idle_service;
        let slot = self.registry.service(identity, is_idle).map_err(slots)?;
        let mut backends = Vec::with_capacity(service.backends.len());
        for backend in service.present_backends() {
            let identity = BackendIdentity {
                service: slot,
                address: backend.address,
                port: backend.port,
            };
            let is_idle = self.around.is_idle;
            let backend_slot = self.registry.backend(identity, is_idle).map_err(slots)?;
            self.add_backend(service, slot, backend, backend_slot)?;
            backends.push(backend_slot);
        }
        let previous = self.previous.service(slot);
        let (scheduler, made_of) = scheduler_for(service, self.seed, &backends, previous)?;
        self.next.services.push(ServiceView {
            slot,
            name: service.name.clone(),
            address: service.address,
            port: service.port,
            protocol: service.protocol,
            forwarding: service.forwarding,
            on_miss: service.on_miss,
            timeouts: service.timeouts,
            max_connections: service.max_connections.unwrap_or(u32::MAX),
            scheduler,
            made_of,
            backends,
        });
        Ok(())
    }

    fn add_backend(
        &mut self,
        service: &Service,
        service_slot: ServiceSlot,
        backend: &Backend,
        slot: BackendSlot,
    ) -> Result<(), BuildError> {
        let hop = self.next.routes.lookup(backend.address).copied();
        let hop = hop.ok_or_else(|| BuildError::NoRoute {
            service: service.name.clone(),
            backend: backend.name.clone(),
            address: backend.address,
        })?;
        let neighbor = self.row(hop.gateway.unwrap_or(backend.address), hop.port)?;
        let at = slot.0 as usize;
        if self.backends.len() <= at {
            self.backends.resize_with(at + 1, || None);
        }
        if let Some(place) = self.backends.get_mut(at) {
            let view = BackendView {
                service: service_slot,
                name: backend.name.clone(),
                address: backend.address,
                port: backend.port,
                neighbor,
            };
            *place = Some((view, backend.weight_in_force()));
        }
        Ok(())
    }
}

/// Digest of all that next hops follow from: ports with their MAC addresses, interfaces, routes.
fn routes_digest(config: &Config, ports: &[PortView]) -> u64 {
    let mut text = String::new();
    for port in ports {
        let _ = writeln!(text, "{} {} {:?}", port.id, port.mac, port.addresses);
    }
    let _ = writeln!(text, "{:?}", config.interfaces);
    let _ = writeln!(text, "{:?}", config.routes);
    HashSeed::default().octets(b'R', text.as_bytes())
}

/// Connected networks first, so that a configured route to the same prefix replaces them.
fn route_table(config: &Config) -> RouteTable {
    let connected = config.interfaces.iter().flat_map(|interface| {
        interface.addresses.iter().map(|cidr| {
            let network = cidr.network();
            (
                network.address(),
                network.length(),
                NextHop {
                    port: interface.port,
                    gateway: None,
                },
            )
        })
    });
    let configured = config.routes.iter().map(|route| {
        let hop = NextHop {
            port: route.port,
            gateway: Some(route.via),
        };
        (route.prefix.address(), route.prefix.length(), hop)
    });
    RouteTable::build(connected.chain(configured))
}

#[cfg(test)]
mod tests;
