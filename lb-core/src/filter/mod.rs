//! Packet filter: decides where each frame of a burst goes, and rewrites it on the way.
//!
//! WO 00/30294, Fig. 6 (box 74), steps 204–224; claims 11, 12, 22, 23. Read as the figure reads:
//! `admit` (204–208: is it for a service?), `select` (210–218: which backend?), `rewrite` (220),
//! `reply` (208 and all else that we answer ourselves), `punt` (what is the control processor's); 222 and 224 are
//! the [`Verdict`].
//! A burst goes through in stages, so that the memory that many packets need is fetched at once:
//! parse and hash all, match all, decide and rewrite all.
//! Not here: polling and sending (`engine`, Fig. 5); weights (`master`, box 54).
//! Easy to get wrong: a SYN for a known flow opens a *new* connection (step 210), unless it repeats
//! the one that opened it.

mod admit;
pub mod counters;
mod flight;
mod foresee;
mod forget;
mod leave;
pub mod life;
pub mod limit;
mod links;
pub mod pending;
pub mod punt;
mod reply;
mod rewrite;
mod select;
mod solicit;
mod straight;
pub mod verdict;

use std::sync::Arc;

use crate::config::registry::MAX_SERVICES;
use crate::config::{Distribution, PortView};
use crate::conn::{ConnTable, Lane, Tick};
use crate::flow::FlowKey;
use crate::frame::{self, Parsed, Plain};
use crate::id::{NeighborId, PortId};
use crate::packet::Packet;
use crate::route::neighbor::{Link, NeighborTable, Now};

pub use counters::LcoreCounters;
pub use flight::Flight;
pub use forget::{can_forget_ways, forget_ways};
pub use pending::{Pending, Released};
pub use punt::Class;
pub use verdict::{AppId, Reason, Verdict};

use flight::{Batch, Item, Places, all_places};
use limit::{Bucket, Rate};
use links::{BackendLinks, Way};
use punt::Punts;
use rewrite::Family;
use straight::Straight;

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

impl<'a> Scene<'a> {
    /// `None` where there is no such port.
    #[inline(always)]
    fn new(
        tables: &'a Tables,
        distribution: &'a Distribution,
        now: Now,
        ingress: PortId,
    ) -> Option<Self> {
        Some(Self {
            tables,
            distribution,
            now,
            ingress: distribution.port(ingress)?,
            hop_epoch: select::hop_epoch(tables, distribution),
        })
    }

    fn tick(&self) -> Tick {
        Tick(self.now.tick)
    }
}

/// What one lcore needs besides the shared tables; no other lcore sees it.
pub(crate) struct Own<P> {
    lanes: Lanes,
    counters: Arc<LcoreCounters>,
    /// Whose turn it is, by service slot.
    turns: Box<[u64]>,
    links: BackendLinks,
    replies: Bucket,
    errors: Bucket,
    pending: Pending<P>,
    questions: Vec<NeighborId>,
    punts: Punts,
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
    match distribution.port(link.port()) {
        Some(port) => {
            rewrite::address_frame(frame, &Way::new(link, port));
            Verdict::Forward(link.port())
        }
        None => Verdict::Drop(Reason::NoRoute),
    }
}

