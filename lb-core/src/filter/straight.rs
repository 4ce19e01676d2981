//! The straight path: stage three for the common packet.
//!
//! WO 00/30294, Fig. 6, steps 212 to 224 without a turning: the next packet of a connection that stays as it is, on a
//! way that is known. Nine packets of ten and more go here, so that it asks for nothing twice: what a whole burst
//! needs is at hand in [`Straight`].
//! Not here: every other packet; [`flow`](super::Own::flow) makes none of these conditions.
//! Easy to get wrong: a packet that is turned away must be as it came. All conditions come before the first change.

use crate::conn::{Conn, Direction, Entries, Known};
use crate::flow::{FlowKey, Protocol};
use crate::id::PortId;
use crate::packet::Packet;
use crate::wire::tcp::Flags;

use super::counters::{Services, of_service};
use super::flight::{Batch, Upper};
use super::life::{SETTLED, STEERING};
use super::links::{Ends, Way, Ways, way_to};
use super::rewrite::{Deltas, Family, address_frame};
use super::select::{noted_way_back, sequence};
use super::{Own, Scene};

const TCP: u8 = Protocol::Tcp as u8;
const UDP: u8 = Protocol::Udp as u8;

/// What the straight path looks at of what stands behind an IP header: all but the flags that mean nothing here.
const LOOKED_AT: Upper = Upper::new(u16::MAX, u8::MAX, STEERING | Flags::ACK.0);

/// What the straight path needs in one burst. Good until the lcore takes another path.
pub(super) struct Straight<'a, const W: usize> {
    scene: Scene<'a>,
    entries: Entries<'a, W>,
    ways: &'a Ways,
    ends: &'a Ends,
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
            ends: own.links.ends(),
            services: own.counters.services(),
        }
    }

    /// Rewrites the packet in a place and gives the port to send it on. `None`, and nothing changed, where it has to
    /// take another path.
    #[inline(always)]
    pub(super) fn send<P: Packet>(
        &self,
        batch: &Batch<W>,
        at: usize,
        packet: &mut P,
    ) -> Option<PortId> {
        let upper = batch.upper(at).and(LOOKED_AT);
        if upper == upper_of::<W>(TCP, Flags::ACK) {
            self.pass::<true, P>(batch, at, packet)
        } else if upper == upper_of::<W>(UDP, Flags(0)) {
            self.pass::<false, P>(batch, at, packet)
        } else {
            None
        }
    }

    /// The same for one protocol.
    #[inline(always)]
    fn pass<const IS_TCP: bool, P: Packet>(
        &self,
        batch: &Batch<W>,
        at: usize,
        packet: &mut P,
    ) -> Option<PortId> {
        let (direction, conn) = self.entries.named(batch.probed(at))?;
        let is_of = |direction| conn.has_key(direction, &batch.key(at));
        match (direction, conn.live_in(SETTLED)?) {
            (Direction::Forward, Known::BothWays) if is_of(Direction::Forward) => {
                self.rewrite::<true, true, IS_TCP, P>(packet, conn)
            }
            (Direction::Forward, Known::OneWay) if is_of(Direction::Forward) => {
                self.rewrite::<true, false, IS_TCP, P>(packet, conn)
            }
            (Direction::Reverse, Known::BothWays) if is_of(Direction::Reverse) => {
                self.rewrite::<false, true, IS_TCP, P>(packet, conn)
            }
            _ => None,
        }
    }

    /// The same for one direction, with or without translation. The packet is the connection's.
    #[inline(always)]
    fn rewrite<const TO_BACKEND: bool, const TRANSLATES: bool, const IS_TCP: bool, P: Packet>(
        &self,
        packet: &mut P,
        conn: Conn<'_, W>,
    ) -> Option<PortId> {
        // Also on the way back: a backend without a way may not be configured any more.
        let to_backend = way_to(self.ways, conn.backend());
        let to_client;
        let way = if TO_BACKEND {
            to_backend
        } else {
            to_client = self.back(conn, to_backend)?;
            &to_client
        };
        let octets = packet.total_len();
        let frame = FlowKey::<W>::plain_headers(packet.head_mut())?;
        if octets > usize::from(way.longest) || FlowKey::<W>::hops(frame) <= 1 {
            return None;
        }
        if conn.last_seen() != self.scene.tick() {
            refresh::<W, TO_BACKEND>(self.scene, IS_TCP, frame, conn);
        }
        address_frame(frame, way);
        if let Some(counters) = of_service(self.services, conn.service()) {
            counters.packets.add(1);
            counters.octets.add(octets as u64);
        }
        if TRANSLATES {
            let l4 = (FlowKey::<W>::PLAIN_L4, if IS_TCP { TCP } else { UDP });
            let deltas = Deltas::of(conn);
            let (opposite, deltas) = if TO_BACKEND {
                (FlowKey::<W>::answers(conn, self.ends), deltas)
            } else {
                (conn.key(Direction::Forward), deltas.back())
            };
            FlowKey::<W>::translate::<TO_BACKEND>(frame, l4, &opposite, deltas);
        }
        Some(way.port)
    }

    /// The way back to a connection's client, if it is known and so is the one to its backend.
    #[inline(always)]
    fn back(&self, conn: Conn<'_, W>, to_backend: &Way) -> Option<Way> {
        let Scene {
            tables,
            distribution,
            ..
        } = self.scene;
        if !to_backend.is_kept() {
            return None;
        }
        let link = tables.neighbors.link(noted_way_back(self.scene, conn)?)?;
        Some(Way::new(link, distribution.port(link.port())?))
    }
}

/// What stands behind the IP header of a plain packet.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an IP header without options or extensions"
)]
const fn upper_of<const W: usize>(protocol: u8, flags: Flags) -> Upper
where
    FlowKey<W>: Family<W>,
{
    Upper::new(FlowKey::<W>::PLAIN_L4 as u16, protocol, flags.0)
}

/// Once a second and direction at most: notes in the entry that it is in use, and how far its sender has come; and
/// that its neighbor is.
#[inline(never)]
fn refresh<const W: usize, const TO_BACKEND: bool>(
    scene: Scene<'_>,
    is_tcp: bool,
    frame: &[u8],
    conn: Conn<'_, W>,
) where
    FlowKey<W>: Family<W>,
{
    let (direction, neighbor) = if TO_BACKEND {
        let neighbor = scene.distribution.backend_neighbor(conn.backend());
        (Direction::Forward, neighbor)
    } else {
        (Direction::Reverse, noted_way_back(scene, conn))
    };
    conn.touch(scene.tick());
    if is_tcp {
        conn.note_sequence(direction, sequence(frame, FlowKey::<W>::PLAIN_L4));
    }
    neighbor.inspect(|&neighbor| scene.tables.neighbors.note_use(neighbor, scene.now.tick));
}
