//! The ways to the backends, kept by each lcore for itself.
//!
//! No counterpart in the patent. A known flow names its backend by slot; its row in the neighbor table lies
//! anywhere, and a thousand rows are a thousand cache lines. Here the resolved ways stand side by side, with the
//! addresses as they go into a frame.
//! Easy to get wrong: what is kept is good for one generation of the distribution, and only until any neighbor's way
//! changes; then all of it is forgotten, and found again flow by flow.

use super::counters::all_of;
use crate::config::registry::MAX_BACKENDS;
use crate::config::{Distribution, PortView};
use crate::id::{BackendSlot, PortId};
use crate::route::neighbor::{Link, NeighborTable};

/// The way to a neighbor that is resolved, ready to be written: 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Octets 0 to 7 of a frame: its MAC address, and ours to the middle.
    pub(super) start: [u8; 8],
    /// Octets 8 to 11: the rest of ours.
    pub(super) rest: [u8; 4],
    /// The port that frames leave on.
    pub(super) port: PortId,
    /// Octets of the longest frame that surely may: see [`PortView::longest_frame`]. 0 where no way is kept.
    pub(super) longest: u16,
}

impl Way {
    /// No way: no frame is short enough for it.
    const NONE: Self = Self {
        start: [0; 8],
        rest: [0; 4],
        port: PortId(0),
        longest: 0,
    };

    /// Whether this is a way.
    #[inline(always)]
    pub(super) const fn is_kept(&self) -> bool {
        self.longest != 0
    }

    /// The way over a link, which leaves on `port`.
    #[inline(always)]
    pub(super) const fn new(link: Link, port: &PortView) -> Self {
        Self {
            start: port.source.head_behind(link.mac()),
            rest: port.source.tail(),
            port: port.id,
            longest: port.longest_frame.get(),
        }
    }
}

/// Ways by backend slot, as many as there can be.
pub(super) type Ways = [Way; MAX_BACKENDS as usize];

/// The way to a backend, or [`Way::NONE`].
#[inline(always)]
pub(super) fn way_to(ways: &Ways, slot: BackendSlot) -> &Way {
    const { assert!(MAX_BACKENDS.is_power_of_two()) };
    // A slot is below the number of slots; masked, it needs no check.
    let at = (slot.0 & (MAX_BACKENDS - 1)) as usize;
    ways.get(at).unwrap_or(&Way::NONE)
}

/// Ways by backend slot; those that are not kept are asked for.
#[derive(Debug)]
pub(super) struct BackendLinks {
    ways: Box<Ways>,
    /// Slots that may have been filled.
    filled: usize,
    /// Of what they are ways: generation of the distribution, changes of the neighbor table.
    of: (u64, u32),
}

impl Default for BackendLinks {
    fn default() -> Self {
        Self {
            ways: all_of(|| Way::NONE),
            filled: 0,
            of: (0, 0),
        }
    }
}

impl BackendLinks {
    /// Forgets all where something has changed. Once before every burst.
    #[inline]
    pub(super) fn renew(&mut self, distribution: &Distribution, neighbors: &NeighborTable) {
        let of = (distribution.generation, neighbors.changes());
        if self.of != of {
            self.of = of;
            self.forget();
        }
    }

    #[cold]
    fn forget(&mut self) {
        if let Some(filled) = self.ways.get_mut(..self.filled) {
            filled.fill(Way::NONE);
        }
        self.filled = 0;
    }

    /// All of them, by slot.
    #[inline(always)]
    pub(super) fn ways(&self) -> &Ways {
        &self.ways
    }

    /// Keeps a way, found after the last [`renew`](Self::renew).
    #[inline]
    pub(super) fn keep(&mut self, slot: BackendSlot, way: Way) {
        let at = slot.0 as usize;
        if let Some(place) = self.ways.get_mut(at) {
            *place = way;
            self.filled = self.filled.max(at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ways_share_a_cache_line() {
        assert_eq!(size_of::<Way>(), 16);
    }
}
