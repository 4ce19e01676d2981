//! How strong a backend is: work done over time spent busy, remembered for as long as it takes to be sure.
//!
//! No counterpart in the patent. Work and busy time are summed separately and divided once, so that a
//! quiet second does not count for as much as a full one, and both forget with a time constant that holds
//! [`MEMORY_REQUESTS`]. gRFC A58 divides the same two values, of one report each.
//! Strength does not depend on the load: the estimate holds still while the load moves, so the loop has
//! nothing to swing with.
//! Easy to get wrong: a change of strength that lasts must end the memory, or a server that lost half
//! of its processors is overloaded for a minute.

use super::measure::{Measure, busy};
use super::rules::{
    CLIENTS_ERROR, DEAD_BAND, DEAD_BAND_ERRORS, DEAD_BAND_WIDEST, HOT, JUMP, JUMP_ERRORS,
    JUMP_REPORTS, LEAST_WORK, LONGEST_GAP_SECONDS, MEMORY_LONGEST, MEMORY_REQUESTS,
    MEMORY_SHORTEST,
};
use crate::load::{SMOOTHING_SECONDS, SmoothedReport};

/// Busy seconds below which there is nothing to divide by.
const LEAST_BUSY: f64 = 1e-6;

/// What is remembered of one backend.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    measure: Option<Measure>,
    /// Reports absorbed, as the report counts them.
    count: u64,
    since_boot: u32,
    monotonic_seconds: f64,
    /// Requests (or clients · seconds), decayed.
    work: f64,
    /// Seconds of full utilisation, decayed.
    busy: f64,
    /// Reports in a row that contradict the memory.
    surprises: u32,
}

impl Evidence {
    /// Takes a report in, if it is a new one; answers whether the memory started anew.
    pub(super) fn absorb(&mut self, report: &SmoothedReport, measure: Measure) -> bool {
        if self.measure != Some(measure) {
            *self = Self {
                measure: Some(measure),
                ..Self::default()
            };
        }
        if self.count == report.count {
            return false;
        }
        let is_same_boot = self.count > 0 && report.since_boot > self.since_boot;
        let gap = report.monotonic_seconds - self.monotonic_seconds;
        self.count = report.count;
        self.since_boot = report.since_boot;
        self.monotonic_seconds = report.monotonic_seconds;
        let (Some(work), Some(busy)) = (measure.work(report), busy(report)) else {
            return false;
        };
        // The clients of a full server are mostly its queue.
        if !is_same_boot || (measure == Measure::Clients && busy >= HOT) {
            return false;
        }
        let gap = gap.clamp(0.0, LONGEST_GAP_SECONDS);
        let kept = (-gap / memory_seconds(measure, work)).exp();
        self.work = self.work * kept + work * gap;
        self.busy = self.busy * kept + busy * gap;
        self.forget_if_wrong(work, busy)
    }

    /// Work per busy second; `None` before there is enough to divide.
    pub(super) fn strength(&self) -> Option<f64> {
        (self.busy > LEAST_BUSY).then(|| self.work / self.busy)
    }

    /// Whether enough was seen for a first verdict.
    pub(super) fn is_ample(&self) -> bool {
        self.work >= LEAST_WORK
    }

    /// Dead band around the estimate, as a part of it: as wide as counting so few makes it uncertain.
    pub(super) fn band(&self) -> f64 {
        (DEAD_BAND_ERRORS * self.error()).clamp(DEAD_BAND, DEAD_BAND_WIDEST)
    }

    /// Standard error of the strength, as a part of it.
    fn error(&self) -> f64 {
        match self.measure {
            Some(Measure::Clients) => CLIENTS_ERROR,
            // A sum that decays with time constant T has the error of an even mean over 2 T.
            _ => (2.0 * self.work).max(f64::MIN_POSITIVE).sqrt().recip(),
        }
    }

