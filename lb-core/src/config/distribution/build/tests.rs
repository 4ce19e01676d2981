//! Cases of building one generation after another.

use super::super::Owner;
use super::*;
use crate::config::{
    BackendState, Cidr, KernelInterface, KernelRoute, PortsPresent, Prefix, parse,
};
use crate::flow::FlowHash;

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
        self.build_with(config, None, previous)
    }

    fn build_with(
        &mut self,
        config: &Config,
        kernel: Option<&KernelNetwork>,
        previous: &Distribution,
    ) -> Distribution {
        let around = Surroundings {
            ports: &PORTS,
            mtus: &[(PortId(0), 9000)],
            kernel,
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
        mtus: &[],
        kernel: None,
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

fn via(gateway: &str) -> (NextHop, u16) {
    let hop = NextHop {
        port: PortId(1),
        gateway: Some(gateway.parse().unwrap()),
    };
    (hop, 1)
}

/// A kernel with these routes and no word of its own about ports.
fn kernel(routes: &[(&str, &[(NextHop, u16)])]) -> KernelNetwork {
    let routes = routes.iter().map(|(prefix, hops)| KernelRoute {
        prefix: Prefix::parse(prefix).unwrap(),
        metric: 20,
        protocol: 186,
        hops: hops.to_vec(),
    });
    KernelNetwork {
        routes: routes.collect(),
        ..KernelNetwork::default()
    }
}

/// One service with a backend on the link and one that nothing in the document leads to.
fn config_with_a_far_backend(forwarding: &str) -> Config {
    let text = format!(
        r#"{{"interfaces":[{{"port":1,"name":"server","addresses":["10.0.0.1/24"]}}],
           "services":[
           {{"name":"one","address":"192.0.2.1","port":80,"protocol":"tcp","forwarding":"{forwarding}","scheduler":"maglev",
             "backends":[{{"name":"near","address":"10.0.0.20"}},{{"name":"far","address":"10.9.0.20"}}]}}]}}"#
    );
    let ports: PortsPresent = PORTS.iter().map(|port| port.0).collect();
    assert!(parse(&text, &ports).is_err());
    parse(&text, &ports.with_kernel_routes()).unwrap()
}

#[test]
fn a_backend_is_unreachable_until_the_kernel_knows_a_route() {
    let mut place = Place::new();
    let config = config_with_a_far_backend("nat");
    let nothing = kernel(&[]);
    let first = place.build_with(&config, Some(&nothing), &Distribution::empty(&PORTS));
    let [near, far] = slots(&first, 0)[..] else {
        unreachable!("two backends")
    };
    assert_eq!(first.backend_neighbor(far), Some(NeighborId::NOWHERE));
    assert_eq!([near, far].map(|slot| first.weight(slot)), [100, 0]);
    let names: Vec<_> = first.unreachable().map(|(_, b)| b.name.as_str()).collect();
    assert_eq!(names, ["far"]);
    let with_route = kernel(&[("10.9.0.0/16", &[via("10.0.0.254")])]);
    let second = place.build_with(&config, Some(&with_route), &first);
    assert_eq!(slots(&second, 0), [near, far]);
    assert_eq!([near, far].map(|slot| second.weight(slot)), [100, 100]);
    let router = IpAddr::from([10, 0, 0, 254]);
    let row = place.neighbors.find(router, PortId(1));
    assert_eq!(second.backend_neighbor(far), row);
    assert_eq!(second.unreachable().count(), 0);
    assert_ne!(second.route_generation, first.route_generation);
    let third = place.build_with(&config, Some(&nothing), &second);
    assert_eq!(third.backend_neighbor(far), Some(NeighborId::NOWHERE));
}

#[test]
fn a_master_that_wants_weights_does_not_reach_the_unreachable() {
    let mut place = Place::new();
    let mut config = config_with_a_far_backend("nat");
    let first = place.build_with(&config, Some(&kernel(&[])), &Distribution::empty(&PORTS));
    for backend in &mut config.services[0].backends {
        backend.weight = 7;
    }
    let second = first.reweighed(&config, HashSeed([1; 16]), &[0]).unwrap();
    let weights: Vec<_> = slots(&second, 0)
        .iter()
        .map(|&slot| second.weight(slot))
        .collect();
    assert_eq!(weights, [7, 0]);
}

