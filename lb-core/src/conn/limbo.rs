//! Limbo: removed cells that some lane may still hold.
//!
//! No counterpart in the patent. A ring of cells in the order of their removal, cut into batches. A
//! batch ends with an epoch and comes back when every lane has passed that epoch; so one look at the
//! lanes serves many cells.
//! Easy to get wrong: a cell belongs to the batch that is open when it comes in, and only the end of
//! that batch, not of an earlier one, says when it may be used again.

use crate::shared::Epochs;

/// Cells that may wait in a lane's limbo.
const ROOM: u32 = if cfg!(loom) { 4 } else { 1 << 15 };
/// Ended batches that may wait; when there are more, the open one just grows.
const BATCHES: u32 = if cfg!(loom) { 4 } else { 1 << 9 };
/// Cells that end a batch at once.
const BATCH: u32 = if cfg!(loom) { 1 } else { 64 };
/// Turns after which a smaller batch ends.
const PATIENCE: u32 = 256;
/// Turns between two looks at what all lanes have passed.
const LOOK_EVERY: u32 = 8;

/// One lane's limbo. All its memory is allocated when it is made.
#[derive(Debug)]
pub(super) struct Limbo {
    cells: Box<[u32]>,
    /// Place of the next cell to come back.
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
    hurried: bool,
    /// An epoch that every lane was in or past when this lane last looked.
    oldest: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    cells: u32,
    epoch: u64,
}

impl Limbo {
    pub(super) fn new() -> Self {
        Self {
            cells: vec![0; ROOM as usize].into_boxed_slice(),
            head: 0,
            waiting: 0,
            batches: vec![Batch::default(); BATCHES as usize].into_boxed_slice(),
            first_batch: 0,
            ended: 0,
            open: 0,
            age: 0,
            look_in: 0,
            hurried: false,
            oldest: 0,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting < ROOM
    }

    /// Puts a cell in that nothing leads to any more; false when there is no room. A lane `in_want`
    /// of cells does not wait for the batch to fill.
    pub(super) fn push(&mut self, cell: u32, in_want: bool, epochs: &Epochs) -> bool {
        if !self.has_room() {
            return false;
        }
        let at = ((self.head + self.waiting) % ROOM) as usize;
        let Some(place) = self.cells.get_mut(at) else {
            return false;
        };
        *place = cell;
        self.waiting += 1;
        self.open += 1;
        if self.open >= BATCH || in_want {
            self.end_batch(epochs);
        }
        true
    }

    /// The lane has had another turn.
    pub(super) fn turn(&mut self, epochs: &Epochs) {
        self.hurried = false;
        self.look_in = self.look_in.saturating_sub(1);
        self.age = if self.open == 0 { 0 } else { self.age + 1 };
        if self.age >= PATIENCE || self.open >= BATCH {
            self.end_batch(epochs);
        }
    }

    /// Ends the open batch, and looks at the lanes when it is next asked for cells; but only once in
    /// a turn: a flood on a full table must not look at them for each packet.
    pub(super) fn hurry(&mut self, epochs: &Epochs) {
        if !self.hurried {
            self.hurried = true;
            self.end_batch(epochs);
            self.look_in = 0;
        }
    }

    fn end_batch(&mut self, epochs: &Epochs) {
        if self.open == 0 || self.ended >= BATCHES {
            return;
        }
        let at = ((self.first_batch + self.ended) % BATCHES) as usize;
        if let Some(place) = self.batches.get_mut(at) {
            *place = Batch {
                cells: self.open,
                epoch: epochs.advance(),
            };
            self.ended += 1;
            self.open = 0;
            self.age = 0;
        }
    }

    /// A cell that every lane has let go.
    pub(super) fn pop_passed(&mut self, epochs: &Epochs) -> Option<u32> {
        let first = *self.batches.get(self.first_batch as usize)?;
        if self.ended == 0 || !self.has_passed(first.epoch, epochs) {
            return None;
        }
        self.pop()
    }

    fn has_passed(&mut self, epoch: u64, epochs: &Epochs) -> bool {
        if epoch >= self.oldest && self.look_in == 0 {
            self.look_in = LOOK_EVERY;
            self.oldest = epochs.oldest();
        }
        epoch < self.oldest
    }

    /// A cell of the oldest ended batch, whoever holds it.
    pub(super) fn pop_unpassed(&mut self, epochs: &Epochs) -> Option<u32> {
        self.end_batch(epochs);
        if self.ended == 0 { None } else { self.pop() }
    }

    fn pop(&mut self) -> Option<u32> {
        let cell = *self.cells.get(self.head as usize)?;
        let batch = self.batches.get_mut(self.first_batch as usize)?;
        batch.cells -= 1;
        if batch.cells == 0 {
            self.first_batch = (self.first_batch + 1) % BATCHES;
            self.ended -= 1;
        }
        self.head = (self.head + 1) % ROOM;
        self.waiting -= 1;
        Some(cell)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_cell_comes_back_after_the_end_of_its_own_batch() {
        let epochs = Epochs::new(1);
        let mut limbo = Limbo::new();
        epochs.turn(0);
        limbo.push(1, true, &epochs);
        limbo.push(2, false, &epochs);
        assert_eq!(limbo.pop_passed(&epochs), None);
        epochs.turn(0);
        limbo.hurry(&epochs);
        assert_eq!(limbo.pop_passed(&epochs), Some(1));
        assert_eq!(
            limbo.pop_passed(&epochs),
            None,
            "its batch has only just ended"
        );
        epochs.turn(0);
        limbo.turn(&epochs);
        limbo.hurry(&epochs);
        assert_eq!(limbo.pop_passed(&epochs), Some(2));
        assert!(limbo.is_empty());
    }

    #[test]
    fn a_lone_cell_comes_back_after_some_turns() {
        let epochs = Epochs::new(1);
        let mut limbo = Limbo::new();
        limbo.push(7, false, &epochs);
        let turn = |limbo: &mut Limbo| {
            epochs.turn(0);
            limbo.turn(&epochs);
            limbo.pop_passed(&epochs)
        };
        let turns = (0..1000).take_while(|_| turn(&mut limbo).is_none()).count();
        assert!(
            (PATIENCE as usize - 2..PATIENCE as usize + 20).contains(&turns),
            "{turns}"
        );
    }

    #[test]
    fn cells_come_back_in_order_however_batches_fall() {
        let epochs = Epochs::new(1);
        let mut limbo = Limbo::new();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..5000u32 {
            epochs.turn(0);
            limbo.turn(&epochs);
            for _ in 0..round % 97 {
                if limbo.push(pushed, round % 5 == 0, &epochs) {
                    pushed += 1;
                }
            }
            if round % 300 > 150 {
                while let Some(cell) = limbo.pop_passed(&epochs) {
                    assert_eq!(cell, popped);
                    popped += 1;
                }
            }
        }
        while let Some(cell) = limbo.pop_unpassed(&epochs) {
            assert_eq!(cell, popped);
            popped += 1;
        }
        assert_eq!((pushed, limbo.is_empty()), (popped, true));
    }

    #[test]
    fn a_full_limbo_takes_no_more() {
        let epochs = Epochs::new(1);
        let mut limbo = Limbo::new();
        let taken = (0..ROOM + 10)
            .filter(|&cell| limbo.push(cell, false, &epochs))
            .count();
        assert_eq!((taken, limbo.has_room()), (ROOM as usize, false));
    }
}
