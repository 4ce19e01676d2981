//! A thousand services with a hundred backends each, a hundred thousand routes: how long a rebuild and a flip take.
//!
//! No counterpart in the patent. The figures are printed (`--nocapture`); they mean something with `--release` only.
//! Easy to get wrong: a Maglev table of 65,537 places takes a millisecond, so a thousand of them never fit into one
//! flip; what is bounded is the flip.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_control::control::{Control, Patch, ServiceWeights};

use lb_core::config::{KernelNetwork, KernelRoute, PortsPresent, Prefix, StaticNeighbor};
use lb_core::id::PortId;
use lb_core::route::NextHop;
use lb_core::wire::MacAddr;

use super::support::{Start, somebody};

/// A tenth where nothing is optimised.
const SERVICES: u32 = if cfg!(debug_assertions) { 100 } else { 1000 };
const BACKENDS: u32 = 100;

/// No more than this, even unoptimised on a busy machine.
const GENEROUS: Duration = Duration::from_secs(60);

/// Every service has a hundred of a thousand servers.
fn document(scheduler: &str, weights: &str, extra: &str) -> String {
    let mut text = String::from(
        r#"{"interfaces":[{"port":0,"name":"client","addresses":["198.51.100.1/24"]},
        {"port":1,"name":"server","addresses":["10.0.0.1/16"]}],"services":["#,
    );
    for service in 0..SERVICES {
        let comma = if service == 0 { "" } else { "," };
        let (high, low) = (service / 250, service % 250);
        write!(
            text,
            r#"{comma}{{"name":"s{service}","address":"192.0.{high}.{}","port":80,"protocol":"tcp","forwarding":"nat",
            "scheduler":"{scheduler}","weights":"{weights}"{extra},"backends":["#,
            low + 1
        )
        .unwrap();
        for backend in 0..BACKENDS {
            let comma = if backend == 0 { "" } else { "," };
            let server = (service * 37 + backend) % 1000;
            write!(
                text,
                r#"{comma}{{"name":"b{backend}","address":"10.0.{}.{}","port":8080}}"#,
                server / 250 + 1,
                server % 250 + 1
            )
            .unwrap();
        }
        text.push_str("]}");
    }
    text.push_str("]}");
    text
}

/// Other weights for every backend, unlike those of any other round.
fn wanted(round: u32) -> Vec<ServiceWeights> {
    (0..SERVICES)
        .map(|service| ServiceWeights {
            service: format!("s{service}"),
            weights: (0..BACKENDS)
                .map(|backend| {
                    let part = (service * 7 + backend * 131 + round * 61) % 400;
                    (format!("b{backend}"), 800 + part)
                })
                .collect(),
        })
        .collect()
}

fn ports() -> PortsPresent {
    (0..2).map(PortId).collect()
}

fn timed<R>(what: &str, f: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = f();
    let took = began.elapsed();
    println!("{what}: {:.1} ms", took.as_secs_f64() * 1e3);
    assert!(took < GENEROUS, "{what} took {took:?}");
    result
}

/// Sets all weights, as often as it takes.
fn all_weights_change(control: &Control, round: u32) -> u32 {
    let wanted = wanted(round);
    for flips in 1..=SERVICES {
        timed(&format!("  flip {flips}"), || {
            control.set_weights(&wanted).unwrap()
        });
        if control.look(|look| look.weights_waiting) == 0 {
            return flips;
        }
    }
    unreachable!("some service never has its turn")
}

fn run(scheduler: &str, extra: &str) -> u32 {
    println!("{scheduler}, {SERVICES} services with {BACKENDS} backends each");
    let text = document(scheduler, "even", extra);
    timed(" reading and checking alone", || {
        lb_core::config::parse(&text, &ports()).unwrap()
    });
    let mut it = timed(" first generation", || {
        Start {
            text: Some(&text),
            ..Start::default()
        }
        .side()
        .unwrap()
    });
    it.reader.rest();
    let flips = (0..3)
        .map(|round| all_weights_change(&it.control, round))
        .max()
        .unwrap();
    it.control.look(|look| {
        for ServiceWeights { service, weights } in wanted(2) {
            for (backend, weight) in weights {
                assert_eq!(look.weight(&service, &backend), Some(weight));
            }
        }
    });
    timed(" nothing changes", || {
        it.control.set_weights(&wanted(2)).unwrap()
    });
    let other = text.replacen("\"port\":8080", "\"port\":8081", 1);
    timed(" apply, one backend different", || {
        it.control.apply(&other, &somebody(), None).unwrap()
    });
    let patch = Patch {
        weight: Some(50),
        state: None,
    };
    timed(" patch", || {
        it.control
            .patch_backend("s50", "b50", &patch, &somebody(), None)
            .unwrap()
    });
    timed(" check", || it.control.check(&text).unwrap());
    flips
}

#[test]
fn all_weights_of_a_thousand_round_robins_change_with_one_flip() {
    assert_eq!(run("weighted-round-robin", ""), 1);
}

#[test]
fn all_weights_of_a_thousand_maglev_tables_change_with_a_few_flips() {
    let flips = run("maglev", "");
    // 50 tables of 65,537 places are as much as one flip takes.
    assert_eq!(flips, SERVICES.div_ceil(50));
}

#[test]
fn all_weights_of_a_thousand_small_maglev_tables_change_with_three_flips() {
    let flips = run("maglev", ",\"maglev_table_size\":8191");
    assert_eq!(flips, SERVICES.div_ceil(402));
}

/// Ten thousand where nothing is optimised.
const ROUTES: u32 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};

