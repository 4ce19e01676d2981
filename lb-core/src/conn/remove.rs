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
        let Some(conn) = self.cell(id.0) else { return false };
        if !conn.change_life(Life::Live, Life::Dead) {
            return false;
        }
        self.live.sub(conn.service(), conn.backend());
        self.count(lane).inspect(|count| count.sub(1));
        self.unlink(id.0, conn);
        self.retire(lane, id.0);
        true
    }

    /// Takes away what leads to a dead entry.
    pub(super) fn unlink(&self, cell: u32, conn: &Conn<W>) {
        if let Some(deadline) = self.deadlines.get(cell as usize) {
            deadline.store(0, Ordering::Release);
        }
        self.unplace(cell, Direction::Forward, self.hash(&conn.key(Direction::Forward)));
        if !conn.is_one_way() {
            self.unplace(cell, Direction::Reverse, self.hash(&conn.key(Direction::Reverse)));
        }
    }

    /// Clears the slot of one direction, wherever it is; does nothing when there is none.
    pub(super) fn unplace(&self, cell: u32, direction: Direction, hash: FlowHash) {
        let value = Slot::new(Tag::of(hash), direction, cell);
        let first = self.primary(hash);
        if !first.clear_slot(value) && first.has_moved() && self.alternate(hash).clear_slot(value) {
            first.uncount_moved();
        }
    }
}
