//! Inserting a connection: both keys or none, and no key twice.
//!
//! WO 00/30294: step 218 of Fig. 6. The entry is written where nobody can find it, then a slot is taken
//! for each direction (one compare-and-swap each), then the same buckets are searched for another
//! entry with one of the keys. Two lanes that insert the same key at once cannot both miss the other,
//! so at least one withdraws. Only then is the entry live.
//! Easy to get wrong: between taking the slots and the search there must be a full fence; each
//! lane otherwise reads the bucket as it was before the other's slot.

use super::bucket::{ROOMY, Slot, Tag};
use super::cells::Lane;
use super::entry::{ConnId, ConnState, Direction, Life};
use super::table::ConnTable;
use crate::flow::{FlowHash, FlowKey};
use crate::id::{BackendSlot, ServiceSlot};
use crate::shared::region::Tick;
use crate::shared::sync::{Ordering, fence, spin_loop};

/// Times to try again when another lane is just inserting the same key.
const ATTEMPTS: u32 = if cfg!(loom) { 1 } else { 4 };

/// Looks at another lane's half-made entry before it is given up: some ten microseconds.
const LOOKS: u32 = if cfg!(loom) { 2 } else { 256 };

/// A connection to be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewConn<const W: usize> {
    /// Key of packets from the client.
    pub forward: FlowKey<W>,
    /// Key of packets from the backend; `None` when they do not come through here (`direct`).
    pub reverse: Option<FlowKey<W>>,
    /// Slot of the service.
    pub service: ServiceSlot,
    /// Slot of the backend.
    pub backend: BackendSlot,
    /// Protocol state and flags to begin with.
    pub state: ConnState,
    /// The first of [`Conn::deltas`](super::Conn::deltas).
    pub ip_delta: u16,
    /// The second of [`Conn::deltas`](super::Conn::deltas).
    pub l4_delta: u16,
    /// See [`Conn::next_hop`](super::Conn::next_hop).
    pub next_hop: u32,
    /// Sequence numbers to note, forward and reverse.
    pub sequence: [u32; 2],
    /// The region's time.
    pub now: Tick,
    /// When the sweep shall first look at it; earlier than the real end of its life does no harm.
    pub due: Tick,
}

/// Why a connection was not inserted. The table is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// No free cell, or both buckets of a key are full.
    #[error("the connection table is full")]
    Full,
    /// There is a live connection with the forward key.
    #[error("connection {id:?} has this key already")]
    Exists {
        /// The one that is there.
        id: ConnId,
        /// Which of its keys it is.
        direction: Direction,
    },
    /// A live connection has the reverse key: the backend's answers could not be told apart.
    #[error("another connection already has the key of the way back")]
    ReverseTaken,
    /// Other lanes were inserting the same key all the time.
    #[error("other lcores are inserting the same key at this moment")]
    Contended,
}

/// What a search for another entry with the same key found.
enum Clash {
    None,
    Live(ConnId, Direction),
    Tentative(ConnId),
}

/// Why an entry may not become live now.
enum Twin {
    /// Another one has a key of it.
    Live(InsertError),
    /// Another one, in this cell, is about to have one.
    Tentative(ConnId),
}

impl<const W: usize> ConnTable<W> {
    /// Inserts a connection; when this returns, both its keys are found by every lane. `hash` is the
    /// forward key's. It saves time to call [`prefetch_bucket`](Self::prefetch_bucket) with the
    /// reverse key's hash some packets earlier.
    ///
    /// A probe knows nothing of inserts that came after it: the second packet of a new flow in one
    /// burst ends here, too, and gets [`InsertError::Exists`].
    ///
    /// # Errors
    /// See [`InsertError`].
    pub fn insert(
        &self,
        lane: &mut Lane<W>,
        hash: FlowHash,
        new: &NewConn<W>,
    ) -> Result<ConnId, InsertError> {
        let back = new.reverse.map(|key| (self.hash(&key), key));
        if let Some((back_hash, _)) = back {
            self.prefetch_bucket(back_hash);
        }
        let Some(cell) = self.take_cell(lane) else {
            return Err(self.why_full(hash, &new.forward));
        };
        self.prepare(cell, new);
        for attempt in 0..=ATTEMPTS {
            let result = self.place(cell, hash, back.map(|(hash, _)| hash));
            let result = result.and_then(|()| self.outlast(cell, (hash, &new.forward), back));
            match result {
                Ok(()) => {
                    self.go_live(lane, cell, new);
                    return Ok(ConnId(cell));
                }
                Err(error) => {
                    self.withdraw(cell, hash, back.map(|(hash, _)| hash));
                    if error != InsertError::Contended || attempt == ATTEMPTS {
                        self.abandon(lane, cell);
                        return Err(match error {
                            InsertError::Full => self.why_full(hash, &new.forward),
                            other => other,
                        });
                    }
                    // Lanes wait for different times, a few hundred cycles, so that one of them gets
                    // through.
                    for _ in 0..(lane.number() % 8 + 1) << attempt {
                        spin_loop();
                    }
                }
            }
        }
        Err(InsertError::Contended)
    }

    /// There is no room, but perhaps none is needed.
    #[cold]
    fn why_full(&self, hash: FlowHash, key: &FlowKey<W>) -> InsertError {
        self.find(hash, key)
            .map_or(InsertError::Full, |(id, direction, _)| {
                InsertError::Exists { id, direction }
            })
    }

