//! The ways to the backends, kept by each lcore for itself.
//!
//! No counterpart in the patent. A known flow names its backend by slot; its row in the neighbor table lies
//! anywhere, and a thousand rows are a thousand cache lines. Here the resolved ways stand side by side, with the
//! addresses as they go into a frame.
//! Easy to get wrong: what is kept is good for one generation of the distribution, and only until any neighbor's way
//! changes; then all of it is forgotten, and found again flow by flow.

use std::net::IpAddr;

use super::counters::all_of;
use crate::config::registry::MAX_BACKENDS;
use crate::config::{BackendView, Distribution, PortView};
use crate::flow::KeyV6;
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

/// Address and port of an IPv6 backend, as they stand in the key of its answers: words 0, 1 and 4 of one whose
/// destination is nobody. An entry has them too, but on a line that a packet to the backend needs for nothing else.
pub(super) type End = [u64; 3];

/// Ends by backend slot.
pub(super) type Ends = [End; MAX_BACKENDS as usize];

/// The end at a backend.
#[inline(always)]
pub(super) fn end_at(ends: &Ends, slot: BackendSlot) -> End {
    let at = (slot.0 & (MAX_BACKENDS - 1)) as usize;
    ends.get(at).copied().unwrap_or_default()
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
    /// Good where a way is kept.
    ends: Box<Ends>,
    /// Slots that may have been filled.
    filled: usize,
    /// Of what they are ways: generation of the distribution, changes of the neighbor table.
    of: (u64, u32),
}

impl Default for BackendLinks {
    fn default() -> Self {
        Self {
            ways: all_of(|| Way::NONE),
            ends: all_of(End::default),
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

    /// All ends, by slot: good where there is a way.
    #[inline(always)]
    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Keeps a way, found after the last [`renew`](Self::renew), and where it ends.
    #[inline]
    pub(super) fn keep(&mut self, slot: BackendSlot, way: Way, backend: &BackendView) {
        let at = slot.0 as usize;
        if let (Some(place), Some(end)) = (self.ways.get_mut(at), self.ends.get_mut(at)) {
            (*place, *end) = (way, end_of(backend));
            self.filled = self.filled.max(at + 1);
        }
    }
}

fn end_of(backend: &BackendView) -> End {
    let IpAddr::V6(address) = backend.address else {
        return End::default();
    };
    let [high, low, .., ports] = KeyV6::v6(address.into(), 0, backend.port, 0, 0).0;
    [high, low, ports]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ways_share_a_cache_line() {
        assert_eq!(size_of::<Way>(), 16);
    }
}
