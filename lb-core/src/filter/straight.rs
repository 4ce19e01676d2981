//! The straight path: stage three for the common packet.
//!
//! WO 00/30294, Fig. 6, steps 212 to 224 without a turning: the next packet of a connection that stays as it is, on a
//! way that is known. Nine packets of ten and more go here, so that it asks for nothing twice: what a whole burst
//! needs is at hand in [`Straight`].
//! Not here: every other packet; [`flow`](super::Own::flow) makes none of these conditions.
//! Easy to get wrong: a packet that is turned away must be as it came. All conditions come before the first change.

use crate::conn::{Conn, Direction, Entries, Glance};
use crate::flow::{FlowKey, Protocol};
use crate::id::PortId;
use crate::packet::Packet;

use super::counters::Services;
use super::life::{SETTLED, STEERING};
use super::links::{Way, Ways};
use super::rewrite::{Deltas, Family, address_frame};
use super::select::{noted_way_back, sequence};
use super::{Item, Own, Scene};

/// What the straight path needs in one burst. Good until the lcore takes another path.
pub(super) struct Straight<'a, const W: usize> {
    scene: Scene<'a>,
    entries: Entries<'a, W>,
    ways: &'a Ways,
    services: &'a Services,
}

impl<'a, const W: usize> Straight<'a, W>
where
    FlowKey<W>: Family<W>,
{
    /// For the rest of a burst. Only while no packet waits for a neighbor, or it would overtake.
    #[inline(always)]
    pub(super) fn new<P>(own: &'a Own<P>, scene: Scene<'a>) -> Self {
        Self {
            scene,
            entries: FlowKey::<W>::table(scene.tables).entries(),
            ways: own.links.ways(),
            services: own.counters.services(),
        }
    }

    /// Rewrites a packet and gives the port to send it on. `None`, and nothing changed, where it has to take
    /// another path.
    #[inline(always)]
    pub(super) fn send<P: Packet>(&self, item: &Item<W>, packet: &mut P) -> Option<PortId> {
        let (direction, conn, glance) = self.entries.likely(item.probe, &item.flow.key)?;
        let stays = glance.is_live_in(SETTLED) && item.flow.flags & STEERING == 0;
        if !stays {
            return None;
        }
        // Also on the way back: a backend without a way may not be configured any more.
        let to_backend = self.ways.get(conn.backend().0 as usize)?.as_ref()?;
        match direction {
            Direction::Forward => self.pass::<true, P>(item, packet, conn, glance, to_backend),
            Direction::Reverse => {
                let Scene {
                    tables,
                    distribution,
                    ..
                } = self.scene;
                let link = tables.neighbors.link(noted_way_back(self.scene, conn)?)?;
                let to_client = Way::new(link, distribution.port(link.port())?);
                self.pass::<false, P>(item, packet, conn, glance, &to_client)
            }
        }
    }

    #[inline(always)]
    fn pass<const TO_BACKEND: bool, P: Packet>(
        &self,
        item: &Item<W>,
        packet: &mut P,
        conn: &Conn<W>,
        glance: Glance,
        way: &Way,
    ) -> Option<PortId> {
        let octets = packet.total_len() as u64;
        let frame = FlowKey::<W>::plain_headers(packet.head_mut())?;
        let is_plain = usize::from(item.flow.l4) == FlowKey::<W>::PLAIN_L4;
        let is_surely_short = octets <= u64::from(way.longest.get());
        if FlowKey::<W>::hops(frame) <= 1 || !is_plain || !is_surely_short {
            return None;
        }
        if conn.last_seen() != self.scene.tick() {
            refresh::<W, TO_BACKEND>(self.scene, item, frame, conn);
        }
        address_frame(frame, way);
        if let Some(counters) = self.services.get(conn.service().0 as usize) {
            counters.packets.add(1);
            counters.octets.add(octets);
        }
        if !glance.is_one_way() {
            let l4 = (FlowKey::<W>::PLAIN_L4, item.flow.protocol);
            let deltas = Deltas::of(conn);
            if TO_BACKEND {
                let opposite = conn.key(Direction::Reverse);
                FlowKey::<W>::translate::<true>(frame, l4, &opposite, deltas);
            } else {
                let opposite = conn.key(Direction::Forward);
                FlowKey::<W>::translate::<false>(frame, l4, &opposite, -deltas);
            }
        }
        Some(way.port)
    }
}

/// Once a second and direction at most: notes in the entry that it is in use, and how far its sender has come; and
/// that its neighbor is.
#[inline(never)]
fn refresh<const W: usize, const TO_BACKEND: bool>(
    scene: Scene<'_>,
    item: &Item<W>,
    frame: &[u8],
    conn: &Conn<W>,
) {
    let (direction, neighbor) = if TO_BACKEND {
        let neighbor = scene.distribution.backend_neighbor(conn.backend());
        (Direction::Forward, neighbor)
    } else {
        (Direction::Reverse, noted_way_back(scene, conn))
    };
    conn.touch(scene.tick());
    if item.flow.protocol == Protocol::Tcp as u8 {
        conn.note_sequence(direction, sequence(frame, item.flow.l4));
    }
    neighbor.inspect(|&neighbor| scene.tables.neighbors.note_use(neighbor, scene.now.tick));
}
