//! Packets of flows whose backend is down: what the service's `on_down` makes of them.
//!
//! No counterpart in the patent, whose backends do not fail. The straight path never sees such a packet: a link is not
//! kept for a backend that flows leave, so all of them come through `known`.
//! Not here: who is down (`health` of the control side).
//! Easy to get wrong: the backend may still speak, for down means that its check fails. What it says is dropped while
//! the entry stays, so that the client's next packet still finds out what became of its flow.

use crate::config::OnDown;
use crate::conn::{Conn, ConnId, Direction};
use crate::flow::FlowKey;
use crate::packet::Packet;
use crate::wire::tcp::Flags;

use super::life::State;
use super::rewrite::Family;
use super::select::TCP;
use super::{Item, Own, Reason, Scene, Verdict};

/// What became of a packet that does not go to its flow's backend.
pub(super) enum Left {
    /// Its flow's entry is gone, and nothing is decided: it is a packet without a connection.
    Flow,
    /// Decided.
    Decided(Verdict),
}

impl Left {
    /// As `known` answers.
    pub(super) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Flow => None,
            Self::Decided(verdict) => Some(verdict),
        }
    }
}

impl<P: Packet> Own<P> {
    /// A packet of a flow whose backend is down; `None`: it goes there all the same.
    ///
    /// Whatever `on_down` says, a SYN that nobody has answered is tried elsewhere: there is no connection yet that
    /// could be kept.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one decision, all of them at hand"
    )]
    #[cold]
    pub(super) fn leave<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        id: ConnId,
        direction: Direction,
        conn: Conn<'_, W>,
        leaves: OnDown,
    ) -> Option<Left>
    where
        FlowKey<W>: Family<W>,
    {
        let flags = Flags(item.flow.flags);
        let is_tcp = item.flow.protocol == TCP;
        let state = State::from_u8(conn.state().protocol);
        if direction == Direction::Reverse {
            let is_dropped = leaves != OnDown::Drain;
            return is_dropped.then_some(Left::Decided(Verdict::Drop(Reason::BackendDown)));
        }
        let is_kept = leaves == OnDown::Drain && state != State::Opening;
        if is_tcp && flags.is_opening() && !is_kept {
            self.remove(scene, id);
            return Some(Left::Flow);
        }
        if leaves == OnDown::Drain {
            return None;
        }
        self.remove(scene, id);
        if is_tcp && flags.contains(Flags::RST) {
            return Some(Left::Decided(Verdict::Drop(Reason::NoConnection)));
        }
        if is_tcp && leaves == OnDown::Reset {
            return Some(Left::Decided(self.reset(scene, item, packet)));
        }
        let Some(service) = scene.distribution.service(conn.service()) else {
            return Some(Left::Flow);
        };
        let state = if is_tcp {
            State::Established
        } else {
            State::Datagram
        };
        let moved = self.open(scene, item, packet, service, state, None);
        Some(Left::Decided(moved))
    }
}
