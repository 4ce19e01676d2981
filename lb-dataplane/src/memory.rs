//! The tables that all lcores share, and where their memory comes from.
//!
//! WO 00/30294: shared memory 34. The region is made here once per process; its layout and meaning are
//! `lb_core`'s.
//! Easy to get wrong: memory of the tables is touched lazily, so a large table costs address space at the
//! start and memory only as it fills.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lb_core::conn::{ConnTable, NotATable, Sweeping};
use lb_core::filter::{Lanes, Tables};
use lb_core::flow::{HashSeed, TableKey};
use lb_core::route::neighbor::NeighborTable;
use lb_core::shared::region::BadCapacity;
use lb_core::shared::{Epochs, Layout, Memory, Refused, Region, Secret};

use crate::dpdk::clock::Clock;
use crate::dpdk::eal::Eal;
use crate::engine::Time;

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The capacity is impossible.
    #[error("--connections: {0}")]
    Capacity(#[from] BadCapacity),
    /// The region was refused.
    #[error("shared memory: {0}")]
    Region(#[from] Refused),
    /// A table is missing from the region.
    #[error("shared memory: {0}")]
    Table(#[from] NotATable),
    /// No random numbers for the secrets of the hashes.
    #[error("/dev/urandom: {0}")]
    Random(#[from] io::Error),
}

/// The tables and what belongs to them.
pub struct SharedTables {
    /// For the lcores.
    pub tables: Arc<Tables>,
    /// Seed of the scheduling hashes, where the configuration names none.
    pub seed: HashSeed,
    region: Region,
    lanes: usize,
}

impl SharedTables {
    /// Makes empty tables for `connections` connections of each family and `lanes` polling lcores.
    ///
    /// # Errors
    /// See [`MakeError`].
    pub fn make(connections: u32, lanes: usize) -> Result<Self, MakeError> {
        let layout = Layout::new(connections)?;
        let memory = Memory::heap(layout.octets());
        let region = Region::create(memory, &layout, &random_secret()?, wall_seconds())?;
        let epochs = Arc::new(Epochs::new(lanes));
        let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs))?;
        let (v6, _) = ConnTable::open(&region, epochs)?;
        let neighbors = NeighborTable::new(NeighborTable::ROWS);
        let seed = region.secret().seed;
        Ok(Self {
            tables: Arc::new(Tables { v4, v6, neighbors }),
            seed,
            region,
            lanes,
        })
    }

    /// What polling lcore number `lane` owns of the connection tables; all of them sweep.
    #[must_use]
    pub fn lanes(&self, lane: usize) -> Option<Lanes> {
        let number = u32::try_from(lane).ok()?;
        let sweeping = Some(Sweeping {
            number,
            of: u32::try_from(self.lanes).ok()?,
        });
        Some(Lanes {
            v4: self.tables.v4.lane(lane, sweeping)?,
            v6: self.tables.v6.lane(lane, sweeping)?,
        })
    }

    /// Time as the engine hands it out, beginning now.
    #[must_use]
    pub fn time(&self, eal: &Eal) -> Time {
        Time {
            clock: Clock::new(eal),
            start_tick: self.region.tick(wall_seconds()).0,
        }
    }
}

/// Seconds of the host's clock, which runs on from process to process.
fn wall_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn random_secret() -> Result<Secret, io::Error> {
    let mut source = File::open("/dev/urandom")?;
    let mut seed = [0; 16];
    source.read_exact(&mut seed)?;
    let mut table_key = [0; 6];
    for word in &mut table_key {
        let mut octets = [0; 8];
        source.read_exact(&mut octets)?;
        *word = u64::from_ne_bytes(octets);
    }
    Ok(Secret {
        table_key: TableKey(table_key),
        seed: HashSeed(seed),
    })
}
