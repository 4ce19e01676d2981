//! The control side over real sockets: the project's own tables, publisher and API. Only ports and lcores are missing;
//! their figures are given by the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lb_control::api::{Access, Address, Listener};
use lb_control::control::{self, Control};
use lb_control::publisher::Publisher;
use lb_control::routing_daemon;
use lb_control::supervisor::Task;
use lb_control::switch::{
    About, KernelFigures, LcoreFigures, PoolFigures, PortFigures, ServiceFigures, Switch,
};
use lb_control::{Parts, Running, run};
use lb_core::config::Distribution;
use lb_core::config::registry::Registry;
use lb_core::conn::ConnTable;
use lb_core::filter::Tables;
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::{PortId, ServiceSlot};
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret, double_buffer};
use lb_core::testkit::net::port_mac;

use crate::dir::Dir;

const SECRET: Secret = Secret {
    table_key: TableKey([1, 2, 3, 4, 5, 6]),
    seed: HashSeed([7; 16]),
};
/// Where the region's clock stands.
pub(crate) const NOW: Now = Now {
    tick: 1009,
    millis: 0,
};

/// Three services, four backends, neighbors that need not be asked for.
pub(crate) const DOCUMENT: &str = r#"{
  "interfaces": [
    { "port": 0, "name": "client", "addresses": ["198.51.100.1/24", "2001:db8:1::1/64"] },
    { "port": 1, "name": "server", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"] }
  ],
  "routes": [ { "prefix": "0.0.0.0/0", "via": "198.51.100.254" } ],
  "neighbors": [
    { "address": "198.51.100.254", "mac": "02:00:00:00:00:fe" },
    { "address": "10.0.0.11", "mac": "02:00:00:00:01:11" }
  ],
  "services": [
    { "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp", "weights": "even",
      "forwarding": "nat", "scheduler": "weighted-round-robin",
      "backends": [
        { "name": "web-1", "address": "10.0.0.11", "port": 8080, "weight": 100 },
        { "name": "web-2", "address": "10.0.0.12", "port": 8080, "weight": 300 } ] },
    { "name": "dns", "address": "192.0.2.10", "port": 53, "protocol": "udp",
      "forwarding": "nat", "scheduler": "maglev",
      "backends": [ { "name": "dns-1", "address": "10.0.0.11", "port": 5353 } ] },
    { "name": "web6", "address": "2001:db8::10", "port": 80, "protocol": "tcp",
      "forwarding": "nat", "scheduler": "maglev",
      "backends": [ { "name": "web-6", "address": "2001:db8:2::11", "port": 8080 } ] }
  ]
}
"#;

/// How a rig differs from the usual one.
pub(crate) struct Setup {
    pub(crate) document: String,
    /// Further listeners, after the Unix socket.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) access: Access,
    pub(crate) tasks: Vec<Task>,
    /// Connections that each table holds.
    pub(crate) connections: u32,
    pub(crate) exception_path: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            document: DOCUMENT.to_owned(),
            listeners: Vec::new(),
            access: Access::default(),
            tasks: Vec::new(),
            connections: 1024,
            exception_path: "none",
        }
    }
}

