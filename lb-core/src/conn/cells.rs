//! Cells: where entries live, who has the free ones, and when one may be used again.
//!
//! No counterpart in the patent. Each lane has a stack of free cells; it is filled from the lane's own
//! removals, from a shared stack of chunks, and from cells that were never used, in that order. A
//! removed cell first waits in the lane's limbo until every lane has turned.
//! All of a lane's memory is allocated when it is made. Left to `adopt`: the cells that a killed
//! process had in its stacks.
//! Easy to get wrong: links of the shared stack lie in the free cells themselves, so a cell may get
//! there only after its wait.

use super::entry::{Conn, Life};
use super::table::ConnTable;
use crate::shared::prefetch::prefetch_read;
use crate::shared::sync::Ordering;

/// Most free cells that a lane keeps for itself.
const STACK: usize = 512;
/// Cells that a lane takes from the never-used ones at once.
const FRESH: usize = 64;
/// Cells in a chunk of the shared stack: the one that holds the links, and those it names.
const CHUNK: usize = if cfg!(loom) { 1 } else { 8 };
/// So many inserts ahead a free cell's lines are asked for.
const AHEAD: usize = 4;
/// Cells that may wait in a lane's limbo.
const LIMBO: usize = if cfg!(loom) { 4 } else { 1 << 15 };
/// Ended batches that may wait in a lane's limbo.
const BATCHES: usize = if cfg!(loom) { 4 } else { 1 << 9 };
/// Removed cells that end a batch at once.
const BATCH: u32 = if cfg!(loom) { 1 } else { 64 };
/// Turns after which a smaller batch ends.
const PATIENCE: u32 = 256;
/// Turns between two looks at what all lanes have passed.
const LOOK_EVERY: u32 = 8;

/// A lane's part in sweeping: it is number `number` of `of` lanes that sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweeping {
    /// From 0, below `of`.
    pub number: u32,
    /// How many lanes sweep; at least 1.
    pub of: u32,
}

/// What one lcore owns of a table: free cells, cells in wait, its place in the sweep. Only its owner
/// uses it; it lives in process memory and is rebuilt after a restart.
#[derive(Debug)]
pub struct Lane<const W: usize> {
    number: usize,
    free: Vec<u32>,
    /// How many of `free` a lane keeps before it shares.
    keep: usize,
    fresh: u64,
    limbo: Limbo,
    pub(super) sweep: super::sweep::Cursor,
}

impl<const W: usize> Lane<W> {
    #[inline]
    pub(super) fn number(&self) -> usize {
        self.number
    }

    #[inline]
    pub(super) fn has_limbo(&self) -> bool {
        self.limbo.waiting != 0
    }

    pub(super) fn limbo_has_room(&self) -> bool {
        (self.limbo.waiting as usize) < LIMBO
    }
}

/// Removed cells in the order of their removal, in batches that ended with an epoch.
#[derive(Debug)]
struct Limbo {
    cells: Box<[u32]>,
    /// Next cell to come back.
    head: u32,
    /// Cells in wait, those of ended batches first.
    waiting: u32,
    batches: Box<[Batch]>,
    first_batch: u32,
    ended: u32,
    /// Cells of the batch that has not ended.
    open: u32,
    /// Turns since the open batch got its first cell.
    age: u32,
    look_in: u32,
    /// An epoch that every lane was in or past when this lane last looked.
    oldest: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    cells: u32,
    epoch: u64,
}

impl Limbo {
    fn new() -> Self {
        Self {
            cells: vec![0; LIMBO].into_boxed_slice(),
            head: 0,
            waiting: 0,
            batches: vec![Batch::default(); BATCHES].into_boxed_slice(),
            first_batch: 0,
            ended: 0,
            open: 0,
            age: 0,
            look_in: 0,
            oldest: 0,
        }
    }

    /// Puts a cell in; false when there is no room.
    fn push(&mut self, cell: u32) -> bool {
        if self.waiting as usize >= LIMBO {
            return false;
        }
        let at = (self.head + self.waiting) as usize % LIMBO;
        let Some(place) = self.cells.get_mut(at) else { return false };
        *place = cell;
        self.waiting += 1;
        self.open += 1;
        true
    }

    fn end_batch(&mut self, end_epoch: impl FnOnce() -> u64) {
        if self.open == 0 || self.ended as usize >= BATCHES {
            return;
        }
        let at = (self.first_batch + self.ended) as usize % BATCHES;
        if let Some(place) = self.batches.get_mut(at) {
            *place = Batch { cells: self.open, epoch: end_epoch() };
            self.ended += 1;
            self.open = 0;
            self.age = 0;
        }
    }

