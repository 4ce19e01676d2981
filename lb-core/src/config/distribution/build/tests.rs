//! Cases of building one generation after another.

use super::super::Owner;
use super::*;
use crate::config::{BackendState, Cidr, PortsPresent, parse};

const PORTS: [(PortId, MacAddr); 2] = [
    (PortId(0), MacAddr([2, 0, 0, 0, 0, 0])),
    (PortId(1), MacAddr([2, 0, 0, 0, 0, 1])),
];

/// A configuration with two services, whose second has these weights.
fn config(weights: [u32; 2]) -> Config {
    let backends: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            format!(r#"{{"name":"b{at}","address":"10.0.0.1{at}","weight":{weight}}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"interfaces":[{{"port":1,"name":"server","addresses":["10.0.0.1/24"]}}],
           "services":[
           {{"name":"one","address":"192.0.2.1","port":80,"protocol":"tcp","forwarding":"nat","scheduler":"maglev",
             "backends":[{{"name":"b","address":"10.0.0.20"}}]}},
           {{"name":"two","address":"192.0.2.2","port":80,"protocol":"tcp","forwarding":"nat","scheduler":"maglev",
             "backends":[{}]}}]}}"#,
        backends.join(",")
    );
    let ports: PortsPresent = PORTS.iter().map(|port| port.0).collect();
    parse(&text, &ports).unwrap()
}

struct Place {
    registry: Registry,
    neighbors: NeighborTable,
}

impl Place {
    fn new() -> Self {
        Self {
            registry: Registry::default(),
            neighbors: NeighborTable::new(64),
        }
    }

    fn build(&mut self, config: &Config, previous: &Distribution) -> Distribution {
        let around = Surroundings {
            ports: &PORTS,
            seed: HashSeed([1; 16]),
            neighbors: &self.neighbors,
            now: Now { tick: 1, millis: 0 },
            is_idle: &|_| false,
            is_idle_service: &|_| false,
        };
        Distribution::build(config, &around, &mut self.registry, previous).unwrap()
    }
}

#[test]
fn only_the_scheduler_of_a_changed_service_is_built_anew() {
    let mut place = Place::new();
    let first = place.build(&config([100, 100]), &Distribution::empty(&PORTS));
    let second = place.build(&config([100, 50]), &first);
    let is_shared = |at: usize| {
        Arc::ptr_eq(
            &first.services()[at].scheduler,
            &second.services()[at].scheduler,
        )
    };
    assert!(is_shared(0));
    assert!(!is_shared(1));
    assert_eq!(second.generation, 2);
}

#[test]
fn services_and_backends_keep_their_slots_over_generations() {
    let mut place = Place::new();
    let first = place.build(&config([1, 2]), &Distribution::empty(&PORTS));
    let second = place.build(&config([2, 1]), &first);
    let slots = |d: &Distribution| -> Vec<_> {
        d.services()
            .iter()
            .map(|s| (s.slot, s.backends.clone()))
            .collect()
    };
    assert_eq!(slots(&first), slots(&second));
}

#[test]
fn rows_that_only_an_older_generation_needed_are_let_go() {
    let mut place = Place::new();
    let first = place.build(&config([1, 1]), &Distribution::empty(&PORTS));
    first.enter_neighbors(&place.neighbors);
    assert_eq!(
        place.neighbors.iter().filter(|row| row.is_pinned).count(),
        3
    );
    let mut fewer = config([1, 1]);
    fewer.services.pop();
    let second = place.build(&fewer, &first);
    second.settle_neighbors(&place.neighbors);
    assert_eq!(
        place.neighbors.iter().filter(|row| row.is_pinned).count(),
        1
    );
}

#[test]
fn an_address_is_a_vip_an_interface_or_somebody_elses() {
    let mut place = Place::new();
    let built = place.build(&config([1, 1]), &Distribution::empty(&PORTS));
    let owner = |text: &str| built.owner(address_words(text.parse().unwrap()));
    assert_eq!(owner("192.0.2.1"), Owner::Vip);
    assert_eq!(owner("10.0.0.1"), Owner::Interface(PortId(1)));
    assert_eq!(owner("10.0.0.2"), Owner::Other);
}

/// Slots of the backends of a service, by its position.
fn slots(of: &Distribution, service: usize) -> Vec<BackendSlot> {
    of.services()[service].backends.clone()
}

