//! A control side with the task that checks, and a reader that stands for a worker lcore.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use lb_control::control::{Control, Parts, Who};
use lb_control::health::Checks;
use lb_control::publisher::Publisher;
use lb_control::supervisor::{Supervisor, Task};
use lb_core::config::registry::Registry;
use lb_core::config::{Distribution, HealthCheck, OnDown, PortsPresent, parse};
use lb_core::conn::ConnTable;
use lb_core::filter::Tables;
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::PortId;
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret, double_buffer};
use lb_core::wire::MacAddr;
use parking_lot::Mutex;

const PORT: (PortId, MacAddr) = (PortId(0), MacAddr([2, 0, 0, 0, 0, 0]));
const SECRET: Secret = Secret {
    table_key: TableKey([1, 2, 3, 4, 5, 6]),
    seed: HashSeed([7; 16]),
};
/// Beyond which something does not happen any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A backend of the document that is asked on loopback: its name, where, and further keys.
pub(crate) type Asked<'a> = (&'a str, SocketAddr, &'a str);

/// A document with one service; `keys` are the service's, among them `health`.
pub(crate) fn document(keys: &str, backends: &[Asked<'_>]) -> String {
    let backend = |(number, (name, asked, keys)): (usize, &Asked<'_>)| {
        let (high, low) = (number / 250, number % 250 + 2);
        format!(
            r#"{{ "name": "{name}", "address": "10.1.{high}.{low}", "port": 80,
               "health": {{ "address": "{}", "port": {} }}{keys} }}"#,
            asked.ip(),
            asked.port()
        )
    };
    let backends: Vec<String> = backends.iter().enumerate().map(backend).collect();
    format!(
        r#"{{ "interfaces": [ {{ "port": 0, "name": "server", "addresses": ["10.1.0.1/16"] }} ],
             "services": [ {{ "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp",
               "forwarding": "nat", "scheduler": "round-robin", {keys}, "backends": [ {} ] }} ] }}"#,
        backends.join(",\n")
    )
}

/// The check of a backend that is asked at an address.
pub(crate) fn check(health: &str, asked: SocketAddr) -> HealthCheck {
    let own = if health.contains("icmp") {
        format!(r#""health": {{ "address": "{}" }}"#, asked.ip())
    } else {
        format!(
            r#""health": {{ "address": "{}", "port": {} }}"#,
            asked.ip(),
            asked.port()
        )
    };
    let text = format!(
        r#"{{ "interfaces": [ {{ "port": 0, "name": "server", "addresses": ["10.1.0.1/16"] }} ],
             "services": [ {{ "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp",
               "forwarding": "nat", "health": {{ {health} }},
               "backends": [ {{ "name": "a", "address": "10.1.0.2", {own} }} ] }} ] }}"#
    );
    let ports: PortsPresent = [PORT.0].into_iter().collect();
    let config = parse(&text, &ports).unwrap_or_else(|refusals| panic!("{refusals:?}"));
    let check = config.services[0].backends[0].health.clone();
    Arc::unwrap_or_clone(check.unwrap())
}

/// A control side with its checks under way.
pub(crate) struct Side {
    pub(crate) control: Arc<Control>,
    pub(crate) checks: Arc<Checks>,
    lines: Mutex<Receiver<String>>,
    _supervisor: Supervisor,
}

impl Side {
    pub(crate) fn new(text: &str) -> Self {
        let layout = Layout::new(1024).unwrap();
        let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1).unwrap();
        let epochs = Arc::new(Epochs::new(1));
        let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs)).unwrap();
        let (v6, _) = ConnTable::open(&region, epochs).unwrap();
        let tables = Arc::new(Tables {
            v4,
            v6,
            neighbors: NeighborTable::new(4096),
        });
        // Without a lcore nobody holds up a flip.
        let (writer, _) = double_buffer(Distribution::empty(&[PORT]), 0);
        let publisher = Publisher::new(
            writer,
            Registry::of(region),
            tables,
            vec![PORT],
            SECRET.seed,
        );
        let parts = Parts {
            publisher,
            ports: [PORT.0].into_iter().collect(),
            file: None,
            audit: None,
            now: Box::new(|| Now { tick: 1, millis: 0 }),
        };
        let control = Control::new(parts, Some(text)).unwrap_or_else(|error| panic!("{error}"));
        let control = Arc::new(control);
        let (sender, lines) = channel();
        let sender = Mutex::new(sender);
        let tell = Arc::new(move |line: &str| drop(sender.lock().send(line.to_owned())));
        let checks = Arc::new(Checks::new(Arc::clone(&control), tell));
        let mut supervisor = Supervisor::new();
        let task = Arc::clone(&checks);
        let work = move |life: &_| task.keep_checking(life);
        supervisor.spawn(Task::new("health", work)).unwrap();
        Self {
            control,
            checks,
            lines: Mutex::new(lines),
            _supervisor: supervisor,
        }
    }

    pub(crate) fn apply(&self, text: &str) {
        let by = Who {
            name: "test".to_owned(),
            via: "unix",
        };
        let applied = self.control.apply(text, &by, None);
        applied.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The next line of the log.
    pub(crate) fn line(&self) -> String {
        self.lines.lock().recv_timeout(PATIENCE).unwrap()
    }

    /// Lines of the log that are there already.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().try_iter().collect()
    }

    /// The weight in force of a backend, and what its flows do.
    pub(crate) fn in_force(&self, backend: &str) -> (u32, Option<OnDown>) {
        self.control.look(|look| {
            let slot = look.backend_slot("web", backend).unwrap();
            (
                look.distribution.weight(slot),
                look.distribution.leaves(slot),
            )
        })
    }

    pub(crate) fn weight(&self, backend: &str) -> u32 {
        self.in_force(backend).0
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
