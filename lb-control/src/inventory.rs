//! Inventory: services and backends as configured, each with what is in force for it.
//!
//! No counterpart in the patent. Taken under the lock of `Control`, which is held only for as long as it takes to
//! copy slots and weights; what is counted in shared memory is added outside.
//! Easy to get wrong: names, slots and weights must be of one revision, or a backend is shown with another's
//! weight.

use std::sync::Arc;

use lb_core::config::{Backend, Service};
use lb_core::id::{BackendSlot, NeighborId, ServiceSlot};

use crate::control::{Control, Current, Look};
use crate::health::fitness::Outlook;

/// The services of one revision.
pub(crate) struct Inventory {
    current: Arc<Current>,
    /// As many as the revision has; or the one that was asked for, with its position.
    services: Vec<(usize, Shelf)>,
}

/// What is in force for one service.
struct Shelf {
    slot: Option<ServiceSlot>,
    outlook: Outlook,
    /// In the order of its backends.
    backends: Vec<Place>,
}

/// What is in force for one backend.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// `None` while it is disabled.
    pub(crate) slot: Option<BackendSlot>,
    pub(crate) weight: u32,
    pub(crate) neighbor: Option<NeighborId>,
}

/// One service of an inventory.
#[derive(Clone, Copy)]
pub(crate) struct Stock<'a> {
    pub(crate) service: &'a Service,
    pub(crate) slot: Option<ServiceSlot>,
    /// How it stands by the health of its backends.
    pub(crate) outlook: Outlook,
    backends: &'a [Place],
}

impl Inventory {
    /// Of all services.
    pub(crate) fn of(control: &Control) -> Self {
        control.look(|look| {
            let services = look.revision.config.services.iter().enumerate();
            Self {
                current: Arc::clone(look.revision),
                services: services
                    .map(|(at, service)| (at, Shelf::of(look, at, service)))
                    .collect(),
            }
        })
    }

    /// Of one service; empty where there is none of this name.
    pub(crate) fn of_one(control: &Control, name: &str) -> Self {
        control.look(|look| {
            let mut services = look.revision.config.services.iter().enumerate();
            let found = services.find(|(_, service)| service.name == name);
            Self {
                current: Arc::clone(look.revision),
                services: found
                    .map(|(at, service)| (at, Shelf::of(look, at, service)))
                    .into_iter()
                    .collect(),
            }
        })
    }

    /// The services, in the order of the document.
    pub(crate) fn services(&self) -> impl Iterator<Item = Stock<'_>> {
        let all = &self.current.config.services;
        self.services.iter().filter_map(|(at, shelf)| {
            Some(Stock {
                service: all.get(*at)?,
                slot: shelf.slot,
                outlook: shelf.outlook,
                backends: &shelf.backends,
            })
        })
    }
}

impl Shelf {
    fn of(look: &Look<'_>, at: usize, service: &Service) -> Self {
        let place = |backend: &Backend| {
            let slot = look.backend_slot(&service.name, &backend.name);
            Place {
                slot,
                weight: slot.map_or(0, |slot| look.distribution.weight(slot)),
                neighbor: slot.and_then(|slot| Some(look.distribution.backend(slot)?.neighbor)),
            }
        };
        Self {
            slot: look.service(&service.name).map(|service| service.slot),
            outlook: look.outlooks.get(at).copied().unwrap_or_default(),
            backends: service.backends.iter().map(place).collect(),
        }
    }
}

impl Place {
    /// Whether a route leads there; so it is said of one that is disabled, too, which nobody has asked about.
    pub(crate) fn is_reachable(self) -> bool {
        self.neighbor != Some(NeighborId::NOWHERE)
    }
}

impl<'a> Stock<'a> {
    /// Its backends, in the order of the document.
    pub(crate) fn backends(self) -> impl Iterator<Item = (&'a Backend, Place)> {
        let places = self.backends.iter().copied();
        self.service.backends.iter().zip(places)
    }

    /// Backends that take new flows.
    pub(crate) fn taking(&self) -> usize {
        self.backends
            .iter()
            .filter(|place| place.weight > 0)
            .count()
    }
}
