//! Weights that a resource manager elsewhere worked out.
//!
//! WO 00/30294: the resource manager may be a device of its own. While such weights are fresh they stand in
//! for the local master's; when they are not renewed the local master, which went on all the time, takes over.
//! What says "no new flows" here still holds; percentages of an agent-check are the sender's business, or a
//! statement that both have asked for would count twice.
//! Easy to get wrong: weights are ratios. A backend that the sender leaves out has no place among them, so
//! weights for another set of backends say nothing at all.

use std::sync::Arc;

use super::managed::Managed;
use super::place::Place;
use super::weights::LARGEST;
use crate::desired::ServiceWeights;

/// Longest time for which weights from elsewhere may stand unless they are sent again, in seconds.
pub const LONGEST_TTL_SECONDS: f64 = 3600.0;

/// Why weights from elsewhere are not taken. None of a refused call are.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExternalRefusal {
    /// The time to live is not one.
    #[error("ttl_seconds: {seconds}; expected more than 0, 3600 at most")]
    Ttl {
        /// As sent.
        seconds: f64,
    },
    /// No service has this name.
    #[error("service `{service}` is not in the configuration")]
    UnknownService {
        /// As sent.
        service: String,
    },
    /// The service stands twice in one call.
    #[error("service `{service}` stands twice")]
    ServiceTwice {
        /// As sent.
        service: String,
    },
    /// The service's weights are configured ones.
    #[error(
        "service `{service}` has static weights; configure an algorithm that applies when nobody sends any"
    )]
    StaticService {
        /// As sent.
        service: String,
    },
    /// The service has no such backend.
    #[error("service `{service}` has no backend `{backend}`")]
    UnknownBackend {
        /// As sent.
        service: String,
        /// As sent.
        backend: String,
    },
    /// The backend stands twice in one service.
    #[error("backend `{backend}` of service `{service}` stands twice")]
    BackendTwice {
        /// As sent.
        service: String,
        /// As sent.
        backend: String,
    },
    /// A backend that may have flows has no weight.
    #[error("service `{service}` has a backend `{backend}` that no weight was sent for")]
    Missing {
        /// As sent.
        service: String,
        /// As configured.
        backend: String,
    },
    /// More than schedulers take.
    #[error("backend `{backend}` of service `{service}` has weight {weight}; expected 0 to 65535")]
    TooHeavy {
        /// As sent.
        service: String,
        /// As sent.
        backend: String,
        /// As sent.
        weight: u32,
    },
}

/// Weights from elsewhere for one service, in the order of its backends; `None` for one that gets no flows.
#[derive(Clone, Debug)]
pub(super) struct External {
    pub(super) by: Arc<str>,
    pub(super) until: f64,
    pub(super) weights: Vec<Option<u32>>,
}

/// Weights from elsewhere in the order of the backends.
///
/// # Errors
/// Why they say nothing of this service.
pub(super) fn read(
    service: &Managed,
    sent: &ServiceWeights,
) -> Result<Vec<Option<u32>>, ExternalRefusal> {
    let mut weights = vec![None; service.places.len()];
    for (backend, weight) in &sent.weights {
        let number = service.numbers.get(backend);
        let Some(place) = number.and_then(|&number| weights.get_mut(number)) else {
            return Err(ExternalRefusal::UnknownBackend {
                service: sent.service.clone(),
                backend: backend.clone(),
            });
        };
        if u64::from(*weight) > LARGEST {
            return Err(ExternalRefusal::TooHeavy {
                service: sent.service.clone(),
                backend: backend.clone(),
                weight: *weight,
            });
        }
        if place.replace(*weight).is_some() {
            return Err(ExternalRefusal::BackendTwice {
                service: sent.service.clone(),
                backend: backend.clone(),
            });
        }
    }
    let mut lacking = service.places.iter().zip(&weights);
    match lacking.find(|(place, weight)| weight.is_none() && Place::wants_flows(&place.backend)) {
        Some((place, _)) => Err(ExternalRefusal::Missing {
            service: sent.service.clone(),
            backend: place.backend.name.clone(),
        }),
        None => Ok(weights),
    }
}
