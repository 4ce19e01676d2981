//! Builds a distribution from a checked configuration.
//!
//! WO 00/30294: the filling of the spare buffer of configuration table 64. Control side only, and pure: slots
//! come from the register, next hops get rows in the neighbor table, schedulers that need not change are
//! taken over from the generation before.
//! Easy to get wrong: a build may fail half-way; what it did to the neighbor table until then is undone by
//! [`Distribution::settle_neighbors`] of the generation that stays in use.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::lookup::Lookup;
use super::super::registry::{BackendIdentity, Registry, ServiceIdentity, SlotsExhausted};
use super::super::{Backend, Config, Forwarding, KernelNetwork, NetworkInForce, Service};
use super::weigh::scheduler_for;
use super::{
    ABSENT, BackendView, Distribution, IS_INTERFACE, IS_VIP, NO_MTU, Paths, SEVERAL, ServiceView,
    address_key,
};
use crate::flow::{HashSeed, address_words, service_word};
use crate::id::{BackendSlot, NeighborId, PortId, ServiceSlot};
use crate::route::neighbor::{NeighborTable, Now};
use crate::route::{NextHop, NextHops, RouteTable};
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
    /// MTU of those that have one, in octets, where the kernel does not say another.
    pub mtus: &'a [(PortId, u32)],
    /// The kernel's view of the network, where it is followed. With one, a backend that no route leads to, or for whose
    /// next hop there is no row, is unreachable; without, it is an error.
    pub kernel: Option<&'a KernelNetwork>,
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
        let network = NetworkInForce::new(config, around.kernel);
        let addresses = network.addresses();
        for port in &mut next.ports {
            let own = addresses.iter().filter(|(of, _)| *of == port.id);
            port.addresses = own.map(|(_, address)| *address).collect();
            port.is_up = network.is_up(port.id);
            let devices = around.mtus.iter().find(|(of, _)| *of == port.id);
            let mtu = network.mtu(port.id).or(devices.map(|(_, mtu)| *mtu));
            port.set_mtu(mtu.unwrap_or(NO_MTU));
        }
        next.set_routes(config, around.kernel, previous);
        let mut building = Building {
            next,
            around,
            registry,
            previous,
            seed: config.hash_seed.unwrap_or(around.seed),
            backends: Vec::new(),
            paths: Vec::new(),
            pinned: Vec::new(),
            configured: Vec::new(),
        };
        let is_built = building.run(config);
        let mut next = building.finish();
        next.set_lives(previous);
        if is_built.is_err() {
            registry.undo();
        }
        is_built.map(|()| next)
    }

    /// Connections are all looked at again where one may have to end sooner, and not for every route that changes:
    /// a table of millions is gigabytes.
    fn set_lives(&mut self, previous: &Self) {
        let lives = |of: &ServiceView| (of.slot, of.timeouts);
        let are_same = (self.services.iter().map(lives)).eq(previous.services.iter().map(lives));
        // A table that was taken over may have entries of any service.
        let is_first = previous.generation == 0;
        self.life_generation = previous.life_generation + u64::from(is_first || !are_same);
    }

    /// Takes the routing table over from the previous generation where nothing about it has changed, so that next
    /// hops which connections remember stay good.
    fn set_routes(&mut self, config: &Config, kernel: Option<&KernelNetwork>, previous: &Self) {
        let kernels = kernel.map(|kernel| Arc::clone(&kernel.routes));
        let kernels = kernels.unwrap_or_default();
        let digest = self.digest_of_routes(config);
        let (digest_before, kernels_before) = &previous.routes_made_of;
        let is_same = digest == *digest_before
            && (Arc::ptr_eq(&kernels, kernels_before) || kernels == *kernels_before);
        self.routes_made_of = (digest, kernels);
        if is_same {
            self.routes = Arc::clone(&previous.routes);
            self.route_generation = previous.route_generation;
        } else {
            self.routes = Arc::new(route_table(NetworkInForce::new(config, kernel)));
            self.route_generation = previous.route_generation.wrapping_add(1);
        }
    }

    /// Digest of all that next hops follow from, but for the kernel's routes.
    fn digest_of_routes(&self, config: &Config) -> u64 {
        let mut text = String::new();
        for port in &self.ports {
            let (id, mac, addresses) = (port.id, port.mac, &port.addresses);
            let _ = writeln!(text, "{id} {mac} {addresses:?} {}", port.is_up);
        }
        let _ = writeln!(text, "{:?}", config.routes);
        HashSeed::default().octets(b'R', text.as_bytes())
    }

    /// Builds the two lookups and the slot index.
    fn index(&mut self) {
        let mut services = Vec::new();
        let mut addresses = Vec::new();
        for port in &self.ports {
            for address in &port.addresses {
                let words = address_words(address.address());
                addresses.push((address_key(words, IS_INTERFACE), u32::from(port.id.0)));
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
    /// By slot, as far as need be.
    paths: Vec<Option<Paths>>,
    pinned: Vec<NeighborId>,
    configured: Vec<(NeighborId, PortId, MacAddr)>,
}

/// Gateways of the kernel's routes that are kept fresh whether packets flow or not; more of them are asked for when
/// packets do.
const KERNEL_GATEWAYS: usize = 1024;

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
        self.follow_kernel(config);
        Ok(())
    }

    /// The kernel's neighbors and gateways, as far as there are rows: a full table is no reason to refuse anything.
    fn follow_kernel(&mut self, config: &Config) {
        let documents = config.neighbors.len();
        let neighbors = NetworkInForce::new(config, self.around.kernel).neighbors();
        for (neighbor, _) in neighbors.into_iter().skip(documents) {
            if let Ok(id) = self.row(neighbor.address, neighbor.port) {
                self.configured.push((id, neighbor.port, neighbor.mac));
            }
        }
        if self.around.kernel.is_none() {
            return;
        }
        let routes = Arc::clone(&self.next.routes);
        let hops = routes.next_hops().iter().flat_map(NextHops::iter);
        let gateways: HashSet<_> = hops
            .filter_map(|hop| Some((hop.gateway?, hop.port)))
            .take(KERNEL_GATEWAYS)
            .collect();
        for (gateway, port) in gateways {
            let _ = self.row(gateway, port);
        }
    }

    fn finish(self) -> Distribution {
        let mut next = self.next;
        let weights = self.backends.iter();
        next.weights = weights
            .map(|place| place.as_ref().map_or(0, |(_, weight)| *weight))
            .collect();
        let row = |(at, place): (usize, &Option<(BackendView, u32)>)| match place {
            None => ABSENT,
            Some(_) if self.paths.get(at).is_some_and(Option::is_some) => SEVERAL,
            Some((view, _)) => view.neighbor,
        };
        next.backend_neighbors = self.backends.iter().enumerate().map(row).collect();
        let views = self.backends.into_iter();
        next.backends = views.map(|place| place.map(|(view, _)| view)).collect();
        next.paths = self.paths.into();
        next.pinned = self.pinned.into();
        next.configured = self.configured.into();
        next.index();
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
        let mut weights = Vec::with_capacity(service.backends.len());
        for backend in service.present_backends() {
            let identity = BackendIdentity {
                service: slot,
                address: backend.address,
                port: backend.port,
            };
            let is_idle = self.around.is_idle;
            let backend_slot = self.registry.backend(identity, is_idle).map_err(slots)?;
            weights.push(self.add_backend(service, slot, backend, backend_slot)?);
            backends.push(backend_slot);
        }
        let previous = self.previous.service(slot);
        let (scheduler, made_of) =
            scheduler_for(service, self.seed, &backends, &weights, previous)?;
        self.next.services.push(ServiceView {
            slot,
            name: service.name.clone(),
            address: service.address,
            port: service.port,
            protocol: service.protocol,
            forwarding: service.forwarding,
            on_miss: service.on_miss,
            all_down: service.all_down,
            timeouts: service.timeouts,
            max_connections: service.max_connections.unwrap_or(u32::MAX),
            scheduler,
            made_of,
            backends,
        });
        Ok(())
    }

    /// The weight that the backend has: none while no route leads there.
    fn add_backend(
        &mut self,
        service: &Service,
        service_slot: ServiceSlot,
        backend: &Backend,
        slot: BackendSlot,
    ) -> Result<u32, BuildError> {
        let ways = match self.hops_to(service, backend) {
            Some(hops) => self.ways(backend.address, hops),
            None => Err(BuildError::NoRoute {
                service: service.name.clone(),
                backend: backend.name.clone(),
                address: backend.address,
            }),
        };
        let (neighbor, paths) = match ways {
            Ok(ways) => ways,
            // The kernel changes its mind without asking; what it takes away must not hold up the rest.
            Err(_) if self.around.kernel.is_some() => (NeighborId::NOWHERE, None),
            Err(error) => return Err(error),
        };
        let view = BackendView {
            service: service_slot,
            name: backend.name.clone(),
            address: backend.address,
            port: backend.port,
            neighbor,
        };
        let weight = view.weight(backend);
        let at = slot.0 as usize;
        put(&mut self.backends, at, (view, weight));
        self.next.leaving.set(slot, backend.leaves());
        if let Some(paths) = paths {
            put(&mut self.paths, at, paths);
        }
        Ok(weight)
    }

    /// Next hops on the way to a backend. With `direct` it must be on the link: a router in between would send the
    /// packet, which is still addressed to the VIP, back to us.
    fn hops_to(&self, service: &Service, backend: &Backend) -> Option<NextHops> {
        let hops = self.next.routes.lookup(backend.address)?;
        let is_direct = service.forwarding == Forwarding::Direct;
        let is_on_link = || hops.iter().all(|hop| hop.gateway.is_none());
        (!is_direct || is_on_link()).then(|| hops.clone())
    }

    /// Rows for next hops: that of the first, and all where there are several.
    fn ways(
        &mut self,
        to: IpAddr,
        hops: NextHops,
    ) -> Result<(NeighborId, Option<Paths>), BuildError> {
        let rows = hops.iter();
        let rows = rows.map(|hop: NextHop| self.row(hop.gateway.unwrap_or(to), hop.port));
        if !hops.is_multipath() {
            let mut rows = rows;
            let row = rows.next().unwrap_or(Ok(NeighborId::NOWHERE))?;
            return Ok((row, None));
        }
        let rows: Box<[NeighborId]> = rows.collect::<Result<_, _>>()?;
        let first = rows.first().copied().unwrap_or(NeighborId::NOWHERE);
        Ok((first, Some(Paths { hops, rows })))
    }
}

/// Puts an item in its place, making places up to there.
fn put<T>(places: &mut Vec<Option<T>>, at: usize, item: T) {
    if places.len() <= at {
        places.resize_with(at + 1, || None);
    }
    if let Some(place) = places.get_mut(at) {
        *place = Some(item);
    }
}

fn route_table(network: NetworkInForce<'_>) -> RouteTable {
    let routes = network.routes();
    RouteTable::build(routes.iter().map(|route| {
        let hops = NextHops::new(&route.hops);
        (route.prefix.address(), route.prefix.length(), hops)
    }))
}

#[cfg(test)]
mod tests;
