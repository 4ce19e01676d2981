//! The table of all backends that are checked: what is known of each, over changes of the document.
//!
//! No counterpart in the patent. Pure: moments are handed in, in seconds since 1970.
//! Not here: when a check is due and what comes of it.
//! Easy to get wrong: who changes how a server is checked does not change the server; what is known of it stays.
//! Another address is another server.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use lb_core::config::{BackendState, HealthCheck, Service};
use lb_core::master::Algorithm;

use super::fitness::{Believed, ramp};
use super::outcome::{Cause, Outcome};
use super::standing::{Rules, Standing, Turn};
use crate::control::Verdict;

/// A backend's service and name.
pub type Id = (Arc<str>, Arc<str>);

/// One backend that is checked.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How.
    pub check: Arc<HealthCheck>,
    /// What is known.
    pub standing: Standing,
    endpoint: SocketAddr,
    slow_start_seconds: u32,
    /// Whether a master makes the service's weights, who lets newcomers start slowly himself.
    has_master: bool,
    /// When it came up and has had less than its share since; `None`: it has all of it.
    ramp_since: Option<f64>,
    /// Nobody new goes there before the first check.
    is_waiting: bool,
}

/// How many checks came to what, since the program started.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Passed.
    pub passed: u64,
    /// Failed, by cause.
    pub failed: HashMap<Cause, u64>,
    /// Could not be made.
    pub not_made: u64,
}

/// All backends that are checked.
#[derive(Debug, Default)]
pub struct Table {
    entries: BTreeMap<Id, Entry>,
    tally: Tally,
}

/// What a new document changes about checks.
#[derive(Debug, Default)]
pub struct Plan {
    /// Checks that are no more, or are others now.
    pub stop: Vec<Id>,
    /// Checks that begin.
    pub start: Vec<(Id, Arc<HealthCheck>)>,
}

impl Table {
    /// Takes the services of a document over.
    pub fn configure(&mut self, services: &[Service], now: f64) -> Plan {
        let mut before = std::mem::take(&mut self.entries);
        let mut plan = Plan::default();
        for service in services {
            let name: Arc<str> = service.name.as_str().into();
            // Who joins servers that are known waits; where all are new, all serve until we know better.
            let joins = service.backends.iter().any(|backend| {
                let known = before.get(&(name.clone(), Arc::from(backend.name.as_str())));
                let endpoint = SocketAddr::new(backend.address, backend.port);
                known.is_some_and(|known| known.endpoint == endpoint)
            });
            for backend in &service.backends {
                let check = backend.health.as_ref();
                let Some(check) = check.filter(|_| backend.state != BackendState::Disabled) else {
                    continue;
                };
                let id = (name.clone(), Arc::from(backend.name.as_str()));
                let endpoint = SocketAddr::new(backend.address, backend.port);
                let same = before
                    .remove(&id)
                    .filter(|entry| entry.endpoint == endpoint);
                let is_running = same.as_ref().is_some_and(|entry| entry.check == *check);
                let mut entry = same.unwrap_or_else(|| Entry::new(check, endpoint, joins, now));
                entry.slow_start_seconds = service.slow_start_seconds;
                entry.has_master = service.algorithm != Algorithm::Static;
                if !is_running {
                    entry.check = Arc::clone(check);
                    entry.standing.begin_anew();
                    plan.stop.push(id.clone());
                    plan.start.push((id.clone(), Arc::clone(check)));
                }
                self.entries.insert(id, entry);
            }
        }
        plan.stop.extend(before.into_keys());
        plan
    }

    /// Checks of all entries, for who has to begin them again.
    #[must_use]
    pub fn checks(&self) -> Vec<(Id, Arc<HealthCheck>)> {
        let entries = self.entries.iter();
        entries
            .map(|(id, entry)| (id.clone(), Arc::clone(&entry.check)))
            .collect()
    }

    /// Takes what came of a check in; what it turned, and whether the backend is in doubt.
    pub fn note(&mut self, id: &Id, outcome: &Outcome, now: f64) -> (Option<Turn>, bool) {
        match outcome {
            Outcome::Passed { .. } => self.tally.passed += 1,
            Outcome::Failed(failure) => *self.tally.failed.entry(failure.cause).or_default() += 1,
            Outcome::NotMade(_) => self.tally.not_made += 1,
        }
        let Some(entry) = self.entries.get_mut(id) else {
            return (None, false);
        };
        let rules = Rules {
            rise: entry.check.rise,
            fall: entry.check.fall,
        };
        let turn = entry.standing.note(outcome, rules, now);
        match turn {
            // Two parts of a share would be a part of a part. Of who comes back the master does not hear.
            Some(Turn::Up) if entry.is_waiting && entry.has_master => {}
            Some(Turn::Up) if entry.slow_start_seconds > 0 => entry.ramp_since = Some(now),
            Some(Turn::Down) => entry.ramp_since = None,
            _ => {}
        }
        entry.is_waiting &= turn.is_none();
        (turn, entry.standing.is_in_doubt())
    }

    /// What is believed of every backend at this moment, and whether that will change by itself.
    pub fn verdicts(&mut self, now: f64) -> (Vec<Verdict>, bool) {
        let mut is_moving = false;
        let entries = self.entries.iter_mut();
        let verdicts = entries.map(|((service, backend), entry)| {
            let believed = entry.believed(now);
            is_moving |= entry.ramp_since.is_some();
            Verdict {
                service: service.clone(),
                backend: backend.clone(),
                endpoint: entry.endpoint,
                believed,
            }
        });
        (verdicts.collect(), is_moving)
    }

    /// One backend.
    #[must_use]
    pub fn entry(&self, service: &str, backend: &str) -> Option<&Entry> {
        self.entries.get(&(service.into(), backend.into()))
    }

    /// All backends, in the order of names.
    pub fn entries(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.entries.iter()
    }

    /// What checks have come to.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Entry {
    fn new(check: &Arc<HealthCheck>, endpoint: SocketAddr, joins: bool, now: f64) -> Self {
        Self {
            check: Arc::clone(check),
            standing: Standing::new(!joins, now),
            endpoint,
            slow_start_seconds: 0,
            has_master: false,
            ramp_since: None,
            is_waiting: joins,
        }
    }

    fn believed(&mut self, now: f64) -> Believed {
        if self.is_waiting {
            return Believed::Waiting;
        }
        if !self.standing.counts_as_up() {
            return Believed::Down;
        }
        let whole = f64::from(self.slow_start_seconds);
        self.ramp_since = self.ramp_since.filter(|since| now - since < whole);
        let seconds = self.ramp_since.map_or(whole, |since| now - since);
        Believed::Up {
            permille: ramp(seconds, self.slow_start_seconds),
        }
    }
}

#[cfg(test)]
mod tests;
