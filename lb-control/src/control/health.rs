//! Health in force: who gets new flows, beside all weights, with a flip of its own at once.
//!
//! No counterpart in the patent. What is believed of backends is kept here over every change of document and weights;
//! each of them is fitted with it before it is built.
//! Not here: how health is found out, and the rule by which it decides (`health`).
//! Easy to get wrong: what is compared with the new fitness is what was published. A flip that fails takes its fitness
//! back, so that the next call tries again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use lb_core::config::{Backend, Config, Fitness, Service};

use super::{Changing, Control};
use crate::desired::{Busy, weights};
use crate::health::fitness::{Believed, Outlook, judge};

/// What is believed of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Name of its service.
    pub service: Arc<str>,
    /// Its name.
    pub backend: Arc<str>,
    /// Its address and port; under another one the name is another server's.
    pub endpoint: SocketAddr,
    /// Up, down, or not known yet.
    pub believed: Believed,
}

/// What is believed of a service's backends, by name; each with its address and port.
type OfService = HashMap<Arc<str>, (SocketAddr, Believed)>;

/// What is believed of all backends, by service.
#[derive(Debug, Default)]
pub(super) struct Verdicts(HashMap<Arc<str>, OfService>);

impl Verdicts {
    fn of(verdicts: &[Verdict]) -> Self {
        let mut all = Self::default();
        for verdict in verdicts {
            let service = all.0.entry(Arc::clone(&verdict.service)).or_default();
            let believed = (verdict.endpoint, verdict.believed);
            service.insert(Arc::clone(&verdict.backend), believed);
        }
        all
    }

    fn judge(&self, service: &Service) -> (Vec<Fitness>, Outlook) {
        let known = self.0.get(service.name.as_str());
        judge(service, |backend: &Backend| {
            let &(endpoint, believed) = known?.get(backend.name.as_str())?;
            let is_same = endpoint == SocketAddr::new(backend.address, backend.port);
            is_same.then_some(believed)
        })
    }

    /// Makes a service's backends as fit as is believed of them.
    pub(super) fn fit(&self, service: &mut Service) -> Outlook {
        let (fitness, outlook) = self.judge(service);
        set(service, &fitness);
        outlook
    }

    /// The same for all services; how each stands.
    pub(super) fn fit_all(&self, config: &mut Config) -> Arc<[Outlook]> {
        let services = config.services.iter_mut();
        services.map(|service| self.fit(service)).collect()
    }
}

fn set(service: &mut Service, fitness: &[Fitness]) {
    for (backend, &fitness) in service.backends.iter_mut().zip(fitness) {
        backend.fitness = fitness;
    }
}

fn fitness_of(service: &Service) -> Vec<Fitness> {
    service.backends.iter().map(|b| b.fitness).collect()
}

/// How far a change of health got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The generation in force.
    pub generation: u64,
    /// Services that were too much work for one flip: call again, at once.
    pub waiting: usize,
}

impl Control {
    /// Makes this what is believed of all backends, with one flip, or none where nothing follows from it. Backends that
    /// are not named are not known.
    ///
    /// Services of which somebody goes down come first, where there is too much work for one flip.
    ///
    /// # Errors
    /// [`Busy`]; nothing of it is in force, but it will be with the next change of any kind.
    pub fn set_health(&self, verdicts: &[Verdict]) -> Result<Fitted, Busy> {
        let mut changes = self.changes.lock();
        let changes = &mut *changes;
        changes.verdicts = Verdicts::of(verdicts);
        let (mut wanted, outlooks) = wanted(changes);
        if wanted.is_empty() {
            let mut state = self.state.write();
            state.outlooks = outlooks;
            return Ok(Fitted {
                generation: state.publisher.current().generation,
                waiting: 0,
            });
        }
        let in_all = wanted.len();
        take_first(&mut wanted, &changes.in_force);
        let waiting = in_all - wanted.len();
        let state = self.wait_until_ready()?;
        let mut before = Vec::with_capacity(wanted.len());
        for (at, fitness) in &wanted {
            if let Some(service) = changes.in_force.services.get_mut(*at) {
                before.push((*at, fitness_of(service)));
                set(service, fitness);
            }
        }
        let changed: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
        let next = state.publisher.reweigh(&changes.in_force, &changed);
        drop(state);
        // Fewer backends with a weight than the document has been checked for: no limit can be passed.
        let flipped = next
            .map_err(|_| Busy)
            .and_then(|next| self.flip(next, |state| state.outlooks = outlooks));
        if flipped.is_err() {
            for (at, fitness) in before {
                if let Some(service) = changes.in_force.services.get_mut(at) {
                    set(service, &fitness);
                }
            }
        }
        Ok(Fitted {
            generation: flipped?,
            waiting,
        })
    }
}

/// A service's position, and the fitness of its backends.
type Wanted = (usize, Vec<Fitness>);

/// Services whose backends should be otherwise fit than they are; and how all stand.
fn wanted(changes: &Changing) -> (Vec<Wanted>, Arc<[Outlook]>) {
    let services = &changes.in_force.services;
    let mut wanted = Vec::new();
    let mut outlooks = Vec::with_capacity(services.len());
    for (at, service) in services.iter().enumerate() {
        let (fitness, outlook) = changes.verdicts.judge(service);
        outlooks.push(outlook);
        if fitness != fitness_of(service) {
            wanted.push((at, fitness));
        }
    }
    (wanted, outlooks.into())
}

/// Keeps as many as one flip has time for; one at least, and those first of which somebody goes down.
fn take_first(wanted: &mut Vec<Wanted>, in_force: &Config) {
    let service = |at: usize| in_force.services.get(at);
    wanted.sort_by_key(|(at, fitness)| {
        let is = service(*at).map(fitness_of).unwrap_or_default();
        let mut pairs = is.iter().zip(fitness);
        !pairs.any(|(is, wanted)| is.permille > 0 && wanted.permille == 0)
    });
    let mut places = 0;
    let fits = wanted.iter().take_while(|(at, _)| {
        places += service(*at).map_or(0, Service::places);
        places <= weights::PLACES_PER_FLIP
    });
    let fits = fits.count().max(1);
    wanted.truncate(fits);
}
