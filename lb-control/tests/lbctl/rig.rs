//! A switch to ask: the project's own control side and API, over one lcore that the test turns by hand.
//!
//! Tables, publisher, filter and API are those of the program; only ports and mbufs are missing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lb_control::api::{Access, Address, Listener};
use lb_control::control::{self, Control};
use lb_control::publisher::Publisher;
use lb_control::running::{self, Running};
use lb_control::switch::{About, LcoreFigures, PoolFigures, PortFigures, ServiceFigures, Switch};
use lb_core::config::Distribution;
use lb_core::config::registry::Registry;
use lb_core::conn::ConnTable;
use lb_core::filter::{Filter, Lanes, LcoreCounters, Reason, Tables, Verdict};
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::{PortId, ServiceSlot};
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Reader, Region, Secret, double_buffer};
use lb_core::testkit::net::port_mac;
use lb_core::testkit::{Frame, TestPacket};

use crate::dir::Dir;
use crate::kit::{Ended, lbctl_at};

const SECRET: Secret = Secret {
    table_key: TableKey([1, 2, 3, 4, 5, 6]),
    seed: HashSeed([7; 16]),
};
const NOW: Now = Now { tick: 9, millis: 0 };

/// Two services, three backends, neighbors that need not be asked for.
pub(crate) const DOCUMENT: &str = r#"{
  "interfaces": [
    { "port": 0, "name": "client", "addresses": ["198.51.100.1/24"] },
    { "port": 1, "name": "server", "addresses": ["10.0.0.1/24"] }
  ],
  "routes": [ { "prefix": "0.0.0.0/0", "via": "198.51.100.254" } ],
  "neighbors": [
    { "address": "198.51.100.254", "mac": "02:00:00:00:00:fe" },
    { "address": "10.0.0.11", "mac": "02:00:00:00:01:11" },
    { "address": "10.0.0.12", "mac": "02:00:00:00:01:12" }
  ],
  "services": [
    { "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp",
      "forwarding": "nat", "scheduler": "round-robin",
      "backends": [
        { "name": "web-1", "address": "10.0.0.11", "port": 8080, "weight": 100 },
        { "name": "web-2", "address": "10.0.0.12", "port": 8080, "weight": 300 } ] },
    { "name": "dns", "address": "192.0.2.10", "port": 53, "protocol": "udp",
      "forwarding": "nat", "scheduler": "maglev",
      "backends": [ { "name": "dns-1", "address": "10.0.0.11", "port": 5353 } ] }
  ]
}
"#;

/// A running control side, its lcore, and its socket.
pub(crate) struct Rig {
    pub(crate) dir: Dir,
    socket: PathBuf,
    addresses: Vec<Address>,
    filter: Filter<TestPacket>,
    reader: Reader<Distribution>,
    running: Option<Running>,
}

impl Rig {
    /// With [`DOCUMENT`] in force, read from a file.
    pub(crate) fn new() -> Self {
        Self::with(DOCUMENT, |_| Vec::new(), Access::default())
    }

