//! What can be looked at: status, services, backends, ports, lcores, drops, neighbors, routes, explanations.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Instant;

use lb_control::supervisor::{Life, Task};
use lb_control::view::{self, NeighborSource, NeighborState, Source, TaskState};
use lb_core::config::{Cidr, KernelInterface, KernelNetwork, KernelRoute, Prefix, StaticNeighbor};
use lb_core::id::PortId;
use lb_core::route::NextHop;
use lb_core::wire::MacAddr;

use crate::client::{Client, PATIENCE};
use crate::metrics::{checked, until_checked};
use crate::rig::{Rig, Setup};

#[test]
fn the_status_says_what_is_in_force() {
    let rig = Rig::new();
    let status: view::Status = Client::unix(&rig).get("/v1/status").done();
    assert_eq!(
        (status.revision, status.generation, status.flips),
        (1, 1, 1)
    );
    assert_eq!((status.services, status.backends), (3, 4));
    assert_eq!((status.ports, status.ports_up), (2, 1));
    assert_eq!((status.lcores, status.lcores_beating), (1, 1));
    assert_eq!(status.connections_ipv4.capacity, 1024);
    assert_eq!(status.verdicts.forwarded, 97);
    assert_eq!(status.received, 100);
    let tasks: Vec<_> = status.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(
        tasks,
        [
            "api",
            "weights",
            "agent-check",
            "advertiser",
            "health",
            "watch"
        ]
    );
    assert_eq!(status.warnings, ["port 1 (net_null1): no link"]);
}

#[test]
fn services_and_backends_are_shown_with_what_is_in_force() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let services: view::Services = client.get("/v1/services").done();
    let names: Vec<_> = services
        .services
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["web", "dns", "web6"]);
    let web: view::Service = client.get("/v1/services/web").done();
    assert_eq!(web.summary, services.services[0]);
    assert_eq!(web.summary.scheduler, "weighted-round-robin");
    assert_eq!(web.summary.backends_taking, 2);
    assert_eq!(web.backends[0].name, "web-1");
    assert!(web.backends[0].is_resolved, "its neighbor is configured");
    assert!(!web.backends[1].is_resolved, "nobody has asked for it yet");
    let one: view::Backend = client.get("/v1/services/web/backends/web-1").done();
    assert_eq!(one, web.backends[0]);
    client.get("/v1/services/mail").refused(404);
    client.get("/v1/services/web/backends/dns-1").refused(404);
}

#[test]
fn a_backend_that_is_checked_is_shown_with_its_health() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rig = Rig::with(Setup {
        document: checked(server.local_addr().unwrap().port()),
        ..Setup::default()
    });
    let backend = until_checked(&rig);
    let health = backend.health.unwrap();
    assert_eq!(
        (health.kind.as_str(), health.why.as_str()),
        ("tcp", "connected")
    );
    assert!(health.checks >= 1 && health.failures == 0 && health.flaps == 0);
    assert!(health.latency_seconds.is_some() && health.since > 0.0);
    let mut client = Client::unix(&rig);
    let service: view::Service = client.get("/v1/services/web6").done();
    assert_eq!(service.summary.backends_up, 1);
    assert!(!service.summary.is_panicking && !service.summary.is_on_backup);
    let web: view::Service = client.get("/v1/services/web").done();
    assert!(web.backends[0].health.is_none(), "nobody checks it");
}

#[test]
fn backends_of_all_services_come_a_page_at_a_time() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let mut names = Vec::new();
    let mut next = Some("0".to_owned());
    while let Some(after) = next {
        let page: view::Backends = client
            .get(&format!("/v1/backends?limit=3&after={after}"))
            .done();
        names.extend(page.backends.into_iter().map(|one| one.name));
        next = page.next;
    }
    assert_eq!(names, ["web-1", "web-2", "dns-1", "web-6"]);
    let web: view::Backends = client.get("/v1/backends?service=web").done();
    assert_eq!((web.backends.len(), web.next), (2, None));
    client.get("/v1/backends?service=mail").refused(404);
    client.get("/v1/backends?limit=1001").refused(400);
    let beyond: view::Backends = client.get("/v1/backends?after=99").done();
    assert_eq!((beyond.backends.len(), beyond.next), (0, None));
}

#[test]
fn ports_lcores_and_drops_are_those_of_the_data_path() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let ports: view::Ports = client.get("/v1/ports").done();
    assert_eq!(ports.ports[0].interface.as_deref(), Some("client"));
    assert_eq!(
        ports.ports[0].addresses,
        ["198.51.100.1/24", "2001:db8:1::1/64"]
    );
    let kernel = ports.ports[0].kernel.as_ref().unwrap();
    assert_eq!((kernel.up, kernel.down_dropped), (70, 2));
    assert_eq!(ports.ports[1].kernel, None);
    assert_eq!(
        (ports.ports[1].rx_missed, ports.ports[1].tx_dropped),
        (1, 5)
    );
    let lcores: view::Lcores = client.get("/v1/lcores").done();
    let lcore = &lcores.lcores[0];
    assert_eq!(
        (lcore.lcore, lcore.received, lcore.empty_polls),
        (1, 100, 7)
    );
    assert_eq!(lcore.polls.len(), 33);
    assert_eq!(lcore.verdicts.dropped, 3);
    let drops: view::Drops = client.get("/v1/drops").done();
    assert_eq!((drops.dropped, drops.reasons[0].packets), (3, 3));
    assert!(drops.reasons.iter().all(|one| !one.sentence.is_empty()));
}

