//! Documents over a farm of backends: who is in it, and with which weights.
//!
//! No counterpart in the patent. One service, TCP 80 with `nat`; each backend has an address, a port and a MAC of its
//! own, so that a packet that leaves tells three times where it goes.
//! Easy to get wrong: a backend's name goes with its number, wherever in the list it stands; it is the place that
//! changes between documents.

use std::net::IpAddr;

use lb_core::testkit::net::{self, HTTP, NAT, ROUTER};
use serde_json::{Value, json};

/// Port of a backend.
pub(crate) const fn port(number: u8) -> u16 {
    8100 + number as u16
}

/// A backend as a document has it.
pub(crate) fn backend(number: u8, weight: u32) -> Value {
    json!({
        "name": format!("web-{number}"),
        "address": net::farm(number).v4,
        "port": port(number),
        "weight": weight,
    })
}

/// The service with these backends and further keys.
pub(crate) fn service(keys: &Value, backends: &[Value]) -> Value {
    let mut service = json!({
        "name": "web", "address": NAT.v4, "port": HTTP, "protocol": "tcp", "forwarding": "nat",
        "scheduler": "round-robin", "backends": backends,
    });
    for (key, value) in keys.as_object().unwrap() {
        service[key] = value.clone();
    }
    service
}

/// A document with these services; every neighbor is known.
pub(crate) fn document(services: &[Value]) -> Value {
    let farm = (0..16).map(net::farm);
    let neighbors: Vec<Value> = farm
        .chain([ROUTER])
        .map(|host| json!({ "address": IpAddr::V4(host.v4), "mac": host.mac.to_string() }))
        .collect();
    json!({
        "interfaces": [
            { "port": 0, "name": "client", "addresses": [format!("{}/24", net::CLIENT_SIDE.v4)] },
            { "port": 1, "name": "server", "addresses": [format!("{}/24", net::SERVER_SIDE.v4)] },
        ],
        "routes": [{ "prefix": "0.0.0.0/0", "via": ROUTER.v4 }],
        "neighbors": neighbors,
        "services": services,
    })
}
