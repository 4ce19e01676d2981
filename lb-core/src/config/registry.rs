//! Identities of services and backends: slots that outlive a configuration and a process.
//!
//! Part of the configuration table 64; no counterpart in the patent. A service is the same one while its
//! address, port and protocol are; a backend while its service, address and port are. Names may change
//! freely. Connections name both by slot, so a slot is given to another identity only when no connection
//! and no configuration uses it any more. The region records a digest of each owner.
//! A build that comes to nothing leaves no trace: what it was handed goes back with [`Registry::undo`].
//! Easy to get wrong: the digest of a backend includes its service's *slot*, which is stable because the
//! service's own digest is recorded too. And a slot that a build has just been handed has no connections either,
//! but is not idle.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU64;

use crate::flow::{HashSeed, Protocol};
use crate::id::{BackendSlot, ServiceSlot};
use crate::shared::Region;
use crate::shared::region::Identity;

pub use crate::shared::region::{MAX_BACKENDS, MAX_SERVICES};

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
    services: Slots,
    backends: Slots,
    region: Option<Region>,
}

impl Registry {
    /// The register of a region, with all slots that earlier processes handed out there.
    #[must_use]
    pub fn of(region: Region) -> Self {
        let mut registry = Self::default();
        for (slot, owner) in owners(region.service_owners()) {
            registry.services.put(slot, owner);
        }
        for (slot, owner) in owners(region.backend_owners()) {
            registry.backends.put(slot, owner);
        }
        registry.region = Some(region);
        registry
    }

    /// Begins a build: a slot that is handed out or asked for from here on is the build's.
    pub fn begin(&mut self) {
        self.keep();
        self.services.build += 1;
        self.backends.build += 1;
    }

    /// What the build was handed can no longer be [undone](Self::undo).
    pub fn keep(&mut self) {
        self.services.handed_out.clear();
        self.backends.handed_out.clear();
    }

    /// Takes back what was handed out since the build began.
    pub fn undo(&mut self) {
        for (slots, identities) in [
            (
                &mut self.services,
                self.region.as_ref().map(Region::service_owners),
            ),
            (
                &mut self.backends,
                self.region.as_ref().map(Region::backend_owners),
            ),
        ] {
            slots.undo(|slot, former| record(identities.unwrap_or_default(), slot, former));
        }
    }

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
        let owner = digest(
            b'S',
            identity.protocol as u32,
            identity.address,
            identity.port,
        );
        let (slot, is_new) = self
            .services
            .slot(owner, MAX_SERVICES, |slot| is_idle(ServiceSlot(slot)))
            .ok_or(SlotsExhausted {
                what: "service",
                limit: MAX_SERVICES,
            })?;
        if let Some(region) = self.region.as_ref().filter(|_| is_new) {
            record(region.service_owners(), slot, Some(owner));
        }
        Ok(ServiceSlot(slot))
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
        let owner = digest(b'B', identity.service.0, identity.address, identity.port);
        let (slot, is_new) = self
            .backends
            .slot(owner, MAX_BACKENDS, |slot| is_idle(BackendSlot(slot)))
            .ok_or(SlotsExhausted {
                what: "backend",
                limit: MAX_BACKENDS,
            })?;
        if let Some(region) = self.region.as_ref().filter(|_| is_new) {
            record(region.backend_owners(), slot, Some(owner));
        }
        Ok(BackendSlot(slot))
    }

    /// Slots that have an owner: of services, and of backends. They are never fewer than what is configured,
    /// as an owner that is gone keeps its slot until somebody else needs it.
    #[must_use]
    pub fn in_use(&self) -> (usize, usize) {
        (self.services.by_owner.len(), self.backends.by_owner.len())
    }
}

/// Digest of an identity, the same in every process: of `what` it is, in which service or over which
/// protocol, and where. Chosen by the operator, so no secret is needed.
fn digest(what: u8, within: u32, address: IpAddr, port: u16) -> NonZeroU64 {
    let mut octets = Vec::with_capacity(32);
    octets.extend(within.to_be_bytes());
    match address {
        IpAddr::V4(v4) => octets.extend(v4.octets()),
        IpAddr::V6(v6) => octets.extend(v6.octets()),
    }
    octets.extend(port.to_be_bytes());
    NonZeroU64::new(HashSeed::default().octets(what, &octets)).unwrap_or(NonZeroU64::MIN)
}

fn owners(identities: &[Identity]) -> impl Iterator<Item = (u32, NonZeroU64)> + '_ {
    (0..)
        .zip(identities)
        .filter_map(|(slot, identity)| Some((slot, identity.owner()?)))
}

fn record(identities: &[Identity], slot: u32, owner: Option<NonZeroU64>) {
    if let Some(identity) = identities.get(slot as usize) {
        identity.set_owner(owner);
    }
}

#[derive(Debug, Default)]
struct Slots {
    by_owner: HashMap<NonZeroU64, u32>,
    by_slot: Vec<Place>,
    /// Number of the build that is going on.
    build: u64,
    /// Slots that the build was handed, each with its former owner.
    handed_out: Vec<(u32, Option<NonZeroU64>)>,
    /// Where the next search for an idle slot begins.
    next: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    owner: Option<NonZeroU64>,
    /// The build that asked for this slot last.
    asked_in: u64,
}

