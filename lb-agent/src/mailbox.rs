//! Between those who make reports and the one who sends them: the newest of each backend.
//!
//! No counterpart in the patent. One place per backend, so memory is bounded however long a destination
//! is away.
//! Easy to get wrong: a report that could not be sent goes back only where no newer one has come.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the sender lets reports of other backends gather behind the first one. Every turn costs a
/// wake-up and two system calls, however many reports it carries.
const GATHER: Duration = Duration::from_millis(20);

/// A report as it goes over the wire.
pub type Octets = Arc<[u8]>;

/// One destination's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    places: Mutex<Vec<Option<Octets>>>,
    filled: Condvar,
}

impl Mailbox {
    /// An empty one with a place for each of so many backends.
    #[must_use]
    pub fn new(backends: usize) -> Self {
        Self {
            places: Mutex::new(vec![None; backends]),
            filled: Condvar::new(),
        }
    }

    /// Puts a backend's newest report in, in place of one that was not taken.
    pub fn put(&self, backend: usize, report: Octets) {
        if let Some(place) = self.lock().get_mut(backend) {
            *place = Some(report);
        }
        self.filled.notify_one();
    }

    /// Puts a report back that could not be sent, unless a newer one is there.
    pub fn put_back(&self, backend: usize, report: Octets) {
        if let Some(place) = self.lock().get_mut(backend) {
            place.get_or_insert(report);
        }
    }

    /// Takes all that is there, backend and report; waits until something is, and a little longer for the
    /// rest.
    pub fn take(&self) -> Vec<(usize, Octets)> {
        let is_empty = |places: &mut Vec<Option<Octets>>| places.iter().all(Option::is_none);
        let mut places = self
            .filled
            .wait_while(self.lock(), is_empty)
            .unwrap_or_else(PoisonError::into_inner);
        if places.iter().any(Option::is_none) {
            drop(places);
            thread::sleep(GATHER);
            places = self.lock();
        }
        let taken = places.iter_mut().enumerate();
        taken
            .filter_map(|(backend, place)| Some((backend, place.take()?)))
            .collect()
    }

    /// Nothing that is done under the lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Octets>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Octets {
        Octets::from(text.as_bytes())
    }

    #[test]
    fn a_newer_report_takes_the_place_of_an_older_one() {
        let mailbox = Mailbox::new(2);
        mailbox.put(1, report("old"));
        mailbox.put(1, report("new"));
        mailbox.put(0, report("other"));
        assert_eq!(mailbox.take(), [(0, report("other")), (1, report("new"))]);
    }

    #[test]
    fn a_report_that_comes_back_does_not_displace_a_newer_one() {
        let mailbox = Mailbox::new(2);
        mailbox.put(0, report("new"));
        mailbox.put_back(0, report("old"));
        mailbox.put_back(1, report("only"));
        assert_eq!(mailbox.take(), [(0, report("new")), (1, report("only"))]);
    }

    #[test]
    fn the_sender_sleeps_until_a_report_comes() {
        let mailbox = Arc::new(Mailbox::new(1));
        let taken = std::thread::spawn({
            let mailbox = Arc::clone(&mailbox);
            move || mailbox.take()
        });
        mailbox.put(0, report("x"));
        assert_eq!(taken.join().unwrap(), [(0, report("x"))]);
    }
}