/// The filter of one lcore.
pub struct Filter<P> {
    tables: Arc<Tables>,
    own: Own<P>,
    maintained: u32,
    learned: u32,
    /// What entries were all looked at for the last time: lives, and a quarter of the epochs of next hops.
    swept: (u64, u16),
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
                links: BackendLinks::default(),
                replies: Bucket::new(REPLY_RATE),
                errors: Bucket::new(ERROR_RATE),
                pending: Pending::default(),
                questions: Vec::with_capacity(QUESTIONS),
                punts: Punts::new(false),
            },
            maintained: 0,
            learned: 0,
            swept: (0, 0),
        }
    }

    /// Begins the turns of every scheduler at `first`, so that lcores do not all begin with the same backend.
    #[must_use]
    pub fn with_first_turn(mut self, first: u64) -> Self {
        self.own.turns.fill(first);
        self
    }

    /// From now on what is for the control processor goes there, instead of being answered or dropped here.
    pub fn open_exception_path(&mut self) {
        self.own.punts = Punts::new(true);
    }

    /// A new turn of the lcore: what other lcores removed may be reused from now on.
    #[inline]
    pub fn turn(&mut self) {
        self.tables.v4.turn(&mut self.own.lanes.v4);
        self.tables.v6.turn(&mut self.own.lanes.v6);
    }

    /// Decides on a burst of packets that came in on `ingress`, rewrites them, and counts the verdicts: all
    /// stages at once. Writes `verdicts[i]` for `packets[i]`, for as many as both have, [`BURST`] at most. A
    /// packet with `Hold` goes to [`hold`](Self::hold) next.
    pub fn burst(
        &mut self,
        distribution: &Distribution,
        now: Now,
        ingress: PortId,
        packets: &mut [P],
        verdicts: &mut [Verdict],
    ) {
        let len = packets.len().min(verdicts.len());
        let packets = packets.get_mut(..len).unwrap_or_default();
        let mut flight = Flight::default();
        self.look(&mut flight, distribution, now, ingress, packets);
        self.probe(&mut flight);
        let decided = self.settle(&mut flight, distribution, now, packets);
        for (verdict, decided) in verdicts.iter_mut().zip(decided) {
            *verdict = *decided;
        }
    }

    /// Stage one for a burst that came in on `ingress`, [`BURST`] packets at most: parses and hashes all, and
    /// starts to bring the buckets where their connections may stand. What is no flow's is decided here.
    ///
    /// Then come [`probe`](Self::probe) and [`settle`](Self::settle), in the same [`turn`](Self::turn). Whoever
    /// has a second burst at hand lets its stages run between those of the first, so that the memory of one
    /// travels while the other is worked on: look at the second, settle the first, probe the second.
    pub fn look(
        &mut self,
        flight: &mut Flight,
        distribution: &Distribution,
        now: Now,
        ingress: PortId,
        packets: &mut [P],
    ) {
        let Self { tables, own, .. } = self;
        let Flight {
            v4, v6, verdicts, ..
        } = flight;
        (v4.taken, v6.taken, flight.ingress) = (0, 0, ingress);
        let Some(scene) = Scene::new(tables, distribution, now, ingress) else {
            return;
        };
        if !scene.ingress.is_up {
            verdicts.fill(Verdict::Drop(Reason::PortDown));
            return;
        }
        let (buckets_v4, buckets_v6) = (tables.v4.buckets(), tables.v6.buckets());
        // Bits of the rarer kinds: what is neither is IPv4's.
        let (mut in_v6, mut in_none) = (0, 0);
        let all = all_places(packets.len());
        for (at, (packet, verdict)) in packets.iter_mut().zip(verdicts).enumerate() {
            match frame::plain(packet.head(), packet.total_len(), scene.ingress.own) {
                Plain::V4(flow) => v4.fill(at, buckets_v4, flow),
                Plain::V6(flow) => {
                    v6.fill(at, buckets_v6, flow);
                    in_v6 |= 1 << at;
                }
                Plain::Other => match look_closer(packet, scene.ingress) {
                    Parsed::FlowV4(flow) => v4.fill(at, buckets_v4, flow),
                    Parsed::FlowV6(flow) => {
                        v6.fill(at, buckets_v6, flow);
                        in_v6 |= 1 << at;
                    }
                    other => {
                        *verdict = own.other(scene, other, packet);
                        in_none |= 1 << at;
                    }
                },
            }
        }
        (v4.taken, v6.taken) = (all & !in_v6 & !in_none, in_v6);
    }

    /// Stage two: matches tags, and starts to bring the entries.
    pub fn probe(&self, flight: &mut Flight) {
        flight.v4.probe(&self.tables);
        flight.v6.probe(&self.tables);
    }

    /// Stage three: decides on the flows' packets, rewrites them, and counts the verdicts of all. `packets` are
    /// those that [`look`](Self::look) saw; gives a verdict for each, none where the port is unknown. A packet
    /// with `Hold` goes to [`hold`](Self::hold) next.
    pub fn settle<'f>(
        &mut self,
        flight: &'f mut Flight,
        distribution: &Distribution,
        now: Now,
        packets: &mut [P],
    ) -> &'f [Verdict] {
        let Self { tables, own, .. } = self;
        let Some(scene) = Scene::new(tables, distribution, now, flight.ingress) else {
            return &[];
        };
        let Flight {
            v4, v6, verdicts, ..
        } = flight;
        own.links.renew(distribution, &tables.neighbors);
        let forwarded =
            decide(v4, own, scene, packets, verdicts) | decide(v6, own, scene, packets, verdicts);
        let verdicts = verdicts.get(..packets.len().min(BURST)).unwrap_or_default();
        own.counters.count(verdicts, forwarded);
        verdicts
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

    /// Takes back the verdict of `count` punted packets that found no place on the way: they are dropped.
    pub fn refuse_punted(&mut self, count: u64) {
        let counters = &self.own.counters;
        counters.punted.sub(count);
        (0..count).for_each(|_| counters.count_late(Verdict::Drop(Reason::PuntQueueFull)));
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
        let quarter = select::hop_epoch(&self.tables, distribution) / select::EPOCHS_KEPT;
        let swept = (distribution.life_generation, quarter);
        if self.swept != swept {
            self.swept = swept;
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

/// Stage three for one family; the places whose packets went the straight path, and so were forwarded.
#[inline]
fn decide<const W: usize, P: Packet>(
    batch: &mut Batch<W>,
    own: &mut Own<P>,
    scene: Scene<'_>,
    packets: &mut [P],
    verdicts: &mut [Verdict; BURST],
) -> u32
where
    FlowKey<W>: Family<W>,
{
    let taken = batch.taken;
    if taken == 0 {
        return 0;
    }
    let places = batch.arrive(scene.tables);
    // No packet begins to wait before the burst is over.
    let nobody_waits = own.pending.is_empty();
    let mut straight = Straight::new(own, scene);
    let (mut unknown, mut turned) = (0, 0);
    for places in places {
        for at in places {
            let (Some(packet), Some(verdict)) = (packets.get_mut(at), verdicts.get_mut(at)) else {
                continue;
            };
            if nobody_waits && let Some(port) = straight.send(batch, at, packet) {
                *verdict = Verdict::Forward(port);
                continue;
            }
            turned |= 1 << at;
            match own.flow(scene, &batch.item(at), packet) {
                Some(decided) => *verdict = decided,
                None => unknown |= 1 << at,
            }
            straight = Straight::new(own, scene);
        }
    }
    if unknown != 0 {
        decide_unknown(batch, unknown, own, scene, packets, verdicts);
    }
    taken & !turned
}

/// The rest of stage three: packets that no connection claims, in their order; each may open one that the next
/// belongs to. What all of them will need is asked for first.
#[inline(never)]
fn decide_unknown<const W: usize, P: Packet>(
    batch: &Batch<W>,
    unknown: u32,
    own: &mut Own<P>,
    scene: Scene<'_>,
    packets: &mut [P],
    verdicts: &mut [Verdict],
) where
    FlowKey<W>: Family<W>,
{
    let foreseen = own.foresee(scene, batch, Places(unknown));
    for at in Places(unknown) {
        if let (Some(packet), Some(verdict), Some(&foreseen)) =
            (packets.get_mut(at), verdicts.get_mut(at), foreseen.get(at))
        {
            *verdict = own.unknown(scene, &batch.item(at), packet, foreseen);
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
