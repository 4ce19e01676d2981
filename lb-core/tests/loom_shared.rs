//! Double buffer and epochs: every interleaving of a writer and two readers.
//!
//! WO 00/30294: configuration table 64 with its buffers A and B. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p lb-core --release --test loom_shared`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "test")]

use lb_core::shared::{NotYet, Reader, Writer, double_buffer};
use loom::cell::UnsafeCell;
use loom::thread;

/// A value that loom watches: reading it while it is dropped is found out, and so is a mixture.
struct Watched {
    low: UnsafeCell<u64>,
    high: UnsafeCell<u64>,
}

impl Default for Watched {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Watched {
    fn new(n: u64) -> Self {
        Self {
            low: UnsafeCell::new(n),
            high: UnsafeCell::new(n),
        }
    }

    #[expect(unsafe_code, reason = "loom's cells are read through pointers")]
    fn read(&self) -> u64 {
        // SAFETY: loom checks that nobody writes meanwhile; that is the test.
        let low = self.low.with(|n| unsafe { *n });
        // SAFETY: as above.
        let high = self.high.with(|n| unsafe { *n });
        assert_eq!(low, high);
        low
    }
}

impl Drop for Watched {
    #[expect(unsafe_code, reason = "loom's cells are written through pointers")]
    fn drop(&mut self) {
        // SAFETY: loom checks that nobody reads meanwhile; that is the test.
        self.low.with_mut(|n| unsafe { *n = u64::MAX });
        // SAFETY: as above.
        self.high.with_mut(|n| unsafe { *n = u64::MAX });
    }
}

fn publish(writer: &mut Writer<Watched>, n: u64) -> bool {
    match writer.try_publish(Watched::new(n)) {
        Ok(_) => true,
        Err(NotYet(_)) => false,
    }
}

fn model(steps: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(steps);
}

fn read_twice(mut reader: Reader<Watched>) {
    let (first, generation) = {
        let seen = reader.turn();
        (seen.read(), seen.generation())
    };
    let seen = reader.turn();
    assert!(seen.generation() >= generation);
    assert!(seen.read() >= first);
}

#[test]
fn a_reader_sees_one_whole_value_while_the_writer_publishes() {
    model(|| {
        let (mut writer, mut readers) = double_buffer(Watched::new(1), 1);
        let reader = readers.pop().unwrap();
        let other = thread::spawn(move || read_twice(reader));
        assert!(publish(&mut writer, 2));
        publish(&mut writer, 3);
        publish(&mut writer, 4);
        other.join().unwrap();
        assert!(writer.is_spare_free());
    });
}

#[test]
fn two_readers_each_see_one_whole_value() {
    model(|| {
        let (mut writer, mut readers) = double_buffer(Watched::new(1), 2);
        let (one, two) = (readers.pop().unwrap(), readers.pop().unwrap());
        let others = [one, two].map(|mut reader| {
            thread::spawn(move || {
                reader.turn().read();
            })
        });
        publish(&mut writer, 2);
        publish(&mut writer, 3);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_reader_that_rests_and_comes_back_is_waited_for_again() {
    model(|| {
        let (mut writer, mut readers) = double_buffer(Watched::new(1), 1);
        let mut reader = readers.pop().unwrap();
        let other = thread::spawn(move || {
            reader.turn().read();
            reader.rest();
            reader.turn().read();
        });
        publish(&mut writer, 2);
        publish(&mut writer, 3);
        other.join().unwrap();
    });
}
