//! Packet filter: decides where each frame of a burst goes, and rewrites it on the way.
//!
//! WO 00/30294, Fig. 6 (box 74), steps 204–224; claims 11, 12, 22, 23. Read as the figure reads:
//! `admit` (204–208: is it for a service?), `select` (210–218: which backend?), `rewrite` (220),
//! `reply` (208 and all else that we answer ourselves); 222 and 224 are the [`Verdict`].
//! A burst goes through in stages, so that the memory that many packets need is fetched at once:
//! parse and hash all, match all, decide and rewrite all.
//! Not here: polling and sending (`engine`, Fig. 5); weights (`master`, box 54).
//! Easy to get wrong: a SYN for a known flow opens a *new* connection (step 210), unless it repeats
//! the one that opened it.

mod admit;
pub mod counters;
pub mod life;
pub mod limit;
pub mod pending;
mod reply;
mod rewrite;
mod select;
mod solicit;
pub mod verdict;

use std::sync::Arc;

use crate::config::registry::MAX_SERVICES;
use crate::config::{Distribution, PortView};
use crate::conn::{ConnTable, Lane, Probe, Tick};
use crate::flow::{FlowHash, FlowKey};
use crate::frame::{self, Flow, OwnMac, Parsed, Plain};
use crate::id::{NeighborId, PortId};
use crate::packet::Packet;
use crate::route::neighbor::{Link, NeighborTable, Now};

pub use counters::LcoreCounters;
pub use pending::{Pending, Released};
pub use verdict::{AppId, Reason, Verdict};

use limit::{Bucket, Rate};
use rewrite::Family;

/// Packets that one call takes at most.
pub const BURST: usize = 32;

/// Resets and echo replies that one lcore sends: enough for any honest use, no amplifier.
pub const REPLY_RATE: Rate = Rate {
    per_second: 10_000,
    burst: 1_000,
};
/// ICMP errors that one lcore sends (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f).
pub const ERROR_RATE: Rate = Rate {
    per_second: 1_000,
    burst: 100,
};

/// The tables that all lcores share.
pub struct Tables {
    /// Connections over IPv4.
    pub v4: ConnTable<2>,
    /// Connections over IPv6.
    pub v6: ConnTable<5>,
    /// Neighbors of both families.
    pub neighbors: NeighborTable,
}

/// What one lcore owns of the connection tables.
pub struct Lanes {
    /// Of the IPv4 table.
    pub v4: Lane<2>,
    /// Of the IPv6 table.
    pub v6: Lane<5>,
}

/// What holds for one burst and does not change in it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    tables: &'a Tables,
    distribution: &'a Distribution,
    now: Now,
    ingress: &'a PortView,
    /// Next hops found under another epoch are stale.
    hop_epoch: u16,
}

impl Scene<'_> {
    fn tick(&self) -> Tick {
        Tick(self.now.tick)
    }
}

/// One TCP or UDP packet of the burst, between two stages.
#[derive(Clone, Copy)]
struct Item<const W: usize> {
    flow: Flow<W>,
    hash: FlowHash,
    probe: Probe,
    at: u8,
}

/// The packets of one family in a burst.
struct Batch<const W: usize> {
    items: [Item<W>; BURST],
    len: usize,
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
            at: 0,
        };
        Self {
            items: [item; BURST],
            len: 0,
        }
    }
}

impl<const W: usize> Batch<W>
where
    FlowKey<W>: Family<W>,
{
    /// Second half of stage one: hash, and fetch the bucket.
    #[inline(always)]
    fn add(&mut self, tables: &Tables, at: u8, flow: Flow<W>) {
        let Flow {
            key,
            l4,
            protocol,
            flags,
        } = flow;
        let table = FlowKey::<W>::table(tables);
        let hash = table.hash(&key);
        table.prefetch_bucket(hash);
        if let Some(item) = self.items.get_mut(self.len) {
            item.flow.key = key;
            item.flow.l4 = l4;
            item.flow.protocol = protocol;
            item.flow.flags = flags;
            item.hash = hash;
            item.at = at;
            self.len += 1;
        }
    }

    /// Stage two: match tags, and fetch the entries. Gives what stage three goes through.
    #[inline(always)]
    fn probe(&mut self, tables: &Tables) -> &[Item<W>] {
        let len = std::mem::take(&mut self.len);
        let items = self.items.get_mut(..len).unwrap_or_default();
        let table = FlowKey::<W>::table(tables);
        table.probe_burst(items, |item| (item.hash, &mut item.probe));
        items
    }
}

