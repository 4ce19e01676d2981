//! A burst between the stages: what the first stage found out and the later ones need.
//!
//! WO 00/30294, Fig. 6, between steps 204 and 214. Holds keys, hashes and probes by the packets' places in
//! the burst; the packets themselves stay with the caller.
//! Easy to get wrong: a flight is good for the turn of the lcore in which it began. What its probes point to
//! may be reused after the next [`turn`](super::Filter::turn).

use super::rewrite::Family;
use super::verdict::Verdict;
use super::{BURST, Reason, Tables};
use crate::conn::Probe;
use crate::flow::{FlowHash, FlowKey};
use crate::frame::Flow;
use crate::id::PortId;

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

/// The packets of one family in a burst: a place for each packet, and a bit for each place that is taken.
#[derive(Debug)]
pub(super) struct Batch<const W: usize> {
    pub(super) items: [Item<W>; BURST],
    pub(super) taken: u32,
}

/// One TCP or UDP packet between two stages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<const W: usize> {
    pub(super) flow: Flow<W>,
    pub(super) hash: FlowHash,
    pub(super) probe: Probe,
}

impl<const W: usize> Default for Batch<W> {
    fn default() -> Self {
        let item = Item {
            flow: Flow {
                key: FlowKey([0; W]),
                l4: 0,
                protocol: 0,
                flags: 0,
            },
            hash: FlowHash(0),
            probe: Probe::default(),
        };
        Self {
            items: [item; BURST],
            taken: 0,
        }
    }
}

impl<const W: usize> Item<W>
where
    FlowKey<W>: Family<W>,
{
    /// Second half of stage one: hash, and fetch the bucket.
    #[inline(always)]
    pub(super) fn fill(&mut self, tables: &Tables, flow: Flow<W>) {
        let Flow {
            key,
            l4,
            protocol,
            flags,
        } = flow;
        let table = FlowKey::<W>::table(tables);
        let hash = table.hash(&key);
        table.prefetch_bucket(hash);
        // Field by field: the parser's registers go straight to their places.
        self.flow.key = key;
        self.flow.l4 = l4;
        self.flow.protocol = protocol;
        self.flow.flags = flags;
        self.hash = hash;
    }
}

impl<const W: usize> Batch<W>
where
    FlowKey<W>: Family<W>,
{
    /// Stage two: match tags, and fetch the entries.
    #[inline(always)]
    pub(super) fn probe(&mut self, tables: &Tables) {
        if self.taken != 0 {
            FlowKey::<W>::table(tables).probe_burst(&mut self.items, self.taken, |item| {
                (item.hash, &mut item.probe)
            });
        }
    }
}

/// Places of a burst, from the bits of a word, lowest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places(pub(super) u32);

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lowest = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (lowest != u32::BITS).then_some(lowest as usize)
    }
}
