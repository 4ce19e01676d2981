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
use super::limbo::Limbo;
use super::table::ConnTable;
use crate::shared::prefetch::{LINE, Origin, prefetch_read};
use crate::shared::sync::Ordering;

/// Most free cells that a lane keeps for itself.
const STACK: usize = 512;
/// Cells that a lane takes from the never-used ones at once.
const FRESH: usize = 64;
/// Cells in a chunk of the shared stack: the one that holds the links, and those it names.
const CHUNK: usize = if cfg!(loom) { 1 } else { 8 };
/// Most cells that come back from limbo in one turn.
const AT_ONCE: usize = 128;
/// So many inserts ahead a free cell's lines are asked for.
const AHEAD: usize = 4;

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
        !self.limbo.is_empty()
    }

    pub(super) fn limbo_has_room(&self) -> bool {
        self.limbo.has_room()
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
        let fair = self.capacity() as usize / (8 * self.epochs.lanes());
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
        if let Some(&soon) = lane
            .free
            .len()
            .checked_sub(AHEAD)
            .and_then(|i| lane.free.get(i))
        {
            self.fetch_cell(soon);
        }
        Some(cell)
    }

    fn fetch_cell(&self, cell: u32) {
        let (cells, octet) = (self.cells(), cell as usize * LINE);
        cells.prefetch(Origin::SecondLevel, octet);
        cells.prefetch_part(Origin::SecondLevel, octet, true);
        self.deadlines
            .get(cell as usize)
            .inspect(|deadline| prefetch_read(*deadline));
    }

    #[cold]
    fn refill(&self, lane: &mut Lane<W>) -> Option<u32> {
        if lane.has_limbo() {
            lane.limbo.hurry(&self.epochs);
            self.take_passed(lane);
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
        lane.free.extend(
            (start..end)
                .rev()
                .filter_map(|cell| u32::try_from(cell).ok()),
        );
    }

    /// Puts a removed cell into limbo. Without room it becomes an orphan for the sweep.
    pub(super) fn retire(&self, lane: &mut Lane<W>, cell: u32) {
        if !lane.limbo.push(cell, lane.free.is_empty(), &self.epochs) {
            self.orphan(cell);
        }
    }

    /// Another turn: takes back cells that every lane has let go.
    #[inline(never)]
    pub(super) fn reclaim(&self, lane: &mut Lane<W>) {
        lane.limbo.turn(&self.epochs);
        self.take_passed(lane);
    }

    /// Takes back cells that every lane has let go, few enough not to hold up the packets: after a
    /// pause of some other lane thousands come free at once.
    fn take_passed(&self, lane: &mut Lane<W>) {
        for _ in 0..AT_ONCE {
            let Some(cell) = lane.limbo.pop_passed(&self.epochs) else {
                return;
            };
            self.give_back(lane, cell);
        }
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
        while let Some(cell) = lane.limbo.pop_unpassed(&self.epochs) {
            self.orphan(cell);
        }
    }

    /// Leaves a removed cell to the sweep.
    fn orphan(&self, cell: u32) {
        if let (Some(conn), Some(deadline)) = (self.cell(cell), self.deadlines.get(cell as usize)) {
            conn.set_life(Life::Orphan);
            deadline.store(1, Ordering::Release);
        }
    }

    /// Puts up to [`CHUNK`] free cells onto the shared stack. The first one holds the links.
    pub(super) fn push_chunk(&self, cells: &[u32]) {
        let Some((&holder, others)) = cells.split_first() else {
            return;
        };
        let Some(conn) = self.cell(holder) else {
            return;
        };
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
        while let Some(holder) = u32::try_from(seen & LOW)
            .ok()
            .and_then(|n| n.checked_sub(1))
        {
            let Some(conn) = self.cell(holder) else {
                return false;
            };
            // Another lane may take this chunk and use its cells while we read: then the links are
            // nonsense, but the head has another tag and the exchange fails.
            let links = conn.links().map(|word| word.load(Ordering::Relaxed));
            let next = next_tag(seen) | links[0] & LOW;
            match head.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    lane.free.push(holder);
                    lane.free.extend(named(links));
                    lane.free
                        .iter()
                        .rev()
                        .take(AHEAD)
                        .for_each(|&cell| self.fetch_cell(cell));
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
fn write_links<const W: usize>(conn: Conn<'_, W>, next: u64, others: &[u32]) {
    let mut halves = std::iter::once(next).chain(others.iter().map(|&cell| u64::from(cell) + 1));
    for word in conn.links() {
        let low = halves.next().unwrap_or(0);
        let high = halves.next().unwrap_or(0);
        word.store(high << 32 | low, Ordering::Relaxed);
    }
}

fn named(links: [u64; 4]) -> impl Iterator<Item = u32> {
    let halves = links.into_iter().flat_map(|word| [word & LOW, word >> 32]);
    halves
        .skip(1)
        .filter_map(|half| u32::try_from(half).ok()?.checked_sub(1))
}