/// What one lcore needs besides the shared tables; no other lcore sees it.
pub(crate) struct Own<P> {
    lanes: Lanes,
    counters: Arc<LcoreCounters>,
    /// Whose turn it is, by service slot.
    turns: Box<[u64]>,
    replies: Bucket,
    errors: Bucket,
    pending: Pending<P>,
    questions: Vec<NeighborId>,
}

impl<P> Own<P> {
    /// The way to a neighbor, or the verdict that the packet must wait for it.
    #[inline(always)]
    fn way(&mut self, scene: Scene<'_>, neighbor: NeighborId) -> Result<Link, Verdict> {
        match scene.tables.neighbors.link(neighbor) {
            Some(link) if self.pending.is_empty() || !self.pending.holds(neighbor) => Ok(link),
            Some(_) => Err(Verdict::Hold(neighbor)),
            None => {
                self.ask(scene, neighbor);
                Err(Verdict::Hold(neighbor))
            }
        }
    }

    /// Notes a question, if it is time for one; nobody waits longer for a full list than to the next turn.
    fn ask(&mut self, scene: Scene<'_>, neighbor: NeighborId) {
        if self.questions.len() < self.questions.capacity()
            && scene.tables.neighbors.claim_question(neighbor, scene.now)
        {
            self.questions.push(neighbor);
        }
    }

    /// Sends a finished packet to a neighbor: its MAC addresses, and the verdict.
    #[inline(always)]
    fn send(&mut self, scene: Scene<'_>, neighbor: NeighborId, frame: &mut [u8]) -> Verdict {
        match self.way(scene, neighbor) {
            Ok(link) => forward(scene.distribution, link, frame),
            Err(hold) => hold,
        }
    }
}

/// Steps 222 and 224: addresses the frame to a resolved neighbor.
#[inline(always)]
fn forward(distribution: &Distribution, link: Link, frame: &mut [u8]) -> Verdict {
    match distribution.port(link.port) {
        Some(port) => {
            rewrite::address_frame(frame, link.number, port.mac_number);
            Verdict::Forward(link.port)
        }
        None => Verdict::Drop(Reason::NoRoute),
    }
}

/// The filter of one lcore.
pub struct Filter<P> {
    tables: Arc<Tables>,
    own: Own<P>,
    v4: Batch<2>,
    v6: Batch<5>,
    maintained: u32,
    learned: u32,
    swept_generation: u64,
}

/// Questions that may wait to be sent at once.
const QUESTIONS: usize = 64;
/// Neighbor rows looked after in one call of [`Filter::maintain`].
const ROWS_PER_STEP: u32 = 1024;

impl<P: Packet> Filter<P> {
    /// A filter over the shared tables; `lanes` and `counters` are this lcore's alone.
    #[must_use]
    pub fn new(tables: Arc<Tables>, lanes: Lanes, counters: Arc<LcoreCounters>) -> Self {
        Self {
            tables,
            own: Own {
                lanes,
                counters,
                turns: vec![0; MAX_SERVICES as usize].into(),
                replies: Bucket::new(REPLY_RATE),
                errors: Bucket::new(ERROR_RATE),
                pending: Pending::default(),
                questions: Vec::with_capacity(QUESTIONS),
            },
            v4: Batch::default(),
            v6: Batch::default(),
            maintained: 0,
            learned: 0,
            swept_generation: 0,
        }
    }

    /// Begins the turns of every scheduler at `first`, so that lcores do not all begin with the same backend.
    #[must_use]
    pub fn with_first_turn(mut self, first: u64) -> Self {
        self.own.turns.fill(first);
        self
    }

