//! One connection: its two keys and what its packets need.
//!
//! WO 00/30294: an entry of connection table 66. 64 octets for IPv4 (one cache line), 128 for IPv6 (two lines, apart);
//! all of it atomics, so that lcores read it without a lock and a new process can adopt it.
//! What the protocol state and the flags mean is left to the filter.
//! Easy to get wrong: only the state, the last-seen tick, the next hop and the noted sequence numbers
//! change while an entry is live. All else is written before it can be found and stays until it is
//! reused; so reading it needs no care at all.

use crate::flow::FlowKey;
use crate::id::{BackendSlot, ServiceSlot};
use crate::shared::columns::{Columns, Pair};
use crate::shared::region::Tick;
use crate::shared::sync::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Number of a connection's cell in the table, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the service.
    Forward,
    /// From the backend to the client.
    Reverse,
}

/// The directions whose keys are in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Both: forwarding `nat`.
    BothWays,
    /// Only the forward one: forwarding `direct`.
    OneWay,
}

/// The part of a connection's state that the filter defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnState {
    /// The protocol's state machine, in the filter's numbers.
    pub protocol: u8,
    /// Flags, in the filter's numbers.
    pub flags: u16,
}

/// What a cell is used for; zero is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// In nobody's hands but a free list's.
    Free = 0,
    /// Being inserted: in the buckets perhaps, but not to be found.
    Tentative = 1,
    /// A connection.
    Live = 2,
    /// Removed; waits until no lane holds it.
    Dead = 3,
    /// Removed by a lane that had no room to wait for it: the next sweep takes it over.
    Orphan = 4,
}

const PROTOCOL: u32 = 0xff;
const FLAGS_SHIFT: u32 = 8;
const LIFE_SHIFT: u32 = 24;
const LIFE: u32 = 0x7 << LIFE_SHIFT;
const ONE_WAY: u32 = 1 << 31;

/// What a packet to the backend needs of a connection. The layout is part of the region (`shared::plain`).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Near<const W: usize> {
    forward: [AtomicU64; W],
    service: AtomicU32,
    backend: AtomicU32,
    /// Protocol state, flags, [`Life`], and whether only the forward key is in the table.
    state: AtomicU32,
    last_seen: AtomicU32,
    /// Checksum differences on the way to the backend, of the IP header (hop included) and of TCP or UDP.
    ip_delta: AtomicU16,
    l4_delta: AtomicU16,
    forward_sequence: AtomicU32,
}

/// The rest: over IPv6 only packets to the client need it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Far<const W: usize> {
    reverse: [AtomicU64; W],
    reverse_sequence: AtomicU32,
    next_hop: AtomicU32,
}

/// Room for a connection in the region.
pub(crate) type Cell<const W: usize> = Pair<Near<W>, Far<W>>;

/// All cells of a table.
pub(crate) type Cells<'a, const W: usize> = Columns<'a, Near<W>, Far<W>>;

impl<const W: usize> Default for Near<W> {
    fn default() -> Self {
        Self {
            forward: zeros(),
            service: AtomicU32::default(),
            backend: AtomicU32::default(),
            state: AtomicU32::default(),
            last_seen: AtomicU32::default(),
            ip_delta: AtomicU16::default(),
            l4_delta: AtomicU16::default(),
            forward_sequence: AtomicU32::default(),
        }
    }
}

impl<const W: usize> Default for Far<W> {
    fn default() -> Self {
        Self {
            reverse: zeros(),
            reverse_sequence: AtomicU32::default(),
            next_hop: AtomicU32::default(),
        }
    }
}

fn zeros<const W: usize>() -> [AtomicU64; W] {
    std::array::from_fn(|_| AtomicU64::default())
}

/// A connection in the table.
#[derive(Clone, Copy, Debug)]
pub struct Conn<'a, const W: usize> {
    near: &'a Near<W>,
    far: &'a Far<W>,
}

impl<'a, const W: usize> Conn<'a, W> {
    /// The connection of a cell, in whatever life.
    #[inline(always)]
    pub(crate) const fn of((near, far): (&'a Near<W>, &'a Far<W>)) -> Self {
        Self { near, far }
    }

    /// The key of packets that go in `direction`. For a connection with one direction only
    /// ([`is_one_way`](Self::is_one_way)) the reverse key is all zero.
    #[inline]
    #[must_use]
    pub fn key(self, direction: Direction) -> FlowKey<W> {
        let words = self.words(direction);
        FlowKey(std::array::from_fn(|i| {
            words.get(i).map_or(0, |word| word.load(Ordering::Relaxed))
        }))
    }

