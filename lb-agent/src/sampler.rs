//! One backend's sources, asked in turn, and the report made of what they say.
//!
//! No counterpart in the patent. Where two sources know the same value the later one is right, so their
//! order goes from the general (the machine) to the particular (a command of the operator's).
//! Easy to get wrong: a source that failed has its values taken out at once; one that is only too costly
//! to be asked every round keeps them.

use std::time::{Duration, Instant};

use lb_core::load::LoadReport;

use crate::identity::{Identity, monotonic_seconds, thread_cpu_seconds};
use crate::notice::{Trouble, printable, tell};
use crate::pace::Pace;
use crate::source::{Ask, Failure, Source};
use crate::values::Values;

/// Longest time for one source, however long the interval is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes one backend's reports.
pub struct Sampler {
    backend: String,
    boot_id: String,
    sequence: u64,
    patience: Duration,
    members: Vec<Member>,
}

struct Member {
    source: Box<dyn Source>,
    pace: Pace,
    values: Values,
    trouble: Trouble,
}

impl Sampler {
    /// A sampler of one backend. `share` is the part of a core that each source may use.
    #[must_use]
    pub fn new(
        backend: &str,
        identity: &Identity,
        sources: Vec<Box<dyn Source>>,
        interval: Duration,
        share: f64,
    ) -> Self {
        let member = |source| Member {
            source,
            pace: Pace::new(interval, share),
            values: Values::default(),
            trouble: Trouble::default(),
        };
        Self {
            backend: backend.to_owned(),
            boot_id: identity.boot_id().to_owned(),
            sequence: 0,
            patience: (interval / 2).min(PATIENCE),
            members: sources.into_iter().map(member).collect(),
        }
    }

    /// Asks every source that is due; what all of them know. Call it once before the first report, for
    /// rates need two looks.
    pub fn look(&mut self) -> Values {
        let mut values = Values::default();
        for member in &mut self.members {
            if member.pace.is_due() {
                member.ask(self.patience, &self.backend);
            }
            values.overlay(&member.values);
        }
        values
    }

    /// The next report.
    pub fn report(&mut self) -> LoadReport {
        let values = self.look();
        self.sequence += 1;
        LoadReport {
            backend: self.backend.clone(),
            boot_id: self.boot_id.clone(),
            sequence: self.sequence,
            monotonic_seconds: monotonic_seconds(),
            clients: values.clients,
            cpu_utilization: values.cpu_utilization,
            mem_utilization: values.mem_utilization,
            execution_time_seconds: values.execution_time_seconds,
            rps_fractional: values.rps_fractional,
            eps: values.eps,
            named_metrics: values.named_metrics,
        }
    }
}

impl Member {
    fn ask(&mut self, patience: Duration, backend: &str) {
        let at = Instant::now();
        let before = thread_cpu_seconds();
        let said = self.source.read(Ask {
            at,
            deadline: at + patience,
        });
        if let Err(Failure::Hung) = said {
            self.pace.hung();
        } else {
            let cost = (thread_cpu_seconds() - before).max(0.0);
            self.pace
                .answered(Duration::try_from_secs_f64(cost).unwrap_or_default());
        }
        let trouble;
        (self.values, trouble) = match said {
            Ok(reading) => (reading.values, reading.remark),
            Err(failure) => (Values::default(), Some(printable(&failure.to_string()))),
        };
        let what = format!("{backend}: {}", self.source.name());
        if let Some(line) = self.trouble.now(at, trouble.as_deref(), &what) {
            tell(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Reading;
    use crate::values::Field;
    use std::collections::VecDeque;

    /// Says what it was told to say.
    struct Scripted(VecDeque<Result<Values, Failure>>);

    impl Source for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn read(&mut self, _: Ask) -> Result<Reading, Failure> {
            let values = self.0.pop_front().unwrap()?;
            Ok(Reading {
                values,
                remark: None,
            })
        }
    }

    fn said(pairs: &[(Field, f64)]) -> Result<Values, Failure> {
        let mut values = Values::default();
        for (field, value) in pairs {
            values.set(field, *value).unwrap();
        }
        Ok(values)
    }

    fn sampler(scripts: Vec<Vec<Result<Values, Failure>>>) -> Sampler {
        let sources = scripts
            .into_iter()
            .map(|script| Box::new(Scripted(script.into())) as Box<dyn Source>)
            .collect();
        // A share of all of a core: nothing is too costly here.
        Sampler::new(
            "web-1",
            &Identity::new(),
            sources,
            Duration::from_secs(1),
            1.0,
        )
    }

    #[test]
    fn reports_are_numbered_from_one_and_keep_their_boot_id() {
        let mut sampler = sampler(Vec::new());
        let (first, second) = (sampler.report(), sampler.report());
        assert_eq!((first.sequence, second.sequence), (1, 2));
        assert_eq!(first.boot_id, second.boot_id);
        assert!(second.monotonic_seconds > first.monotonic_seconds);
        assert!(lb_core::load::validate(&first).is_ok());
    }

    #[test]
    fn the_later_source_is_right_and_the_earlier_one_fills_in() {
        let mut sampler = sampler(vec![
            vec![said(&[(Field::Clients, 9.0), (Field::CpuUtilization, 0.5)])],
            vec![said(&[(Field::Clients, 4.0)])],
        ]);
        let report = sampler.report();
        assert_eq!(
            (report.clients, report.cpu_utilization),
            (Some(4), Some(0.5))
        );
    }

    #[test]
    fn a_failed_source_has_no_last_word() {
        let mut sampler = sampler(vec![vec![
            said(&[(Field::Clients, 9.0)]),
            Err(Failure::Unreadable("gone".to_owned())),
            said(&[(Field::Clients, 8.0)]),
        ]]);
        let clients: Vec<_> = (0..3).map(|_| sampler.report().clients).collect();
        assert_eq!(clients, [Some(9), None, Some(8)]);
    }

    #[test]
    fn a_source_that_hung_is_left_alone_for_a_round() {
        let mut sampler = sampler(vec![vec![Err(Failure::Hung), said(&[(Field::Eps, 1.0)])]]);
        let errors: Vec<_> = (0..3).map(|_| sampler.report().eps).collect();
        assert_eq!(errors, [None, None, Some(1.0)]);
    }
}