    /// A new turn of the lcore: what other lcores removed may be reused from now on.
    #[inline]
    pub fn turn(&mut self) {
        self.tables.v4.turn(&mut self.own.lanes.v4);
        self.tables.v6.turn(&mut self.own.lanes.v6);
    }

    /// Decides on a burst of packets that came in on `ingress`, rewrites them, and counts the verdicts.
    ///
    /// Writes `verdicts[i]` for `packets[i]`, for as many as both have, [`BURST`] at most. A packet
    /// with `Hold` goes to [`hold`](Self::hold) next.
    pub fn burst(
        &mut self,
        distribution: &Distribution,
        now: Now,
        ingress: PortId,
        packets: &mut [P],
        verdicts: &mut [Verdict],
    ) {
        let Self {
            tables,
            own,
            v4,
            v6,
            ..
        } = self;
        let Some(ingress) = distribution.port(ingress) else {
            return;
        };
        let hop_epoch = distribution
            .route_generation
            .wrapping_add(tables.neighbors.reused());
        let scene = Scene {
            tables,
            distribution,
            now,
            ingress,
            hop_epoch,
        };
        let own_mac = OwnMac::new(ingress.mac);
        let len = packets.len().min(verdicts.len()).min(BURST);
        let packets = packets.get_mut(..len).unwrap_or_default();
        let verdicts = verdicts.get_mut(..len).unwrap_or_default();
        for (at, (packet, verdict)) in (0..).zip(packets.iter_mut().zip(verdicts.iter_mut())) {
            match frame::plain(packet.head(), packet.total_len(), own_mac) {
                Plain::V4(flow) => v4.add(tables, at, flow),
                Plain::V6(flow) => v6.add(tables, at, flow),
                Plain::Other => match look_closer(packet, ingress) {
                    Parsed::FlowV4(flow) => v4.add(tables, at, flow),
                    Parsed::FlowV6(flow) => v6.add(tables, at, flow),
                    other => *verdict = own.other(scene, other, packet),
                },
            }
        }
        decide(v4, own, scene, packets, verdicts);
        decide(v6, own, scene, packets, verdicts);
        own.counters.count(verdicts);
    }

    /// Keeps a packet whose verdict was `Hold`; gives it back, counted as dropped, where there is no place.
    ///
    /// # Errors
    /// The packet, to be freed.
    pub fn hold(&mut self, neighbor: NeighborId, now: Now, packet: P) -> Result<(), P> {
        self.own
            .pending
            .push(neighbor, now.millis, packet)
            .inspect_err(|_| {
                self.own.counters.held.sub(1);
                self.own
                    .counters
                    .count_late(Verdict::Drop(Reason::NeighborQueueFull));
            })
    }

    /// Whether [`release`](Self::release) may have something to give out.
    #[inline]
    #[must_use]
    pub fn has_held(&self) -> bool {
        !self.own.pending.is_empty()
    }

    /// Gives out, with their verdicts, packets that waited and need not any more; counts them.
    pub fn release(
        &mut self,
        distribution: &Distribution,
        now: Now,
        mut give: impl FnMut(P, Verdict),
    ) {
        let neighbors = &self.tables.neighbors;
        let Own {
            pending, counters, ..
        } = &mut self.own;
        self.learned = neighbors.learned();
        pending.release(
            now.millis,
            |neighbor| neighbors.link(neighbor).is_some(),
            |neighbor, mut packet, _| {
                let verdict = match neighbors.link(neighbor) {
                    Some(link) => forward(distribution, link, packet.head_mut()),
                    None => Verdict::Drop(Reason::NeighborUnresolved),
                };
                counters.held.sub(1);
                counters.count_late(verdict);
                give(packet, verdict);
            },
        );
    }

    /// Whether a neighbor has become known since the last [`release`](Self::release).
    #[inline]
    #[must_use]
    pub fn has_learned(&self) -> bool {
        self.learned != self.tables.neighbors.learned()
    }

