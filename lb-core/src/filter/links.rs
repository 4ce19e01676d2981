//! The ways to the backends, kept by each lcore for itself.
//!
//! No counterpart in the patent. A known flow names its backend by slot; its row in the neighbor table lies
//! anywhere, and a thousand rows are a thousand cache lines. Here the resolved links stand side by side.
//! Easy to get wrong: what is kept is good for one generation of the distribution, and only until any neighbor's way
//! changes; then all of it is forgotten, and found again flow by flow.

use crate::config::Distribution;
use crate::config::registry::MAX_BACKENDS;
use crate::id::BackendSlot;
use crate::route::neighbor::{Link, NeighborTable};

/// Links by backend slot; those that are not kept are asked for.
#[derive(Debug)]
pub(super) struct BackendLinks {
    links: Box<[Option<Link>]>,
    /// Slots that may have been filled.
    filled: usize,
    /// Of what they are links: generation of the distribution, changes of the neighbor table.
    of: (u64, u32),
}

impl Default for BackendLinks {
    fn default() -> Self {
        Self {
            links: vec![None; MAX_BACKENDS as usize].into(),
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
        if let Some(filled) = self.links.get_mut(..self.filled) {
            filled.fill(None);
        }
        self.filled = 0;
    }

    /// The link to a backend, if it is kept.
    #[inline(always)]
    pub(super) fn get(&self, slot: BackendSlot) -> Option<Link> {
        self.links.get(slot.0 as usize).copied().flatten()
    }

    /// Keeps a link, found after the last [`renew`](Self::renew).
    #[inline]
    pub(super) fn keep(&mut self, slot: BackendSlot, link: Link) {
        let at = slot.0 as usize;
        if let Some(place) = self.links.get_mut(at) {
            *place = Some(link);
            self.filled = self.filled.max(at + 1);
        }
    }
}
