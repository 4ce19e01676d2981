//! Removing a connection.
//!
//! WO 00/30294: entries of table 66 go when their connection has ended. Of several lanes that remove
//! the same entry one wins; it clears the slots and puts the cell into its limbo.
//! Easy to get wrong: keys and all else in the entry stay as they are. A lane that found it in this
//! turn may still be using them.

use super::bucket::{Slot, Tag};
use super::cells::Lane;
use super::entry::{Conn, ConnId, Direction, Life};
use super::table::ConnTable;
use crate::flow::FlowHash;
use crate::shared::sync::Ordering;

impl<const W: usize> ConnTable<W> {
    /// Removes a connection that was found in this turn. True for the one caller who did it.
    pub fn remove(&self, lane: &mut Lane<W>, id: ConnId) -> bool {
        let Some(conn) = self.cell(id.0) else {
            return false;
        };
        let hashes = self.hashes(conn);
        hashes
            .iter()
            .flatten()
            .for_each(|&hash| self.prefetch_bucket(hash));
        if !conn.change_life(Life::Live, Life::Dead) {
            return false;
        }
        self.live.sub(conn.service(), conn.backend());
        self.count(lane).inspect(|count| count.sub(1));
        if let Some(deadline) = self.deadlines.get(id.0 as usize) {
            deadline.store(0, Ordering::Release);
        }
        for (direction, hash) in [Direction::Forward, Direction::Reverse]
            .into_iter()
            .zip(hashes)
        {
            hash.inspect(|&hash| self.unplace(id.0, direction, hash));
        }
        self.retire(lane, id.0);
        true
    }

    /// Hashes of the keys that lead to an entry.
    fn hashes(&self, conn: Conn<'_, W>) -> [Option<FlowHash>; 2] {
        let hash = |direction| self.hash(&conn.key(direction));
        let reverse = (!conn.is_one_way()).then(|| hash(Direction::Reverse));
        [Some(hash(Direction::Forward)), reverse]
    }

    /// Clears the slot of one direction, wherever it is; does nothing when there is none.
    pub(super) fn unplace(&self, cell: u32, direction: Direction, hash: FlowHash) {
        let tag = Tag::of(hash);
        let value = Slot::new(tag, direction, cell);
        let first = self.primary(hash);
        if !first.clear_slot(tag, value)
            && first.has_moved()
            && self.alternate(hash).clear_slot(tag, value)
        {
            first.uncount_moved();
        }
    }
}
