//! Reports, smoothed: what the master and the status pages read.
//!
//! WO 00/30294: what resource manager 52 hands to master module 54. Each value is an exponential mean
//! with a time constant of [`SMOOTHING_SECONDS`]; the first reports of a boot are averaged evenly, so
//! that the very first one does not count for more than the rest.
//! Not here: how old the newest report is; that is measured on the receiver's clock (`resource_manager`).
//! Easy to get wrong: the weight of a report follows the agent's clock, not the number of reports, or
//! lost reports would make the mean lag.

use std::collections::BTreeMap;

use super::report::Report;

/// Time constant of the mean, in seconds: five reports of the usual interval. Shorter, and a second's
/// noise shows in the weights; longer, and a step in load is seen late.
pub const SMOOTHING_SECONDS: f64 = 5.0;

/// Means over the last reports of one backend. Units and ranges are those of [`Report`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmoothedReport {
    /// Reports absorbed in all: changes with every report.
    pub count: u64,
    /// Reports absorbed since the agent's start.
    pub since_boot: u32,
    /// Agent's clock at the newest report, in seconds.
    pub monotonic_seconds: f64,
    /// Clients now served.
    pub clients: Option<f64>,
    /// From 0; may pass 1.
    pub cpu_utilization: Option<f64>,
    /// 0 to 1.
    pub mem_utilization: Option<f64>,
    /// Seconds.
    pub execution_time_seconds: Option<f64>,
    /// Requests per second.
    pub rps: Option<f64>,
    /// Failed requests per second.
    pub eps: Option<f64>,
    /// Values of the application's own.
    pub named_metrics: BTreeMap<String, f64>,
}

impl SmoothedReport {
    /// Takes one more report in. The first report of a boot id starts the means anew.
    pub fn absorb(&mut self, report: &Report) {
        let count = self.count.saturating_add(1);
        if report.gap_seconds.is_none() {
            *self = Self::default();
        }
        self.count = count;
        self.since_boot = self.since_boot.saturating_add(1);
        self.monotonic_seconds = report.monotonic_seconds;
        let gap = report.gap_seconds.unwrap_or(SMOOTHING_SECONDS);
        let decayed = 1.0 - (-gap / SMOOTHING_SECONDS).exp();
        let part = decayed.max(1.0 / f64::from(self.since_boot)).min(1.0);

        let pairs = [
            (&mut self.clients, report.clients),
            (&mut self.cpu_utilization, report.cpu_utilization),
            (&mut self.mem_utilization, report.mem_utilization),
            (
                &mut self.execution_time_seconds,
                report.execution_time_seconds,
            ),
            (&mut self.rps, report.rps),
            (&mut self.eps, report.eps),
        ];
        for (mean, value) in pairs {
            *mean = towards(*mean, value, part);
        }
        let earlier = std::mem::take(&mut self.named_metrics);
        self.named_metrics = report
            .named_metrics
            .iter()
            .filter_map(|(name, &value)| {
                let mean = towards(earlier.get(name).copied(), Some(value), part)?;
                Some((name.clone(), mean))
            })
            .collect();
    }
}

/// The new mean: unknown as soon as the value is, and the value itself where nothing was known before.
fn towards(mean: Option<f64>, value: Option<f64>, part: f64) -> Option<f64> {
    let value = value?;
    // Two products: the difference of two named metrics of opposite sign could pass the largest number.
    Some(mean.map_or(value, |mean| mean * (1.0 - part) + value * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(gap_seconds: Option<f64>, value: f64) -> Report {
        Report {
            gap_seconds,
            cpu_utilization: Some(value),
            ..Report::default()
        }
    }

    #[test]
    fn a_step_is_followed_to_63_percent_in_one_time_constant() {
        let mut smoothed = SmoothedReport::default();
        smoothed.absorb(&cpu(None, 0.0));
        for _ in 0..50 {
            smoothed.absorb(&cpu(Some(1.0), 0.0));
        }
        for _ in 0..5 {
            smoothed.absorb(&cpu(Some(1.0), 1.0));
        }
        let followed = smoothed.cpu_utilization.unwrap();
        assert!((followed - 0.632).abs() < 0.001, "{followed}");
    }

    #[test]
    fn four_lost_reports_make_no_difference_to_a_step() {
        let settled = |last: &[f64]| {
            let mut smoothed = SmoothedReport::default();
            smoothed.absorb(&cpu(None, 0.0));
            for _ in 0..50 {
                smoothed.absorb(&cpu(Some(1.0), 0.0));
            }
            for &gap in last {
                smoothed.absorb(&cpu(Some(gap), 1.0));
            }
            smoothed.cpu_utilization.unwrap()
        };
        assert!((settled(&[1.0; 5]) - settled(&[5.0])).abs() < 1e-9);
    }

    #[test]
    fn the_first_reports_are_averaged_evenly() {
        let mut smoothed = SmoothedReport::default();
        smoothed.absorb(&cpu(None, 0.9));
        smoothed.absorb(&cpu(Some(1.0), 0.1));
        smoothed.absorb(&cpu(Some(1.0), 0.2));
        let mean = smoothed.cpu_utilization.unwrap();
        assert!((mean - 0.4).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn a_restarted_agent_starts_the_means_anew_but_goes_on_counting() {
        let mut smoothed = SmoothedReport::default();
        smoothed.absorb(&cpu(None, 0.9));
        smoothed.absorb(&cpu(Some(1.0), 0.9));
        smoothed.absorb(&cpu(None, 0.1));
        assert_eq!(smoothed.cpu_utilization, Some(0.1));
        assert_eq!((smoothed.count, smoothed.since_boot), (3, 1));
    }

    #[test]
    fn a_value_that_is_no_longer_reported_is_unknown_at_once() {
        let mut smoothed = SmoothedReport::default();
        smoothed.absorb(&cpu(None, 0.9));
        let silent = Report {
            gap_seconds: Some(1.0),
            ..Report::default()
        };
        smoothed.absorb(&silent);
        assert_eq!(smoothed.cpu_utilization, None);
    }
}
