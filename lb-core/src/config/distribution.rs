//! What a buffer of the configuration table holds: flat, resolved, ready to be asked.
//!
//! WO 00/30294: the contents of configuration table 64 (buffer A or B), read in steps 206, 210, 216, 220.
//! Built on the control side from a checked [`Config`]; a lcore keeps one for a whole burst and never
//! waits for another. Flipping buffers is `shared::DoubleBuffer`'s work, weights are the master's.
//! Easy to get wrong: a backend or service is found by its *slot* (what connections carry), never by a
//! position, which changes from one distribution to the next.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::lookup::{Lookup, LookupKey};
use super::registry::{BackendIdentity, Registry, ServiceIdentity, SlotsExhausted};
use super::{Cidr, Config, Forwarding, Interface, OnMiss, Service, Timeouts};
use crate::flow::{AddressWords, DirectionKey, HashSeed, Protocol, address_words};
use crate::id::{BackendSlot, NeighborId, PortId, ServiceSlot};
use crate::route::neighbor::{NeighborTable, Now};
use crate::route::{NextHop, RouteTable};
use crate::scheduler::{self, Candidate, Scheduler};
use crate::wire::MacAddr;

/// A service, as the filter needs it.
#[derive(Debug)]
pub struct ServiceView {
    /// Lasting identity.
    pub slot: ServiceSlot,
    /// Name in the configuration.
    pub name: String,
    /// VIP.
    pub address: IpAddr,
    /// Service port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How packets reach the backend.
    pub forwarding: Forwarding,
    /// What becomes of a later packet without a connection.
    pub on_miss: OnMiss,
    /// Idle times.
    pub timeouts: Timeouts,
    /// Connections that the service may have at once; `u32::MAX` for no limit of its own.
    pub max_connections: u32,
    /// Picks the backend of a new flow.
    pub scheduler: Arc<Scheduler>,
    /// Slots of its backends, as configured, eligible or not.
    pub backends: Vec<BackendSlot>,
}

/// A backend, as the filter needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendView {
    /// Service that it serves.
    pub service: ServiceSlot,
    /// Name in the configuration.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Configured weight; 0: no new flows.
    pub weight: u32,
    /// Row of the neighbor through which it is reached.
    pub neighbor: NeighborId,
}

/// A port, as the filter needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortView {
    /// Its number.
    pub id: PortId,
    /// MAC address that frames to us carry and frames of ours come from.
    pub mac: MacAddr,
    /// Addresses of its interface; none where the configuration has no interface for it.
    pub addresses: Vec<Cidr>,
}

impl PortView {
    /// The address of ours to speak from to `peer`: on the peer's network if there is one, else the
    /// first of its family.
    #[must_use]
    pub fn source_for(&self, peer: IpAddr) -> Option<IpAddr> {
        let of_family = || {
            self.addresses
                .iter()
                .filter(|a| a.address().is_ipv4() == peer.is_ipv4())
        };
        of_family()
            .find(|a| a.network().contains(peer))
            .or_else(|| of_family().next())
            .map(Cidr::address)
    }
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A service's.
    Vip,
    /// The interface's of this port, whether a service uses it too or not.
    Interface(PortId),
    /// Somebody else's.
    Other,
}

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
}

/// One generation of everything that the filter must know.
#[derive(Debug)]
pub struct Distribution {
    /// Counts up from 1 with every build; 0 is the empty one.
    pub generation: u64,
    /// Whether packets that concern no service are routed.
    pub transit: bool,
    /// Changes whenever routes or interfaces do: next hops found under another number are stale.
    pub route_generation: u16,
    ports: Vec<PortView>,
    services: Vec<ServiceView>,
    service_by_slot: Vec<Option<u32>>,
    service_index: Lookup,
    addresses: Lookup,
    backends: Vec<Option<BackendView>>,
    backend_neighbors: Vec<NeighborId>,
    routes: RouteTable,
    pinned: Vec<NeighborId>,
    configured: Vec<(NeighborId, PortId, MacAddr)>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::empty(&[])
    }
}

const ABSENT: NeighborId = NeighborId(u32::MAX);
const IS_INTERFACE: u64 = 0;
const IS_VIP: u64 = 1;

