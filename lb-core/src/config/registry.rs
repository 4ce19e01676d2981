//! Identities of services and backends: slots that outlive a configuration.
//!
//! Part of the configuration table 64; no counterpart in the patent. A service is the same one while its
//! address, port and protocol are; a backend while its service, address and port are. Names may change
//! freely. Connections name both by slot, so a slot is given to another identity only when no connection
//! and no configuration uses it any more.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::flow::Protocol;
use crate::id::{BackendSlot, ServiceSlot};

/// Slots that services can have.
pub const MAX_SERVICES: u32 = 16_384;
/// Slots that backends can have.
pub const MAX_BACKENDS: u32 = 131_072;

/// What makes a service the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceIdentity {
    /// VIP.
    pub address: IpAddr,
    /// Service port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// What makes a backend the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendIdentity {
    /// The service that it serves.
    pub service: ServiceSlot,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {limit} {what} slots are in use, by the configuration or by connections that have not ended"
)]
pub struct SlotsExhausted {
    what: &'static str,
    limit: u32,
}

/// The register: who has which slot.
#[derive(Debug, Default)]
pub struct Registry {
    services: Slots<ServiceIdentity>,
    backends: Slots<BackendIdentity>,
}

impl Registry {
    /// The slot of a service, handed out now if it has none. `is_idle` says whether a slot has no
    /// connection left and stands in no distribution, so that it may change hands.
    ///
    /// # Errors
    /// When all slots are taken.
    pub fn service(
        &mut self,
        identity: ServiceIdentity,
        is_idle: impl Fn(ServiceSlot) -> bool,
    ) -> Result<ServiceSlot, SlotsExhausted> {
        self.services
            .slot(identity, MAX_SERVICES, |slot| is_idle(ServiceSlot(slot)))
            .map(ServiceSlot)
            .ok_or(SlotsExhausted {
                what: "service",
                limit: MAX_SERVICES,
            })
    }

    /// The slot of a backend, likewise.
    ///
    /// # Errors
    /// When all slots are taken.
    pub fn backend(
        &mut self,
        identity: BackendIdentity,
        is_idle: impl Fn(BackendSlot) -> bool,
    ) -> Result<BackendSlot, SlotsExhausted> {
        self.backends
            .slot(identity, MAX_BACKENDS, |slot| is_idle(BackendSlot(slot)))
            .map(BackendSlot)
            .ok_or(SlotsExhausted {
                what: "backend",
                limit: MAX_BACKENDS,
            })
    }

    /// Every service slot handed out, with its identity.
    pub fn services(&self) -> impl Iterator<Item = (ServiceSlot, ServiceIdentity)> + '_ {
        self.services
            .taken()
            .map(|(slot, identity)| (ServiceSlot(slot), identity))
    }

    /// Every backend slot handed out, with its identity.
    pub fn backends(&self) -> impl Iterator<Item = (BackendSlot, BackendIdentity)> + '_ {
        self.backends
            .taken()
            .map(|(slot, identity)| (BackendSlot(slot), identity))
    }

    /// Puts back a service's slot that an earlier process handed out.
    pub fn restore_service(&mut self, slot: ServiceSlot, identity: ServiceIdentity) {
        self.services.restore(slot.0, identity);
    }

    /// Puts back a backend's slot that an earlier process handed out.
    pub fn restore_backend(&mut self, slot: BackendSlot, identity: BackendIdentity) {
        self.backends.restore(slot.0, identity);
    }
}

#[derive(Debug)]
struct Slots<I> {
    by_identity: HashMap<I, u32>,
    by_slot: Vec<Option<I>>,
}

impl<I> Default for Slots<I> {
    fn default() -> Self {
        Self {
            by_identity: HashMap::new(),
            by_slot: Vec::new(),
        }
    }
}

impl<I: Copy + Eq + std::hash::Hash> Slots<I> {
    fn slot(&mut self, identity: I, limit: u32, is_idle: impl Fn(u32) -> bool) -> Option<u32> {
        if let Some(&slot) = self.by_identity.get(&identity) {
            return Some(slot);
        }
        let used = u32::try_from(self.by_slot.len()).ok()?;
        let slot = if used < limit {
            used
        } else {
            (0..limit).find(|&slot| is_idle(slot))?
        };
        self.restore(slot, identity);
        Some(slot)
    }

    fn restore(&mut self, slot: u32, identity: I) {
        let at = slot as usize;
        if self.by_slot.len() <= at {
            self.by_slot.resize(at + 1, None);
        }
        if let Some(place) = self.by_slot.get_mut(at) {
            if let Some(former) = place.replace(identity) {
                self.by_identity.remove(&former);
            }
            self.by_identity.insert(identity, slot);
        }
    }

    fn taken(&self) -> impl Iterator<Item = (u32, I)> + '_ {
        (0..)
            .zip(&self.by_slot)
            .filter_map(|(slot, identity)| Some((slot, (*identity)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(port: u16) -> ServiceIdentity {
        ServiceIdentity {
            address: "192.0.2.10".parse().unwrap(),
            port,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn a_service_keeps_its_slot_over_configurations() {
        let mut registry = Registry::default();
        let first = registry.service(web(80), |_| false).unwrap();
        let second = registry.service(web(443), |_| false).unwrap();
        assert_ne!(first, second);
        assert_eq!(registry.service(web(80), |_| false), Ok(first));
    }

    #[test]
    fn a_slot_changes_hands_only_when_idle_and_none_is_left() {
        let mut slots: Slots<u32> = Slots::default();
        for identity in 0..4 {
            assert_eq!(slots.slot(identity, 4, |_| true), Some(identity));
        }
        assert_eq!(slots.slot(9, 4, |_| false), None);
        assert_eq!(slots.slot(9, 4, |slot| slot == 2), Some(2));
        assert_eq!(slots.slot(2, 4, |_| false), None);
    }

    #[test]
    fn restored_slots_are_found_again() {
        let mut registry = Registry::default();
        registry.restore_service(ServiceSlot(7), web(80));
        assert_eq!(registry.service(web(80), |_| false), Ok(ServiceSlot(7)));
        assert_eq!(
            registry.services().collect::<Vec<_>>(),
            vec![(ServiceSlot(7), web(80))]
        );
    }
}
