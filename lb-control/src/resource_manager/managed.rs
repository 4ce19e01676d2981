//! One service under the resource manager: its backends, its master, and what else is said of its weights.
//!
//! WO 00/30294, boxes 52 and 54: what the manager hands to the master, and what it makes of the answer.
//! Not here: reports (`agents`), which belong to servers and not to services.
//! Easy to get wrong: a service that nobody may move is not stepped, but the names of its backends count: their
//! agents are heard, and shown.

use std::collections::HashMap;

use lb_core::config::{AgentCheck, Service};
use lb_core::id::BackendSlot;
use lb_core::master::{Algorithm, BackendInput, Master, Settings};

use super::agents::Agents;
use super::check::{Standing, expiry_seconds};
use super::external::External;
use super::place::{Identity, Place};
use super::weights::{scale, take_percents};
use crate::desired::ServiceWeights;

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Managed {
    pub(super) name: String,
    pub(super) algorithm: Algorithm,
    pub(super) agent_check: Option<AgentCheck>,
    /// In the order of the document.
    pub(super) places: Vec<Place>,
    /// Where each backend is among `places`, by name.
    pub(super) numbers: HashMap<String, usize>,
    pub(super) master: Master,
    pub(super) external: Option<External>,
    /// The next identity for a backend that has no slot. These count down, slots count up.
    next_own: u32,
}

impl Managed {
    /// The service as it is configured now, with what is known of it from `earlier`.
    pub(super) fn new(
        service: &Service,
        earlier: Option<Self>,
        agents: &Agents,
        slots: impl Fn(&str) -> Option<BackendSlot>,
    ) -> Self {
        let settings = Settings {
            tags: service.tags.clone(),
            ..Settings::new(service.algorithm, service.scheduler)
        };
        let mut earlier = earlier.unwrap_or_else(|| Self {
            name: service.name.clone(),
            algorithm: service.algorithm,
            agent_check: None,
            places: Vec::new(),
            numbers: HashMap::new(),
            master: Master::new(settings.clone()),
            external: None,
            next_own: u32::MAX,
        });
        let external = earlier.external_for(service);
        let mut known: HashMap<String, Place> = std::mem::take(&mut earlier.places)
            .into_iter()
            .map(|place| (place.backend.name.clone(), place))
            .collect();
        earlier.master.set(settings);
        let mut managed = Self {
            algorithm: service.algorithm,
            agent_check: service.agent_check,
            external,
            ..earlier
        };
        for backend in &service.backends {
            let identity = slots(&backend.name)
                .map_or_else(|| Identity::Own(managed.next_own), Identity::Given);
            let place = Place::new(backend, identity, known.remove(&backend.name), agents);
            if place.identity == Identity::Own(managed.next_own) {
                managed.next_own = managed.next_own.wrapping_sub(1);
            }
            managed.places.push(place);
        }
        let names = service.backends.iter().map(|backend| backend.name.clone());
        managed.numbers = names.zip(0..).collect();
        for place in &mut managed.places {
            if managed.agent_check.is_none() {
                place.standing = Standing::default();
            }
            if !service.has_moving_weights() {
                place.weight = None;
            }
        }
        managed
    }

    /// Whether anything but the document may change its weights.
    pub(super) fn is_moving(&self) -> bool {
        self.algorithm != Algorithm::Static || self.agent_check.is_some()
    }

    /// Seconds of silence after which an agent's words no longer stand.
    pub(super) fn check_expiry(&self) -> Option<f64> {
        let check = self.agent_check?;
        Some(expiry_seconds(check.interval_seconds))
    }

    /// The weights from `now` on; `None` where the configured ones hold.
    pub(super) fn step(&mut self, now: f64, agents: &Agents) -> Option<ServiceWeights> {
        if !self.is_moving() {
            return None;
        }
        if let Some(expiry) = self.check_expiry() {
            for place in &mut self.places {
                place.standing.expire(now, expiry);
            }
        }
        let places = self.places.iter();
        let inputs: Vec<BackendInput<'_>> = places.map(|place| place.input(agents, now)).collect();
        let mut weights = self.master.step(now, &inputs);
        self.external.take_if(|external| now >= external.until);
        match &self.external {
            Some(external) => self.put_external(external, &mut weights),
            None if self.agent_check.is_some() => self.put_statements(&mut weights),
            None => {}
        }
        for (place, &weight) in self.places.iter_mut().zip(&weights) {
            place.weight = Some(weight);
        }
        let names = self.places.iter().map(|place| place.backend.name.clone());
        Some(ServiceWeights {
            service: self.name.clone(),
            weights: names.zip(weights).collect(),
        })
    }

    fn put_external(&self, external: &External, weights: &mut [u32]) {
        let sent = self.places.iter().zip(&external.weights);
        for (weight, (place, sent)) in weights.iter_mut().zip(sent) {
            *weight = sent.filter(|_| place.has_flows()).unwrap_or(0);
        }
    }

    fn put_statements(&self, weights: &mut [u32]) {
        if self.algorithm == Algorithm::Static {
            let scale = scale(self.places.iter().map(|place| place.backend.weight));
            for weight in weights.iter_mut() {
                *weight *= scale;
            }
        }
        take_percents(
            weights,
            self.places.iter().map(|place| place.standing.percent()),
        );
    }

    /// Weights from elsewhere for the backends that `service` has now, if they still say enough.
    fn external_for(&mut self, service: &Service) -> Option<External> {
        let mut external = self.external.take()?;
        if service.algorithm == Algorithm::Static {
            return None;
        }
        let names = self.places.iter().map(|place| place.backend.name.as_str());
        let sent: HashMap<&str, Option<u32>> = names.zip(external.weights).collect();
        let mut weights = Vec::with_capacity(service.backends.len());
        for backend in &service.backends {
            let weight = sent.get(backend.name.as_str()).copied().flatten();
            if weight.is_none() && Place::wants_flows(backend) {
                return None;
            }
            weights.push(weight);
        }
        external.weights = weights;
        Some(external)
    }
}
