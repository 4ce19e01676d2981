//! The device's desk: the resource manager behind a lock, with a clock, and what is known of each box.
//!
//! WO 00/30294, boxes 52 and 54 as programs of a device of their own.
//! Not here: who calls when (`visits`, the API).
//! Easy to get wrong: one lock for all of it, so that weights, names and explanations are always of one configuration;
//! nobody waits for a box while holding it.

use std::sync::Arc;
use std::time::Instant;

use lb_core::config::Service;
use lb_core::load::LoadReport;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::fleet::Fleet;
use crate::agent_check::{Answer, Target};
use crate::api::Access;
use crate::desired::ServiceWeights;
use crate::metrics::Meters;
use crate::resource_manager::{Identity, ReportRefusal, ResourceManager};
use crate::view;

/// The desk.
pub(crate) struct Desk {
    /// Who may do what at the API.
    pub(crate) access: Access,
    /// What the API counts.
    pub(crate) meters: Arc<Meters>,
    began: Instant,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    targets: watch::Sender<Arc<[Target]>>,
    state: Mutex<State>,
}

struct State {
    manager: ResourceManager,
    fleet: Fleet,
    /// Those of the last step.
    weights: Vec<ServiceWeights>,
    boxes: Vec<Known>,
}

/// What is known of a box.
struct Known {
    address: String,
    revision: Option<u64>,
    services: usize,
    /// When weights were sent and taken last, and how often.
    fed_at: Option<f64>,
    feedings: u64,
    failures: u64,
    /// Why the last visit came to nothing; `None`: it did not, or there was none yet.
    trouble: Option<String>,
}

/// What came of a visit to a box.
pub(super) struct Visit {
    /// Services that got weights.
    pub(super) services: usize,
    /// Revision of the box's document.
    pub(super) revision: u64,
}

impl Desk {
    /// A desk for boxes of these addresses.
    pub(super) fn new(
        boxes: impl Iterator<Item = String>,
        access: Access,
        tell: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        let known = |address| Known {
            address,
            revision: None,
            services: 0,
            fed_at: None,
            feedings: 0,
            failures: 0,
            trouble: None,
        };
        let boxes: Vec<Known> = boxes.map(known).collect();
        Self {
            access,
            meters: Arc::default(),
            began: Instant::now(),
            tell,
            targets: watch::Sender::new(Arc::default()),
            state: Mutex::new(State {
                manager: ResourceManager::new(),
                fleet: Fleet::of(boxes.len()),
                weights: Vec::new(),
                boxes,
            }),
        }
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Whom to ask, as it changes.
    pub(super) fn targets(&self) -> watch::Receiver<Arc<[Target]>> {
        self.targets.subscribe()
    }

    /// Takes in what services a box has now.
    pub(super) fn learn(&self, number: usize, services: Vec<Service>) {
        let mut state = self.state.lock();
        let State {
            manager,
            fleet,
            boxes,
            ..
        } = &mut *state;
        if let Some(known) = boxes.get_mut(number) {
            known.services = services.len();
        }
        if fleet.set(number, services) {
            let all = fleet.services();
            manager.configure(&all, |_, _| None);
            self.targets.send_replace(Target::of(&all));
        }
    }

    /// The weights that a box should have now.
    pub(super) fn part(&self, number: usize) -> Vec<view::WeightsOf> {
        let state = self.state.lock();
        state.fleet.part(number, &state.weights)
    }

    /// Notes what came of a visit, and tells where that is news.
    pub(super) fn note(&self, number: usize, visit: Result<Visit, String>) {
        let now = self.now();
        let mut state = self.state.lock();
        let Some(known) = state.boxes.get_mut(number) else {
            return;
        };
        let news = match visit {
            Ok(visit) => {
                known.revision = Some(visit.revision);
                let was_fed = known.fed_at.is_some() && known.trouble.is_none();
                known.trouble = None;
                if visit.services > 0 {
                    known.fed_at = Some(now);
                    known.feedings += 1;
                }
                let is_fed = known.fed_at.is_some();
                (is_fed && !was_fed).then(|| "takes weights".to_owned())
            }
            Err(trouble) => {
                known.failures += 1;
                let is_news = known.trouble.as_ref() != Some(&trouble);
                let news = is_news.then(|| format!("takes none: {trouble}"));
                known.trouble = Some(trouble);
                news
            }
        };
        let line = news.map(|news| format!("box {} {news}", known.address));
        drop(state);
        if let Some(line) = line {
            (self.tell)(&line);
        }
    }

    /// Steps the masters once.
    pub(super) fn step(&self) {
        let now = self.now();
        let began = Instant::now();
        let mut state = self.state.lock();
        state.weights = state.manager.step(now);
        drop(state);
        self.meters.step.note(began.elapsed());
    }

    pub(super) fn heard(&self, answer: &Answer) {
        let now = self.now();
        let manager = &mut self.state.lock().manager;
        match &answer.outcome {
            Ok(said) => manager.agent_said(&answer.service, &answer.backend, said, now),
            Err(error) => manager.agent_failed(&answer.service, &answer.backend, *error),
        }
    }

    /// Takes a load report.
    pub(crate) fn report(
        &self,
        report: &LoadReport,
        from: Identity<'_>,
    ) -> Result<(), ReportRefusal> {
        let now = self.now();
        self.state.lock().manager.report(report, from, now)
    }

    /// Asks something of the manager at this moment. `what` is given the names of all services with their backends, too.
    pub(crate) fn ask<R>(
        &self,
        what: impl FnOnce(&ResourceManager, &[(String, String)], f64) -> R,
    ) -> R {
        let now = self.now();
        let state = self.state.lock();
        what(&state.manager, &state.fleet.names(), now)
    }

    /// The weight that a backend had in the last step; 0 where it has none.
    pub(crate) fn weights(&self, service: &str) -> Vec<(String, u32)> {
        let state = self.state.lock();
        let found = state.weights.iter().find(|of| of.service == service);
        found.map_or_else(Vec::new, |of| of.weights.clone())
    }

    /// What is known of the boxes.
    pub(crate) fn boxes(&self) -> view::Boxes {
        let now = self.now();
        let state = self.state.lock();
        let boxes = state.boxes.iter().map(|known| view::FedBox {
            address: known.address.clone(),
            revision: known.revision,
            services: known.services,
            weights_age_seconds: known.fed_at.map(|at| (now - at).max(0.0)),
            feedings: known.feedings,
            failures: known.failures,
            trouble: known.trouble.clone(),
        });
        view::Boxes {
            boxes: boxes.collect(),
        }
    }
}