    fn forget_if_wrong(&mut self, work: f64, busy: f64) -> bool {
        let (Some(remembered), true) = (self.strength(), busy > 0.0) else {
            return false;
        };
        // Half of what the smoothing could hold at best: reports get lost, or are overtaken.
        let now = match self.measure {
            Some(Measure::Clients) => 2.0 * CLIENTS_ERROR,
            _ => (work * SMOOTHING_SECONDS).max(1.0).sqrt().recip(),
        };
        let error = now.hypot(self.error());
        let is_surprise =
            (work / busy - remembered).abs() > remembered * JUMP.max(JUMP_ERRORS * error);
        self.surprises = if is_surprise { self.surprises + 1 } else { 0 };
        if self.surprises < JUMP_REPORTS {
            return false;
        }
        self.surprises = 0;
        self.work = work * SMOOTHING_SECONDS;
        self.busy = busy * SMOOTHING_SECONDS;
        true
    }
}

/// Time constant of the memory at `work` per second. A sum that decays with it holds twice as much.
fn memory_seconds(measure: Measure, work: f64) -> f64 {
    match measure {
        Measure::Requests if work > 0.0 => {
            (MEMORY_REQUESTS / 2.0 / work).clamp(MEMORY_SHORTEST, MEMORY_LONGEST)
        }
        Measure::Requests | Measure::Clients => MEMORY_LONGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: u32, rps: f64, cpu: f64) -> SmoothedReport {
        SmoothedReport {
            count: u64::from(second) + 1,
            since_boot: second + 1,
            monotonic_seconds: f64::from(second),
            cpu_utilization: Some(cpu),
            rps: Some(rps),
            ..SmoothedReport::default()
        }
    }

    #[test]
    fn strength_does_not_move_with_the_load() {
        let mut evidence = Evidence::default();
        for second in 0..200 {
            let load = if second % 40 < 20 { 0.2 } else { 0.8 };
            assert!(!evidence.absorb(&report(second, 400.0 * load, load), Measure::Requests));
        }
        let strength = evidence.strength().unwrap();
        assert!((strength - 400.0).abs() < 1e-6, "{strength}");
    }

    #[test]
    fn a_report_counts_once_however_often_it_is_shown() {
        let (mut once, mut often) = (Evidence::default(), Evidence::default());
        for second in 0..10 {
            let report = report(second, 100.0, 0.5);
            once.absorb(&report, Measure::Requests);
            for _ in 0..5 {
                often.absorb(&report, Measure::Requests);
            }
        }
        assert!((once.work - often.work).abs() < 1e-9);
    }

    #[test]
    fn a_server_that_loses_half_its_processors_is_seen_in_three_reports() {
        let mut evidence = Evidence::default();
        for second in 0..100 {
            evidence.absorb(&report(second, 200.0, 0.5), Measure::Requests);
        }
        let seen = (100..110)
            .find(|&second| evidence.absorb(&report(second, 200.0, 1.0), Measure::Requests));
        assert_eq!(seen, Some(102));
        assert!((evidence.strength().unwrap() - 200.0).abs() < 1e-6);
    }

    #[test]
    fn one_odd_report_does_not_end_the_memory() {
        let mut evidence = Evidence::default();
        for second in 0..100 {
            let cpu = if second % 10 == 9 { 1.0 } else { 0.5 };
            assert!(!evidence.absorb(&report(second, 200.0, cpu), Measure::Requests));
        }
    }

    #[test]
    fn the_dead_band_is_as_wide_as_the_noise_of_what_was_counted() {
        let band = |rps| {
            let mut evidence = Evidence::default();
            for second in 0..3000 {
                evidence.absorb(&report(second, rps, 0.5), Measure::Requests);
            }
            evidence.band()
        };
        assert!((band(10_000.0) - DEAD_BAND).abs() < 1e-12);
        assert!(
            (band(10.0) - 2.0 / 6000.0_f64.sqrt()).abs() < 0.001,
            "{}",
            band(10.0)
        );
        assert!((band(0.01) - DEAD_BAND_WIDEST).abs() < 1e-12);
    }

    #[test]
    fn a_restarted_agent_keeps_its_servers_strength() {
        let mut evidence = Evidence::default();
        for second in 0..100 {
            evidence.absorb(&report(second, 200.0, 0.5), Measure::Requests);
        }
        let restarted = SmoothedReport {
            count: 101,
            ..report(0, 5.0, 0.5)
        };
        evidence.absorb(&restarted, Measure::Requests);
        assert!((evidence.strength().unwrap() - 400.0).abs() < 1e-6);
    }
}
