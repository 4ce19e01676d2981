//! Two buffers and an index: a table that is published whole.
//!
//! WO 00/30294: configuration table 64 with its buffers A and B and the index that names the valid
//! one; the writer fills the other and flips the index. What a buffer holds is the caller's type.
//! Claim 24 swaps active and back-up against the description; we follow the description: the buffer
//! that the index names is the one that packets see.
//! Easy to get wrong: right after a flip some lcore may still be reading the old buffer. It is
//! refilled only when every reader has taken a later turn; until then publishing says [`NotYet`].

#![expect(
    unsafe_code,
    reason = "readers hold plain references into a buffer that will be refilled"
)]

use std::fmt;
use std::ops::Deref;

use super::epoch::Epochs;
use super::sync::{Arc, AtomicU64, Ordering, UnsafeCell};

/// Which of the two buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The first buffer.
    A,
    /// The second buffer.
    B,
}

impl Buffer {
    const fn of(index: u64) -> Self {
        if index & 1 == 0 { Self::A } else { Self::B }
    }
}

/// What a buffer holds, with its place and its number.
#[derive(Debug)]
pub struct Published<T> {
    value: T,
    generation: u64,
    buffer: Buffer,
}

impl<T> Published<T> {
    /// How many values had been published up to this one; the first is 1.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The buffer that this value lies in.
    #[inline]
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        self.buffer
    }
}

impl<T> Deref for Published<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Some reader may still be in the spare buffer; here is the value back, to try again.
#[derive(Debug)]
pub struct NotYet<T>(pub T);

impl<T> fmt::Display for NotYet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the spare buffer is still being read by at least one lcore")
    }
}

impl<T: fmt::Debug> std::error::Error for NotYet<T> {}

struct Shared<T> {
    a: UnsafeCell<Published<T>>,
    b: UnsafeCell<Published<T>>,
    /// The patent's index: even means A, odd means B. It is the number of flips so far.
    index: AtomicU64,
    /// One lane per reader, used by nobody else: another user's turn would break the readers' hold.
    epochs: Epochs,
}

impl<T> Shared<T> {
    #[inline]
    fn slot(&self, index: u64) -> &UnsafeCell<Published<T>> {
        match Buffer::of(index) {
            Buffer::A => &self.a,
            Buffer::B => &self.b,
        }
    }
}

// SAFETY: the value moves in on the writer's thread and is dropped there or on the last owner's, so
// it must be `Send`; readers on other threads hold `&T`, so it must be `Sync`. That a refill never
// meets a reader is kept by `Writer::try_publish` and the epochs.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

/// Makes the pair of buffers: `first` is published in A, B is empty; one writer, `readers` readers.
pub fn double_buffer<T: Default>(first: T, readers: usize) -> (Writer<T>, Vec<Reader<T>>) {
    let shared = Arc::new(Shared {
        a: UnsafeCell::new(Published {
            value: first,
            generation: 1,
            buffer: Buffer::A,
        }),
        b: UnsafeCell::new(Published {
            value: T::default(),
            generation: 0,
            buffer: Buffer::B,
        }),
        index: AtomicU64::new(0),
        epochs: Epochs::new(readers),
    });
    let all = (0..readers)
        .map(|lane| Reader {
            shared: Arc::clone(&shared),
            lane,
        })
        .collect();
    (
        Writer {
            shared,
            generation: 1,
            ended: 0,
        },
        all,
    )
}

/// The one who fills and flips. There is exactly one.
pub struct Writer<T> {
    shared: Arc<Shared<T>>,
    generation: u64,
    /// The epoch that ended with the last flip; the spare is free when all readers have passed it.
    ended: u64,
}

impl<T> Writer<T> {
    /// Fills the spare buffer with `value` and flips; returns the new generation. What the spare
    /// held before is dropped here, never on a reader's thread.
    ///
    /// # Errors
    /// [`NotYet`] with the value in it while a reader may still be in the spare.
    pub fn try_publish(&mut self, value: T) -> Result<u64, NotYet<T>> {
        if !self.is_spare_free() {
            return Err(NotYet(value));
        }
        let next = self.shared.index.load(Ordering::Relaxed) + 1;
        self.generation += 1;
        let filled = Published {
            value,
            generation: self.generation,
            buffer: Buffer::of(next),
        };
        #[cfg(not(loom))]
        {
            let spare = self.shared.slot(next).get();
            // SAFETY: the index does not name the spare, every reader has taken a turn since it
            // last did (`is_spare_free`), and `&mut self` keeps other writers out.
            unsafe { *spare = filled };
        }
        #[cfg(loom)]
        self.shared.slot(next).with_mut(|spare| {
            // SAFETY: as above.
            unsafe { *spare = filled };
        });
        self.shared.index.store(next, Ordering::Release);
        self.ended = self.shared.epochs.advance();
        Ok(self.generation)
    }