#[test]
fn neighbors_and_routes_are_those_that_packets_meet() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let neighbors: view::Neighbors = client.get("/v1/neighbors").done();
    let of = |address: &str| {
        let mut all = neighbors.neighbors.iter();
        all.find(|one| one.address == address).unwrap()
    };
    assert_eq!(of("10.0.0.11").state, NeighborState::Static);
    assert_eq!(of("10.0.0.11").mac.as_deref(), Some("02:00:00:00:01:11"));
    assert_eq!(of("10.0.0.12").state, NeighborState::Unresolved);
    assert_eq!(of("10.0.0.12").interface.as_deref(), Some("server"));
    assert_eq!(of("10.0.0.11").source, NeighborSource::Document);
    assert_eq!(of("10.0.0.12").source, NeighborSource::Learned);
    let routes: view::Routes = client.get("/v1/routes").done();
    assert_eq!(routes.routes.len(), 5);
    let of = |prefix: &str| {
        let mut all = routes.routes.iter();
        all.find(|one| one.prefix == prefix).unwrap()
    };
    let connected = of("198.51.100.0/24");
    assert_eq!((connected.source, connected.metric), (Source::Connected, 0));
    assert_eq!(connected.next_hops[0].via, None);
    let default = of("0.0.0.0/0");
    assert_eq!((default.source, default.metric), (Source::Document, 4000));
    let via = default.next_hops[0].via.as_deref();
    assert_eq!(via, Some("198.51.100.254"));
}

#[test]
fn routes_come_by_pages_each_once() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let all: view::Routes = client.get("/v1/routes").done();
    assert_eq!(all.next, None);
    for limit in [1, 2, 4, 5, 10_000] {
        let (mut gathered, mut after) = (Vec::new(), String::new());
        loop {
            let page: view::Routes = client
                .get(&format!("/v1/routes?limit={limit}{after}"))
                .done();
            assert!((1..=limit).contains(&page.routes.len()), "{limit}");
            gathered.extend(page.routes);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(gathered, all.routes, "{limit}");
    }
    let behind: view::Routes = client.get("/v1/routes?after=10.0.0.0/8").done();
    assert!(
        behind
            .routes
            .iter()
            .all(|route| route.prefix != "0.0.0.0/0")
    );
    for wrong in ["limit=0", "limit=10001", "after=10.0.0.1/8", "after=x"] {
        client.get(&format!("/v1/routes?{wrong}")).refused(400);
    }
}

#[test]
fn what_the_kernel_adds_is_shown_with_its_source() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let hop = |last: u8, weight| {
        let gateway = Some([10, 0, 0, last].into());
        let port = PortId(1);
        (NextHop { port, gateway }, weight)
    };
    let route = |prefix: &str, hops: &[(NextHop, u16)]| KernelRoute {
        prefix: Prefix::parse(prefix).unwrap(),
        metric: 20,
        protocol: 186,
        hops: hops.to_vec(),
    };
    let routes = [
        route("10.0.0.12/32", &[]),
        route("10.9.0.0/16", &[hop(2, 1), hop(3, 3)]),
    ];
    let address = "10.0.0.40".parse().unwrap();
    let network = KernelNetwork {
        interfaces: vec![KernelInterface {
            port: PortId(1),
            addresses: vec![Cidr::parse("10.7.0.1/24").unwrap()],
            mtu: 1500,
            is_up: true,
        }],
        routes: routes.into_iter().collect(),
        neighbors: vec![StaticNeighbor {
            address,
            mac: MacAddr([2, 0, 0, 0, 1, 0x40]),
            port: PortId(1),
        }],
    };
    rig.control.set_network(Arc::new(network)).unwrap();
    let one = |client: &mut Client, address: &str| {
        let found: view::Routes = client.get(&format!("/v1/routes?address={address}")).done();
        assert_eq!(found.routes.len(), 1);
        found.routes.into_iter().next().unwrap()
    };
    let shared = one(&mut client, "10.9.0.5");
    assert_eq!((shared.source, shared.protocol), (Source::Kernel, 186));
    let hops: Vec<_> = shared
        .next_hops
        .iter()
        .map(|hop| (hop.via.as_deref().unwrap(), hop.weight))
        .collect();
    assert_eq!(hops, [("10.0.0.2", 1), ("10.0.0.3", 3)]);
    assert!(one(&mut client, "10.0.0.12").next_hops.is_empty());
    assert_eq!(one(&mut client, "10.7.0.9").source, Source::Connected);
    client.get("/v1/routes?address=10.0.0.0/8").refused(400);
    let neighbors: view::Neighbors = client.get("/v1/neighbors").done();
    let added = neighbors
        .neighbors
        .iter()
        .find(|one| one.address == "10.0.0.40");
    assert_eq!(added.unwrap().source, NeighborSource::Kernel);
    let ports: view::Ports = client.get("/v1/ports").done();
    assert!(ports.ports[1].addresses.contains(&"10.7.0.1/24".to_owned()));
    let backend: view::Backend = client.get("/v1/services/web/backends/web-2").done();
    assert!(!backend.is_reachable);
    assert_eq!(backend.effective_weight, 0);
}

