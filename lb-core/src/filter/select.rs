//! Finds a flow's connection or makes one.
//!
//! WO 00/30294, Fig. 6: opening packet or later one (210), look-up in the connection table (212, 214),
//! backend from the distribution (216), new entry (218). Hands on to `rewrite` (220).
//! Not here: whether a packet without a connection may open one (`admit`).
//! Easy to get wrong: an entry names its backend by slot; when the configuration no longer has the
//! backend, the entry is dead, whatever its state.

use crate::config::{AllDown, BackendView, Distribution, Forwarding, OnMiss, ServiceView};
use crate::conn::{
    Conn, ConnId, ConnState, ConnTable, Direction, InsertError, Lane, NewConn, Tick,
};
use crate::flow::{DirectionKey, FlowHash, FlowKey, Protocol, Tuple};
use crate::id::{BackendSlot, NeighborId, ServiceSlot};
use crate::packet::Packet;
use crate::route::NextHops;
use crate::scheduler::{Ask, Live, SchedulerKind};
use crate::shared::LiveCounts;
use crate::wire::tcp::Flags;

use super::life::{STEERING, State, reset_is_plausible};
use super::links::Way;
use super::rewrite::{Deltas, Family, L4};
use super::{Item, Lanes, Own, Reason, Scene, Tables, Verdict};

/// Picks that a new flow gets, when the backend already has a connection with its client's port.
const PICKS: u32 = 3;

impl Live for LiveCounts {
    fn live(&self, backend: BackendSlot) -> u32 {
        self.backend(backend)
    }
}

