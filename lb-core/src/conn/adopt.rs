//! Adopting a table: puts in order what an earlier process left, at whatever instruction it ended.
//!
//! WO 00/30294 keeps its tables in memory of their own; that they outlive the program is ours.
//! The entries are the truth, the buckets only lead to them: so the buckets are emptied and every
//! live entry is put in anew. What was half inserted or half removed is not live and becomes free,
//! whichever step was the last. A fresh region has no entries, so this costs it nothing.
//! Easy to get wrong: nobody else may have the table while this runs.

use std::sync::Arc;

use super::bucket::Bucket;
use super::entry::{ConnId, Direction, Life};
use super::table::{ConnTable, NotATable};
use crate::flow::FlowHash;
use crate::shared::region::Region;
use crate::shared::sync::Ordering;
use crate::shared::{Epochs, prefetch_read};

/// Entries whose buckets travel at the same time.
const BURST: u32 = 32;

/// What adoption found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Live connections, all of which go on.
    pub kept: u32,
    /// Entries that were half inserted or half removed.
    pub unfinished: u32,
    /// Live entries that had to go: a key twice, or no room for it. Always 0 unless the memory was
    /// damaged.
    pub lost: u32,
}

impl<const W: usize> ConnTable<W> {
    /// Opens the table of a region, created or adopted, and puts it in order. Each table of a region
    /// is opened once per process, before any lane uses it. All lanes that will use it are those of
    /// `epochs`.
    ///
    /// # Errors
    /// [`NotATable`] unless `W` is 2 or 5.
    pub fn open(region: &Region, epochs: Arc<Epochs>) -> Result<(Self, Adopted), NotATable> {
        let mut table = Self::attach(region, epochs)?;
        let adopted = table.put_in_order();
        table.adopted = u64::from(adopted.kept);
        Ok((table, adopted))
    }

    fn put_in_order(&self) -> Adopted {
        let used = self.used_cells();
        let mut report = Adopted::default();
        if used == 0 {
            return report;
        }
        self.buckets.iter().for_each(Bucket::clear);
        self.control().free.0.store(0, Ordering::Relaxed);
        let mut end = 0;
        for start in (0..used).step_by(BURST as usize) {
            let burst = start..used.min(start.saturating_add(BURST));
            burst.clone().for_each(|cell| self.fetch_buckets(cell));
            for cell in burst {
                if self.readmit(cell, &mut report) {
                    end = cell + 1;
                }
            }
        }
        self.control()
            .watermark
            .0
            .store(u64::from(end), Ordering::Release);
        self.share_free_cells(end);
        report
    }

    fn fetch_buckets(&self, cell: u32) {
        if let Some(conn) = self.conn(ConnId(cell)) {
            for direction in [Direction::Forward, Direction::Reverse] {
                prefetch_read(self.primary(self.hash(&conn.key(direction))));
            }
        }
    }

    /// Puts a live entry back into the buckets, frees any other; whether it is live.
    fn readmit(&self, cell: u32, report: &mut Adopted) -> bool {
        let (Some(conn), Some(deadline)) = (self.cell(cell), self.deadlines.get(cell as usize))
        else {
            return false;
        };
        let life = conn.life();
        if life == Some(Life::Live) && self.place_anew(cell) {
            report.kept += 1;
            // What it noted of the way back were numbers of a table that went with the other process.
            conn.set_next_hop(0);
            self.live.add(conn.service(), conn.backend());
            // Without a deadline the sweep would pass it by forever.
            if deadline.load(Ordering::Relaxed) == 0 {
                deadline.store(1, Ordering::Relaxed);
            }
            return true;
        }
        match life {
            Some(Life::Free) => {}
            Some(Life::Live) => report.lost += 1,
            _ => report.unfinished += 1,
        }
        conn.set_life(Life::Free);
        deadline.store(0, Ordering::Relaxed);
        false
    }

    fn place_anew(&self, cell: u32) -> bool {
        let Some(conn) = self.cell(cell) else {
            return false;
        };
        let directions: &[Direction] = if conn.is_one_way() {
            &[Direction::Forward]
        } else {
            &[Direction::Forward, Direction::Reverse]
        };
        let placed = directions.iter().all(|&direction| {
            let key = conn.key(direction);
            let hash: FlowHash = self.hash(&key);
            self.find(hash, &key).is_none() && self.place_one(cell, direction, hash)
        });
        if !placed {
            for &direction in directions {
                self.unplace(cell, direction, self.hash(&conn.key(direction)));
            }
        }
        placed
    }

    fn share_free_cells(&self, end: u32) {
        let mut chunk = Vec::with_capacity(8);
        for cell in (0..end).rev() {
            if self.conn(ConnId(cell)).is_none() {
                chunk.push(cell);
            }
            if chunk.len() == 8 {
                self.push_chunk(&chunk);
                chunk.clear();
            }
        }
        self.push_chunk(&chunk);
    }
}
