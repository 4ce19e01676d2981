//! Weights in force: the configured ones, and over them those that the master wants.
//!
//! WO 00/30294: the way from master module 54 to configuration table 64.
//! Not here: how weights are found (`resource_manager`), and tables made of them (`lb_core::scheduler`).
//! Easy to get wrong: a backend that drains, or whose configured weight is 0, has weight 0 whatever anybody wants, and
//! a service that is `static` has its configured weights; an operator must not be overruled by a program.

use std::collections::HashMap;

use lb_core::config::{Backend, BackendState, BackendView, Config, Distribution, Service};

/// Places of schedulers that one flip lays out anew; about a tenth of a second of one processor. Services that
/// would go beyond it wait for the next flip.
pub const PLACES_PER_FLIP: usize = 3_300_000;

/// Largest weight.
const WEIGHT_MAX: u32 = 65_535;

/// What the backends of a service should weigh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceWeights {
    /// Name of the service.
    pub service: String,
    /// Names of backends with their weights, 0 to 65535; a backend that is not listed has its configured weight.
    pub weights: Vec<(String, u32)>,
}

/// What one flip does about the wanted weights.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Positions of services whose weights change now, with the weights of all their backends.
    pub(crate) now: Vec<(usize, Vec<u32>)>,
    /// Services that have to wait.
    pub(crate) waiting: usize,
    /// Where the next step begins to look, so that everybody's turn comes.
    pub(crate) next: usize,
}

/// Compares what is wanted with what is published. `configured` is the document's, in whose order `published`
/// has its services, `in_force` says how fit backends are; `first` is where to begin. Services that `wanted` does not name go back to their configured weights,
/// and those whose weights the document fixes have them anyway.
pub(crate) fn step(
    configured: &Config,
    in_force: &Config,
    published: &Distribution,
    wanted: &[ServiceWeights],
    first: usize,
) -> Step {
    let wanted: HashMap<&str, &ServiceWeights> = wanted
        .iter()
        .map(|wanted| (wanted.service.as_str(), wanted))
        .collect();
    let services = &configured.services;
    let first = if first < services.len() { first } else { 0 };
    let in_turn = services
        .iter()
        .enumerate()
        .skip(first)
        .chain(services.iter().enumerate().take(first));
    let mut step = Step {
        next: first,
        ..Step::default()
    };
    let mut places = 0;
    for (at, service) in in_turn {
        let wanted = wanted.get(service.name.as_str()).copied();
        let weights = targets(service, wanted.filter(|_| service.has_moving_weights()));
        let fitted = in_force.services.get(at).unwrap_or(service);
        if is_in_force(fitted, &weights, published, at) {
            continue;
        }
        places += service.places();
        if step.now.is_empty() || (places <= PLACES_PER_FLIP && step.waiting == 0) {
            step.now.push((at, weights));
        } else {
            if step.waiting == 0 {
                step.next = at;
            }
            step.waiting += 1;
        }
    }
    step
}

fn targets(service: &Service, wanted: Option<&ServiceWeights>) -> Vec<u32> {
    let listed = wanted.map_or(&[][..], |wanted| &wanted.weights);
    // Lists come in the document's order as a rule; a map is for those that do not.
    let is_in_order = service.backends.len() == listed.len()
        && service
            .backends
            .iter()
            .zip(listed)
            .all(|(backend, (name, _))| backend.name == *name);
    if is_in_order {
        let pairs = service.backends.iter().zip(listed);
        return pairs
            .map(|(backend, &(_, weight))| target(backend, Some(weight)))
            .collect();
    }
    let by_name: HashMap<&str, u32> = listed
        .iter()
        .map(|(name, weight)| (name.as_str(), *weight))
        .collect();
    let backends = service.backends.iter();
    backends
        .map(|backend| target(backend, by_name.get(backend.name.as_str()).copied()))
        .collect()
}

fn target(backend: &Backend, wanted: Option<u32>) -> u32 {
    match wanted {
        Some(weight) if backend.weight_in_force() > 0 => weight.min(WEIGHT_MAX),
        _ => backend.weight,
    }
}

fn is_in_force(service: &Service, weights: &[u32], published: &Distribution, at: usize) -> bool {
    let Some(view) = published.services().get(at) else {
        return true;
    };
    let backends = service.backends.iter().zip(weights);
    let present = backends.filter(|(backend, _)| backend.state != BackendState::Disabled);
    present
        .zip(&view.backends)
        .all(|((backend, &weight), &slot)| {
            // One that no route leads to has no weight, whoever wants one.
            let is_enabled = backend.state == BackendState::Enabled
                && published
                    .backend(slot)
                    .is_none_or(BackendView::is_reachable);
            let weight = backend.fitness.scale(weight);
            published.weight(slot) == if is_enabled { weight } else { 0 }
        })
}

/// The weights in force for a new document: `config`, with what the master has found of services that go on.
///
/// `was_configured` is the document before, `in_force` the same with the weights then in force. What was in force
/// is scaled where the configured weight changes, and a newcomer has the service's average ratio of the two: the
/// master counts in units of its own.
pub(crate) fn carry_over(config: &Config, was_configured: &Config, in_force: &Config) -> Config {
    let mut next = config.clone();
    let before: HashMap<&str, (&Service, &Service)> = was_configured
        .services
        .iter()
        .zip(&in_force.services)
        .filter(|(configured, in_force)| configured.backends != in_force.backends)
        .map(|pair| (pair.0.name.as_str(), pair))
        .collect();
    for service in &mut next.services {
        let known = before.get(service.name.as_str());
        if let Some((configured, in_force)) = known.filter(|_| service.has_moving_weights()) {
            carry_service(service, configured, in_force);
        }
    }
    next
}

fn carry_service(service: &mut Service, configured: &Service, in_force: &Service) {
    let pairs = || configured.backends.iter().zip(&in_force.backends);
    let taking_part = || pairs().filter(|(configured, _)| configured.weight_in_force() > 0);
    let sum = |weights: &mut dyn Iterator<Item = u32>| weights.map(f64::from).sum::<f64>();
    let whole = sum(&mut taking_part().map(|(configured, _)| configured.weight));
    let average = sum(&mut taking_part().map(|(_, in_force)| in_force.weight)) / whole;
    let ratios: HashMap<&str, f64> = taking_part()
        .map(|(configured, in_force)| {
            let ratio = f64::from(in_force.weight) / f64::from(configured.weight);
            (configured.name.as_str(), ratio)
        })
        .collect();
    for backend in &mut service.backends {
        let ratio = ratios
            .get(backend.name.as_str())
            .copied()
            .unwrap_or(average);
        backend.weight = scaled(backend.weight, ratio);
    }
}

/// Rounded, within the range of weights, and 0 only where the weight or the ratio is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of weights before"
)]
fn scaled(weight: u32, ratio: f64) -> u32 {
    // No backend took part before: there is no ratio.
    if !ratio.is_finite() {
        return weight;
    }
    let scaled = f64::from(weight) * ratio;
    if scaled > 0.0 {
        scaled.round().clamp(1.0, f64::from(WEIGHT_MAX)) as u32
    } else {
        0
    }
}
