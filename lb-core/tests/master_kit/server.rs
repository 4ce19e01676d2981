//! A server: some workers, one queue, and a record of what it did in every tenth of a second.
//!
//! No counterpart in the patent. M/M/c, served in the order of arrival; the workers' next free times say
//! everything, so that a request costs one look at each worker and no event queue.
//! Easy to get wrong: work that reaches beyond a tick counts as busy time in every tick that it touches.

use super::random::Random;

/// Ticks per second of the record.
pub(crate) const TICKS: usize = 10;
/// Workers of every server.
pub(crate) const WORKERS: usize = 4;

/// One server.
pub(crate) struct Server {
    /// Requests per second at full utilisation.
    pub(crate) capacity: f64,
    free_at: [f64; WORKERS],
    busy: Vec<f64>,
    finished: Vec<u32>,
    /// Requests that came so far, and those that were finished before a tick.
    arrived: u32,
    done: (usize, u32),
    chance: Random,
}

/// What a server did in a span of ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    /// 0 to 1.
    pub(crate) utilization: f64,
    /// Requests finished per second.
    pub(crate) rps: f64,
}

impl Server {
    /// A server of `capacity` requests per second, with a record of `seconds`.
    pub(crate) fn new(capacity: f64, seconds: usize, chance: Random) -> Self {
        let ticks = seconds * TICKS;
        Self {
            capacity,
            free_at: [0.0; WORKERS],
            busy: vec![0.0; ticks],
            finished: vec![0; ticks],
            arrived: 0,
            done: (0, 0),
            chance,
        }
    }

    /// Serves one request that comes at `now`; answers its response time in seconds.
    pub(crate) fn serve(&mut self, now: f64) -> f64 {
        let service = self.chance.exponential(WORKERS as f64 / self.capacity);
        let mut first = 0;
        for worker in 1..WORKERS {
            if self.free_at[worker] < self.free_at[first] {
                first = worker;
            }
        }
        let start = now.max(self.free_at[first]);
        let end = start + service;
        self.free_at[first] = end;
        self.arrived += 1;
        self.record(start, end);
        end - now
    }

    fn record(&mut self, start: f64, end: f64) {
        let tick = |time: f64| (time * TICKS as f64) as usize;
        if let Some(count) = self.finished.get_mut(tick(end)) {
            *count += 1;
        }
        let length = 1.0 / TICKS as f64;
        for at in tick(start)..=tick(end) {
            let Some(busy) = self.busy.get_mut(at) else {
                break;
            };
            let from = start.max(at as f64 * length);
            let until = end.min((at + 1) as f64 * length);
            *busy += (until - from).max(0.0);
        }
    }

    /// What it did from one tick until before another.
    pub(crate) fn record_of(&self, from: usize, until: usize) -> Record {
        let seconds = (until - from) as f64 / TICKS as f64;
        let sum = |counts: &[u32]| counts.iter().sum::<u32>();
        Record {
            utilization: self.busy[from..until].iter().sum::<f64>() / (seconds * WORKERS as f64),
            rps: f64::from(sum(&self.finished[from..until])) / seconds,
        }
    }

    /// Requests in progress or queued at the beginning of a tick, which is now; ticks never go back.
    pub(crate) fn in_progress(&mut self, now: usize) -> u32 {
        let (until, done) = self.done;
        let since: u32 = self.finished[until..now].iter().sum();
        self.done = (now, done + since);
        self.arrived - self.done.1
    }
}
