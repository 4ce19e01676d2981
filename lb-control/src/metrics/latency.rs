//! How long something takes, as quantiles of the last minute or two.
//!
//! No counterpart in the patent. Two histograms take turns: the one that is filled now, and the one before. So an old
//! outlier goes away, and right after a turn there is still something to see.
//! Easy to get wrong: count and sum go on for ever, as Prometheus expects of them; only quantiles forget.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// After which the histograms change places.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest time that is told apart, in microseconds: ten minutes. Longer counts as this.
const LONGEST_MICROS: u64 = 600_000_000;
/// Quantiles that are shown.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// Durations of one kind of work.
#[derive(Default)]
pub(crate) struct Latency(Mutex<Option<Windows>>);

struct Windows {
    now: Histogram<u64>,
    before: Histogram<u64>,
    began: Instant,
    count: u64,
    sum: Duration,
}

/// What was seen of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) sum_seconds: f64,
    /// Part, and seconds that this part stays below; empty where nothing was seen lately.
    pub(super) quantiles: Vec<(f64, f64)>,
}

impl Windows {
    /// `None` cannot happen: the bounds are right.
    fn new(now: Instant) -> Option<Self> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 2).ok()?;
        Some(Self {
            before: histogram.clone(),
            now: histogram,
            began: now,
            count: 0,
            sum: Duration::ZERO,
        })
    }

    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age >= WINDOW {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.reset();
            if age >= 2 * WINDOW {
                self.before.reset();
            }
            self.began = now;
        }
    }
}

impl Latency {
    /// Notes one duration.
    pub(crate) fn note(&self, took: Duration) {
        self.note_at(took, Instant::now());
    }

    fn note_at(&self, took: Duration, now: Instant) {
        let mut windows = self.0.lock();
        if windows.is_none() {
            *windows = Windows::new(now);
        }
        if let Some(windows) = windows.as_mut() {
            windows.turn(now);
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            windows.now.saturating_record(micros.max(1));
            windows.count += 1;
            windows.sum += took;
        }
    }

    /// What was seen.
    pub(super) fn seen(&self) -> Seen {
        self.seen_at(Instant::now())
    }

    fn seen_at(&self, now: Instant) -> Seen {
        let mut windows = self.0.lock();
        let Some(windows) = windows.as_mut() else {
            return Seen::default();
        };
        windows.turn(now);
        let mut both = windows.before.clone();
        // Both have the same bounds.
        let _ = both.add(&windows.now);
        let quantile = |part| (part, both.value_at_quantile(part) as f64 / 1e6);
        Seen {
            count: windows.count,
            sum_seconds: windows.sum.as_secs_f64(),
            quantiles: if both.is_empty() {
                Vec::new()
            } else {
                QUANTILES.map(quantile).to_vec()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_forget_and_sums_do_not() {
        let (latency, start) = (Latency::default(), Instant::now());
        assert_eq!(latency.seen_at(start), Seen::default());
        latency.note_at(Duration::from_secs(10), start);
        for _ in 0..99 {
            latency.note_at(Duration::from_millis(1), start);
        }
        let seen = latency.seen_at(start + WINDOW);
        let of = |part: f64| {
            let mut all = seen.quantiles.iter();
            all.find(|(q, _)| (q - part).abs() < 1e-9).unwrap().1
        };
        assert!((of(0.5) - 0.001).abs() < 0.0001);
        assert!((of(1.0) - 10.0).abs() < 0.2);
        let later = latency.seen_at(start + 4 * WINDOW);
        assert_eq!(later.quantiles, Vec::new());
        assert_eq!(later.count, 100);
        assert!((later.sum_seconds - 10.099).abs() < 1e-6);
    }
}
