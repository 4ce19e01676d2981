//! What load reports are remembered of: one agent for each name that backends have.
//!
//! WO 00/30294, box 52: collected raw load data. A name's reports pass its gate, are smoothed and kept.
//! Not here: when they are too old to count; the master asks for their age.
//! Easy to get wrong: an agent whose backend left is remembered for a while, or a backend that is taken out
//! and put back would open its gate to every report it ever sent.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lb_core::load::{LoadReport, Report, ReportGate, SmoothedReport};

use super::identity::{Identity, ReportRefusal};
use super::tally::Counts;

/// Agents of names that no backend has any more, remembered in case they return.
pub const MOST_DEPARTED: usize = 1024;

/// Where an agent is in [`Agents`], until the next configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AgentIndex(usize);

/// What is remembered of the reports for one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Agent {
    gate: ReportGate,
    pub(super) smoothed: SmoothedReport,
    pub(super) last: Option<Heard>,
    pub(super) counts: Counts,
    pub(super) last_refusal: Option<Refused>,
}

/// The newest report that was taken.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) report: Report,
    pub(super) boot_id: String,
    pub(super) at: f64,
}

/// The newest report that was not taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) refusal: ReportRefusal,
    pub(super) sender: &'static str,
    pub(super) at: f64,
}

impl Agent {
    fn take(&mut self, report: &LoadReport, now: f64) -> Result<(), ReportRefusal> {
        let admitted = self.gate.admit(report, now)?;
        self.smoothed.absorb(&admitted);
        let mut boot_id = self
            .last
            .take()
            .map_or_else(String::new, |last| last.boot_id);
        boot_id.clone_from(&report.boot_id);
        self.last = Some(Heard {
            report: admitted,
            boot_id,
            at: now,
        });
        Ok(())
    }

    /// Seconds since the newest report came; `None`: never heard.
    pub(super) fn age(&self, now: f64) -> Option<f64> {
        self.last.as_ref().map(|last| (now - last.at).max(0.0))
    }
}

/// All agents, by name. As many as backends have names, and [`MOST_DEPARTED`].
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    known: Vec<(Arc<str>, Agent)>,
    index: HashMap<Arc<str>, AgentIndex>,
    departed: VecDeque<(Arc<str>, Agent)>,
}

impl Agents {
    /// Another set of names; what is known of those that stay or return is kept.
    pub(super) fn configure<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        // Those that were configured until now departed last.
        let earlier = self.departed.drain(..).chain(self.known.drain(..));
        let (order, mut earlier): (Vec<Arc<str>>, HashMap<Arc<str>, Agent>) = earlier
            .map(|(name, agent)| (name.clone(), (name, agent)))
            .unzip();
        self.index.clear();
        for name in names {
            if self.index.contains_key(name) {
                continue;
            }
            let (name, agent) = earlier
                .remove_entry(name)
                .unwrap_or_else(|| (name.into(), Agent::default()));
            self.index
                .insert(name.clone(), AgentIndex(self.known.len()));
            self.known.push((name, agent));
        }
        for name in order {
            if let Some(agent) = earlier.remove(&name) {
                self.departed.push_back((name, agent));
            }
        }
        let surplus = self.departed.len().saturating_sub(MOST_DEPARTED);
        self.departed.drain(..surplus);
    }

    /// Takes a report of a name that is configured, and counts it there if there is such a name.
    pub(super) fn take(
        &mut self,
        report: &LoadReport,
        sender: Identity<'_>,
        now: f64,
    ) -> Result<(), ReportRefusal> {
        let may_speak = sender.may_speak_for(&report.backend);
        let Some(agent) = self.find_mut(&report.backend) else {
            return Err(if may_speak {
                ReportRefusal::UnknownBackend
            } else {
                ReportRefusal::WrongIdentity
            });
        };
        let outcome = if may_speak {
            agent.take(report, now)
        } else {
            Err(ReportRefusal::WrongIdentity)
        };
        agent.counts.count(outcome);
        if let Err(refusal) = outcome {
            agent.last_refusal = Some(Refused {
                refusal,
                sender: sender.word(),
                at: now,
            });
        }
        outcome
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Agent> {
        let &AgentIndex(place) = self.index.get(name)?;
        self.known.get_mut(place).map(|(_, agent)| agent)
    }

    pub(super) fn find(&self, name: &str) -> Option<AgentIndex> {
        self.index.get(name).copied()
    }

    pub(super) fn at(&self, AgentIndex(place): AgentIndex) -> Option<&Agent> {
        self.known.get(place).map(|(_, agent)| agent)
    }

    /// The agent of a name, with the name as it is kept here.
    pub(super) fn named(&self, name: &str) -> Option<(&str, &Agent)> {
        let AgentIndex(place) = self.find(name)?;
        self.known.get(place).map(|(name, agent)| (&**name, agent))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.known.iter().map(|(name, agent)| (&**name, agent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(backend: &str, sequence: u32) -> LoadReport {
        LoadReport {
            backend: backend.into(),
            boot_id: "b".into(),
            sequence: u64::from(sequence),
            monotonic_seconds: f64::from(sequence),
            cpu_utilization: Some(0.5),
            ..LoadReport::default()
        }
    }

    fn agents(names: &[&str]) -> Agents {
        let mut agents = Agents::default();
        agents.configure(names.iter().copied());
        agents
    }

    #[test]
    fn unknown_names_leave_nothing_behind() {
        let mut agents = agents(&["web-1", "web-2"]);
        for number in 0..10_000 {
            let unknown = report(&format!("web-{}", number + 3), number);
            let refused = agents.take(&unknown, Identity::Token, 0.0);
            assert_eq!(refused, Err(ReportRefusal::UnknownBackend));
        }
        assert_eq!((agents.known.len(), agents.index.len()), (2, 2));
        assert_eq!(agents.departed.len(), 0);
    }

    #[test]
    fn departed_agents_are_bounded_and_the_oldest_go_first() {
        let mut agents = agents(&["first"]);
        for number in 0..=MOST_DEPARTED {
            agents.configure([format!("web-{number}").as_str()].into_iter());
        }
        assert_eq!(agents.departed.len(), MOST_DEPARTED);
        assert!(!agents.departed.iter().any(|(name, _)| &**name == "first"));
        assert!(agents.departed.iter().any(|(name, _)| &**name == "web-0"));
    }

    #[test]
    fn who_returns_finds_its_gate_as_it_left_it() {
        let mut agents = agents(&["web-1"]);
        agents
            .take(&report("web-1", 7), Identity::Local, 0.0)
            .unwrap();
        agents.configure(["web-2"].into_iter());
        agents.configure(["web-1"].into_iter());
        let replayed = agents.take(&report("web-1", 7), Identity::Local, 1.0);
        assert_eq!(replayed.unwrap_err().cause(), "replayed");
        assert!(
            agents
                .take(&report("web-1", 8), Identity::Local, 1.0)
                .is_ok()
        );
    }

    #[test]
    fn a_name_that_stands_twice_has_one_agent() {
        assert_eq!(agents(&["web-1", "web-1"]).known.len(), 1);
    }
}