    /// Gives up all packets that still wait, at the end; counts them as dropped.
    pub fn give_up(&mut self, mut free: impl FnMut(P)) {
        let Own {
            pending, counters, ..
        } = &mut self.own;
        for packet in pending.drain() {
            counters.held.sub(1);
            counters.count_late(Verdict::Drop(Reason::NeighborUnresolved));
            free(packet);
        }
    }

    /// Looks after a part of the neighbor table. One lcore does this, some hundred times a second.
    pub fn maintain(&mut self, now: Now) {
        let Own { questions, .. } = &mut self.own;
        self.maintained =
            self.tables
                .neighbors
                .maintain(self.maintained, ROWS_PER_STEP, now, |neighbor| {
                    if questions.len() < questions.capacity() {
                        questions.push(neighbor);
                    }
                });
    }

    /// A neighbor to be asked for: next, [`write_question`](Self::write_question) into a new packet.
    #[inline]
    pub fn next_question(&mut self) -> Option<NeighborId> {
        self.own.questions.pop()
    }

    /// Writes an ARP request or neighbor solicitation into a packet of any content; the port to send it on.
    /// `None` where the row or our address on its link is gone, or the packet has no room.
    pub fn write_question(
        &mut self,
        distribution: &Distribution,
        neighbor: NeighborId,
        packet: &mut P,
    ) -> Option<PortId> {
        let port = solicit::write(distribution, &self.tables.neighbors.read(neighbor)?, packet)?;
        self.own.counters.solicitations.add(1);
        Some(port)
    }

    /// Sweeps this lcore's share of the connection tables for entries whose time is over: a bounded step.
    pub fn sweep(&mut self, distribution: &Distribution, now: Now) {
        if self.swept_generation != distribution.generation {
            self.swept_generation = distribution.generation;
            self.tables.v4.recheck(&mut self.own.lanes.v4);
            self.tables.v6.recheck(&mut self.own.lanes.v6);
        }
        select::sweep(
            &self.tables,
            &mut self.own.lanes,
            distribution,
            Tick(now.tick),
        );
    }

    /// The end: gives what this lcore owned of the tables back, and holds up nobody any more.
    pub fn retire(self) {
        let Lanes { v4, v6 } = self.own.lanes;
        self.tables.v4.retire_lane(v4);
        self.tables.v6.retire_lane(v6);
    }

    /// This lcore's counters.
    #[must_use]
    pub fn counters(&self) -> &LcoreCounters {
        &self.own.counters
    }

    /// The tables shared with the other lcores.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }
}

/// Stages two and three for one family.
#[inline]
fn decide<const W: usize, P: Packet>(
    batch: &mut Batch<W>,
    own: &mut Own<P>,
    scene: Scene<'_>,
    packets: &mut [P],
    verdicts: &mut [Verdict],
) where
    FlowKey<W>: Family<W>,
{
    for item in batch.probe(scene.tables) {
        let at = usize::from(item.at);
        if let (Some(packet), Some(verdict)) = (packets.get_mut(at), verdicts.get_mut(at)) {
            if let Some(port) = own.straight(scene, item, packet) {
                *verdict = Verdict::Forward(port);
            } else {
                *verdict = own.flow(scene, item, packet);
            }
        }
    }
}

/// A frame that the straight path left over; a priority tag is taken off (802.1Q, 6.9.1: VLAN 0 is no VLAN).
#[cold]
fn look_closer<P: Packet>(packet: &mut P, ingress: &PortView) -> Parsed {
    let parsed = frame::classify(packet.head(), packet.total_len(), ingress.mac);
    if parsed != Parsed::PriorityTagged {
        return parsed;
    }
    let Some(macs) = packet.head().first_chunk::<12>().copied() else {
        return Parsed::Unfit(Reason::Runt);
    };
    if !packet.strip_front(4) {
        return Parsed::Unfit(Reason::HeaderSplit);
    }
    if let Some(place) = packet.head_mut().first_chunk_mut() {
        *place = macs;
    }
    match frame::parse(packet.head(), packet.total_len(), ingress.mac) {
        Parsed::PriorityTagged => Parsed::Unfit(Reason::StackedVlan),
        parsed => parsed,
    }
}
