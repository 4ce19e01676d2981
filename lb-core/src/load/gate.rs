//! The gate of one backend: every report once, in order.
//!
//! No counterpart in the patent. Within one boot id both the sequence and the agent's clock must grow;
//! which of the two went back tells a replay from an agent that started again without saying so. A boot
//! id that was replaced never comes back.
//! Easy to get wrong: only reports that pass all other checks use up the rate, or whoever replays old
//! ones could silence a server.

use std::collections::VecDeque;

use super::refusal::Refusal;
use super::report::{LoadReport, Report, checked};

/// Reports per second and backend that are let through in the long run: twenty times the usual.
pub const RATE: f64 = 20.0;
/// Reports that are let through at once: two seconds' worth, held up on the way and let go together.
pub const BURST: f64 = 40.0;
/// Boot ids that are remembered after they were replaced.
const RETIRED: usize = 8;

/// What is remembered of one backend's reports.
#[derive(Clone, Debug, Default)]
pub struct ReportGate {
    boot: Option<Boot>,
    retired: VecDeque<String>,
    bucket: Option<Bucket>,
}

#[derive(Clone, Debug)]
struct Boot {
    id: String,
    sequence: u64,
    monotonic_seconds: f64,
}

/// A token bucket on the receiver's clock.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: f64,
}

impl ReportGate {
    /// Checks a report by itself and against what came before; `now_seconds` is the receiver's
    /// monotonic clock, from any origin.
    ///
    /// # Errors
    /// The cause; nothing is remembered of a refused report.
    pub fn admit(&mut self, report: &LoadReport, now_seconds: f64) -> Result<Report, Refusal> {
        let mut admitted = checked(report)?;
        admitted.gap_seconds = self.gap(report)?;
        self.spend(now_seconds)?;
        self.remember(report);
        Ok(admitted.with_metrics_of(report))
    }

    /// Seconds of the agent's clock since the last report; `None` for the first of a boot id.
    fn gap(&self, report: &LoadReport) -> Result<Option<f64>, Refusal> {
        if self.retired.contains(&report.boot_id) {
            return Err(Refusal::EarlierBoot);
        }
        let Some(boot) = self.boot.as_ref().filter(|boot| boot.id == report.boot_id) else {
            return Ok(None);
        };
        let gap = report.monotonic_seconds - boot.monotonic_seconds;
        match (report.sequence > boot.sequence, gap > 0.0) {
            (true, true) => Ok(Some(gap)),
            (true, false) => Err(Refusal::FromThePast {
                seconds: report.monotonic_seconds,
                last: boot.monotonic_seconds,
            }),
            (false, true) => Err(Refusal::SequenceRestart {
                sequence: report.sequence,
                last: boot.sequence,
            }),
            (false, false) => Err(Refusal::Replayed {
                sequence: report.sequence,
                last: boot.sequence,
            }),
        }
    }

