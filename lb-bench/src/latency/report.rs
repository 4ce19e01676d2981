//! What a measurement of latency says: of one run, and of all.
//!
//! No counterpart in the patent. All times are nanoseconds.
//! Easy to get wrong: a quantile over the packets of all runs would be one bad run's; each run has its own, and
//! over runs the middle one counts.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::measure::Spread;

/// How old packets were when they came back, in nanoseconds, to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages {
    /// Half of them were younger.
    pub p50: u64,
    /// 99 in 100.
    pub p99: u64,
    /// 999 in 1,000.
    pub p99_9: u64,
    /// The oldest.
    pub max: u64,
}

/// Packets at one rate, through the engine or through a bare loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Passage {
    /// Packets put into the ring.
    pub sent: u64,
    /// Packets that the ring had no room for.
    pub refused: u64,
    /// Packets that were due while the source was held up, and never sent.
    pub skipped: u64,
    /// Packets that were sent and did not come back: the way out had no room.
    pub lost: u64,
    /// Million packets per second that were sent.
    pub mpps: f64,
    /// Per cent of the time that the engine was in turns with packets; 0 for the bare loop, which does not count.
    pub busy_percent: f64,
    /// Age of those that came back.
    pub ages: Ages,
    /// Longest time in which the receiver did not look, in nanoseconds: so much of the oldest age may be its own.
    pub longest_pause: u64,
}

/// One load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Per cent of the saturation rate.
    pub percent: u32,
    /// Through the engine.
    pub engine: Passage,
    /// Through a loop that only receives and sends: what rings and receiver take by themselves.
    pub rings: Passage,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Million packets per second at which no more go through.
    pub saturation_mpps: f64,
    /// Per cent of that time that the engine was in turns with packets. Far below 100 the source is the limit.
    pub busy_percent: f64,
    /// The loads.
    pub loads: Vec<Load>,
}

/// All runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Whether runs had real-time priority.
    pub real_time: bool,
    /// Whether mbufs and rings lay on hugepages.
    pub huge: bool,
    /// Runs.
    pub runs: u32,
    /// Seconds of each load in a run.
    pub seconds: f64,
    /// Flows.
    pub flows: u32,
    /// `nat` or `direct`.
    pub forwarding: String,
    /// Million packets per second at which no more go through.
    pub saturation_mpps: Spread,
    /// Per cent of that time that the engine was in turns with packets.
    pub busy_percent: Spread,
    /// The loads, over all runs.
    pub loads: Vec<LoadSpread>,
}

/// One load, over all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadSpread {
    /// Per cent of the saturation rate.
    pub percent: u32,
    /// Million packets per second that were sent.
    pub mpps: Spread,
    /// Per cent of the time that the engine was in turns with packets.
    pub busy_percent: Spread,
    /// Per cent of the packets that a ring had no room for, on the way in or out.
    pub lost_percent: Spread,
    /// Longest time in which the receiver did not look.
    pub longest_pause: Spread,
    /// Through the engine.
    pub engine: AgesSpread,
    /// Through a bare loop.
    pub rings: AgesSpread,
}

/// Quantiles over all runs, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AgesSpread {
    /// Half of the packets were younger.
    pub p50: Spread,
    /// 99 in 100.
    pub p99: Spread,
    /// 999 in 1,000.
    pub p99_9: Spread,
    /// The oldest.
    pub max: Spread,
}

impl Ages {
    /// What is kept of all ages.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl Passage {
    /// Million packets per second that came back.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn returned_mpps(&self) -> f64 {
        self.mpps * (self.sent - self.lost) as f64 / self.sent.max(1) as f64
    }

    /// Per cent of the packets that a ring had no room for, on the way in or out.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn lost_percent(&self) -> f64 {
        (self.refused + self.lost) as f64 * 100.0 / (self.sent + self.refused).max(1) as f64
    }
}

/// One load over several runs.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "times far below 2^52 ns")]
pub fn sum_up(percent: u32, loads: &[&Load]) -> LoadSpread {
    let over =
        |figure: &dyn Fn(&Load) -> f64| Spread::of(loads.iter().map(|load| figure(load)).collect());
    let ages = |of: fn(&Load) -> &Ages| AgesSpread {
        p50: over(&|load| of(load).p50 as f64),
        p99: over(&|load| of(load).p99 as f64),
        p99_9: over(&|load| of(load).p99_9 as f64),
        max: over(&|load| of(load).max as f64),
    };
    LoadSpread {
        percent,
        mpps: over(&|load| load.engine.mpps),
        busy_percent: over(&|load| load.engine.busy_percent),
        lost_percent: over(&|load| load.engine.lost_percent()),
        longest_pause: over(&|load| load.engine.longest_pause as f64),
        engine: ages(|load| &load.engine.ages),
        rings: ages(|load| &load.rings.ages),
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "saturated at {:.2} M/s, the engine busy {:.0} % of the time",
            self.saturation_mpps, self.busy_percent
        )?;
        for load in &self.loads {
            let Passage {
                mpps,
                busy_percent,
                ages,
                ..
            } = &load.engine;
            write!(
                f,
                "\n   {} %, {mpps:.2} M/s, busy {busy_percent:.0} %: {ages}; rings {}; {:.3} % lost; receiver away {} at most",
                load.percent,
                load.rings.ages,
                load.engine.lost_percent(),
                Micros(load.engine.longest_pause),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Ages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p99_9, max] = [self.p50, self.p99, self.p99_9, self.max].map(Micros);
        write!(f, "p50 {p50}, p99 {p99}, p99.9 {p99_9}, max {max}")
    }
}

/// Nanoseconds, printed as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    #[expect(clippy::cast_precision_loss, reason = "times far below 2^52 ns")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} µs", self.0 as f64 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(sent: u64, refused: u64, lost: u64, p50: u64) -> Passage {
        Passage {
            sent,
            refused,
            skipped: 0,
            lost,
            mpps: 1.0,
            busy_percent: 0.0,
            ages: Ages {
                p50,
                p99: p50,
                p99_9: p50,
                max: p50,
            },
            longest_pause: 0,
        }
    }

    #[test]
    fn what_a_ring_refused_counts_as_lost_like_what_never_came_back() {
        assert_eq!(passage(90, 10, 10, 1).lost_percent(), 20.0);
        assert_eq!(passage(100, 0, 0, 1).lost_percent(), 0.0);
    }

    #[test]
    fn over_runs_the_middle_quantile_counts() {
        let load = |p50| Load {
            percent: 10,
            engine: passage(100, 0, 0, p50),
            rings: passage(100, 0, 0, 1),
        };
        let loads = [2_000, 90_000, 1_000].map(load);
        let all = sum_up(10, &loads.each_ref());
        assert_eq!(all.engine.p50.median, 2_000.0);
        assert_eq!(all.engine.p50.max, 90_000.0);
        assert_eq!(all.rings.p50.median, 1.0);
    }
}
