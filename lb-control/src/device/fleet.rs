//! The fleet: what services all boxes have together, and which part of the weights each box gets.
//!
//! WO 00/30294: one resource manager for several devices. A service is one by its name, whichever boxes have it: its
//! backends are those of all of them, and one master looks after it. Boxes that differ, as they do while a new
//! document goes from one to the next, get the weights of their own backends; weights are ratios, and stay so.
//! Pure. Not here: how documents come and weights go (`visits`).
//! Easy to get wrong: a backend that one box drains may have flows from another. It takes part if it does anywhere; the
//! box that drains it sees to that itself.

use std::collections::HashMap;

use lb_core::config::{Backend, Service};
use lb_core::master::Algorithm;

use crate::desired::ServiceWeights;
use crate::view::{WeightOf, WeightsOf};

/// The services of all boxes.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    boxes: Vec<Vec<Service>>,
}

impl Fleet {
    /// So many boxes of which nothing is known.
    pub(super) fn of(boxes: usize) -> Self {
        Self {
            boxes: vec![Vec::new(); boxes],
        }
    }

    /// Takes in what a box has now; whether that is another thing than before.
    pub(super) fn set(&mut self, number: usize, services: Vec<Service>) -> bool {
        let Some(known) = self.boxes.get_mut(number) else {
            return false;
        };
        let is_other = *known != services;
        *known = services;
        is_other
    }

    /// Every service there is, in the order of the boxes and their documents. Where boxes differ, the first whose
    /// weights move says how a service is looked after.
    pub(super) fn services(&self) -> Vec<Service> {
        let mut all: Vec<Service> = Vec::new();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for service in self.boxes.iter().flatten() {
            match numbers
                .get(service.name.as_str())
                .and_then(|&at| all.get_mut(at))
            {
                Some(known) => merge(known, service),
                None => {
                    numbers.insert(&service.name, all.len());
                    all.push(service.clone());
                }
            }
        }
        all
    }

    /// Names of services and their backends, each once.
    pub(super) fn names(&self) -> Vec<(String, String)> {
        let services = self.services().into_iter();
        services
            .flat_map(|service| {
                let backends = service.backends.into_iter();
                backends.map(move |backend| (service.name.clone(), backend.name))
            })
            .collect()
    }

    /// The part of all weights that a box wants: of its services whose weights may move, all of its backends. A service
    /// whose backends do not all have a weight yet is left out.
    pub(super) fn part(&self, number: usize, all: &[ServiceWeights]) -> Vec<WeightsOf> {
        let known: HashMap<&str, &ServiceWeights> = all
            .iter()
            .map(|weights| (weights.service.as_str(), weights))
            .collect();
        let services = self.boxes.get(number).map_or(&[][..], Vec::as_slice);
        let moving = services
            .iter()
            .filter(|service| service.algorithm != Algorithm::Static);
        moving
            .filter_map(|service| weights_of(service, known.get(service.name.as_str())?))
            .collect()
    }
}

/// What another box has of a service that is known.
fn merge(known: &mut Service, other: &Service) {
    if known.algorithm == Algorithm::Static && other.algorithm != Algorithm::Static {
        known.algorithm = other.algorithm;
        known.scheduler = other.scheduler;
        known.tags.clone_from(&other.tags);
    }
    known.agent_check = known.agent_check.or(other.agent_check);
    for backend in &other.backends {
        let found = known
            .backends
            .iter_mut()
            .find(|known| known.name == backend.name);
        match found {
            Some(known) if takes_part(known) || !takes_part(backend) => {}
            Some(known) => known.clone_from(backend),
            None => known.backends.push(backend.clone()),
        }
    }
}

fn takes_part(backend: &Backend) -> bool {
    backend.weight_in_force() > 0
}