    fn spend(&mut self, now_seconds: f64) -> Result<(), Refusal> {
        let mut bucket = self.bucket.unwrap_or(Bucket {
            tokens: BURST,
            at: now_seconds,
        });
        // `max` also takes a clock that stands still or is not a number for no time at all.
        let elapsed = (now_seconds - bucket.at).max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * RATE).min(BURST);
        bucket.at += elapsed;
        let is_enough = bucket.tokens >= 1.0;
        if is_enough {
            bucket.tokens -= 1.0;
        }
        self.bucket = Some(bucket);
        is_enough.then_some(()).ok_or(Refusal::TooMany)
    }

    fn remember(&mut self, report: &LoadReport) {
        let next = Boot {
            id: report.boot_id.clone(),
            sequence: report.sequence,
            monotonic_seconds: report.monotonic_seconds,
        };
        let is_same = self.boot.as_ref().is_some_and(|boot| boot.id == next.id);
        let last = self.boot.replace(next);
        if let Some(last) = last.filter(|_| !is_same) {
            if self.retired.len() == RETIRED {
                self.retired.pop_front();
            }
            self.retired.push_back(last.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(boot: &str, sequence: u64, seconds: f64) -> LoadReport {
        LoadReport {
            backend: "web-1".into(),
            boot_id: boot.into(),
            sequence,
            monotonic_seconds: seconds,
            cpu_utilization: Some(0.5),
            ..LoadReport::default()
        }
    }

    /// The cause of refusal of the last of some reports, all others taken.
    fn last_of(reports: &[LoadReport]) -> Option<&'static str> {
        let mut gate = ReportGate::default();
        let (last, first) = reports.split_last().unwrap();
        for report in first {
            gate.admit(report, 0.0).unwrap();
        }
        gate.admit(last, 0.0).err().map(|refusal| refusal.cause())
    }

    #[test]
    fn a_report_is_taken_once_and_in_order() {
        let cases = [
            (report("a", 8, 11.0), None),
            (report("a", 80, 11.0), None),
            (report("a", 7, 10.0), Some("replayed")),
            (report("a", 6, 9.0), Some("replayed")),
            (report("a", 8, 10.0), Some("from_the_past")),
            (report("a", 8, 9.0), Some("from_the_past")),
            (report("a", 1, 11.0), Some("sequence_restart")),
            (report("b", 1, 0.1), None),
        ];
        for (next, cause) in cases {
            assert_eq!(
                last_of(&[report("a", 7, 10.0), next.clone()]),
                cause,
                "{next:?}"
            );
        }
    }

    #[test]
    fn a_boot_id_that_was_replaced_never_comes_back() {
        let reports = [
            report("a", 1, 1.0),
            report("b", 1, 1.0),
            report("a", 2, 2.0),
        ];
        assert_eq!(last_of(&reports), Some("earlier_boot"));
    }

    #[test]
    fn a_refused_report_leaves_no_trace() {
        let mut gate = ReportGate::default();
        gate.admit(&report("a", 1, 1.0), 0.0).unwrap();
        let wrong = LoadReport {
            cpu_utilization: Some(f64::NAN),
            ..report("b", 9, 9.0)
        };
        assert!(gate.admit(&wrong, 1.0).is_err());
        let next = gate.admit(&report("a", 2, 3.5), 1.0).unwrap();
        assert_eq!(next.gap_seconds, Some(2.5));
    }

    #[test]
    fn the_first_report_of_a_boot_has_no_gap() {
        let mut gate = ReportGate::default();
        assert_eq!(
            gate.admit(&report("a", 1, 1.0), 0.0).unwrap().gap_seconds,
            None
        );
        assert_eq!(
            gate.admit(&report("b", 1, 9.0), 0.0).unwrap().gap_seconds,
            None
        );
    }

    #[test]
    fn ten_thousand_reports_a_second_get_through_as_twenty() {
        let mut gate = ReportGate::default();
        let mut taken = 0.0;
        for number in 0..100_000_u32 {
            let now = f64::from(number) / 10_000.0;
            let outcome = gate.admit(&report("a", u64::from(number), now), now);
            match outcome {
                Ok(_) => taken += 1.0,
                Err(refusal) => assert_eq!(refusal.cause(), "too_many"),
            }
        }
        assert!((taken - (BURST + RATE * 10.0)).abs() <= 1.0, "{taken}");
    }

    #[test]
    fn replays_do_not_use_up_the_rate_of_honest_reports() {
        let mut gate = ReportGate::default();
        gate.admit(&report("a", 1, 1.0), 0.0).unwrap();
        for _ in 0..1000 {
            assert!(gate.admit(&report("a", 1, 1.0), 0.0).is_err());
        }
        assert!(gate.admit(&report("a", 2, 2.0), 0.0).is_ok());
    }

    #[test]
    fn every_cause_has_a_word_of_its_own() {
        let mut causes = Refusal::CAUSES.to_vec();
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), Refusal::CAUSES.len());
        assert!(causes.contains(&Refusal::TooMany.cause()));
    }
}
