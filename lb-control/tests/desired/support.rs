//! A control side without lcores: real tables, a real publisher, and a reader that the test turns by hand.
//!
//! No counterpart in the patent.
//! Easy to get wrong: time goes on by a minute and more with every build, so that neighbor rows which nobody uses can be
//! given away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use lb_control::control::{ApplyError, Control, Look, Parts, Who};
use lb_control::publisher::Publisher;
use lb_core::config::registry::Registry;
use lb_core::config::{BackendState, Distribution, PortsPresent};
use lb_core::conn::ConnTable;
use lb_core::filter::Tables;
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::PortId;
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Reader, Region, Secret, double_buffer};
use lb_core::wire::MacAddr;

const PORTS: [(PortId, MacAddr); 2] = [
    (PortId(0), MacAddr([2, 0, 0, 0, 0, 0])),
    (PortId(1), MacAddr([2, 0, 0, 0, 0, 1])),
];

const SECRET: Secret = Secret {
    table_key: TableKey([1, 2, 3, 4, 5, 6]),
    seed: HashSeed([7; 16]),
};

pub(crate) fn somebody() -> Who {
    Who {
        name: "uid 0 (pid 1)".to_owned(),
        via: "unix",
    }
}

/// What a control side starts with.
#[derive(Default)]
pub(crate) struct Start<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) file: Option<&'a Path>,
    pub(crate) audit: Option<&'a Path>,
    /// Rows of the neighbor table; 0 for the largest.
    pub(crate) neighbors: u32,
    /// Whether the kernel's routes count.
    pub(crate) follows_kernel: bool,
}

/// A control side with one lcore's view.
pub(crate) struct Side {
    pub(crate) control: Control,
    pub(crate) reader: Reader<Distribution>,
    /// The clock, and with it the next build, panics while this is set.
    pub(crate) panics: Arc<AtomicBool>,
    pub(crate) tables: Arc<Tables>,
    region: Region,
}

impl Start<'_> {
    pub(crate) fn side(self) -> Result<Side, ApplyError> {
        let layout = Layout::new(1024).unwrap();
        let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1).unwrap();
        let epochs = Arc::new(Epochs::new(1));
        let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs)).unwrap();
        let (v6, _) = ConnTable::open(&region, epochs).unwrap();
        let rows = match self.neighbors {
            0 => NeighborTable::ROWS,
            rows => rows,
        };
        let tables = Arc::new(Tables {
            v4,
            v6,
            neighbors: NeighborTable::new(rows),
        });
        let (writer, mut readers) = double_buffer(Distribution::empty(&PORTS), 1);
        let publisher = Publisher::new(
            writer,
            Registry::of(region.clone()),
            Arc::clone(&tables),
            PORTS.to_vec(),
            SECRET.seed,
        );
        let tick = AtomicU32::new(1);
        let panics = Arc::new(AtomicBool::new(false));
        let clock_panics = Arc::clone(&panics);
        let mut ports: PortsPresent = PORTS.iter().map(|&(port, _)| port).collect();
        if self.follows_kernel {
            ports = ports.with_kernel_routes();
        }
        let parts = Parts {
            publisher,
            ports,
            file: self.file.map(Path::to_owned),
            audit: self.audit.map(Path::to_owned),
            now: Box::new(move || {
                assert!(
                    !clock_panics.load(Ordering::Relaxed),
                    "the clock has stopped"
                );
                Now {
                    tick: tick.fetch_add(61, Ordering::Relaxed),
                    millis: 0,
                }
            }),
        };
        Ok(Side {
            control: Control::new(parts, self.text)?,
            reader: readers.pop().unwrap(),
            panics,
            tables,
            region,
        })
    }
}

/// All that a refused change must leave as it was.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    revision: u64,
    text: Arc<str>,
    generation: u64,
    flips: u64,
    weights: Vec<u32>,
    pub(crate) pins: Vec<String>,
    owners: usize,
}

impl Side {
    /// What is in force, with what it has taken of slots and neighbor rows.
    pub(crate) fn trace(&self) -> Trace {
        let owned = |owners: &[lb_core::shared::Identity]| {
            owners
                .iter()
                .filter(|owner| owner.owner().is_some())
                .count()
        };
        let pinned = self
            .tables
            .neighbors
            .iter()
            .filter(|row| row.is_pinned || row.is_static);
        let mut pins: Vec<_> = pinned
            .map(|row| format!("{} {} {}", row.address, row.port, row.is_static))
            .collect();
        pins.sort_unstable();
        self.control.look(|look| Trace {
            revision: look.revision.number,
            text: Arc::clone(&look.revision.text),
            generation: look.generation,
            flips: look.flips,
            weights: weights(look),
            pins,
            owners: owned(self.region.service_owners()) + owned(self.region.backend_owners()),
        })
    }
}

/// Weights in force, in the order of the document; those of disabled backends are left out.
pub(crate) fn weights(look: &Look<'_>) -> Vec<u32> {
    let services = look.distribution.services().iter();
    services
        .flat_map(|service| &service.backends)
        .map(|&slot| look.distribution.weight(slot))
        .collect()
}

/// Document and distribution say the same, but for weights that may move.
pub(crate) fn agree(look: &Look<'_>) {
    let config = &look.revision.config;
    assert_eq!(look.generation, look.distribution.generation);
    assert_eq!(config.services.len(), look.distribution.services().len());
    for (service, view) in config.services.iter().zip(look.distribution.services()) {
        assert_eq!(service.name, view.name);
        assert_eq!(
            (
                service.address,
                service.port,
                service.protocol,
                service.on_miss
            ),
            (view.address, view.port, view.protocol, view.on_miss)
        );
        assert_eq!(service.scheduler, view.scheduler.kind());
        let present: Vec<_> = service.present_backends().collect();
        assert_eq!(present.len(), view.backends.len());
        for (backend, &slot) in present.into_iter().zip(&view.backends) {
            let seen = look.distribution.backend(slot).unwrap();
            assert_eq!(
                (&backend.name, backend.address, backend.port),
                (&seen.name, seen.address, seen.port)
            );
            assert_eq!(look.backend_slot(&service.name, &backend.name), Some(slot));
            let may_have_flows = backend.state == BackendState::Enabled && backend.weight > 0;
            let weight = look.distribution.weight(slot);
            assert!(
                may_have_flows || weight == 0,
                "{} has {weight}",
                backend.name
            );
            if !service.has_moving_weights() && seen.is_reachable() {
                assert_eq!(weight, backend.weight_in_force());
            }
        }
    }
}

/// A directory that goes away with its test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-desired-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Names of all files, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