impl Distribution {
    /// The distribution of a program without a configuration: ports, and nothing else.
    #[must_use]
    pub fn empty(ports: &[(PortId, MacAddr)]) -> Self {
        let ports = ports
            .iter()
            .map(|&(id, mac)| PortView {
                id,
                mac,
                addresses: Vec::new(),
            })
            .collect();
        Self {
            generation: 0,
            transit: false,
            route_generation: 0,
            ports,
            services: Vec::new(),
            service_by_slot: Vec::new(),
            service_index: Lookup::default(),
            addresses: Lookup::default(),
            backends: Vec::new(),
            backend_neighbors: Vec::new(),
            routes: RouteTable::build([]),
            pinned: Vec::new(),
            configured: Vec::new(),
        }
    }

    /// Builds the next generation from a checked configuration.
    ///
    /// Next hops get rows in the neighbor table and are pinned there; what an abandoned build or an older
    /// generation has pinned is [settled](Self::settle_neighbors) by the publisher.
    ///
    /// # Errors
    /// Where slots, neighbor rows or a scheduler's limits do not suffice.
    pub fn build(
        config: &Config,
        around: &Surroundings<'_>,
        registry: &mut Registry,
        previous: &Self,
    ) -> Result<Self, BuildError> {
        let mut next = Self::empty(around.ports);
        next.generation = previous.generation + 1;
        next.transit = config.transit;
        for port in &mut next.ports {
            if let Some(interface) = config.interfaces.iter().find(|i| i.port == port.id) {
                port.addresses.clone_from(&interface.addresses);
            }
        }
        next.routes = route_table(config);
        next.route_generation = previous.route_generation.wrapping_add(1);
        for neighbor in &config.neighbors {
            let id = next.row(neighbor.address, neighbor.port, around)?;
            next.configured.push((id, neighbor.port, neighbor.mac));
        }
        for route in &config.routes {
            next.row(route.via, route.port, around)?;
        }
        let seed = config.hash_seed.unwrap_or(around.seed);
        for service in &config.services {
            next.add_service(service, seed, around, registry)?;
        }
        next.index(&config.interfaces);
        Ok(next)
    }

    /// A row that stays while this distribution is in use.
    fn row(
        &mut self,
        address: IpAddr,
        port: PortId,
        around: &Surroundings<'_>,
    ) -> Result<NeighborId, BuildError> {
        let id = around
            .neighbors
            .find_or_create(address, port, around.now)
            .ok_or(BuildError::NeighborTable { address })?;
        around.neighbors.pin(id, true);
        self.pinned.push(id);
        Ok(id)
    }

    fn add_service(
        &mut self,
        service: &Service,
        seed: HashSeed,
        around: &Surroundings<'_>,
        registry: &mut Registry,
    ) -> Result<(), BuildError> {
        let slots = |source| BuildError::Slots {
            service: service.name.clone(),
            source,
        };
        let identity = ServiceIdentity {
            address: service.address,
            port: service.port,
            protocol: service.protocol,
        };
        let slot = registry.service(identity, |_| false).map_err(slots)?;
        let mut backends = Vec::with_capacity(service.backends.len());
        for backend in &service.backends {
            let identity = BackendIdentity {
                service: slot,
                address: backend.address,
                port: backend.port,
            };
            let backend_slot = registry.backend(identity, around.is_idle).map_err(slots)?;
            let hop = self
                .routes
                .lookup(backend.address)
                .copied()
                .ok_or_else(|| BuildError::NoRoute {
                    service: service.name.clone(),
                    backend: backend.name.clone(),
                    address: backend.address,
                })?;
            let neighbor = self.row(hop.gateway.unwrap_or(backend.address), hop.port, around)?;
            self.place_backend(
                backend_slot,
                BackendView {
                    service: slot,
                    name: backend.name.clone(),
                    address: backend.address,
                    port: backend.port,
                    weight: backend.weight,
                    neighbor,
                },
            );
            backends.push(backend_slot);
        }
        let candidates: Vec<_> = service
            .backends
            .iter()
            .zip(&backends)
            .map(|(backend, &slot)| Candidate {
                slot,
                name: &backend.name,
                weight: backend.weight,
            })
            .collect();
        let settings = scheduler::Settings {
            seed,
            maglev_table_size: service.maglev_table_size,
        };
        let scheduler =
            Scheduler::build(service.scheduler, &candidates, &settings).map_err(|source| {
                BuildError::Scheduler {
                    service: service.name.clone(),
                    source,
                }
            })?;
        self.services.push(ServiceView {
            slot,
            name: service.name.clone(),
            address: service.address,
            port: service.port,
            protocol: service.protocol,
            forwarding: service.forwarding,
            on_miss: service.on_miss,
            timeouts: service.timeouts,
            max_connections: service.max_connections.unwrap_or(u32::MAX),
            scheduler: Arc::new(scheduler),
            backends,
        });
        Ok(())
    }

