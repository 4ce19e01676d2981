//! Packets that wait for a neighbor's MAC.
//!
//! No counterpart in the patent. A packet that would be lost on the first SYN of a quiet link is kept,
//! finished but for its Ethernet addresses, until the neighbor answers or its time is over
//! (RFC 1122, 2.3.2.2). Owned by one lcore; bounded in number, per neighbor and in all.
//! Easy to get wrong: while packets wait, later ones for the same neighbor must queue behind them, or
//! a flow's order is lost; [`Pending::holds`] tells.

use std::collections::VecDeque;

use crate::id::NeighborId;
use crate::route::neighbor::NeighborTable;

/// Packets that one lcore keeps at most.
pub const CAPACITY: usize = 1024;
/// Packets that it keeps for one neighbor at most.
pub const PER_NEIGHBOR: u8 = 128;
/// Milliseconds that a packet waits at most: three questions, a second apart.
pub const PATIENCE_MILLIS: u32 = 3_000;

struct Waiting<P> {
    neighbor: NeighborId,
    since_millis: u32,
    packet: P,
}

/// The queue, with the number that waits for each neighbor, so that asking costs one load.
pub struct Pending<P> {
    queue: VecDeque<Waiting<P>>,
    counts: Box<[u8]>,
}

impl<P> Default for Pending<P> {
    fn default() -> Self {
        Self {
            queue: VecDeque::with_capacity(CAPACITY),
            counts: vec![0; NeighborTable::ROWS as usize].into(),
        }
    }
}

impl<P> Pending<P> {
    /// Packets that wait now.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a packet waits for this neighbor.
    #[inline]
    #[must_use]
    pub fn holds(&self, neighbor: NeighborId) -> bool {
        self.counts
            .get(neighbor.0 as usize)
            .is_some_and(|&count| count != 0)
    }

    /// Keeps a packet, or gives it back where there is no place for it.
    ///
    /// # Errors
    /// The packet, when the queue or the neighbor's share of it is full.
    pub fn push(&mut self, neighbor: NeighborId, now_millis: u32, packet: P) -> Result<(), P> {
        let Some(count) = self.counts.get_mut(neighbor.0 as usize) else {
            return Err(packet);
        };
        if self.queue.len() >= CAPACITY || *count >= PER_NEIGHBOR {
            return Err(packet);
        }
        *count += 1;
        self.queue.push_back(Waiting {
            neighbor,
            since_millis: now_millis,
            packet,
        });
        Ok(())
    }

    /// Gives out, in order of arrival, every packet whose neighbor `is_resolved`, and every one whose
    /// patience is over; `release` gets the neighbor, the packet and which of the two it is.
    pub fn release(
        &mut self,
        now_millis: u32,
        is_resolved: impl Fn(NeighborId) -> bool,
        mut release: impl FnMut(NeighborId, P, Released),
    ) {
        for _ in 0..self.queue.len() {
            let Some(waiting) = self.queue.pop_front() else {
                return;
            };
            let why = if is_resolved(waiting.neighbor) {
                Released::Resolved
            } else if now_millis.wrapping_sub(waiting.since_millis) >= PATIENCE_MILLIS {
                Released::Expired
            } else {
                self.queue.push_back(waiting);
                continue;
            };
            if let Some(count) = self.counts.get_mut(waiting.neighbor.0 as usize) {
                *count -= 1;
            }
            release(waiting.neighbor, waiting.packet, why);
        }
    }

    /// Gives up all that wait, at the end of the program.
    pub fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        self.counts.fill(0);
        self.queue.drain(..).map(|waiting| waiting.packet)
    }
}

/// Why a packet waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Its neighbor is known now.
    Resolved,
    /// Its neighbor did not answer in time.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NeighborId = NeighborId(1);
    const B: NeighborId = NeighborId(2);

    fn released(
        pending: &mut Pending<u32>,
        now: u32,
        resolved: NeighborId,
    ) -> Vec<(u32, Released)> {
        let mut out = Vec::new();
        pending.release(
            now,
            |n| n == resolved,
            |_, packet, why| out.push((packet, why)),
        );
        out
    }

    #[test]
    fn packets_leave_in_the_order_in_which_they_came() {
        let mut pending = Pending::default();
        for packet in 0..5 {
            pending
                .push(if packet == 2 { B } else { A }, 0, packet)
                .unwrap();
        }
        let order: Vec<_> = released(&mut pending, 1, A)
            .into_iter()
            .map(|(p, _)| p)
            .collect();
        assert_eq!(order, [0, 1, 3, 4]);
        assert!(pending.holds(B) && !pending.holds(A));
    }

    #[test]
    fn a_packet_whose_neighbor_never_answers_expires() {
        let mut pending = Pending::default();
        pending.push(A, 100, 7).unwrap();
        assert!(released(&mut pending, 100 + PATIENCE_MILLIS - 1, B).is_empty());
        assert_eq!(
            released(&mut pending, 100 + PATIENCE_MILLIS, B),
            [(7, Released::Expired)]
        );
        assert!(pending.is_empty());
    }

    #[test]
    fn one_silent_neighbor_cannot_fill_the_queue() {
        let mut pending = Pending::default();
        for packet in 0..PER_NEIGHBOR {
            pending.push(A, 0, u32::from(packet)).unwrap();
        }
        assert_eq!(pending.push(A, 0, 999), Err(999));
        assert_eq!(pending.push(B, 0, 1000), Ok(()));
    }
}
