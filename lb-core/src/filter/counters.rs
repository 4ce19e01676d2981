//! What one lcore has counted: verdicts, drop reasons, services.
//!
//! No counterpart in the patent. Written by the lcore alone, once per burst where that is possible,
//! and read by everybody. The equation that must hold at every moment between bursts:
//! received = forwarded + replied + punted + apps + dropped + held, and held is 0 at the end.
//! Easy to get wrong: a packet that waits for a neighbor has been received but has no verdict yet.

use super::flight::{Places, all_places};
use super::verdict::{Reason, Verdict};
use crate::config::registry::MAX_SERVICES;
use crate::id::ServiceSlot;
use crate::shared::Counter;

/// Packets and octets of one service, both directions that pass us.
#[derive(Debug, Default)]
pub struct ServiceCounters {
    /// Packets forwarded for the service.
    pub packets: Counter,
    /// Their octets, Ethernet header included, checksum sequence not.
    pub octets: Counter,
    /// Connections opened.
    pub connections: Counter,
}

/// Counters by service slot, as many as there can be.
pub(super) type Services = [ServiceCounters; MAX_SERVICES as usize];

/// Counters of one service.
#[inline(always)]
pub(super) fn of_service(services: &Services, slot: ServiceSlot) -> Option<&ServiceCounters> {
    const { assert!(MAX_SERVICES.is_power_of_two()) };
    // A slot is below the number of slots; masked, it needs no check.
    services.get((slot.0 & (MAX_SERVICES - 1)) as usize)
}

/// An array on the heap, made there.
pub(super) fn all_of<T, const N: usize>(make: impl FnMut() -> T) -> Box<[T; N]> {
    let all: Box<[T]> = std::iter::repeat_with(make).take(N).collect();
    match all.try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("{N} were taken"),
    }
}

/// Counters of one lcore.
#[derive(Debug)]
pub struct LcoreCounters {
    /// Packets received from ports.
    pub received: Counter,
    /// Packets with a forwarding verdict.
    pub forwarded: Counter,
    /// Packets turned into an answer.
    pub replied: Counter,
    /// Packets for the control processor.
    pub punted: Counter,
    /// Packets for network applications.
    pub apps: Counter,
    /// Packets that wait for a neighbor now.
    pub held: Counter,
    /// Questions for neighbors that we sent of our own accord.
    pub solicitations: Counter,
    drops: [Counter; Reason::COUNT],
    services: Box<Services>,
}

impl Default for LcoreCounters {
    fn default() -> Self {
        Self {
            received: Counter::default(),
            forwarded: Counter::default(),
            replied: Counter::default(),
            punted: Counter::default(),
            apps: Counter::default(),
            held: Counter::default(),
            solicitations: Counter::default(),
            drops: std::array::from_fn(|_| Counter::default()),
            services: all_of(ServiceCounters::default),
        }
    }
}

impl LcoreCounters {
    /// Adds one burst: what was received, and each packet under its verdict. Of those whose bits are set in
    /// `forwarded` it is known already.
    pub(super) fn count(&self, verdicts: &[Verdict], forwarded: u32) {
        self.received.add(verdicts.len() as u64);
        self.forwarded.add(forwarded.count_ones().into());
        for at in Places(all_places(verdicts.len()) & !forwarded) {
            if let Some(&verdict) = verdicts.get(at) {
                self.count_late(verdict);
            }
        }
    }

    /// Adds one packet that had been held until now, or any but the common verdict.
    pub fn count_late(&self, verdict: Verdict) {
        match verdict {
            Verdict::Forward(_) => self.forwarded.add(1),
            Verdict::Reply => self.replied.add(1),
            Verdict::Punt(_) => self.punted.add(1),
            Verdict::App(_) => self.apps.add(1),
            Verdict::Hold(_) => self.held.add(1),
            Verdict::Drop(reason) => {
                if let Some(counter) = self.drops.get(reason as usize) {
                    counter.add(1);
                }
            }
        }
    }

    /// Packets dropped for one reason.
    #[must_use]
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.drops.get(reason as usize).map_or(0, Counter::value)
    }

    /// Packets dropped in all.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.drops.iter().map(Counter::value).sum()
    }

    /// Counters of one service.
    #[inline]
    #[must_use]
    pub fn service(&self, slot: ServiceSlot) -> Option<&ServiceCounters> {
        of_service(&self.services, slot)
    }

    /// Counters of all services, by slot.
    #[inline(always)]
    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// Whether the equation of the module page holds; only between bursts.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let parts = [
            &self.forwarded,
            &self.replied,
            &self.punted,
            &self.apps,
            &self.held,
        ];
        let sum: u64 = parts.iter().map(|counter| counter.value()).sum();
        self.received.value() == sum + self.dropped_in_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NeighborId, PortId};

    #[test]
    fn a_burst_adds_up_while_a_packet_waits_and_after() {
        let counters = LcoreCounters::default();
        let verdicts = [
            Verdict::Forward(PortId(1)),
            Verdict::Forward(PortId(1)),
            Verdict::Hold(NeighborId(3)),
            Verdict::Drop(Reason::Runt),
            Verdict::Reply,
        ];
        counters.count(&verdicts, 0b10);
        assert_eq!(counters.forwarded.value(), 2);
        assert!(counters.adds_up());
        counters.held.sub(1);
        assert!(!counters.adds_up());
        counters.count_late(Verdict::Drop(Reason::NeighborUnresolved));
        assert!(counters.adds_up());
        assert_eq!(counters.dropped(Reason::Runt), 1);
        assert_eq!(counters.dropped_in_all(), 2);
    }
}