/// A running control side.
pub(crate) struct Rig {
    pub(crate) dir: Dir,
    pub(crate) tables: Arc<Tables>,
    pub(crate) control: Arc<Control>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) reload: Arc<AtomicBool>,
    pub(crate) running: Option<Running>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Setup::default())
    }

    /// With plain TCP on a loopback address as well.
    pub(crate) fn with_tcp() -> Self {
        Self::with(Setup {
            listeners: vec![plain()],
            ..Setup::default()
        })
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let dir = Dir::new();
        let file = dir.write("lb.json", &setup.document);
        let layout = Layout::new(setup.connections).unwrap();
        let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1).unwrap();
        let epochs = Arc::new(Epochs::new(1));
        let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs)).unwrap();
        let (v6, _) = ConnTable::open(&region, epochs).unwrap();
        let neighbors = NeighborTable::new(NeighborTable::ROWS);
        let tables = Arc::new(Tables { v4, v6, neighbors });
        let ports = [0, 1].map(|port| (PortId(port.into()), port_mac(port)));
        // No reader: every flip is taken over at once.
        let (writer, _) = double_buffer(Distribution::empty(&ports), 0);
        let publisher = Publisher::new(
            writer,
            Registry::of(region),
            Arc::clone(&tables),
            ports.to_vec(),
            SECRET.seed,
        );
        let parts = control::Parts {
            publisher,
            ports: ports.iter().map(|&(port, _)| port).collect(),
            file: Some(file),
            audit: Some(dir.join("audit.jsonl")),
            now: Box::new(|| NOW),
        };
        let control = Arc::new(Control::new(parts, Some(&setup.document)).unwrap());
        let figures = Arc::new(Figures::new(
            Arc::clone(&tables),
            setup.exception_path,
            dir.join(""),
        ));
        let socket = Address::Unix(dir.join("control.sock"));
        let mut listeners = vec![Listener::bind(&socket).unwrap()];
        listeners.extend(setup.listeners);
        let reload = Arc::new(AtomicBool::new(false));
        let running = run(Parts {
            control: Arc::clone(&control),
            switch: Arc::clone(&figures) as Arc<dyn Switch>,
            listeners,
            access: setup.access,
            reload: Arc::clone(&reload),
            tell: Box::new(|_| {}),
            tasks: setup.tasks,
        });
        Self {
            dir,
            tables,
            control,
            figures,
            reload,
            running: Some(running.unwrap()),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Port of a further listener, from 1.
    pub(crate) fn port(&self, listener: usize) -> u16 {
        let addresses = self.running.as_ref().unwrap().addresses();
        match &addresses[listener] {
            Address::Tcp(address) => address.port(),
            Address::Unix(path) => unreachable!("{}", path.display()),
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Plain TCP on a loopback port that is free.
pub(crate) fn plain() -> Listener {
    Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap()
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Figures of two ports and one lcore that turns.
pub(crate) struct Figures {
    tables: Arc<Tables>,
    pub(crate) turns: AtomicU64,
    pub(crate) stands_still: AtomicBool,
    exception_path: &'static str,
    directory: PathBuf,
}

impl Figures {
    fn new(tables: Arc<Tables>, exception_path: &'static str, directory: PathBuf) -> Self {
        Self {
            exception_path,
            directory,
            tables,
            turns: AtomicU64::new(1),
            stands_still: AtomicBool::new(false),
        }
    }
}

impl Switch for Figures {
    fn about(&self) -> About {
        About {
            program: "lb-dataplane".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: 1_700_000_000,
            exception_path: self.exception_path.to_owned(),
            state_directory: Some(self.directory.clone()),
        }
    }

    fn routing(&self) -> Option<routing_daemon::Figures> {
        Some(routing_daemon::Figures {
            devices: 2,
            routes: 17,
            resyncs: [1, 2, 3, 4, 5, 6],
            ..routing_daemon::Figures::default()
        })
    }

    fn ports(&self) -> Vec<PortFigures> {
        let port = |port: u8| PortFigures {
            port: PortId(port.into()),
            device: format!("net_null{port}"),
            driver: "net_null".to_owned(),
            mac: port_mac(port),
            is_up: port == 0,
            megabits: Some(10_000),
            rx_packets: 1000,
            rx_octets: 64_000,
            rx_missed: 1,
            rx_errors: 2,
            rx_no_mbuf: 3,
            tx_packets: 900,
            tx_octets: 57_600,
            tx_errors: 4,
            tx_dropped: 5,
            kernel: (port == 0).then_some(KernelFigures {
                up: 70,
                up_dropped: 1,
                down: 80,
                down_dropped: 2,
            }),
        };
        vec![port(0), port(1)]
    }

    fn lcores(&self) -> Vec<LcoreFigures> {
        let mut figures = LcoreFigures::new(1);
        figures.queues = vec!["0:0".to_owned(), "1:0".to_owned()];
        let step = u64::from(!self.stands_still.load(Ordering::Relaxed));
        figures.turns = self.turns.fetch_add(step, Ordering::Relaxed);
        figures.received = 100;
        figures.forwarded = 97;
        figures.drops[0] = 3;
        figures.polls[0] = 7;
        figures.polls[1] = 4;
        figures.polls[32] = 3;
        figures.busy_nanoseconds = 1_500_000_000;
        vec![figures]
    }

    fn pools(&self) -> Vec<PoolFigures> {
        vec![PoolFigures {
            name: "node-0".to_owned(),
            capacity: 8191,
            in_use: 12,
        }]
    }

    fn service(&self, slot: ServiceSlot) -> ServiceFigures {
        ServiceFigures {
            packets: 10 + u64::from(slot.0),
            octets: 640,
            connections: 2,
        }
    }

    fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    fn now(&self) -> Now {
        NOW
    }
}