#[test]
fn a_weight_is_explained_in_words() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let explained: view::Explained = client.get("/v1/explain?service=web").done();
    assert_eq!(explained.weights, "even");
    assert_eq!(explained.backends.len(), 2);
    assert_eq!(explained.backends[1].configured_weight, 300);
    let rules = &explained.backends[0].rules;
    assert!(!rules.is_empty() && rules.iter().all(|rule| !rule.sentence.is_empty()));
    client.get("/v1/explain?service=mail").refused(404);
    client.get("/v1/explain").refused(400);
}

#[test]
fn weights_from_elsewhere_are_put_in_force_and_shown() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let sent = r#"{"ttl_seconds":60,"services":[{"service":"web","backends":[
        {"backend":"web-1","weight":10},{"backend":"web-2","weight":90}]}]}"#;
    let taken: view::Taken = client.put("/v1/weights", sent).done();
    assert_eq!(taken.taken, 1);
    let began = Instant::now();
    loop {
        let web: view::Service = client.get("/v1/services/web").done();
        let weights: Vec<_> = web
            .backends
            .iter()
            .map(|one| one.effective_weight)
            .collect();
        if weights[0] * 9 == weights[1] {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{weights:?}");
    }
    let explained: view::Explained = client.get("/v1/explain?service=web").done();
    assert!(explained.source.contains("uid "), "{}", explained.source);
    client
        .put("/v1/weights", &sent.replace("web-2", "web-9"))
        .refused(404);
    client
        .put("/v1/weights", &sent.replace("60", "0"))
        .refused(422);
}

#[test]
fn a_task_that_panics_is_counted_and_the_others_go_on() {
    let (sender, attempts) = channel();
    let clumsy = Task::new("clumsy", move |_: &Life| {
        let _ = sender.send(());
        panic!("a fault of the test's own");
    });
    let rig = Rig::with(Setup {
        tasks: vec![clumsy],
        ..Setup::default()
    });
    for _ in 0..2 {
        attempts.recv_timeout(PATIENCE).unwrap();
    }
    let mut client = Client::unix(&rig);
    let status: view::Status = client.get("/v1/status").done();
    let task = status
        .tasks
        .iter()
        .find(|task| task.name == "clumsy")
        .unwrap();
    assert!(task.panics >= 1);
    assert_eq!(
        task.last_panic.as_deref(),
        Some("a fault of the test's own")
    );
    let others = status.tasks.iter().filter(|task| task.name != "clumsy");
    for other in others {
        assert_eq!((other.panics, other.state), (0, TaskState::Running));
    }
    let page = client.get("/metrics");
    assert!(
        page.text()
            .contains("lb_task_panics_total{task=\"clumsy\"}")
    );
    assert_eq!(client.put("/v1/config", "{}").status, 200);
}

#[test]
fn a_lcore_that_stands_still_is_told() {
    let rig = Rig::new();
    rig.figures.stands_still.store(true, Ordering::Relaxed);
    let mut client = Client::unix(&rig);
    let began = Instant::now();
    loop {
        let status: view::Status = client.get("/v1/status").done();
        if status.lcores_beating == 0 {
            assert!(status.warnings.iter().any(|one| one.starts_with("lcore 1")));
            break;
        }
        assert!(began.elapsed() < PATIENCE);
    }
    rig.figures.stands_still.store(false, Ordering::Relaxed);
    loop {
        let lcores: view::Lcores = client.get("/v1/lcores").done();
        if lcores.lcores[0].is_beating {
            break;
        }
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn the_end_of_the_control_side_ends_its_tasks_and_its_socket() {
    let mut rig = Rig::with_tcp();
    let board = rig.running.as_ref().unwrap().board();
    let mut idle = Client::unix(&rig);
    assert_eq!(idle.get("/v1/status").status, 200);
    rig.stop();
    assert!(
        board
            .tasks()
            .iter()
            .all(|task| task.state == TaskState::Ended)
    );
    assert!(!rig.socket().exists());
    assert!(idle.answer().is_none());
}
