//! The tables that all lcores share, and where their memory comes from.
//!
//! WO 00/30294: shared memory 34. Layout and meaning of the region are `lb_core`'s, its file is `state`'s.
//! Easy to get wrong: memory of the tables is touched lazily, so a large table costs address space at the
//! start and memory only as it fills; on hugepages it is reserved at once.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lb_core::config::registry::Registry;
use lb_core::conn::{Adopted, ConnTable, NotATable, Sweeping};
use lb_core::filter::{Lanes, Tables};
use lb_core::flow::{HashSeed, TableKey};
use lb_core::route::neighbor::NeighborTable;
use lb_core::shared::region::BadCapacity;
use lb_core::shared::{Epochs, Layout, Memory, Refused, Region, Secret};

use crate::dpdk::clock::Clock;
use crate::dpdk::eal::Eal;
use crate::engine::Time;
use crate::options::Options;
use crate::state::{self, Named, Origin, Pages, StateError, Wish};

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The capacity is impossible.
    #[error("--connections: {0}")]
    Capacity(#[from] BadCapacity),
    /// The state directory is of no use.
    #[error(transparent)]
    State(#[from] StateError),
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
    /// What people should know about the memory: one line each.
    pub remarks: Vec<String>,
    region: Region,
    lanes: usize,
    /// Holds the lock on the state directory.
    named: Option<Named>,
}

impl SharedTables {
    /// Opens or makes the tables for `lanes` polling lcores.
    ///
    /// # Errors
    /// See [`MakeError`]. The default state directory may be unusable or in use: then the tables live in
    /// memory of this process alone, which a remark says.
    pub fn open(options: &Options, lanes: usize, wants_huge: bool) -> Result<Self, MakeError> {
        let layout = Layout::new(options.connections)?;
        let now = wall_seconds();
        let wish = Wish {
            directory: options
                .state
                .as_deref()
                .unwrap_or(Path::new(crate::options::STATE)),
            layout,
            is_fresh: options.fresh,
            huge: wants_huge.then(state::hugetlbfs).flatten(),
            secret: random_secret()?,
            now,
        };
        let mut remarks = Vec::new();
        let (region, named) = match state::open(&wish) {
            Ok(named) => {
                remarks.push(remark(&named, &layout));
                (named.region.clone(), Some(named))
            }
            Err(error)
                if options.state.is_none() && !matches!(error, StateError::NoMemory { .. }) =>
            {
                remarks.push(format!(
                    "{error}; until then a restart forgets all connections"
                ));
                let memory = Memory::heap(layout.octets());
                (Region::create(memory, &layout, &wish.secret, now)?, None)
            }
            Err(error) => return Err(error.into()),
        };
        let epochs = Arc::new(Epochs::new(lanes));
        let (v4, adopted4) = ConnTable::open(&region, Arc::clone(&epochs))?;
        let (v6, adopted6) = ConnTable::open(&region, epochs)?;
        if named
            .as_ref()
            .is_some_and(|named| named.origin == Origin::Adopted)
        {
            remarks.push(adoption(adopted4, adopted6));
        }
        let neighbors = NeighborTable::new(NeighborTable::ROWS);
        let seed = region.secret().seed;
        let tables = Arc::new(Tables { v4, v6, neighbors });
        Ok(Self {
            tables,
            seed,
            remarks,
            region,
            lanes,
            named,
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

    /// The register of slots that the region records.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::of(self.region.clone())
    }

    /// The state directory, where the region has a name.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.named.as_ref().map(|named| named.directory.as_path())
    }

    /// Time as the engine hands it out, beginning now.
    #[must_use]
    pub fn time(&self, eal: &Eal) -> Time {
        Time {
            clock: Clock::new(eal),
            start_tick: self.region.tick(wall_seconds()).0,
        }
    }

    /// Notes the time for the next process; about once a second.
    pub fn note_time(&self) {
        self.region.note_time(self.region.tick(wall_seconds()));
    }

    /// Notes that this process ends in good order.
    pub fn note_clean_end(&self) {
        self.note_time();
        self.region.note_clean_end();
    }
}

fn remark(named: &Named, layout: &Layout) -> String {
    let origin = match &named.origin {
        Origin::New => "new".to_owned(),
        Origin::Adopted => "adopted".to_owned(),
        Origin::Replaced(refused) => format!("new, since the old one is of no use: {refused}"),
    };
    let pages = match &named.pages {
        Pages::Huge(octets) => format!("pages of {octets} octets"),
        Pages::Ordinary(why) => format!("ordinary pages ({why})"),
    };
    let mib = layout.octets() >> 20;
    format!(
        "region {}: {origin}, {mib} MiB on {pages}",
        named.file.display()
    )
}

fn adoption(v4: Adopted, v6: Adopted) -> String {
    format!(
        "adopted {} IPv4 and {} IPv6 connections; {} were half made or half removed and are gone, {} are lost",
        v4.kept,
        v6.kept,
        v4.unfinished + v6.unfinished,
        v4.lost + v6.lost
    )
}

/// Seconds of the host's clock, which runs on from process to process.
pub(crate) fn wall_seconds() -> u64 {
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
