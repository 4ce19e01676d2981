//! Random documents, right ones and wrong ones.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a document that needs more neighbor rows than there are is right in itself; only a build finds out.

use proptest::prelude::*;

/// A service of a random document.
#[derive(Clone, Debug)]
struct Service {
    number: u8,
    scheduler: &'static str,
    weights: &'static str,
    on_miss: &'static str,
    /// Number, weight, state.
    backends: Vec<(u8, u32, &'static str)>,
}

impl Service {
    fn text(&self) -> String {
        let Self {
            number,
            scheduler,
            weights,
            on_miss,
            backends,
        } = self;
        let size = match *scheduler {
            "maglev" => r#", "maglev_table_size": 251"#,
            _ => "",
        };
        let backends: Vec<_> = backends
            .iter()
            .map(|(number, weight, state)| {
                format!(r#"{{ "name": "b{number}", "address": "10.0.0.{number}", "weight": {weight}, "state": "{state}" }}"#)
            })
            .collect();
        format!(
            r#"{{ "name": "s{number}", "address": "192.0.2.{number}", "port": 80, "protocol": "tcp", "forwarding": "nat",
            "scheduler": "{scheduler}"{size}, "weights": "{weights}", "on_miss": "{on_miss}",
            "backends": [ {} ] }}"#,
            backends.join(",\n")
        )
    }
}

fn service() -> impl Strategy<Value = Service> {
    let schedulers = [
        "round-robin",
        "weighted-round-robin",
        "least-connections",
        "maglev",
    ];
    let states = ["enabled", "enabled", "enabled", "draining", "disabled"];
    let backend = (2_u8..98, 0_u32..300, prop::sample::select(states.to_vec()));
    (
        1_u8..9,
        prop::sample::select(schedulers.to_vec()),
        prop::sample::select(vec!["static", "even", "least-loaded"]),
        prop::sample::select(vec!["reset", "drop", "hash"]),
        prop::collection::vec(backend, 0..12),
    )
        .prop_map(|(number, scheduler, weights, on_miss, mut backends)| {
            backends.sort_by_key(|(number, ..)| *number);
            backends.dedup_by_key(|(number, ..)| *number);
            Service {
                number,
                scheduler,
                weights,
                on_miss,
                backends,
            }
        })
}

fn whole(services: &[String]) -> String {
    format!(
        r#"{{ "interfaces": [ {{ "port": 1, "name": "server", "addresses": [ "10.0.0.1/24" ] }} ],
        "neighbors": [ {{ "address": "10.0.0.99", "mac": "02:00:00:00:01:01" }} ],
        "services": [ {} ] }}"#,
        services.join(",\n")
    )
}

/// A document that is right in itself.
pub(crate) fn right() -> impl Strategy<Value = String> {
    prop::collection::vec(service(), 0..6).prop_map(|mut services| {
        services.sort_by_key(|service| service.number);
        services.dedup_by_key(|service| service.number);
        let services: Vec<_> = services.iter().map(Service::text).collect();
        whole(&services)
    })
}

/// A document with a fault somewhere behind much that is right.
pub(crate) fn wrong() -> impl Strategy<Value = String> {
    let faults = [
        ("\"protocol\": \"tcp\"", "\"protocol\": \"sctp\""),
        ("\"address\": \"10.0.0.", "\"address\": \"10.0.1."),
        ("\"port\": 80", "\"port\": 0"),
        ("\"name\": \"b", "\"surname\": \"b"),
        ("\"state\": \"", "\"state\": \"un"),
        ("\"mac\": \"02", "\"mac\": \"03"),
        (" ] }", " ] "),
    ];
    (right(), prop::sample::select(faults.to_vec())).prop_map(|(text, (old, new))| {
        // The last one, so that what stands before is right.
        match text.rfind(old) {
            Some(at) => format!("{}{new}{}", &text[..at], &text[at + old.len()..]),
            None => format!("{text}{text}"),
        }
    })
}

/// More backends than a neighbor table of 64 rows has room for.
pub(crate) fn too_large() -> String {
    let services: Vec<_> = (1..9_u8)
        .map(|number| Service {
            number,
            scheduler: "round-robin",
            weights: "static",
            on_miss: "reset",
            backends: (0..12)
                .map(|at| (2 + (number - 1) * 12 + at, 1, "enabled"))
                .collect(),
        })
        .map(|service| service.text())
        .collect();
    whole(&services)
}
