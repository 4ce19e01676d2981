//! Sweep: finds the connections whose time is over, a few cells at a time.
//!
//! No counterpart in the patent. Beside the entries lies a dense array with four octets per cell: the
//! earliest tick at which the entry *may* be over. A lane walks its share of it, sixteen cells to a
//! cache line, and looks at an entry only when that tick has come. Packets never write to the array;
//! an entry that was used meanwhile just gets a later tick.
//! What the life of a connection is, is left to the filter, which gives it as a function.
//! Easy to get wrong: a shorter life must lower the deadline
//! ([`ConnTable::change_state`]), a longer one needs nothing.

use super::cells::{Lane, Sweeping};
use super::entry::{Conn, ConnId, Life};
use super::table::ConnTable;
use crate::shared::region::Tick;
use crate::shared::sync::{AtomicU32, Ordering};

/// Cells that a lane walks before it leaps over the other lanes' shares: a page of deadlines.
const BLOCK: u32 = 1024;

/// Where a lane is in its share.
#[derive(Debug)]
pub(super) struct Cursor {
    sweeping: Option<Sweeping>,
    next: u32,
    /// Cells yet to be looked at whatever their deadline says.
    recheck: u32,
}

impl Cursor {
    pub(super) fn new(sweeping: Option<Sweeping>) -> Self {
        let sweeping = sweeping.filter(|sweeping| sweeping.number < sweeping.of);
        Self {
            sweeping,
            next: 0,
            recheck: 0,
        }
    }
}

/// What became of one cell.
enum Verdict {
    Stays,
    Over,
}

impl<const W: usize> ConnTable<W> {
    /// Cells in the lane's share now. To meet each once per second, sweep `share` cells per second,
    /// in as many steps as you like; then a connection is gone at most two seconds after its end.
    #[must_use]
    pub fn share(&self, lane: &Lane<W>) -> u32 {
        lane.sweep.sweeping.map_or(0, |Sweeping { of, .. }| {
            self.used_cells().div_ceil(BLOCK).div_ceil(of) * BLOCK
        })
    }

    /// The lane looks at every entry of its share on its next way round, whatever the deadlines say.
    /// For when lives have become shorter than the filter said before: another configuration.
    pub fn recheck(&self, lane: &mut Lane<W>) {
        lane.sweep.recheck = self.share(lane);
    }

    /// Walks up to `budget` cells of the lane's share and removes the connections that are over at
    /// `now`. `life` gives the seconds that a connection lives after its last packet, as the filter
    /// sees it now; `ended` is told of each one before it goes. Returns how many went.
    pub fn sweep(
        &self,
        lane: &mut Lane<W>,
        now: Tick,
        budget: u32,
        life: impl Fn(Conn<'_, W>) -> u32,
        mut ended: impl FnMut(ConnId, Conn<'_, W>),
    ) -> u32 {
        let Some(sweeping) = lane.sweep.sweeping else {
            return 0;
        };
        let mut left = budget.min(self.share(lane));
        let mut removed = 0;
        while left > 0 {
            let (start, end) = self.next_cells(&mut lane.sweep, sweeping, left);
            if start == end {
                break;
            }
            left = left.saturating_sub(end - start);
            let all = lane.sweep.recheck > 0;
            lane.sweep.recheck = lane.sweep.recheck.saturating_sub(end - start);
            for number in start..end {
                let Some(deadline) = self.deadlines.get(number as usize) else {
                    break;
                };
                let due = deadline.load(Ordering::Relaxed);
                // 0 is a cell without a deadline; one less makes it the latest of all.
                let latest = if all { u32::MAX } else { now.0 };
                if due.wrapping_sub(1) < latest
                    && let Verdict::Over = self.examine(lane, number, deadline, now, &life)
                {
                    removed += self.end(lane, ConnId(number), &mut ended);
                }
            }
        }
        removed
    }

    /// The next stretch of the lane's share: within one block, at most `most` cells.
    fn next_cells(&self, cursor: &mut Cursor, sweeping: Sweeping, most: u32) -> (u32, u32) {
        let used = self.used_cells();
        let first = sweeping.number.saturating_mul(BLOCK);
        if cursor.next >= used || cursor.next < first {
            cursor.next = first;
        }
        let start = cursor.next.min(used);
        let block_end = (start - start % BLOCK).saturating_add(BLOCK);
        let end = block_end.min(used).min(start.saturating_add(most));
        cursor.next = if end == block_end {
            end.saturating_add((sweeping.of - 1).saturating_mul(BLOCK))
        } else {
            end
        };
        (start, end)
    }

    /// The deadline has come: is the connection over, or did something happen meanwhile?
    #[cold]
    fn examine(
        &self,
        lane: &mut Lane<W>,
        number: u32,
        deadline: &AtomicU32,
        now: Tick,
        life: impl Fn(Conn<'_, W>) -> u32,
    ) -> Verdict {
        let Some(conn) = self.cell(number) else {
            return Verdict::Stays;
        };
        loop {
            let hint = deadline.load(Ordering::Acquire);
            match conn.life() {
                Some(Life::Live) if hint != 0 => {}
                Some(Life::Orphan) => {
                    self.take_over(lane, number, conn, deadline);
                    return Verdict::Stays;
                }
                _ => return Verdict::Stays,
            }
            let state = conn.state();
            // The last packet may have come at the end of its second: one more.
            let due = conn.last_seen().after(life(conn)).after(1);
            if due <= now {
                return if lane.limbo_has_room() {
                    Verdict::Over
                } else {
                    Verdict::Stays
                };
            }
            // A change of state lowers the deadline after the change. Either it has done so, then
            // this exchange fails, or it will do so, or it found the old deadline low enough: then
            // the state read after the exchange is the new one.
            let raised =
                deadline.compare_exchange(hint, due.0, Ordering::AcqRel, Ordering::Relaxed);
            if raised.is_ok() && conn.state() == state {
                return Verdict::Stays;
            }
        }
    }

    /// Takes over a cell whose remover had no room for it.
    fn take_over(&self, lane: &mut Lane<W>, number: u32, conn: Conn<'_, W>, deadline: &AtomicU32) {
        if lane.limbo_has_room() && conn.change_life(Life::Orphan, Life::Dead) {
            deadline.store(0, Ordering::Relaxed);
            self.retire(lane, number);
        }
    }

    fn end(
        &self,
        lane: &mut Lane<W>,
        id: ConnId,
        ended: &mut impl FnMut(ConnId, Conn<'_, W>),
    ) -> u32 {
        if !self.remove(lane, id) {
            return 0;
        }
        if let Some(conn) = self.cell(id.0) {
            ended(id, conn);
        }
        1
    }
}