fn weights_of(service: &Service, weights: &ServiceWeights) -> Option<WeightsOf> {
    let by_name: HashMap<&str, u32> = weights
        .weights
        .iter()
        .map(|(name, weight)| (name.as_str(), *weight))
        .collect();
    let weight = |backend: &Backend| {
        Some(WeightOf {
            backend: backend.name.clone(),
            weight: *by_name.get(backend.name.as_str())?,
        })
    };
    Some(WeightsOf {
        service: service.name.clone(),
        backends: service.backends.iter().map(weight).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use lb_core::config::{PortsPresent, parse};
    use lb_core::id::PortId;

    use super::*;

    fn services(services: &str) -> Vec<Service> {
        let text = format!(
            r#"{{"interfaces": [{{"port": 0, "name": "a", "addresses": ["10.0.0.1/8"]}}], "services": [{services}]}}"#
        );
        let ports: PortsPresent = [PortId(0)].into_iter().collect();
        parse(&text, &ports).unwrap().services
    }

    fn service(name: &str, keys: &str, backends: &str) -> String {
        format!(
            r#"{{"name": "{name}", "address": "192.0.2.10", "port": 80, "protocol": "tcp", "forwarding": "nat",
                 "scheduler": "round-robin", {keys}, "backends": [{backends}]}}"#
        )
    }

    fn backend(number: u8, keys: &str) -> String {
        format!(r#"{{"name": "web-{number}", "address": "10.0.0.1{number}", "port": 8080{keys}}}"#)
    }

    fn weights(weights: &[(&str, u32)]) -> Vec<ServiceWeights> {
        let named = weights
            .iter()
            .map(|(name, weight)| ((*name).into(), *weight));
        vec![ServiceWeights {
            service: "web".into(),
            weights: named.collect(),
        }]
    }

    fn names(service: &Service) -> Vec<&str> {
        let backends = service.backends.iter();
        backends.map(|backend| backend.name.as_str()).collect()
    }

    #[test]
    fn a_service_has_the_backends_of_all_boxes_and_each_box_gets_its_own_back() {
        let even = r#""weights": "even""#;
        let mut fleet = Fleet::of(2);
        let [one, two, three] = [1, 2, 3].map(|number| backend(number, ""));
        fleet.set(0, services(&service("web", even, &format!("{one}, {two}"))));
        fleet.set(
            1,
            services(&service("web", even, &format!("{three}, {two}"))),
        );
        let all = fleet.services();
        assert_eq!(all.len(), 1);
        assert_eq!(names(&all[0]), ["web-1", "web-2", "web-3"]);
        let part = fleet.part(1, &weights(&[("web-1", 5), ("web-2", 6), ("web-3", 7)]));
        let sent: Vec<_> = part[0]
            .backends
            .iter()
            .map(|one| (one.backend.as_str(), one.weight))
            .collect();
        assert_eq!(sent, [("web-3", 7), ("web-2", 6)]);
    }

    #[test]
    fn a_backend_that_one_box_drains_takes_part_for_the_others() {
        let even = r#""weights": "even""#;
        let mut fleet = Fleet::of(2);
        let drained = backend(1, r#", "state": "draining""#);
        fleet.set(0, services(&service("web", even, &drained)));
        fleet.set(1, services(&service("web", even, &backend(1, ""))));
        assert!(takes_part(&fleet.services()[0].backends[0]));
    }

    #[test]
    fn static_services_get_no_weights_and_do_not_say_how_others_are_looked_after() {
        let mut fleet = Fleet::of(2);
        let one = backend(1, "");
        fleet.set(0, services(&service("web", r#""weights": "static""#, &one)));
        fleet.set(
            1,
            services(&service("web", r#""weights": "least-loaded""#, &one)),
        );
        assert_eq!(fleet.services()[0].algorithm, Algorithm::LeastLoaded);
        let all = weights(&[("web-1", 5)]);
        assert!(fleet.part(0, &all).is_empty());
        assert_eq!(fleet.part(1, &all).len(), 1);
    }

    #[test]
    fn without_a_weight_for_every_backend_nothing_is_said_of_a_service() {
        let mut fleet = Fleet::of(1);
        let even = r#""weights": "even""#;
        fleet.set(0, services(&service("web", even, &backend(1, ""))));
        assert!(fleet.part(0, &weights(&[("web-2", 5)])).is_empty());
        assert!(fleet.part(0, &[]).is_empty());
    }
}