    /// With another document, further listeners, and who may do what there.
    pub(crate) fn with(
        document: &str,
        listeners: impl FnOnce(&Dir) -> Vec<Listener>,
        access: Access,
    ) -> Self {
        let dir = Dir::new();
        let file = dir.write("lb.json", document);
        let layout = Layout::new(1024).unwrap();
        let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1).unwrap();
        let epochs = Arc::new(Epochs::new(1));
        let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs)).unwrap();
        let (v6, _) = ConnTable::open(&region, epochs).unwrap();
        let neighbors = NeighborTable::new(NeighborTable::ROWS);
        let tables = Arc::new(Tables { v4, v6, neighbors });
        let ports = [0, 1].map(|port| (PortId(port.into()), port_mac(port)));
        let (writer, mut readers) = double_buffer(Distribution::empty(&ports), 1);
        let registry = Registry::of(region);
        let control = Control::new(
            control::Parts {
                publisher: Publisher::new(
                    writer,
                    registry,
                    Arc::clone(&tables),
                    ports.to_vec(),
                    SECRET.seed,
                ),
                ports: ports.iter().map(|&(port, _)| port).collect(),
                file: Some(file),
                audit: None,
                now: Box::new(|| NOW),
            },
            Some(document),
        )
        .unwrap();
        let lanes = Lanes {
            v4: tables.v4.lane(0, None).unwrap(),
            v6: tables.v6.lane(0, None).unwrap(),
        };
        let counters = Arc::new(LcoreCounters::default());
        let socket = dir.join("control.sock");
        let mut all = vec![Listener::bind(&Address::Unix(socket.clone())).unwrap()];
        all.extend(listeners(&dir));
        let running = running::run(running::Parts {
            control: Arc::new(control),
            switch: Arc::new(OneLcore {
                tables: Arc::clone(&tables),
                counters: Arc::clone(&counters),
                turns: AtomicU64::new(0),
            }),
            listeners: all,
            access,
            reload: Arc::new(AtomicBool::new(false)),
            tell: Box::new(|_| {}),
            tasks: Vec::new(),
        })
        .unwrap();
        Self {
            dir,
            socket,
            addresses: running.addresses().to_vec(),
            filter: Filter::new(tables, lanes, counters),
            reader: readers.pop().unwrap(),
            running: Some(running),
        }
    }

    /// Runs `lbctl` against the socket.
    pub(crate) fn lbctl(&self, words: &[&str]) -> Ended {
        // A busy machine must not look like a hung server.
        let mut all = vec!["--timeout", "60"];
        all.extend(words);
        lbctl_at(&self.socket, &all)
    }

    /// Where a further listener listens, from 1.
    pub(crate) fn address(&self, number: usize) -> String {
        self.addresses.get(number).unwrap().to_string()
    }

    /// Opens a connection to the service web from a client's port; where its first packet went.
    pub(crate) fn connect(&mut self, client: &str) -> Verdict {
        let client: SocketAddr = client.parse().unwrap();
        let vip = SocketAddr::from(([192, 0, 2, 10], 80));
        let mut packets = vec![TestPacket::new(Frame::syn(client, vip).octets())];
        let mut verdicts = vec![Verdict::Drop(Reason::Runt)];
        self.filter.turn();
        let distribution = self.reader.turn();
        self.filter
            .burst(distribution, NOW, PortId(0), &mut packets, &mut verdicts);
        // A lcore that stood still in a turn would hold up the next flip.
        self.reader.rest();
        verdicts.pop().unwrap()
    }

    /// Ends the control side; the socket stays silent from now on.
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

/// The data path as the control side sees it.
struct OneLcore {
    tables: Arc<Tables>,
    counters: Arc<LcoreCounters>,
    turns: AtomicU64,
}

impl Switch for OneLcore {
    fn about(&self) -> About {
        About {
            program: "lb-dataplane".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: 1_700_000_000,
            exception_path: "none".to_owned(),
            state_directory: None,
        }
    }

    fn ports(&self) -> Vec<PortFigures> {
        let port = |port: u8| PortFigures {
            port: PortId(port.into()),
            device: format!("net_null{port}"),
            driver: "net_null".to_owned(),
            mac: port_mac(port),
            is_up: true,
            megabits: Some(10_000),
            rx_packets: self.counters.received.value(),
            rx_octets: 0,
            rx_missed: 0,
            rx_errors: 0,
            rx_no_mbuf: 0,
            tx_packets: self.counters.forwarded.value(),
            tx_octets: 0,
            tx_errors: 0,
            tx_dropped: 0,
            kernel: None,
        };
        vec![port(0), port(1)]
    }

    fn lcores(&self) -> Vec<LcoreFigures> {
        let counters = &self.counters;
        let mut figures = LcoreFigures::new(1);
        figures.queues = vec!["0:0".to_owned(), "1:0".to_owned()];
        figures.turns = self.turns.fetch_add(1, Ordering::Relaxed);
        figures.received = counters.received.value();
        figures.forwarded = counters.forwarded.value();
        figures.replied = counters.replied.value();
        for (drop, &reason) in figures.drops.iter_mut().zip(Reason::ALL) {
            *drop = counters.dropped(reason);
        }
        vec![figures]
    }

    fn pools(&self) -> Vec<PoolFigures> {
        Vec::new()
    }

    fn service(&self, slot: ServiceSlot) -> ServiceFigures {
        let counted = self.counters.service(slot);
        counted.map_or_else(ServiceFigures::default, |counted| ServiceFigures {
            packets: counted.packets.value(),
            octets: counted.octets.value(),
            connections: counted.connections.value(),
        })
    }

    fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    fn now(&self) -> Now {
        NOW
    }
}