    /// Whether nobody reads the spare any more, so that publishing would succeed.
    #[must_use]
    pub fn is_spare_free(&self) -> bool {
        self.shared.epochs.all_passed(self.ended)
    }

    /// What is published now.
    #[must_use]
    pub fn current(&self) -> &Published<T> {
        let slot = self.shared.slot(self.shared.index.load(Ordering::Relaxed));
        // SAFETY: only `try_publish` writes, and it needs `&mut self`.
        unsafe { view(slot) }
    }
}

/// A lcore's view of the published value.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    lane: usize,
}

impl<T> Reader<T> {
    /// Begins a new turn and returns what is published now. The value stays whole and in place as
    /// long as the returned reference is used; the compiler sees to it that it is gone by the next
    /// turn.
    #[inline]
    pub fn turn(&mut self) -> &Published<T> {
        self.shared.epochs.turn(self.lane);
        let slot = self.shared.slot(self.shared.index.load(Ordering::Acquire));
        // SAFETY: this lane has published its epoch before it read the index, so the writer does
        // not refill the buffer until the lane's next turn, its rest or its drop, each of which
        // needs the reader mutably and so ends the borrow returned here.
        unsafe { view(slot) }
    }

    /// Holds nothing until the next turn, however late that is: the writer need not wait.
    pub fn rest(&mut self) {
        self.shared.epochs.offline(self.lane);
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.shared.epochs.offline(self.lane);
    }
}

/// # Safety
/// Nobody writes to `slot` while the result is in use.
#[inline]
unsafe fn view<T>(slot: &UnsafeCell<Published<T>>) -> &Published<T> {
    #[cfg(not(loom))]
    {
        // SAFETY: the caller's promise.
        unsafe { &*slot.get() }
    }
    #[cfg(loom)]
    {
        slot.with(|published| {
            // SAFETY: the caller's promise.
            unsafe { &*published }
        })
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_lies_in_buffer_a_and_is_generation_one() {
        let (writer, mut readers) = double_buffer("first", 1);
        let seen = readers[0].turn();
        assert_eq!(
            (**seen, seen.generation(), seen.buffer()),
            ("first", 1, Buffer::A)
        );
        assert_eq!(writer.current().generation(), 1);
    }

    #[test]
    fn a_flip_shows_at_the_next_turn_in_the_other_buffer() {
        let (mut writer, mut readers) = double_buffer(1, 1);
        assert_eq!(**readers[0].turn(), 1);
        assert_eq!(writer.try_publish(2).unwrap(), 2);
        let seen = readers[0].turn();
        assert_eq!((**seen, seen.buffer()), (2, Buffer::B));
    }

    #[test]
    fn a_buffer_is_not_refilled_while_a_reader_may_be_in_it() {
        let (mut writer, mut readers) = double_buffer(1, 2);
        let mut late = readers.pop().unwrap();
        let mut prompt = readers.pop().unwrap();
        let held = late.turn();
        prompt.turn();
        writer.try_publish(2).unwrap();
        prompt.turn();
        let NotYet(back) = writer.try_publish(3).unwrap_err();
        assert_eq!((back, **held), (3, 1));
        assert_eq!(**late.turn(), 2);
        assert_eq!(writer.try_publish(back).unwrap(), 3);
    }

    #[test]
    fn readers_at_rest_or_gone_or_never_started_hold_nothing_up() {
        let (mut writer, mut readers) = double_buffer(0, 3);
        for reader in &mut readers[..2] {
            reader.turn();
        }
        writer.try_publish(1).unwrap();
        readers[0].rest();
        drop(readers.remove(1));
        writer.try_publish(2).unwrap();
        writer.try_publish(3).unwrap();
        assert_eq!(**readers[0].turn(), 3);
    }

    #[test]
    fn the_old_value_is_dropped_when_its_buffer_is_refilled() {
        use std::sync::Arc;
        let old = Arc::new(());
        let (mut writer, _readers) = double_buffer(Some(Arc::clone(&old)), 1);
        writer.try_publish(None).unwrap();
        assert_eq!(Arc::strong_count(&old), 2);
        writer.try_publish(None).unwrap();
        assert_eq!(Arc::strong_count(&old), 1);
    }
}
