//! Builds a distribution from a checked configuration.
//!
//! WO 00/30294: the filling of the spare buffer of configuration table 64. Control side only, and pure: slots
//! come from the register, next hops get rows in the neighbor table, schedulers that need not change are
//! taken over from the generation before.
//! Easy to get wrong: a build may fail half-way; what it did to the neighbor table until then is undone by
//! [`Distribution::settle_neighbors`] of the generation that stays in use.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::lookup::Lookup;
use super::super::registry::{BackendIdentity, Registry, ServiceIdentity, SlotsExhausted};
use super::super::{Config, Interface, Service};
use super::{ABSENT, BackendView, Distribution, IS_INTERFACE, IS_VIP, ServiceView, address_key};
use crate::flow::{HashSeed, address_words, service_word};
use crate::id::{BackendSlot, NeighborId, PortId};
use crate::route::neighbor::{NeighborTable, Now};
use crate::route::{NextHop, RouteTable};
use crate::scheduler::{self, Candidate, Scheduler};
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
}

impl Distribution {
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
            next.add_service(service, seed, around, registry, previous)?;
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
        previous: &Self,
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
        let (scheduler, made_of) = scheduler_for(service, seed, &backends, previous.service(slot))
            .map_err(|source| BuildError::Scheduler {
                service: service.name.clone(),
                source,
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
            scheduler,
            made_of,
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

/// The scheduler of a service and the digest of what it was built from. The previous generation's serves on
/// where nothing has changed: a Maglev table takes a millisecond or two, and there may be a thousand.
fn scheduler_for(
    service: &Service,
    seed: HashSeed,
    slots: &[BackendSlot],
    previous: Option<&ServiceView>,
) -> Result<(Arc<Scheduler>, u64), scheduler::BuildError> {
    let candidates: Vec<_> = service
        .backends
        .iter()
        .zip(slots)
        .map(|(backend, &slot)| Candidate {
            slot,
            name: &backend.name,
            weight: backend.weight,
        })
        .collect();
    let mut octets = seed.0.to_vec();
    octets.extend(service.scheduler.name().bytes());
    octets.extend(service.maglev_table_size.to_be_bytes());
    for candidate in &candidates {
        octets.extend(candidate.slot.0.to_be_bytes());
        octets.extend(candidate.weight.to_be_bytes());
        octets.extend(candidate.name.bytes());
        octets.push(0);
    }
    let made_of = HashSeed::default().octets(b'D', &octets);
    if let Some(same) = previous.filter(|view| view.made_of == made_of) {
        return Ok((Arc::clone(&same.scheduler), made_of));
    }
    let settings = scheduler::Settings {
        seed,
        maglev_table_size: service.maglev_table_size,
    };
    let scheduler = Scheduler::build(service.scheduler, &candidates, &settings)?;
    Ok((Arc::new(scheduler), made_of))
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
mod tests {
    use super::super::Owner;
    use super::*;
    use crate::config::{PortsPresent, parse};

    const PORTS: [(PortId, MacAddr); 2] = [
        (PortId(0), MacAddr([2, 0, 0, 0, 0, 0])),
        (PortId(1), MacAddr([2, 0, 0, 0, 0, 1])),
    ];

    /// A configuration with two services, whose second has these weights.
    fn config(weights: [u32; 2]) -> Config {
        let backends: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(at, weight)| {
                format!(r#"{{"name":"b{at}","address":"10.0.0.1{at}","weight":{weight}}}"#)
            })
            .collect();
        let text = format!(
            r#"{{"interfaces":[{{"port":1,"name":"server","addresses":["10.0.0.1/24"]}}],
               "services":[
               {{"name":"one","address":"192.0.2.1","port":80,"protocol":"tcp","forwarding":"nat","scheduler":"maglev",
                 "backends":[{{"name":"b","address":"10.0.0.20"}}]}},
               {{"name":"two","address":"192.0.2.2","port":80,"protocol":"tcp","forwarding":"nat","scheduler":"maglev",
                 "backends":[{}]}}]}}"#,
            backends.join(",")
        );
        let ports: PortsPresent = PORTS.iter().map(|port| port.0).collect();
        parse(&text, &ports).unwrap()
    }

    struct Place {
        registry: Registry,
        neighbors: NeighborTable,
    }

    impl Place {
        fn new() -> Self {
            Self {
                registry: Registry::default(),
                neighbors: NeighborTable::new(64),
            }
        }

        fn build(&mut self, config: &Config, previous: &Distribution) -> Distribution {
            let around = Surroundings {
                ports: &PORTS,
                seed: HashSeed([1; 16]),
                neighbors: &self.neighbors,
                now: Now { tick: 1, millis: 0 },
                is_idle: &|_| false,
            };
            Distribution::build(config, &around, &mut self.registry, previous).unwrap()
        }
    }

    #[test]
    fn only_the_scheduler_of_a_changed_service_is_built_anew() {
        let mut place = Place::new();
        let first = place.build(&config([100, 100]), &Distribution::empty(&PORTS));
        let second = place.build(&config([100, 50]), &first);
        let is_shared = |at: usize| {
            Arc::ptr_eq(
                &first.services()[at].scheduler,
                &second.services()[at].scheduler,
            )
        };
        assert!(is_shared(0));
        assert!(!is_shared(1));
        assert_eq!(second.generation, 2);
    }

    #[test]
    fn services_and_backends_keep_their_slots_over_generations() {
        let mut place = Place::new();
        let first = place.build(&config([1, 2]), &Distribution::empty(&PORTS));
        let second = place.build(&config([2, 1]), &first);
        let slots = |d: &Distribution| -> Vec<_> {
            d.services()
                .iter()
                .map(|s| (s.slot, s.backends.clone()))
                .collect()
        };
        assert_eq!(slots(&first), slots(&second));
    }

    #[test]
    fn rows_that_only_an_older_generation_needed_are_let_go() {
        let mut place = Place::new();
        let first = place.build(&config([1, 1]), &Distribution::empty(&PORTS));
        first.enter_neighbors(&place.neighbors);
        assert_eq!(
            place.neighbors.iter().filter(|row| row.is_pinned).count(),
            3
        );
        let mut fewer = config([1, 1]);
        fewer.services.pop();
        let second = place.build(&fewer, &first);
        second.settle_neighbors(&place.neighbors);
        assert_eq!(
            place.neighbors.iter().filter(|row| row.is_pinned).count(),
            1
        );
    }

    #[test]
    fn an_address_is_a_vip_an_interface_or_somebody_elses() {
        let mut place = Place::new();
        let built = place.build(&config([1, 1]), &Distribution::empty(&PORTS));
        let owner = |text: &str| built.owner(address_words(text.parse().unwrap()));
        assert_eq!(owner("192.0.2.1"), Owner::Vip);
        assert_eq!(owner("10.0.0.1"), Owner::Interface(PortId(1)));
        assert_eq!(owner("10.0.0.2"), Owner::Other);
    }
}
