//! Cases of precedence between document and kernel.

use std::sync::Arc;

use super::*;
use crate::config::{KernelRoute, PortsPresent, parse};
use crate::wire::MacAddr;

const CLIENT: PortId = PortId(0);
const SERVER: PortId = PortId(1);

fn document() -> Config {
    let text = r#"{"interfaces":[
        {"port":0,"name":"client","addresses":["198.51.100.1/24"]},
        {"port":1,"name":"server","addresses":["10.0.0.1/24"]}],
        "routes":[{"prefix":"0.0.0.0/0","via":"198.51.100.254"}],
        "neighbors":[{"address":"10.0.0.9","mac":"02:00:00:00:01:09"}]}"#;
    let ports: PortsPresent = [CLIENT, SERVER].into_iter().collect();
    parse(text, &ports).unwrap()
}

fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).unwrap()
}

fn device(port: PortId, addresses: &[&str]) -> KernelInterface {
    KernelInterface {
        port,
        addresses: addresses.iter().map(|text| cidr(text)).collect(),
        mtu: 1500,
        is_up: true,
    }
}

fn via(port: PortId, gateway: &str) -> (NextHop, u16) {
    let gateway = Some(gateway.parse().unwrap());
    (NextHop { port, gateway }, 1)
}

fn route(prefix: &str, metric: u32, protocol: u8, hops: &[(NextHop, u16)]) -> KernelRoute {
    KernelRoute {
        prefix: Prefix::parse(prefix).unwrap(),
        metric,
        protocol,
        hops: hops.to_vec(),
    }
}

fn kernel(routes: Vec<KernelRoute>) -> KernelNetwork {
    KernelNetwork {
        interfaces: vec![
            device(CLIENT, &["198.51.100.1/24"]),
            device(SERVER, &["10.0.0.1/24"]),
        ],
        routes: Arc::from(routes),
        neighbors: Vec::new(),
    }
}

/// Routes as people write them.
fn routes(config: &Config, kernel: &KernelNetwork) -> Vec<String> {
    let routes = NetworkInForce::new(config, Some(kernel)).routes();
    let routes = routes.iter().map(|route| {
        let hops = route.hops.iter();
        let hops = hops.map(|(hop, weight)| match hop.gateway {
            Some(gateway) => format!(" via {gateway} port {} x{weight}", hop.port),
            None => format!(" port {} x{weight}", hop.port),
        });
        format!(
            "{} {} {:?}{}",
            route.prefix,
            route.metric,
            route.source,
            hops.collect::<String>()
        )
    });
    routes.collect()
}

const CONNECTED: [&str; 2] = [
    "10.0.0.0/24 0 Connected port 1 x1",
    "198.51.100.0/24 0 Connected port 0 x1",
];
const DEFAULT: &str = "0.0.0.0/0 4000 Document via 198.51.100.254 port 0 x1";

#[test]
fn without_a_kernel_all_is_as_the_document_says() {
    let config = document();
    let network = NetworkInForce::new(&config, None);
    let prefixes: Vec<_> = network.routes().iter().map(|r| r.prefix).collect();
    let expected = ["0.0.0.0/0", "10.0.0.0/24", "198.51.100.0/24"];
    assert_eq!(prefixes, expected.map(|text| Prefix::parse(text).unwrap()));
    assert!(network.is_up(CLIENT));
    assert_eq!(network.mtu(CLIENT), None);
    assert_eq!(routes(&config, &KernelNetwork::default())[0], DEFAULT);
}

#[test]
fn what_the_kernel_has_from_us_is_the_same_whether_it_has_arrived_or_not() {
    let config = document();
    let ours = route(
        "0.0.0.0/0",
        DOCUMENT_METRIC,
        PROTOCOL_ID,
        &[via(CLIENT, "198.51.100.254")],
    );
    let without = routes(&config, &kernel(Vec::new()));
    assert_eq!(without, [DEFAULT, CONNECTED[0], CONNECTED[1]]);
    assert_eq!(routes(&config, &kernel(vec![ours])), without);
    // What the document does not say any more, and the kernel still holds.
    let left_over = route(
        "203.0.113.0/24",
        DOCUMENT_METRIC,
        PROTOCOL_ID,
        &[via(CLIENT, "198.51.100.254")],
    );
    assert_eq!(routes(&config, &kernel(vec![left_over])), without);
}