impl Slots {
    /// The owner's slot, and whether it was handed out now.
    fn slot(
        &mut self,
        owner: NonZeroU64,
        limit: u32,
        is_idle: impl Fn(u32) -> bool,
    ) -> Option<(u32, bool)> {
        if let Some(&slot) = self.by_owner.get(&owner) {
            if let Some(place) = self.by_slot.get_mut(slot as usize) {
                place.asked_in = self.build;
            }
            return Some((slot, false));
        }
        let used = u32::try_from(self.by_slot.len()).ok()?;
        let slot = if used < limit {
            used
        } else {
            self.idle(limit, is_idle)?
        };
        let former = self.put(slot, owner);
        self.handed_out.push((slot, former));
        Some((slot, true))
    }

    fn idle(&mut self, limit: u32, is_idle: impl Fn(u32) -> bool) -> Option<u32> {
        let is_asked_for = |slot: u32| {
            let place = self.by_slot.get(slot as usize);
            place.is_some_and(|place| place.asked_in == self.build)
        };
        let slot = (self.next..limit)
            .chain(0..self.next.min(limit))
            .find(|&slot| !is_asked_for(slot) && is_idle(slot))?;
        self.next = slot + 1;
        Some(slot)
    }

    /// Makes it the owner's slot; answers the former owner.
    fn put(&mut self, slot: u32, owner: NonZeroU64) -> Option<NonZeroU64> {
        let at = slot as usize;
        if self.by_slot.len() <= at {
            self.by_slot.resize(at + 1, Place::default());
        }
        let place = self.by_slot.get_mut(at)?;
        place.asked_in = self.build;
        let former = place.owner.replace(owner);
        if let Some(former) = former {
            self.by_owner.remove(&former);
        }
        self.by_owner.insert(owner, slot);
        former
    }

    /// Gives slots back to their former owners, last first, and says each.
    fn undo(&mut self, record: impl Fn(u32, Option<NonZeroU64>)) {
        while let Some((slot, former)) = self.handed_out.pop() {
            let Some(place) = self.by_slot.get_mut(slot as usize) else {
                continue;
            };
            if let Some(owner) = std::mem::replace(&mut place.owner, former) {
                self.by_owner.remove(&owner);
            }
            match former {
                Some(former) => {
                    self.by_owner.insert(former, slot);
                }
                // It was the next that nobody ever had.
                None if slot as usize + 1 == self.by_slot.len() => {
                    self.by_slot.pop();
                }
                None => {}
            }
            record(slot, former);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TableKey;
    use crate::shared::{Layout, Memory, Secret};

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
    fn a_server_of_two_services_has_a_slot_in_each() {
        let mut registry = Registry::default();
        let of = |service| BackendIdentity {
            service: ServiceSlot(service),
            address: "10.0.0.11".parse().unwrap(),
            port: 80,
        };
        let first = registry.backend(of(0), |_| false).unwrap();
        assert_ne!(registry.backend(of(1), |_| false), Ok(first));
    }

    fn owner(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    /// Four slots, all taken, after a build that was kept.
    fn full() -> Slots {
        let mut slots = Slots::default();
        slots.build += 1;
        for slot in 0..4 {
            let handed = slots.slot(owner(u64::from(slot) + 10), 4, |_| true);
            assert_eq!(handed, Some((slot, true)));
        }
        slots.handed_out.clear();
        slots.build += 1;
        slots
    }

    #[test]
    fn a_slot_changes_hands_only_when_idle_and_none_is_left() {
        let mut slots = full();
        assert_eq!(slots.slot(owner(99), 4, |_| false), None);
        assert_eq!(slots.slot(owner(99), 4, |slot| slot == 2), Some((2, true)));
        assert_eq!(slots.slot(owner(12), 4, |_| false), None);
    }

    #[test]
    fn one_build_is_not_handed_one_slot_twice() {
        let mut slots = full();
        assert_eq!(slots.slot(owner(10), 4, |_| true), Some((0, false)));
        let mut handed: Vec<_> = (50..53)
            .filter_map(|number| slots.slot(owner(number), 4, |_| true))
            .map(|(slot, _)| slot)
            .collect();
        handed.sort_unstable();
        assert_eq!(handed, [1, 2, 3]);
        assert_eq!(slots.slot(owner(60), 4, |_| true), None);
    }

    #[test]
    fn a_build_that_is_undone_leaves_no_trace() {
        let mut slots = full();
        slots.slot(owner(50), 5, |_| true);
        slots.slot(owner(51), 5, |slot| slot == 1);
        let recorded = std::cell::RefCell::new(Vec::new());
        slots.undo(|slot, former| recorded.borrow_mut().push((slot, former)));
        assert_eq!(recorded.take(), [(1, Some(owner(11))), (4, None)]);
        assert_eq!(slots.by_slot.len(), 4);
        assert_eq!(slots.by_owner.len(), 4);
        for slot in 0..4 {
            let number = owner(u64::from(slot) + 10);
            assert_eq!(slots.slot(number, 4, |_| false), Some((slot, false)));
        }
    }

    #[test]
    fn slots_outlive_the_process_that_handed_them_out() {
        let layout = Layout::new(64).unwrap().with_slots(64, 64);
        let secret = Secret {
            table_key: TableKey([1, 2, 3, 4, 5, 6]),
            seed: HashSeed([0; 16]),
        };
        let memory = Memory::heap(layout.octets());
        let region = Region::create(memory.clone(), &layout, &secret, 1000).unwrap();
        let mut before = Registry::of(region);
        before.service(web(1), |_| false).unwrap();
        let slot = before.service(web(80), |_| false).unwrap();
        drop(before);
        let mut after = Registry::of(Region::adopt(memory, &layout, 1001).unwrap());
        assert_eq!(after.service(web(80), |_| false), Ok(slot));
        assert_eq!(after.service(web(2), |_| false), Ok(ServiceSlot(2)));
    }
}