#[test]
fn a_draining_backend_has_no_weight_and_a_disabled_one_is_not_there() {
    let mut place = Place::new();
    let first = place.build(&config([10, 20]), &Distribution::empty(&PORTS));
    let [drains, goes] = slots(&first, 1)[..] else {
        unreachable!("two backends")
    };
    let mut changed = config([10, 20]);
    changed.services[1].backends[0].state = BackendState::Draining;
    changed.services[1].backends[1].state = BackendState::Disabled;
    let second = place.build(&changed, &first);
    assert_eq!([drains, goes].map(|slot| first.weight(slot)), [10, 20]);
    assert_eq!([drains, goes].map(|slot| second.weight(slot)), [0, 0]);
    assert!(second.backend(drains).is_some());
    assert!(second.backend_neighbor(drains).is_some());
    assert!(second.backend(goes).is_none());
    assert!(second.backend_neighbor(goes).is_none());
    assert_eq!(slots(&second, 1), [drains]);
    let third = place.build(&config([10, 20]), &second);
    assert_eq!(slots(&third, 1), [drains, goes]);
}

#[test]
fn a_generation_of_other_weights_shares_all_that_weights_do_not_touch() {
    let mut place = Place::new();
    let first = place.build(&config([10, 20]), &Distribution::empty(&PORTS));
    let changed = config([10, 50]);
    let second = first.reweighed(&changed, HashSeed([1; 16]), &[1]).unwrap();
    let built = place.build(&changed, &first);
    for slot in slots(&first, 1) {
        assert_eq!(second.weight(slot), built.weight(slot));
        assert_eq!(second.backend(slot), built.backend(slot));
    }
    assert_eq!(second.services()[1].made_of, built.services()[1].made_of);
    assert_eq!(second.generation, 2);
    assert!(second.has_neighbors_of(&first));
    assert!(!built.has_neighbors_of(&first));
    assert!(Arc::ptr_eq(
        &first.services()[0].scheduler,
        &second.services()[0].scheduler
    ));
}

#[test]
fn next_hops_that_connections_remember_stay_good_while_routes_do() {
    let mut place = Place::new();
    let first = place.build(&config([1, 2]), &Distribution::empty(&PORTS));
    let second = place.build(&config([2, 1]), &first);
    assert_eq!(first.route_generation, second.route_generation);
    let mut moved = config([1, 2]);
    moved.interfaces[0].addresses = vec![Cidr::parse("10.0.0.1/16").unwrap()];
    let third = place.build(&moved, &second);
    assert_ne!(second.route_generation, third.route_generation);
    let fourth = place.build(&config([1, 2]), &third);
    assert_ne!(third.route_generation, fourth.route_generation);
}

#[test]
fn a_build_that_fails_half_way_says_where_and_keeps_no_slot() {
    let mut place = Place::new();
    let first = place.build(&config([1, 2]), &Distribution::empty(&PORTS));
    let before = place.registry.in_use();
    let mut broken = config([1, 2]);
    broken.services[0].port = 81;
    broken.services[1].backends[1].address = "10.1.0.1".parse().unwrap();
    let around = Surroundings {
        ports: &PORTS,
        seed: HashSeed([1; 16]),
        neighbors: &place.neighbors,
        now: Now { tick: 1, millis: 0 },
        is_idle: &|_| false,
        is_idle_service: &|_| false,
    };
    let error = Distribution::build(&broken, &around, &mut place.registry, &first).unwrap_err();
    let refusal = error.refusal(
        &broken,
        "{\n\"services\": [ {}, { \"backends\": [ {},\n{ \"address\": 1 } ] } ] }",
    );
    assert_eq!(
        refusal.to_string(),
        "line 3: services[1].backends[1].address: service `two`, backend `b1`: no route leads to 10.1.0.1"
    );
    assert_eq!(place.registry.in_use(), before);
}

#[test]
fn a_neighbor_table_that_is_full_is_the_fault_of_the_first_key_without_a_row() {
    let error = BuildError::NeighborTable {
        address: "10.0.0.11".parse().unwrap(),
    };
    let refusal = error.refusal(&config([1, 1]), "");
    assert_eq!(refusal.path, "services[1].backends[1].address");
}