impl<P: Packet> Own<P> {
    /// Stage three for any TCP or UDP packet; `None` where no connection claims it.
    #[inline(never)]
    pub(super) fn flow<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
    ) -> Option<Verdict>
    where
        FlowKey<W>: Family<W>,
    {
        if let Some(reason) = item.flow.defect() {
            return Some(Verdict::Drop(reason));
        }
        let table = FlowKey::<W>::table(scene.tables);
        let (id, direction, conn) = table.resolve(item.probe, item.hash, &item.flow.key)?;
        self.known(scene, item, packet, id, direction, conn)
    }

    /// Steps 212 and 214, found: brings the entry up to date and rewrites. `None` when the entry turned
    /// out to be dead, and was removed: the packet is one without a connection.
    pub(super) fn known<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        id: ConnId,
        direction: Direction,
        conn: Conn<'_, W>,
    ) -> Option<Verdict>
    where
        FlowKey<W>: Family<W>,
    {
        let Some(backend_neighbor) = scene.distribution.backend_neighbor(conn.backend()) else {
            self.remove(scene, id);
            return None;
        };
        let is_tcp = item.flow.protocol == TCP;
        let state = State::from_u8(conn.state().protocol);
        if let Some(leaves) = scene.distribution.leaves(conn.backend())
            && let Some(left) = self.leave(scene, item, packet, id, direction, conn, leaves)
        {
            return left.verdict();
        }
        if let Some(link) = scene.tables.neighbors.link(backend_neighbor)
            && let Some(port) = scene.distribution.port(link.port())
            && let Some(backend) = scene.distribution.backend(conn.backend())
        {
            (self.links).keep(conn.backend(), Way::new(link, port), backend);
        }
        if is_tcp
            && (item.flow.flags & STEERING != 0 || state != State::Established)
            && !self.steer(scene, item, packet, id, direction, conn, state)
        {
            return None;
        }
        let is_first_of_tick = conn.last_seen() != scene.tick();
        if is_first_of_tick {
            conn.touch(scene.tick());
            if is_tcp {
                conn.note_sequence(direction, sequence(packet.head(), item.flow.l4.into()));
            }
        }
        let is_one_way = conn.is_one_way();
        if !is_one_way && FlowKey::<W>::hops(packet.head()) <= 1 {
            return Some(self.hops_ran_out(scene, packet));
        }
        let neighbor = match direction {
            Direction::Forward if backend_neighbor == NeighborId::NOWHERE => {
                return Some(Verdict::Drop(Reason::NoRoute));
            }
            Direction::Forward => {
                let slot = conn.backend();
                let neighbors = &scene.tables.neighbors;
                let distribution = scene.distribution;
                distribution.backend_neighbor_of_flow(backend_neighbor, slot, item.hash, neighbors)
            }
            Direction::Reverse => match self.way_back(scene, item, conn) {
                Ok(neighbor) => neighbor,
                Err(reason) => return Some(Verdict::Drop(reason)),
            },
        };
        if let Some(verdict) = self.too_big(scene, neighbor, packet) {
            return Some(verdict);
        }
        if let Some(counters) = self.counters.service(conn.service()) {
            counters.packets.add(1);
            counters.octets.add(packet.total_len() as u64);
        }
        if is_first_of_tick {
            scene.tables.neighbors.note_use(neighbor, scene.now.tick);
        }
        let frame = packet.head_mut();
        if !is_one_way {
            let l4 = (usize::from(item.flow.l4), item.flow.protocol);
            rewrite(frame, l4, direction, conn);
        } else if FlowKey::<W>::hops(frame) == 0 {
            return Some(Verdict::Drop(Reason::TtlExpired));
        }
        Some(self.send(scene, neighbor, frame))
    }

    /// Moves the entry's state on. False when the packet opens a new connection on the tuple (edge-case
    /// row 28) and the old entry was removed for it.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one decision, all of them at hand"
    )]
    fn steer<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &P,
        id: ConnId,
        direction: Direction,
        conn: Conn<'_, W>,
        state: State,
    ) -> bool
    where
        FlowKey<W>: Family<W>,
    {
        let flags = Flags(item.flow.flags);
        let number = sequence(packet.head(), item.flow.l4.into());
        let is_syn = flags.contains(Flags::SYN) && !flags.contains(Flags::ACK);
        if is_syn && direction == Direction::Forward {
            let is_repeated = state.is_repeated_by(number, conn.sequence(Direction::Forward));
            if !is_repeated {
                self.remove(scene, id);
            }
            return is_repeated;
        }
        if flags.contains(Flags::RST)
            && !state.is_opening()
            && !reset_is_plausible(number, conn.sequence(direction))
        {
            return true;
        }
        let next = state.after(direction, flags, !conn.is_one_way());
        if next != state {
            let from = conn.state();
            let to = ConnState {
                protocol: next as u8,
                flags: from.flags,
            };
            conn.note_sequence(direction, number);
            let timeout = timeout(scene.distribution, conn.service(), next);
            FlowKey::<W>::table(scene.tables).change_state(
                id,
                from,
                to,
                scene.tick().after(timeout),
            );
        }
        true
    }

    pub(super) fn remove<const W: usize>(&mut self, scene: Scene<'_>, id: ConnId)
    where
        FlowKey<W>: Family<W>,
    {
        FlowKey::<W>::table(scene.tables).remove(FlowKey::<W>::lane(&mut self.lanes), id);
    }

    /// The neighbor on the way back to a connection's client, remembered in the entry.
    #[inline]
    fn way_back<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        conn: Conn<'_, W>,
    ) -> Result<NeighborId, Reason>
    where
        FlowKey<W>: Family<W>,
    {
        if let Some(neighbor) = noted_way_back(scene, conn)
            && !scene.tables.neighbors.is_silent(neighbor)
        {
            return Ok(neighbor);
        }
        let neighbor = self.next_hop(scene, item.flow.key.dst(), item.hash)?;
        conn.set_next_hop(u32::from(scene.hop_epoch) << 16 | neighbor.0);
        Ok(neighbor)
    }

    /// The neighbor on the way to any address: of several, the one of this flow, unless that one is known to be silent
    /// while another answers.
    pub(super) fn next_hop(
        &mut self,
        scene: Scene<'_>,
        to: std::net::IpAddr,
        flow: FlowHash,
    ) -> Result<NeighborId, Reason> {
        let hops = scene.distribution.route(to).ok_or(Reason::NoRoute)?;
        let hop = hops.of_flow(flow.0);
        let address = hop.gateway.unwrap_or(to);
        let neighbors = &scene.tables.neighbors;
        let neighbor = neighbors
            .find_or_create(address, hop.port, scene.now)
            .ok_or(Reason::NeighborTableFull)?;
        // Of one that is passed over too: it is asked on, and found out when it answers again.
        neighbors.note_use(neighbor, scene.now.tick);
        if hops.is_multipath() && neighbors.is_silent(neighbor) {
            return Ok(Self::around(scene, hops, to, flow).unwrap_or(neighbor));
        }
        Ok(neighbor)
    }

    /// A neighbor that answers, among several next hops of which the flow's own does not.
    #[cold]
    fn around(
        scene: Scene<'_>,
        hops: &NextHops,
        to: std::net::IpAddr,
        flow: FlowHash,
    ) -> Option<NeighborId> {
        let neighbors = &scene.tables.neighbors;
        let row = |at: usize| {
            let hop = hops.iter().nth(at)?;
            let address = hop.gateway.unwrap_or(to);
            neighbors.find_or_create(address, hop.port, scene.now)
        };
        let answers = |at| row(at).is_some_and(|row| neighbors.link(row).is_some());
        let neighbor = row(hops.place_among(flow.0, answers)?)?;
        neighbors.note_use(neighbor, scene.now.tick);
        Some(neighbor)
    }

    /// Steps 216 and 218: picks a backend, makes the entry, and sends the packet on its way.
    pub(super) fn open<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        service: &ServiceView,
        state: State,
        mut foreseen: Option<BackendSlot>,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        let table = FlowKey::<W>::table(scene.tables);
        let key = item.flow.key;
        if table.live().service(service.slot) >= service.max_connections {
            return self.without_entry(scene, item, packet, service, Reason::ServiceFull);
        }
        let tuple = tuple(&key, service.protocol);
        for _ in 0..PICKS {
            let slot = foreseen
                .take()
                .or_else(|| self.pick(scene, service, &tuple));
            let Some(slot) = slot else {
                return self.nobody_takes(scene, item, packet, service);
            };
            let Some(backend) = scene.distribution.backend(slot) else {
                return Verdict::Drop(Reason::NoBackend);
            };
            let reverse = reverse_key(&key, service.forwarding, backend);
            let deltas = reverse.map(|reverse| FlowKey::<W>::deltas(&key, &reverse));
            let number = if item.flow.protocol == TCP {
                sequence(packet.head(), item.flow.l4.into())
            } else {
                0
            };
            let new = NewConn {
                forward: key,
                reverse,
                service: service.slot,
                backend: slot,
                state: ConnState {
                    protocol: state as u8,
                    flags: 0,
                },
                ip_delta: deltas.map_or(0, |deltas| deltas.ip.to_u16()),
                l4_delta: deltas.map_or(0, |deltas| deltas.l4.to_u16()),
                next_hop: 0,
                sequence: [number, 0],
                now: scene.tick(),
                due: scene.tick().after(state.timeout(&service.timeouts)),
            };
            match table.insert(FlowKey::<W>::lane(&mut self.lanes), item.hash, &new) {
                Ok(id) => {
                    if let Some(counters) = self.counters.service(service.slot) {
                        counters.connections.add(1);
                    }
                    return self.through(scene, item, packet, id, Direction::Forward);
                }
                Err(InsertError::Exists { id, direction }) => {
                    return self.through(scene, item, packet, id, direction);
                }
                Err(InsertError::Full) => {
                    return self.without_entry(scene, item, packet, service, Reason::TableFull);
                }
                Err(InsertError::Contended) => {
                    // The other lcore may be through by now: then its entry is ours as well.
                    return match table.find(item.hash, &key) {
                        Some((id, direction, _)) => {
                            self.through(scene, item, packet, id, direction)
                        }
                        None => Verdict::Drop(Reason::InsertContended),
                    };
                }
                Err(InsertError::ReverseTaken) => {}
            }
        }
        Verdict::Drop(Reason::ReverseTaken)
    }

    /// Step 208 for an opening packet whose service has no backend that takes it.
    #[cold]
    fn nobody_takes<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        service: &ServiceView,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        match service.all_down {
            AllDown::Reset if item.flow.protocol == TCP => self.reset(scene, item, packet),
            AllDown::Reset | AllDown::Withdraw | AllDown::Drop => Verdict::Drop(Reason::NoBackend),
        }
    }

    /// Sends a packet through an entry that was just made or just found.
    fn through<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        id: ConnId,
        direction: Direction,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        let table = FlowKey::<W>::table(scene.tables);
        table
            .conn(id)
            .and_then(|conn| self.known(scene, item, packet, id, direction, conn))
            .unwrap_or(Verdict::Drop(Reason::NoBackend))
    }

    pub(super) fn pick(
        &mut self,
        scene: Scene<'_>,
        service: &ServiceView,
        tuple: &Tuple,
    ) -> Option<BackendSlot> {
        let turn = self.turns.get_mut(service.slot.0 as usize)?;
        service.scheduler.pick(Ask {
            tuple,
            turn,
            live: scene.tables.v4.live(),
        })
    }

    /// Table or share full (design section 7): where the service says `hash`, its scheduler hashes, and the
    /// backend answers clients directly, the packet needs no entry; else it is refused.
    fn without_entry<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        service: &ServiceView,
        reason: Reason,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        let kind = service.scheduler.kind();
        // By turns, every packet of the flow would find another backend.
        let finds_again = matches!(kind, SchedulerKind::SourceHash | SchedulerKind::Maglev);
        let is_stateless =
            service.on_miss == OnMiss::Hash && service.forwarding == Forwarding::Direct;
        if !(is_stateless && finds_again) {
            return Verdict::Drop(reason);
        }
        if FlowKey::<W>::hops(packet.head()) == 0 {
            return Verdict::Drop(Reason::TtlExpired);
        }
        let tuple = tuple(&item.flow.key, service.protocol);
        let known = self.pick(scene, service, &tuple).and_then(|slot| {
            let answered = scene.distribution.backend_neighbor(slot)?;
            let neighbors = &scene.tables.neighbors;
            let distribution = scene.distribution;
            Some(distribution.backend_neighbor_of_flow(answered, slot, item.hash, neighbors))
        });
        match known {
            Some(NeighborId::NOWHERE) => Verdict::Drop(Reason::NoRoute),
            Some(neighbor) => {
                let too_big = self.too_big(scene, neighbor, packet);
                too_big.unwrap_or_else(|| self.send(scene, neighbor, packet.head_mut()))
            }
            None => Verdict::Drop(Reason::NoBackend),
        }
    }
}

