//! The agents, the way to the balancer, and the resource manager's part of the loop.
//!
//! WO 00/30294: agents on the back-end servers, resource manager 52. Each agent reports once a second; a
//! report is lost or late by chance, passes the backend's gate and is smoothed.
//! Easy to get wrong: a late report may be overtaken, and is then refused; that is not a loss of the way.

use lb_core::load::{LoadReport, ReportGate, SmoothedReport};

use super::random::Random;
use super::server::{Record, Server, TICKS};

/// What an agent says instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    /// No load, for ever.
    Idle,
    /// Fully loaded, for ever.
    Full,
    /// A fiftieth of the load, and ten times the work.
    Strong,
}

/// What an agent knows beside its utilisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Knows {
    /// Requests per second, and clients.
    Everything,
    /// Clients only.
    Clients,
}

/// One agent, and what the balancer knows of it.
pub(crate) struct Agent {
    phase: usize,
    sequence: u64,
    pub(crate) lie: Option<Lie>,
    pub(crate) is_silent: bool,
    knows: Knows,
    under_way: Vec<(f64, LoadReport)>,
    gate: ReportGate,
    pub(crate) smoothed: Option<SmoothedReport>,
    heard_at: f64,
    pub(crate) refused: u32,
}

/// The way between agents and balancer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Seconds that a report takes: at least, at most.
    pub(crate) delay: (f64, f64),
    /// Part of the reports that never come.
    pub(crate) loss: f64,
}

impl Agent {
    pub(crate) fn new(chance: &mut Random, knows: Knows) -> Self {
        Self {
            phase: (chance.part() * TICKS as f64) as usize,
            sequence: 0,
            lie: None,
            is_silent: false,
            knows,
            under_way: Vec::new(),
            gate: ReportGate::default(),
            smoothed: None,
            heard_at: f64::NEG_INFINITY,
            refused: 0,
        }
    }

    /// Sends the second's report, if `tick` is the agent's, and takes in what arrives by then. Clients are
    /// the connections, or else the requests in progress.
    pub(crate) fn turn(
        &mut self,
        tick: usize,
        server: &mut Server,
        connections: Option<u32>,
        way: Way,
        chance: &mut Random,
    ) {
        let now = tick as f64 / TICKS as f64;
        if tick >= TICKS && tick % TICKS == self.phase && !self.is_silent {
            let clients = connections.unwrap_or_else(|| server.in_progress(tick));
            let report = self.report(server.record_of(tick - TICKS, tick), clients, now);
            let (lost, delay) = (chance.part(), chance.between(way.delay.0, way.delay.1));
            if lost >= way.loss {
                self.under_way.push((now + delay, report));
            }
        }
        let arrives = |sent: &(f64, LoadReport)| sent.0 <= now;
        if !self.under_way.iter().any(arrives) {
            return;
        }
        let mut arrived: Vec<_> = self
            .under_way
            .iter()
            .filter(|s| arrives(s))
            .cloned()
            .collect();
        self.under_way.retain(|sent| !arrives(sent));
        arrived.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, report) in arrived {
            match self.gate.admit(&report, now) {
                Ok(report) => {
                    self.smoothed.get_or_insert_default().absorb(&report);
                    self.heard_at = now;
                }
                Err(_) => self.refused += 1,
            }
        }
    }

    /// Seconds since the newest report came.
    pub(crate) fn age(&self, now: f64) -> f64 {
        now - self.heard_at
    }

    fn report(&mut self, record: Record, clients: u32, now: f64) -> LoadReport {
        self.sequence += 1;
        let (cpu, rps) = match self.lie {
            None => (record.utilization, record.rps),
            Some(Lie::Idle) => (0.0, record.rps),
            Some(Lie::Full) => (1.0, record.rps),
            Some(Lie::Strong) => (record.utilization / 50.0, record.rps * 10.0),
        };
        LoadReport {
            backend: "web".into(),
            boot_id: "simulated".into(),
            sequence: self.sequence,
            monotonic_seconds: now,
            clients: Some(u64::from(clients)),
            cpu_utilization: Some(cpu),
            rps_fractional: (self.knows == Knows::Everything).then_some(rps),
            ..LoadReport::default()
        }
    }
}