    #[inline]
    fn words(self, direction: Direction) -> &'a [AtomicU64; W] {
        match direction {
            Direction::Forward => &self.near.forward,
            Direction::Reverse => &self.far.reverse,
        }
    }

    /// Whether packets that go in `direction` have `key`. Compares without branching between words.
    #[inline]
    pub(crate) fn has_key(self, direction: Direction, key: &FlowKey<W>) -> bool {
        let pairs = self.words(direction).iter().zip(&key.0);
        pairs.fold(0, |difference, (word, &k)| {
            difference | (word.load(Ordering::Relaxed) ^ k)
        }) == 0
    }

    /// The service's slot.
    #[inline]
    #[must_use]
    pub fn service(self) -> ServiceSlot {
        ServiceSlot(self.near.service.load(Ordering::Relaxed))
    }

    /// The backend's slot.
    #[inline]
    #[must_use]
    pub fn backend(self) -> BackendSlot {
        BackendSlot(self.near.backend.load(Ordering::Relaxed))
    }

    /// Protocol state and flags.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "takes fields out of a word"
    )]
    pub fn state(self) -> ConnState {
        let word = self.near.state.load(Ordering::Relaxed);
        ConnState {
            protocol: (word & PROTOCOL) as u8,
            flags: (word >> FLAGS_SHIFT) as u16,
        }
    }

    /// Whether the table knows only the forward direction (forwarding `direct`).
    #[inline]
    #[must_use]
    pub fn is_one_way(self) -> bool {
        self.near.state.load(Ordering::Relaxed) & ONE_WAY != 0
    }

    /// Changes the state from `from` to `to`; false when it was another, or the connection has been
    /// removed. [`ConnTable::change_state`](super::ConnTable::change_state) also sees to the deadline.
    pub(crate) fn swap_state(self, from: ConnState, to: ConnState) -> bool {
        let word = self.near.state.load(Ordering::Acquire);
        let rest = word & (LIFE | ONE_WAY);
        word & LIFE == (Life::Live as u32) << LIFE_SHIFT
            && self
                .near
                .state
                .compare_exchange(
                    rest | state_bits(from),
                    rest | state_bits(to),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// When a packet of this connection last passed, in the region's time.
    #[inline]
    #[must_use]
    pub fn last_seen(self) -> Tick {
        Tick(self.near.last_seen.load(Ordering::Relaxed))
    }

    /// A packet passes at `now`. Writes only when the tick is another, so at most once per second.
    #[inline]
    pub fn touch(self, now: Tick) {
        if self.near.last_seen.load(Ordering::Relaxed) != now.0 {
            self.near.last_seen.store(now.0, Ordering::Relaxed);
        }
    }

    /// One's complement differences to add to the checksums of the IP header, of which a hop is taken, and of TCP or
    /// UDP going forward (RFC 1624, eqn 3); those of the other way follow from them.
    #[inline]
    #[must_use]
    pub fn deltas(self) -> (u16, u16) {
        let [ip, l4] =
            [&self.near.ip_delta, &self.near.l4_delta].map(|delta| delta.load(Ordering::Relaxed));
        (ip, l4)
    }

    /// Way back to the client, in the filter's numbers.
    #[inline]
    #[must_use]
    pub fn next_hop(self) -> u32 {
        self.far.next_hop.load(Ordering::Relaxed)
    }

    /// Notes a way back to the client. Writes only when it is another.
    #[inline]
    pub fn set_next_hop(self, next_hop: u32) {
        if self.far.next_hop.load(Ordering::Relaxed) != next_hop {
            self.far.next_hop.store(next_hop, Ordering::Relaxed);
        }
    }

    /// TCP sequence number noted for `direction`, in the filter's sense.
    #[inline]
    #[must_use]
    pub fn sequence(self, direction: Direction) -> u32 {
        self.sequence_word(direction).load(Ordering::Relaxed)
    }

    /// Notes a TCP sequence number for `direction`. Writes only when it is another.
    #[inline]
    pub fn note_sequence(self, direction: Direction, sequence: u32) {
        let word = self.sequence_word(direction);
        if word.load(Ordering::Relaxed) != sequence {
            word.store(sequence, Ordering::Relaxed);
        }
    }

    #[inline]
    fn sequence_word(self, direction: Direction) -> &'a AtomicU32 {
        match direction {
            Direction::Forward => &self.near.forward_sequence,
            Direction::Reverse => &self.far.reverse_sequence,
        }
    }

    /// For a connection in the table, in a protocol state that has all of these bits: in which directions it is known.
    /// Who sees that sees all that was written before.
    #[inline(always)]
    pub(crate) fn live_in(self, bits: u8) -> Option<Known> {
        let both_ways = (Life::Live as u32) << LIFE_SHIFT | u32::from(bits);
        let one_way = both_ways | ONE_WAY;
        match self.near.state.load(Ordering::Acquire) & (LIFE | ONE_WAY | u32::from(bits)) {
            word if word == both_ways => Some(Known::BothWays),
            word if word == one_way => Some(Known::OneWay),
            _ => None,
        }
    }

    /// Whether the connection is in the table, neither half-made nor removed.
    #[inline]
    #[must_use]
    pub fn is_live(self) -> bool {
        self.life() == Some(Life::Live)
    }

    #[inline]
    pub(crate) fn life(self) -> Option<Life> {
        // Acquire: who sees an entry live sees all that was written before it became so.
        match (self.near.state.load(Ordering::Acquire) & LIFE) >> LIFE_SHIFT {
            0 => Some(Life::Free),
            1 => Some(Life::Tentative),
            2 => Some(Life::Live),
            3 => Some(Life::Dead),
            4 => Some(Life::Orphan),
            _ => None,
        }
    }

    /// Moves the cell from one life to another and reports whether this caller did it. The rest of
    /// the state is kept. Gives up at once when the cell leads another life.
    pub(crate) fn change_life(self, from: Life, to: Life) -> bool {
        let mut word = self.near.state.load(Ordering::Relaxed);
        while word & LIFE == (from as u32) << LIFE_SHIFT {
            let next = word & !LIFE | (to as u32) << LIFE_SHIFT;
            match self
                .near
                .state
                .compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        false
    }

    /// Sets the life of a cell that nobody else changes now. Release: all that was written to the
    /// cell before is there for who sees it.
    pub(crate) fn set_life(self, life: Life) {
        let word = self.near.state.load(Ordering::Relaxed);
        self.near.state.store(
            word & !LIFE | (life as u32) << LIFE_SHIFT,
            Ordering::Release,
        );
    }

    /// Writes everything of a cell that nobody can find yet; leaves it tentative. The cell is not
    /// live at any moment of this, so a process that is killed here leaves nothing to be found.
    pub(crate) fn fill(self, new: &super::NewConn<W>) {
        let one_way = if new.reverse.is_some() { 0 } else { ONE_WAY };
        let tentative = (Life::Tentative as u32) << LIFE_SHIFT;
        self.near.state.store(
            tentative | one_way | state_bits(new.state),
            Ordering::Relaxed,
        );
        let keys = [new.forward, new.reverse.unwrap_or(FlowKey([0; W]))];
        for (words, key) in [&self.near.forward, &self.far.reverse]
            .into_iter()
            .zip(keys)
        {
            for (word, k) in words.iter().zip(key.0) {
                word.store(k, Ordering::Relaxed);
            }
        }
        self.near.service.store(new.service.0, Ordering::Relaxed);
        self.near.backend.store(new.backend.0, Ordering::Relaxed);
        self.near.last_seen.store(new.now.0, Ordering::Relaxed);
        self.near.ip_delta.store(new.ip_delta, Ordering::Relaxed);
        self.near.l4_delta.store(new.l4_delta, Ordering::Relaxed);
        self.far.next_hop.store(new.next_hop, Ordering::Relaxed);
        let [forward, reverse] = new.sequence;
        self.near.forward_sequence.store(forward, Ordering::Relaxed);
        self.far.reverse_sequence.store(reverse, Ordering::Relaxed);
    }

    /// First four words of a free cell, in which the free list keeps its links.
    pub(crate) fn links(self) -> [&'a AtomicU64; 4] {
        let mut words = self.near.forward.iter().chain(&self.far.reverse);
        // Every key has at least two words, so there are always four.
        std::array::from_fn(|_| words.next().unwrap_or(&self.near.forward[0]))
    }
}

const fn state_bits(state: ConnState) -> u32 {
    state.protocol as u32 | (state.flags as u32) << FLAGS_SHIFT
}