/// A new flow as schedulers see it.
pub(super) fn tuple<K: DirectionKey>(key: &K, protocol: Protocol) -> Tuple {
    Tuple {
        src: key.src(),
        dst: key.dst(),
        src_port: key.src_port(),
        dst_port: key.dst_port(),
        protocol,
    }
}

/// The key of packets from the backend to the client of `key`, where they pass us.
#[inline]
pub(super) fn reverse_key<const W: usize>(
    key: &FlowKey<W>,
    forwarding: Forwarding,
    backend: &BackendView,
) -> Option<FlowKey<W>>
where
    FlowKey<W>: DirectionKey,
{
    match forwarding {
        Forwarding::Direct => None,
        Forwarding::Nat => FlowKey::<W>::pack(
            backend.address,
            key.src(),
            backend.port,
            key.src_port(),
            key.protocol(),
        ),
    }
}

pub(super) const TCP: u8 = 6;

/// Step 220, but for the Ethernet addresses.
#[inline(always)]
fn rewrite<const W: usize>(frame: &mut [u8], l4: L4, direction: Direction, conn: Conn<'_, W>)
where
    FlowKey<W>: Family<W>,
{
    let deltas = Deltas::of(conn);
    match direction {
        Direction::Forward => {
            let opposite = conn.key(Direction::Reverse);
            FlowKey::<W>::translate::<true>(frame, l4, &opposite, deltas);
        }
        Direction::Reverse => {
            let opposite = conn.key(Direction::Forward);
            FlowKey::<W>::translate::<false>(frame, l4, &opposite, deltas.back());
        }
    }
}

/// Under which next hops are noted: those of another epoch are stale. It goes round after 65,536 of them.
#[inline(always)]
pub(super) fn hop_epoch(tables: &Tables, distribution: &Distribution) -> u16 {
    (distribution.route_generation).wrapping_add(tables.neighbors.reused())
}

/// Epochs, at least, that a stale next hop stays in an entry that no packet meets: a quarter of all. When another
/// quarter begins all entries are looked at, so none is left when its number comes round again.
pub(super) const EPOCHS_KEPT: u16 = 1 << 14;

/// Forgets a next hop that was noted so long ago.
fn forget_old_way<const W: usize>(conn: Conn<'_, W>, epoch: u16) {
    let noted = u16::try_from(conn.next_hop() >> 16).unwrap_or(0);
    if epoch.wrapping_sub(noted) >= EPOCHS_KEPT {
        conn.set_next_hop(0);
    }
}

/// The neighbor on the way back to the client, if the entry has one that is still right.
#[inline(always)]
pub(super) fn noted_way_back<const W: usize>(
    scene: Scene<'_>,
    conn: Conn<'_, W>,
) -> Option<NeighborId> {
    let noted = conn.next_hop();
    // Zero, as a new entry has it, is not a number that was noted: epochs of routes begin at 1.
    let is_fresh = noted >> 16 == u32::from(scene.hop_epoch) && noted != 0;
    is_fresh.then_some(NeighborId(noted & 0xffff))
}

/// The sequence number of a TCP packet.
#[inline]
pub(super) fn sequence(frame: &[u8], l4: usize) -> u32 {
    frame
        .get(l4 + 4..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// Seconds that a connection may idle; none where its service is gone.
fn timeout(distribution: &Distribution, service: ServiceSlot, state: State) -> u32 {
    distribution
        .service(service)
        .map_or(0, |service| state.timeout(&service.timeouts))
}

/// A bounded step of aging: entries whose state has idled too long, or whose service is gone.
pub(super) fn sweep(tables: &Tables, lanes: &mut Lanes, distribution: &Distribution, now: Tick) {
    let epoch = hop_epoch(tables, distribution);
    sweep_family(&tables.v4, &mut lanes.v4, distribution, epoch, now);
    sweep_family(&tables.v6, &mut lanes.v6, distribution, epoch, now);
}

/// Steps that go round a lane's share once: the engine takes one every hundredth of a second, so that an
/// entry is seen within a second of its time.
const STEPS: u32 = 64;

fn sweep_family<const W: usize>(
    table: &ConnTable<W>,
    lane: &mut Lane<W>,
    distribution: &Distribution,
    epoch: u16,
    now: Tick,
) {
    let budget = table.share(lane).div_ceil(STEPS);
    let life = |conn: Conn<'_, W>| {
        forget_old_way(conn, epoch);
        timeout(
            distribution,
            conn.service(),
            State::from_u8(conn.state().protocol),
        )
    };
    table.sweep(lane, now, budget, life, |_, _| {});
}
