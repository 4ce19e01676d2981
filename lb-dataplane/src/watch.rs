//! The main lcore's watch: it waits for the end and keeps the region's time meanwhile.
//!
//! WO 00/30294: control processor 42 while the switching processors run; so far it has nothing else to do.
//! Easy to get wrong: a lcore that the system does not let run sees no packets, and so does one without
//! traffic. Only the second is idle; the lcores' turns tell them apart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::dpdk::lcore;
use crate::memory::SharedTables;
use crate::options::Options;
use crate::workers::Worker;

/// Waits for a signal, the end of the time, or the end of the packets.
pub fn wait(
    options: &Options,
    shared: &SharedTables,
    workers: &[Worker],
    handles: &[lcore::Handle<()>],
    stop: &AtomicBool,
    began: Instant,
) {
    const STEP: Duration = Duration::from_millis(5);
    let limit = options.run_for.map(Duration::from_secs_f64);
    let patience = options.exit_when_idle.map(Duration::from_millis);
    let mut quiet = Quiet::default();
    let mut noted = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STEP);
        if noted.elapsed() >= Duration::from_secs(1) {
            noted = Instant::now();
            shared.note_time();
        }
        let is_over = limit.is_some_and(|limit| began.elapsed() >= limit);
        let silence = quiet.look(workers);
        let is_idle = patience.is_some_and(|patience| silence >= Some(patience));
        // A lcore that ended by itself has panicked: `join` will say so.
        if is_over || is_idle || handles.iter().any(lcore::Handle::is_finished) {
            return;
        }
    }
}

/// Watches for how long no packet has come.
#[derive(Default)]
struct Quiet {
    received: u64,
    /// Since when, and how many turns each lcore had made then.
    since: Option<(Instant, Vec<u64>)>,
}

impl Quiet {
    /// How long no packet has come or waited. `None` while there was one just now, and until every lcore has
    /// looked at its queues again: a lcore that the system keeps from running sees no packets either.
    fn look(&mut self, workers: &[Worker]) -> Option<Duration> {
        let turns = || workers.iter().map(|worker| worker.engine.turns.value());
        let received = workers
            .iter()
            .map(|worker| worker.filter.received.value())
            .sum();
        let is_busy = workers.iter().any(|worker| worker.filter.held.value() != 0);
        match &self.since {
            Some((since, then)) if received == self.received && !is_busy => {
                // The turn that was under way may have begun before the last packet came; the next has not.
                let has_looked = turns().zip(then).all(|(now, then)| now > then + 1);
                has_looked.then(|| since.elapsed())
            }
            _ => {
                self.received = received;
                self.since = Some((Instant::now(), turns().collect()));
                None
            }
        }
    }
}