#[test]
fn the_lowest_metric_wins_and_of_equal_ones_the_kernels() {
    let config = document();
    for (metric, wins) in [
        (0, true),
        (20, true),
        (DOCUMENT_METRIC, true),
        (DOCUMENT_METRIC + 1, false),
    ] {
        let learned = route("0.0.0.0/0", metric, 186, &[via(CLIENT, "198.51.100.253")]);
        let seen = routes(&config, &kernel(vec![learned]));
        assert_eq!(seen.len(), 3);
        let expected = if wins {
            format!("0.0.0.0/0 {metric} Kernel via 198.51.100.253 port 0 x1")
        } else {
            DEFAULT.to_owned()
        };
        assert_eq!(seen[0], expected);
    }
}

#[test]
fn of_several_kernel_routes_to_one_prefix_the_lowest_metric_is_in_force() {
    let config = document();
    let mut kernel = kernel(vec![
        route("203.0.113.0/24", 20, 186, &[via(SERVER, "10.0.0.2")]),
        route("203.0.113.0/24", 100, 4, &[via(CLIENT, "198.51.100.2")]),
    ]);
    let best = |kernel: &KernelNetwork| routes(&config, kernel).pop().unwrap();
    assert_eq!(
        best(&kernel),
        "203.0.113.0/24 20 Kernel via 10.0.0.2 port 1 x1"
    );
    kernel.interfaces[1].is_up = false;
    assert_eq!(
        best(&kernel),
        "203.0.113.0/24 100 Kernel via 198.51.100.2 port 0 x1"
    );
}

#[test]
fn a_route_of_the_kernels_that_drops_has_no_hops_and_one_whose_hops_are_down_is_none() {
    let config = document();
    let two = [via(CLIENT, "198.51.100.2"), via(SERVER, "10.0.0.2")];
    let mut kernel = kernel(vec![
        route("203.0.113.0/25", 0, 4, &[]),
        route("203.0.113.128/25", 0, 4, &two),
    ]);
    let last_two = |kernel: &KernelNetwork| routes(&config, kernel).split_off(3);
    assert_eq!(
        last_two(&kernel),
        [
            "203.0.113.0/25 0 Kernel",
            "203.0.113.128/25 0 Kernel via 198.51.100.2 port 0 x1 via 10.0.0.2 port 1 x1"
        ]
    );
    kernel.interfaces[0].is_up = false;
    // Without the client's network and the default route.
    assert_eq!(
        routes(&config, &kernel),
        [
            CONNECTED[0],
            "203.0.113.0/25 0 Kernel",
            "203.0.113.128/25 0 Kernel via 10.0.0.2 port 1 x1"
        ]
    );
    kernel.interfaces[1].is_up = false;
    assert_eq!(routes(&config, &kernel), ["203.0.113.0/25 0 Kernel"]);
    assert_eq!(NetworkInForce::new(&config, Some(&kernel)).addresses(), []);
}

#[test]
fn an_address_that_somebody_adds_in_the_kernel_is_ours_and_its_network_connected() {
    let config = document();
    let mut kernel = kernel(vec![route(
        "10.0.1.0/24",
        0,
        RTPROT_KERNEL,
        &[(
            NextHop {
                port: SERVER,
                gateway: None,
            },
            1,
        )],
    )]);
    kernel.interfaces[1].addresses = vec![cidr("10.0.0.1/24"), cidr("10.0.1.1/24")];
    // The document has this address on the other port, and the last word.
    kernel.interfaces[1].addresses.push(cidr("198.51.100.1/32"));
    let network = NetworkInForce::new(&config, Some(&kernel));
    assert_eq!(
        network.addresses(),
        [
            (CLIENT, cidr("198.51.100.1/24")),
            (SERVER, cidr("10.0.0.1/24")),
            (SERVER, cidr("10.0.1.1/24"))
        ]
    );
    assert_eq!(
        routes(&config, &kernel)[2],
        "10.0.1.0/24 0 Connected port 1 x1"
    );
    assert_eq!(network.mtu(SERVER), Some(1500));
}

#[test]
fn permanent_neighbors_of_the_kernel_count_where_the_document_names_none() {
    let config = document();
    let neighbor = |last: u8, mac: u8| StaticNeighbor {
        address: IpAddr::from([10, 0, 0, last]),
        mac: MacAddr([2, 0, 0, 0, 2, mac]),
        port: SERVER,
    };
    let mut kernel = kernel(Vec::new());
    kernel.neighbors = vec![neighbor(8, 8), neighbor(9, 9)];
    let seen = NetworkInForce::new(&config, Some(&kernel)).neighbors();
    assert_eq!(
        seen,
        [
            (config.neighbors[0], Source::Document),
            (neighbor(8, 8), Source::Kernel)
        ]
    );
}