    /// The oldest ended batch, if there is one.
    fn first(&self) -> Option<Batch> {
        let batch = self.batches.get(self.first_batch as usize % BATCHES)?;
        (self.ended != 0).then_some(*batch)
    }

    /// Takes one cell out of the oldest ended batch.
    fn pop(&mut self) -> Option<u32> {
        let cell = *self.cells.get(self.head as usize % LIMBO)?;
        let batch = self.batches.get_mut(self.first_batch as usize % BATCHES)?;
        batch.cells -= 1;
        if batch.cells == 0 {
            self.first_batch = (self.first_batch + 1) % BATCHES as u32;
            self.ended -= 1;
        }
        self.head = (self.head + 1) % LIMBO as u32;
        self.waiting -= 1;
        Some(cell)
    }
}

impl<const W: usize> ConnTable<W> {
    /// What a lane needs to change the table. `number` is its number among the table's epochs and
    /// belongs to it alone; `None` when there is no such number. A lane that only looks or removes
    /// now and then does not sweep: give `None`.
    #[must_use]
    pub fn lane(&self, number: usize, sweeping: Option<Sweeping>) -> Option<Lane<W>> {
        if number >= self.epochs.lanes() {
            return None;
        }
        // A small table must not disappear in the lanes' pockets.
        let fair = self.cells.len() / (8 * self.epochs.lanes());
        Some(Lane {
            number,
            free: Vec::with_capacity(STACK + FRESH),
            keep: fair.clamp(CHUNK, STACK),
            fresh: fair.clamp(1, FRESH) as u64,
            limbo: Limbo::new(),
            sweep: super::sweep::Cursor::new(sweeping),
        })
    }

    /// Takes a free cell.
    #[inline]
    pub(super) fn take_cell(&self, lane: &mut Lane<W>) -> Option<u32> {
        let cell = match lane.free.pop() {
            Some(cell) => cell,
            None => self.refill(lane)?,
        };
        if let Some(&soon) = lane.free.len().checked_sub(AHEAD).and_then(|i| lane.free.get(i)) {
            self.fetch_cell(soon);
        }
        Some(cell)
    }

    fn fetch_cell(&self, cell: u32) {
        self.cell(cell).inspect(|conn| conn.prefetch());
        self.deadlines.get(cell as usize).inspect(|deadline| prefetch_read(*deadline));
    }

    #[cold]
    fn refill(&self, lane: &mut Lane<W>) -> Option<u32> {
        if lane.has_limbo() {
            lane.limbo.end_batch(|| self.epochs.advance());
            lane.limbo.look_in = 0;
            self.reclaim(lane);
        }
        if lane.free.is_empty() && !self.pop_chunk(lane) {
            self.take_fresh(lane);
        }
        lane.free.pop()
    }

    /// Takes cells that were never used. Once they are all gone this only reads.
    fn take_fresh(&self, lane: &mut Lane<W>) {
        let watermark = &self.control().watermark.0;
        let capacity = u64::from(self.capacity());
        if watermark.load(Ordering::Relaxed) >= capacity {
            return;
        }
        let start = watermark.fetch_add(lane.fresh, Ordering::AcqRel);
        let end = (start + lane.fresh).min(capacity);
        lane.free.extend((start..end).rev().filter_map(|cell| u32::try_from(cell).ok()));
    }

    /// Puts a removed cell into limbo. Without room it becomes an orphan for the sweep.
    pub(super) fn retire(&self, lane: &mut Lane<W>, cell: u32) {
        if lane.limbo.push(cell) {
            // A lane in want of cells does not wait for a batch to fill.
            if lane.limbo.open >= BATCH || lane.free.is_empty() {
                lane.limbo.end_batch(|| self.epochs.advance());
            }
        } else if let (Some(conn), Some(deadline)) =
            (self.cell(cell), self.deadlines.get(cell as usize))
        {
            conn.set_life(Life::Orphan);
            deadline.store(1, Ordering::Release);
        }
    }