    fn place_backend(&mut self, slot: BackendSlot, view: BackendView) {
        let at = slot.0 as usize;
        if self.backends.len() <= at {
            self.backends.resize(at + 1, None);
            self.backend_neighbors.resize(at + 1, ABSENT);
        }
        if let (Some(place), Some(neighbor)) = (
            self.backends.get_mut(at),
            self.backend_neighbors.get_mut(at),
        ) {
            *neighbor = view.neighbor;
            *place = Some(view);
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
            let ports = u64::from(service.port) << 16 | service.protocol as u64;
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

    /// Step 206: the service that a packet with this key is for.
    #[inline]
    #[must_use]
    pub fn service_for<K: DirectionKey>(&self, key: &K) -> Option<&ServiceView> {
        let [high, low] = key.dst_words();
        let at = self
            .service_index
            .find([high, low, key.ports() & 0xffff_ffff])?;
        self.services.get(at as usize)
    }

    /// Whose an address is.
    #[inline]
    #[must_use]
    pub fn owner(&self, address: AddressWords) -> Owner {
        match self.addresses.find(address_key(address, IS_INTERFACE)) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "was made from a 16-bit port number"
            )]
            Some(port) => Owner::Interface(PortId(port as u16)),
            None if self.is_vip(address) => Owner::Vip,
            None => Owner::Other,
        }
    }

    /// Whether an address is a VIP of some service, even if it is an interface's as well.
    #[inline]
    #[must_use]
    pub fn is_vip(&self, address: AddressWords) -> bool {
        self.addresses.find(address_key(address, IS_VIP)).is_some()
    }

    /// The service with this slot, if it is still configured.
    #[inline]
    #[must_use]
    pub fn service(&self, slot: ServiceSlot) -> Option<&ServiceView> {
        let at = (*self.service_by_slot.get(slot.0 as usize)?)?;
        self.services.get(at as usize)
    }

    /// All services, in the order of the configuration.
    #[must_use]
    pub fn services(&self) -> &[ServiceView] {
        &self.services
    }

    /// The backend with this slot, if it is still configured.
    #[inline]
    #[must_use]
    pub fn backend(&self, slot: BackendSlot) -> Option<&BackendView> {
        self.backends.get(slot.0 as usize)?.as_ref()
    }

    /// The neighbor of the backend with this slot, if it is still configured: all that a known flow needs.
    #[inline]
    #[must_use]
    pub fn backend_neighbor(&self, slot: BackendSlot) -> Option<NeighborId> {
        self.backend_neighbors
            .get(slot.0 as usize)
            .copied()
            .filter(|&id| id != ABSENT)
    }

    /// Longest match in the routing table.
    #[inline]
    #[must_use]
    pub fn route(&self, address: IpAddr) -> Option<&NextHop> {
        self.routes.lookup(address)
    }

    /// A port of ours.
    #[inline]
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<&PortView> {
        self.ports
            .get(usize::from(id.0))
            .filter(|port| port.id == id)
            .or_else(|| self.ports.iter().find(|port| port.id == id))
    }

    /// All ports.
    #[must_use]
    pub fn ports(&self) -> &[PortView] {
        &self.ports
    }

    /// Before the flip: enters the configured neighbors.
    pub fn enter_neighbors(&self, neighbors: &NeighborTable) {
        for &(id, port, mac) in &self.configured {
            neighbors.set_static(id, port, mac);
        }
    }

    /// After the flip, or after a build that failed: lets go of rows that this distribution, which is in use,
    /// does not need.
    pub fn settle_neighbors(&self, neighbors: &NeighborTable) {
        let pinned: HashSet<_> = self.pinned.iter().copied().collect();
        let configured: HashSet<_> = self.configured.iter().map(|&(id, ..)| id).collect();
        for row in neighbors.iter() {
            if row.is_static && !configured.contains(&row.id) {
                neighbors.clear_static(row.id);
            }
            if row.is_pinned && !pinned.contains(&row.id) {
                neighbors.pin(row.id, false);
            }
        }
    }
}

const fn address_key([high, low]: AddressWords, what: u64) -> LookupKey {
    [high, low, what]
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
