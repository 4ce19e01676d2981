//! A burst between the stages: what the first stage found out and the later ones need.
//!
//! WO 00/30294, Fig. 6, between steps 204 and 214. Holds keys, hashes and probes by the packets' places in
//! the burst; the packets themselves stay with the caller.
//! Easy to get wrong: a flight is good for the turn of the lcore in which it began. What its probes point to
//! may be reused after the next [`turn`](super::Filter::turn).

use std::num::NonZero;

use super::rewrite::Family;
use super::verdict::Verdict;
use super::{BURST, Reason, Tables};
use crate::conn::{Buckets, Probe};
use crate::flow::{FlowHash, FlowKey};
use crate::frame::Flow;
use crate::id::PortId;
use crate::wire::tcp::Flags;

/// One burst under way through the filter: see [`look`](super::Filter::look).
#[derive(Debug)]
pub struct Flight {
    pub(super) ingress: PortId,
    pub(super) v4: Batch<2>,
    pub(super) v6: Batch<5>,
    pub(super) verdicts: [Verdict; BURST],
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            ingress: PortId(0),
            v4: Batch::default(),
            v6: Batch::default(),
            verdicts: [Verdict::Drop(Reason::NotForUs); BURST],
        }
    }
}

/// The packets of one family in a burst: a place for each packet, and a bit for each place that is taken. Column by
/// column, so that one number finds all that there is of a packet.
#[derive(Debug)]
pub(super) struct Batch<const W: usize> {
    words: [[u64; BURST]; W],
    uppers: [Upper; BURST],
    hashes: [FlowHash; BURST],
    probes: [Probe; BURST],
    pub(super) taken: u32,
    /// Of these, places whose entries will be known one stage later than those of the others.
    late: u32,
}

/// One TCP or UDP packet between two stages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<const W: usize> {
    pub(super) flow: Flow<W>,
    pub(super) hash: FlowHash,
    pub(super) probe: Probe,
}

/// What stands behind a packet's IP header, in one word to be compared at once: where it begins, in octets from the
/// frame's first; the protocol; TCP flags, 0 for UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Upper(u32);

impl Upper {
    pub(super) const fn new(l4: u16, protocol: u8, flags: u8) -> Self {
        Self(l4 as u32 | (protocol as u32) << 16 | (flags as u32) << 24)
    }

    /// The bits that are set in `other` as well.
    #[inline(always)]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn parts(self) -> (u16, u8, u8) {
        let [a, b, protocol, flags] = self.0.to_le_bytes();
        (u16::from_le_bytes([a, b]), protocol, flags)
    }
}

impl<const W: usize> Default for Batch<W> {
    fn default() -> Self {
        Self {
            words: [[0; BURST]; W],
            uppers: [Upper::default(); BURST],
            hashes: [FlowHash::default(); BURST],
            probes: [Probe::default(); BURST],
            taken: 0,
            late: 0,
        }
    }
}

impl<const W: usize> Batch<W>
where
    FlowKey<W>: Family<W>,
{
    /// Second half of stage one: hash, and fetch the bucket.
    #[inline(always)]
    pub(super) fn fill(&mut self, at: usize, buckets: Buckets<'_>, flow: Flow<W>) {
        let Flow {
            key,
            l4,
            protocol,
            flags,
        } = flow;
        let hash = buckets.fetch(&key);
        for (column, word) in self.words.iter_mut().zip(key.0) {
            if let Some(place) = column.get_mut(at) {
                *place = word;
            }
        }
        if let (Some(upper), Some(place)) = (self.uppers.get_mut(at), self.hashes.get_mut(at)) {
            *upper = Upper::new(l4, protocol, flags);
            *place = hash;
        }
    }

    /// Stage two: match tags, and fetch the entries, or the other bucket where a key may be.
    #[inline(always)]
    pub(super) fn probe(&mut self, tables: &Tables) {
        self.late = 0;
        if self.taken != 0 {
            let table = FlowKey::<W>::table(tables);
            self.late = table.probe_burst(&self.hashes, &mut self.probes, self.taken);
        }
    }

    /// Between stage two and three: looks into the other buckets. The places in the order in which their entries
    /// come.
    #[inline(always)]
    pub(super) fn arrive(&mut self, tables: &Tables) -> [Places; 2] {
        if self.late != 0 {
            let table = FlowKey::<W>::table(tables);
            table.probe_elsewhere(&self.hashes, &mut self.probes, self.late);
        }
        [Places(self.taken & !self.late), Places(self.late)]
    }

    /// The key in a place.
    #[inline(always)]
    pub(super) fn key(&self, at: usize) -> FlowKey<W> {
        FlowKey(std::array::from_fn(|word| self.word(word, at)))
    }

    #[inline(always)]
    fn word(&self, word: usize, at: usize) -> u64 {
        let column = self.words.get(word);
        column
            .and_then(|column| column.get(at))
            .copied()
            .unwrap_or(0)
    }

    /// What stands behind the IP header of the packet in a place.
    #[inline(always)]
    pub(super) fn upper(&self, at: usize) -> Upper {
        self.uppers.get(at).copied().unwrap_or_default()
    }

    /// TCP flags of the packet in a place; none for UDP.
    #[inline(always)]
    pub(super) fn flags(&self, at: usize) -> Flags {
        Flags(self.upper(at).parts().2)
    }

    /// What stage two found for the packet in a place.
    #[inline(always)]
    pub(super) fn probed(&self, at: usize) -> Probe {
        self.probes.get(at).copied().unwrap_or_default()
    }

    /// All there is of the packet in a place.
    pub(super) fn item(&self, at: usize) -> Item<W> {
        let (l4, protocol, flags) = self.upper(at).parts();
        Item {
            flow: Flow {
                key: self.key(at),
                l4,
                protocol,
                flags,
            },
            hash: self.hashes.get(at).copied().unwrap_or_default(),
            probe: self.probed(at),
        }
    }
}

/// A bit for each of the first places of a burst.
pub(super) const fn all_places(len: usize) -> u32 {
    if len < BURST {
        (1 << len) - 1
    } else {
        u32::MAX
    }
}

/// Places of a burst, from the bits of a word, lowest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places(pub(super) u32);

impl Iterator for Places {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let bits = NonZero::new(self.0)?;
        self.0 &= self.0 - 1;
        Some(bits.trailing_zeros() as usize)
    }
}