    /// Step 1: the entry is complete, but nothing leads to it.
    pub(super) fn prepare(&self, cell: u32, new: &NewConn<W>) {
        if let (Some(conn), Some(deadline)) = (self.cell(cell), self.deadlines.get(cell as usize)) {
            conn.fill(new);
            deadline.store(new.due.0.max(1), Ordering::Relaxed);
        }
    }

    /// Step 2: a slot for each direction leads to the entry.
    fn place(&self, cell: u32, hash: FlowHash, back: Option<FlowHash>) -> Result<(), InsertError> {
        let forward = self.place_one(cell, Direction::Forward, hash);
        let both =
            forward && back.is_none_or(|back| self.place_one(cell, Direction::Reverse, back));
        if both { Ok(()) } else { Err(InsertError::Full) }
    }

    /// Takes a slot in the primary bucket, or in the emptier one when that is crowded.
    pub(super) fn place_one(&self, cell: u32, direction: Direction, hash: FlowHash) -> bool {
        let value = Slot::new(Tag::of(hash), direction, cell);
        let first = self.primary(hash);
        let empty = first.empty();
        if empty.count() >= ROOMY && first.take_slot(empty, value) {
            return true;
        }
        let second = self.alternate(hash);
        let there = second.empty();
        if there.count() <= empty.count() && first.take_slot(empty, value) {
            return true;
        }
        first.count_moved();
        if second.take_slot(there, value) {
            return true;
        }
        first.uncount_moved();
        first.take_slot(first.empty(), value)
    }

    /// Step 3: nobody else has one of the keys, or will get it. Of two entries that are being inserted, the
    /// one in the lower cell stays in its slots and looks again, the other withdraws at once: so one of
    /// them gets through, unless its lcore is stopped in the middle.
    fn outlast(
        &self,
        cell: u32,
        forward: (FlowHash, &FlowKey<W>),
        back: Option<(FlowHash, FlowKey<W>)>,
    ) -> Result<(), InsertError> {
        for _ in 0..LOOKS {
            match self.check_unique(cell, forward, back) {
                Ok(()) => return Ok(()),
                Err(Twin::Live(error)) => return Err(error),
                Err(Twin::Tentative(other)) if other.0 < cell => break,
                Err(Twin::Tentative(_)) => spin_loop(),
            }
        }
        Err(InsertError::Contended)
    }

    fn check_unique(
        &self,
        cell: u32,
        (hash, key): (FlowHash, &FlowKey<W>),
        back: Option<(FlowHash, FlowKey<W>)>,
    ) -> Result<(), Twin> {
        fence(Ordering::SeqCst);
        match self.other_with(cell, hash, key) {
            Clash::None => {}
            Clash::Live(id, direction) => {
                return Err(Twin::Live(InsertError::Exists { id, direction }));
            }
            Clash::Tentative(id) => return Err(Twin::Tentative(id)),
        }
        match back.map_or(Clash::None, |(hash, key)| self.other_with(cell, hash, &key)) {
            Clash::None => Ok(()),
            Clash::Live(..) => Err(Twin::Live(InsertError::ReverseTaken)),
            Clash::Tentative(id) => Err(Twin::Tentative(id)),
        }
    }

    /// Another entry with this key, live or about to be.
    fn other_with(&self, cell: u32, hash: FlowHash, key: &FlowKey<W>) -> Clash {
        let first = self.primary(hash);
        let mut found = self.other_in(first, cell, hash, key);
        if matches!(found, Clash::None) && first.has_moved() {
            found = self.other_in(self.alternate(hash), cell, hash, key);
        }
        found
    }

    fn other_in(
        &self,
        bucket: &super::bucket::Bucket,
        cell: u32,
        hash: FlowHash,
        key: &FlowKey<W>,
    ) -> Clash {
        let mut tentative = Clash::None;
        for (id, direction, conn) in self.candidates(bucket, hash, key) {
            match conn.life() {
                _ if id.0 == cell => {}
                Some(Life::Live) => return Clash::Live(id, direction),
                Some(Life::Tentative) => tentative = Clash::Tentative(id),
                _ => {}
            }
        }
        tentative
    }

    /// Step 4: from here on it is found.
    pub(super) fn go_live(&self, lane: &Lane<W>, cell: u32, new: &NewConn<W>) {
        if let Some(conn) = self.cell(cell) {
            conn.set_life(Life::Live);
        }
        self.live.add(new.service, new.backend);
        self.count(lane).inspect(|count| count.add(1));
    }

    /// Undoes step 2, also when it was done by half.
    fn withdraw(&self, cell: u32, hash: FlowHash, back: Option<FlowHash>) {
        self.unplace(cell, Direction::Forward, hash);
        if let Some(back) = back {
            self.unplace(cell, Direction::Reverse, back);
        }
    }

    /// Undoes step 1. Another lane may have met the entry while it was tentative, so the cell waits
    /// like a removed one.
    fn abandon(&self, lane: &mut Lane<W>, cell: u32) {
        if let (Some(conn), Some(deadline)) = (self.cell(cell), self.deadlines.get(cell as usize)) {
            conn.set_life(Life::Dead);
            deadline.store(0, Ordering::Relaxed);
        }
        self.retire(lane, cell);
    }
}
