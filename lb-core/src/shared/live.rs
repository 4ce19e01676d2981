//! Live connections per service and per backend.
//!
//! No counterpart in the patent, which counts connections at the agents. The connection tables keep
//! these counts, schedulers and limits read them. They lie in the region but are counted anew when it
//! is adopted.
//! Easy to get wrong: one count is shared by all lcores. It is for once per connection, not per packet.

use super::memory::Slice;
use super::sync::{AtomicU32, Ordering};
use crate::id::{BackendSlot, ServiceSlot};

/// Live connections per backend slot and per service slot, kept by the connection tables.
#[derive(Clone, Debug)]
pub struct LiveCounts {
    pub(super) services: Slice<AtomicU32>,
    pub(super) backends: Slice<AtomicU32>,
}

impl LiveCounts {
    /// Connections of the service in slot `slot`, both families; 0 out of range.
    #[inline]
    #[must_use]
    pub fn service(&self, slot: ServiceSlot) -> u32 {
        count(&self.services, slot.0)
    }

    /// Connections of the backend in slot `slot`, both families; 0 out of range.
    #[inline]
    #[must_use]
    pub fn backend(&self, slot: BackendSlot) -> u32 {
        count(&self.backends, slot.0)
    }

    pub(crate) fn add(&self, service: ServiceSlot, backend: BackendSlot) {
        for (counts, slot) in [(&self.services, service.0), (&self.backends, backend.0)] {
            if let Some(count) = counts.get(slot as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn sub(&self, service: ServiceSlot, backend: BackendSlot) {
        for (counts, slot) in [(&self.services, service.0), (&self.backends, backend.0)] {
            if let Some(count) = counts.get(slot as usize) {
                count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn clear(&self) {
        for count in self.services.iter().chain(self.backends.iter()) {
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[inline]
fn count(counts: &[AtomicU32], slot: u32) -> u32 {
    counts
        .get(slot as usize)
        .map_or(0, |count| count.load(Ordering::Relaxed))
}