#[test]
fn direct_forwarding_reaches_nobody_behind_a_router() {
    let mut place = Place::new();
    let config = config_with_a_far_backend("direct");
    let routed = kernel(&[("10.9.0.0/16", &[via("10.0.0.254")])]);
    let first = place.build_with(&config, Some(&routed), &Distribution::empty(&PORTS));
    assert_eq!(first.unreachable().count(), 1);
    let on_link = NextHop {
        port: PortId(1),
        gateway: None,
    };
    let linked = kernel(&[("10.9.0.0/16", &[(on_link, 1)])]);
    let second = place.build_with(&config, Some(&linked), &first);
    assert_eq!(second.unreachable().count(), 0);
}

#[test]
fn the_route_table_is_built_anew_for_routes_addresses_and_ports_alone() {
    let mut place = Place::new();
    let config = config([1, 1]);
    let mut network = kernel(&[("10.9.0.0/16", &[via("10.0.0.254")])]);
    network.interfaces.push(KernelInterface {
        port: PortId(1),
        addresses: vec![Cidr::parse("10.0.0.1/24").unwrap()],
        mtu: 1500,
        is_up: true,
    });
    let first = place.build_with(&config, Some(&network), &Distribution::empty(&PORTS));
    let mut build_after = |network: &KernelNetwork| {
        let next = place.build_with(&config, Some(network), &first);
        let is_kept = Arc::ptr_eq(&first.routes, &next.routes);
        assert_eq!(is_kept, next.route_generation == first.route_generation);
        let schedulers = first.services().iter().zip(next.services());
        let mut same = schedulers.map(|(a, b)| Arc::ptr_eq(&a.scheduler, &b.scheduler));
        (is_kept, same.all(|same| same))
    };
    let mut other = network.clone();
    other.interfaces[0].mtu = 9000;
    other.neighbors.push(crate::config::StaticNeighbor {
        address: "10.0.0.20".parse().unwrap(),
        mac: MacAddr([2, 0, 0, 0, 9, 9]),
        port: PortId(1),
    });
    assert_eq!(build_after(&other), (true, true));
    let mut equal = network.clone();
    equal.routes = equal.routes.iter().cloned().collect();
    assert_eq!(build_after(&equal), (true, true));
    let more = kernel(&[("10.9.0.0/17", &[via("10.0.0.254")])]);
    assert_eq!(build_after(&more), (false, true));
    let mut address = network.clone();
    address.interfaces[0]
        .addresses
        .push(Cidr::parse("10.1.0.1/24").unwrap());
    assert_eq!(build_after(&address), (false, true));
    let mut down = network.clone();
    down.interfaces[0].is_up = false;
    assert_eq!(build_after(&down), (false, false));
}

#[test]
fn a_kernels_permanent_neighbor_is_entered_and_let_go_with_it() {
    let mut place = Place::new();
    let config = config([1, 1]);
    let (address, port) = ("10.0.0.20".parse().unwrap(), PortId(1));
    let mac = MacAddr([2, 0, 0, 0, 9, 9]);
    let neighbors = vec![crate::config::StaticNeighbor { address, mac, port }];
    let network = KernelNetwork {
        neighbors,
        ..KernelNetwork::default()
    };
    let first = place.build_with(&config, Some(&network), &Distribution::empty(&PORTS));
    first.enter_neighbors(&place.neighbors);
    let id = place.neighbors.find(address, port).unwrap();
    let known = |place: &Place| place.neighbors.read(id).unwrap();
    assert_eq!(known(&place).mac, Some(mac));
    assert!(known(&place).is_static);
    let second = place.build(&config, &first);
    second.settle_neighbors(&place.neighbors);
    assert!(!known(&place).is_static);
}

#[test]
fn a_backend_behind_several_routers_has_a_row_for_each_and_one_for_each_flow() {
    let mut place = Place::new();
    let config = config_with_a_far_backend("nat");
    let hops = [via("10.0.0.253"), via("10.0.0.254")];
    let network = kernel(&[("10.9.0.0/16", &hops)]);
    let built = place.build_with(&config, Some(&network), &Distribution::empty(&PORTS));
    let far = slots(&built, 0)[1];
    let answered = built.backend_neighbor(far).unwrap();
    assert_eq!(place.neighbors.link(answered), None);
    let rows = [253, 254].map(|last| {
        let router = IpAddr::from([10, 0, 0, last]);
        place.neighbors.find(router, PortId(1)).unwrap()
    });
    assert_eq!(built.backend(far).unwrap().neighbor, rows[0]);
    let of = |flow| built.backend_neighbor_of_flow(answered, far, FlowHash(flow), &place.neighbors);
    let taken: std::collections::BTreeSet<_> = (0..64).map(of).collect();
    assert_eq!(taken, rows.into_iter().collect());
    assert!((0..64).all(|flow| of(flow) == of(flow)));
}