/// The kernel's view with this many routes through fifty routers, `missing` of them left out.
fn full_table(missing: usize) -> Arc<KernelNetwork> {
    let routes = (0..ROUTES).map(|number| {
        let network = Ipv4Addr::from_bits(0x1400_0000 + number * 256);
        let hop = NextHop {
            port: PortId(1),
            gateway: Some(Ipv4Addr::from_bits(0x0a00_c800 + number % 50).into()),
        };
        KernelRoute {
            prefix: Prefix::containing(network.into(), 24),
            metric: 20,
            protocol: 186,
            hops: vec![(hop, 1)],
        }
    });
    Arc::new(KernelNetwork {
        routes: routes.skip(missing).collect(),
        ..KernelNetwork::default()
    })
}

#[test]
fn a_full_table_of_the_kernels_beside_a_thousand_services() {
    println!("{ROUTES} routes of the kernel's");
    for (what, text) in [
        ("one interface", ONE_INTERFACE.to_owned()),
        (
            "all services",
            document("maglev", "even", ",\"maglev_table_size\":8191"),
        ),
    ] {
        println!(" beside {what}");
        let mut it = Start {
            text: Some(&text),
            follows_kernel: true,
            ..Start::default()
        }
        .side()
        .unwrap();
        it.reader.rest();
        let (full, fewer) = (full_table(0), full_table(1));
        let set = |what, network: &Arc<KernelNetwork>| {
            timed(what, || {
                it.control.set_network(Arc::clone(network)).unwrap()
            })
        };
        set("  all routes come", &full);
        set("  one goes", &fewer);
        set("  nothing changes", &full_table(1));
        let mut neighbor = KernelNetwork::clone(&fewer);
        neighbor.neighbors.push(StaticNeighbor {
            address: [10, 0, 200, 1].into(),
            mac: MacAddr([2, 0, 0, 0, 9, 9]),
            port: PortId(1),
        });
        let generation = it.control.look(|look| look.distribution.route_generation);
        set("  a neighbor comes", &Arc::new(neighbor));
        it.control.look(|look| {
            assert_eq!(look.distribution.route_generation, generation);
            let routes = look.network_in_force().routes().len();
            assert_eq!(routes, full.routes.len() - 1 + 2);
        });
    }
}

const ONE_INTERFACE: &str = r#"{"interfaces":[{"port":0,"name":"client","addresses":["198.51.100.1/24"]},
    {"port":1,"name":"server","addresses":["10.0.0.1/16"]}]}"#;