    /// Takes back the cells that every lane has let go.
    #[cold]
    pub(super) fn reclaim(&self, lane: &mut Lane<W>) {
        lane.limbo.age = if lane.limbo.open == 0 { 0 } else { lane.limbo.age + 1 };
        if lane.limbo.age >= PATIENCE || lane.limbo.open >= BATCH {
            lane.limbo.end_batch(|| self.epochs.advance());
        }
        while let Some(batch) = lane.limbo.first() {
            if batch.epoch >= lane.limbo.oldest && !self.look(lane, batch.epoch) {
                return;
            }
            let Some(cell) = lane.limbo.pop() else { return };
            self.give_back(lane, cell);
        }
    }

    /// Whether all lanes have passed `epoch`; looks at them only every few turns.
    fn look(&self, lane: &mut Lane<W>, epoch: u64) -> bool {
        if lane.limbo.look_in > 0 {
            lane.limbo.look_in -= 1;
            return false;
        }
        lane.limbo.look_in = LOOK_EVERY;
        lane.limbo.oldest = self.epochs.oldest();
        epoch < lane.limbo.oldest
    }

    /// A cell that nobody holds.
    fn give_back(&self, lane: &mut Lane<W>, cell: u32) {
        if let Some(conn) = self.cell(cell) {
            conn.set_life(Life::Free);
        }
        lane.free.push(cell);
        if lane.free.len() > lane.keep {
            let rest = lane.free.len() - CHUNK;
            self.push_chunk(lane.free.get(rest..).unwrap_or_default());
            lane.free.truncate(rest);
        }
    }

    /// Gives up a lane: its free cells go to the others, its waiting ones to the sweep.
    pub fn retire_lane(&self, mut lane: Lane<W>) {
        self.rest(&lane);
        for chunk in lane.free.chunks(CHUNK) {
            self.push_chunk(chunk);
        }
        lane.limbo.end_batch(|| self.epochs.advance());
        while lane.limbo.ended != 0 {
            let Some(cell) = lane.limbo.pop() else { return };
            if let (Some(conn), Some(deadline)) =
                (self.cell(cell), self.deadlines.get(cell as usize))
            {
                conn.set_life(Life::Orphan);
                deadline.store(1, Ordering::Release);
            }
        }
    }

    /// Puts up to [`CHUNK`] free cells onto the shared stack. The first one holds the links.
    pub(super) fn push_chunk(&self, cells: &[u32]) {
        let Some((&holder, others)) = cells.split_first() else { return };
        let Some(conn) = self.cell(holder) else { return };
        let head = &self.control().free.0;
        let mut seen = head.load(Ordering::Relaxed);
        loop {
            write_links(conn, seen & LOW, others);
            let next = next_tag(seen) | (u64::from(holder) + 1);
            match head.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Takes a chunk from the shared stack into the lane's; false when the stack is empty.
    fn pop_chunk(&self, lane: &mut Lane<W>) -> bool {
        let head = &self.control().free.0;
        let mut seen = head.load(Ordering::Acquire);
        while let Some(holder) = u32::try_from(seen & LOW).ok().and_then(|n| n.checked_sub(1)) {
            let Some(conn) = self.cell(holder) else { return false };
            // Another lane may take this chunk and use its cells while we read: then the links are
            // nonsense, but the head has another tag and the exchange fails.
            let links = conn.links().map(|word| word.load(Ordering::Relaxed));
            let next = next_tag(seen) | links[0] & LOW;
            match head.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    lane.free.push(holder);
                    lane.free.extend(named(links));
                    lane.free.iter().rev().take(AHEAD).for_each(|&cell| self.fetch_cell(cell));
                    return true;
                }
                Err(other) => seen = other,
            }
        }
        false
    }
}

const LOW: u64 = 0xffff_ffff;

const fn next_tag(head: u64) -> u64 {
    (head & !LOW).wrapping_add(1 << 32)
}

/// Links of a chunk: where the next one is (cell + 1, 0 for none), then up to seven cells + 1.
fn write_links<const W: usize>(conn: &Conn<W>, next: u64, others: &[u32]) {
    let mut halves = std::iter::once(next).chain(others.iter().map(|&cell| u64::from(cell) + 1));
    for word in conn.links() {
        let low = halves.next().unwrap_or(0);
        let high = halves.next().unwrap_or(0);
        word.store(high << 32 | low, Ordering::Relaxed);
    }
}

fn named(links: [u64; 4]) -> impl Iterator<Item = u32> {
    let halves = links.into_iter().flat_map(|word| [word & LOW, word >> 32]);
    halves.skip(1).filter_map(|half| u32::try_from(half).ok()?.checked_sub(1))
}
