//! Layout of a region: which part lies where.
//!
//! No counterpart in the patent. Parts follow each other on page boundaries; their places depend on
//! the capacities alone, so that two processes with the same options find the same places.
//! Easy to get wrong: whatever changes a place or a shape must change [`LAYOUT_VERSION`].

use super::memory::PAGE;
use super::region::{Header, Identity, TableControl};
use super::sync::AtomicU32;
use crate::conn::Cell;
use crate::conn::bucket::{Bucket, buckets_for};

/// Goes up whenever a shape or a part of the region changes.
pub const LAYOUT_VERSION: u32 = 6;

/// Most connections that one table can hold: 64 Mi.
pub const MAX_CONNECTIONS: u32 = 64 << 20;

/// Backend slots in a region.
pub const MAX_BACKENDS: u32 = 131_072;

/// Service slots in a region.
pub const MAX_SERVICES: u32 = 16_384;

/// How large the parts of a region are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) connections: u32,
    pub(super) backends: u32,
    pub(super) services: u32,
}

/// Capacity that no region can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} connections: expected 1 to {MAX_CONNECTIONS}")]
pub struct BadCapacity(pub u32);

impl Layout {
    /// Room for `connections` IPv4 and as many IPv6 connections, each 1 to [`MAX_CONNECTIONS`].
    ///
    /// # Errors
    /// [`BadCapacity`] outside that range.
    pub const fn new(connections: u32) -> Result<Self, BadCapacity> {
        if connections == 0 || connections > MAX_CONNECTIONS {
            return Err(BadCapacity(connections));
        }
        Ok(Self {
            connections,
            backends: MAX_BACKENDS,
            services: MAX_SERVICES,
        })
    }

    /// The same with few slots, for tests.
    #[must_use]
    pub const fn with_slots(self, backends: u32, services: u32) -> Self {
        Self {
            backends,
            services,
            ..self
        }
    }

    /// Connections of each address family.
    #[must_use]
    pub const fn connections(&self) -> u32 {
        self.connections
    }

    /// Octets of memory that the region needs; untouched parts stay unbacked.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.parts().end
    }

    /// Octets that are touched when only IPv4 or only IPv6 connections come, at most.
    #[must_use]
    pub fn octets_by_family(&self) -> (usize, usize) {
        let connections = self.connections as usize;
        let parts = self.parts();
        let shared = parts.deadlines[0];
        let per_table = connections * 4 + buckets_for(self.connections) * size_of::<Bucket>();
        let v4 = per_table + connections * size_of::<Cell<2>>();
        let v6 = per_table + connections * size_of::<Cell<5>>();
        (shared + v4, shared + v6)
    }

    pub(super) fn parts(&self) -> Parts {
        let connections = self.connections as usize;
        let buckets = buckets_for(self.connections);
        let mut end = 0;
        let mut part = |octets: usize| {
            let start = end;
            end = (start + octets).next_multiple_of(PAGE);
            start
        };
        Parts {
            header: part(size_of::<Header>()),
            service_live: part(self.services as usize * size_of::<AtomicU32>()),
            backend_live: part(self.backends as usize * size_of::<AtomicU32>()),
            service_identity: part(self.services as usize * size_of::<Identity>()),
            backend_identity: part(self.backends as usize * size_of::<Identity>()),
            control: [
                part(size_of::<TableControl>()),
                part(size_of::<TableControl>()),
            ],
            deadlines: [part(connections * 4), part(connections * 4)],
            buckets: [
                part(buckets * size_of::<Bucket>()),
                part(buckets * size_of::<Bucket>()),
            ],
            v4: part(connections * size_of::<Cell<2>>()),
            v6: part(connections * size_of::<Cell<5>>()),
            end,
        }
    }

    /// One number that differs when any offset or any shape's size does (FNV-1a over all of them).
    pub(super) fn checksum(&self) -> u64 {
        let p = self.parts();
        let facts = [
            p.service_live,
            p.backend_live,
            p.service_identity,
            p.backend_identity,
            p.control[0],
            p.control[1],
            p.deadlines[0],
            p.deadlines[1],
            p.buckets[0],
            p.buckets[1],
            p.v4,
            p.v6,
            p.end,
            size_of::<Header>(),
            size_of::<TableControl>(),
            size_of::<Bucket>(),
            size_of::<Cell<2>>(),
            size_of::<Cell<5>>(),
        ];
        facts.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &fact| {
            (sum ^ fact as u64).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// Where each part starts, in octets from the start of the region; pairs are IPv4, IPv6.
pub(super) struct Parts {
    pub(super) header: usize,
    pub(super) service_live: usize,
    pub(super) backend_live: usize,
    pub(super) service_identity: usize,
    pub(super) backend_identity: usize,
    pub(super) control: [usize; 2],
    pub(super) deadlines: [usize; 2],
    pub(super) buckets: [usize; 2],
    pub(super) v4: usize,
    pub(super) v6: usize,
    pub(super) end: usize,
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_region_do_not_overlap() {
        let layout = Layout {
            connections: 1000,
            backends: 40,
            services: 20,
        };
        let p = layout.parts();
        let starts = [
            (p.header, size_of::<Header>()),
            (p.service_live, 20 * 4),
            (p.backend_live, 40 * 4),
            (p.service_identity, 20 * 8),
            (p.backend_identity, 40 * 8),
            (p.control[0], 256),
            (p.control[1], 256),
            (p.deadlines[0], 4000),
            (p.deadlines[1], 4000),
            (p.buckets[0], 500 * 64),
            (p.buckets[1], 500 * 64),
            (p.v4, 1000 * 64),
            (p.v6, 1000 * 128),
            (p.end, 0),
        ];
        assert!(
            starts
                .windows(2)
                .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
        );
    }
}
