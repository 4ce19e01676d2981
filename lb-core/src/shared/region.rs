//! The region: shared memory 34 with a header and named parts, fit to be adopted.
//!
//! WO 00/30294: memory 34 as laid out in Fig. 4. A process creates the region or, after another was
//! killed, adopts it: the header says who made it, in which layout and for how many connections, and
//! carries what must outlive a process, the secrets of the hashes and the start of its time. All parts
//! hold indices, never pointers, so the region may lie at another address in each process.
//! What the parts mean is left to `conn`; what a half-finished insert looks like, too.
//! Easy to get wrong: the magic number is written last, so a region whose creation was cut short
//! is refused instead of adopted.

use std::num::NonZeroU64;

use super::layout::LAYOUT_VERSION;
pub use super::layout::{BadCapacity, Layout, MAX_BACKENDS, MAX_CONNECTIONS, MAX_SERVICES};
pub use super::live::LiveCounts;
use super::memory::{Memory, Slice};
use super::sync::{AtomicU32, AtomicU64, Ordering};
use crate::conn::Cell;
use crate::conn::bucket::{Bucket, buckets_for};
use crate::flow::{HashSeed, TableKey};

/// First word of every region: "lbregion".
pub const MAGIC: u64 = u64::from_be_bytes(*b"lbregion");

/// Whole seconds of the region's own time, which starts at 1 and runs on when a new process adopts
/// the region. It wraps after 136 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick `seconds` later; stops at the end of time.
    #[inline]
    #[must_use]
    pub const fn after(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// Random numbers drawn once for a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Secret of the connection table's hash.
    pub table_key: TableKey,
    /// Seed of the hash that chooses backends.
    pub seed: HashSeed,
}

/// Why a region cannot be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The memory is shorter than the layout.
    #[error("the region is cut off: {found} octets, expected at least {expected}")]
    Truncated {
        /// Octets needed.
        expected: usize,
        /// Octets there.
        found: usize,
    },
    /// The memory does not start on a page boundary.
    #[error("the region does not start on a page boundary")]
    Misaligned,
    /// The first word is not ours, or creation was cut short.
    #[error(
        "this is no region, or an unfinished one: it starts with {found:#018x}, expected {MAGIC:#018x}"
    )]
    Magic {
        /// First word found.
        found: u64,
    },
    /// Made by a program with another layout.
    #[error("the region has layout version {found}, this program has version {LAYOUT_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// Made for another capacity.
    #[error("the region was made for {found} {what}, expected {expected}")]
    Capacity {
        /// What there are other numbers of.
        what: &'static str,
        /// Number asked for.
        expected: u64,
        /// Number found.
        found: u64,
    },
    /// Same version, same capacity, yet other offsets or sizes.
    #[error("the region's layout checksum is {found:#018x}, expected {expected:#018x}")]
    Checksum {
        /// Checksum of the layout asked for.
        expected: u64,
        /// Checksum found.
        found: u64,
    },
    /// Creation was asked for on memory that is not empty.
    #[error("the memory already holds something: it starts with {found:#018x}, expected zero")]
    NotEmpty {
        /// First word found.
        found: u64,
    },
}

/// A region in use by this process.
#[derive(Clone, Debug)]
pub struct Region {
    memory: Memory,
    layout: Layout,
    header: Slice<Header>,
    live: LiveCounts,
    service_identity: Slice<Identity>,
    backend_identity: Slice<Identity>,
}

impl Region {
    /// Makes a new region in zeroed `memory`. `now` is the host's clock in whole seconds, one that
    /// runs on from process to process.
    ///
    /// # Errors
    /// [`Refused::Truncated`], [`Refused::Misaligned`] or [`Refused::NotEmpty`].
    pub fn create(
        memory: Memory,
        layout: &Layout,
        secret: &Secret,
        now: u64,
    ) -> Result<Self, Refused> {
        let region = Self::open(memory, layout)?;
        let found = region.header().magic.load(Ordering::Acquire);
        if found != 0 {
            return Err(Refused::NotEmpty { found });
        }
        region.write_header(layout, secret, now);
        Ok(region)
    }

    /// Takes over the region in `memory` that an earlier process made and left, cleanly or not. The
    /// caller makes sure that that process is gone. `now` as for [`create`](Self::create); should
    /// the host's clock have gone back, the region's time continues from the last noted tick.
    ///
    /// # Errors
    /// One [`Refused`] per cause; the memory is left as it was.
    pub fn adopt(memory: Memory, layout: &Layout, now: u64) -> Result<Self, Refused> {
        let region = Self::open(memory, layout)?;
        region.check_header(layout)?;
        let header = region.header();
        let last = header.last_tick.load(Ordering::Relaxed);
        if region.seconds_since_start(now) < i64::try_from(last).unwrap_or(0) {
            header
                .time_base
                .store(now.wrapping_sub(last), Ordering::Relaxed);
        }
        header.clean.store(0, Ordering::Relaxed);
        header.adoptions.fetch_add(1, Ordering::Relaxed);
        region.live.clear();
        Ok(region)
    }

    fn open(memory: Memory, layout: &Layout) -> Result<Self, Refused> {
        let parts = layout.parts();
        if memory.len() < parts.end {
            return Err(Refused::Truncated {
                expected: parts.end,
                found: memory.len(),
            });
        }
        let counts = |offset, slots: u32| memory.slice(offset, slots as usize);
        let names = |offset, slots: u32| memory.slice(offset, slots as usize);
        let open = || {
            Some(Self {
                layout: *layout,
                header: memory.slice(parts.header, 1)?,
                live: LiveCounts {
                    services: counts(parts.service_live, layout.services)?,
                    backends: counts(parts.backend_live, layout.backends)?,
                },
                service_identity: names(parts.service_identity, layout.services)?,
                backend_identity: names(parts.backend_identity, layout.backends)?,
                memory: memory.clone(),
            })
        };
        open().ok_or(Refused::Misaligned)
    }

    /// The arrays of the table for keys of `W` words: 2 for IPv4, 5 for IPv6.
    pub(crate) fn table<const W: usize>(&self) -> Option<TableParts<W>> {
        let parts = self.layout.parts();
        let connections = self.layout.connections as usize;
        let ([control, _], [deadlines, _], [buckets, _], cells) = match W {
            2 => (parts.control, parts.deadlines, parts.buckets, parts.v4),
            5 => {
                let swap = |[v4, v6]: [usize; 2]| [v6, v4];
                (
                    swap(parts.control),
                    swap(parts.deadlines),
                    swap(parts.buckets),
                    parts.v6,
                )
            }
            _ => return None,
        };
        Some(TableParts {
            control: self.memory.slice(control, 1)?,
            deadlines: self.memory.slice(deadlines, connections)?,
            buckets: self
                .memory
                .slice(buckets, buckets_for(self.layout.connections))?,
            cells: self.memory.slice(cells, connections)?,
        })
    }

    fn write_header(&self, layout: &Layout, secret: &Secret, now: u64) {
        let header = self.header();
        header
            .version
            .store(u64::from(LAYOUT_VERSION), Ordering::Relaxed);
        header.checksum.store(layout.checksum(), Ordering::Relaxed);
        header
            .connections
            .store(u64::from(layout.connections), Ordering::Relaxed);
        header
            .backends
            .store(u64::from(layout.backends), Ordering::Relaxed);
        header
            .services
            .store(u64::from(layout.services), Ordering::Relaxed);
        for (word, &random) in header.table_key.iter().zip(&secret.table_key.0) {
            word.store(random, Ordering::Relaxed);
        }
        for (word, half) in header.seed.iter().zip(halves(&secret.seed.0)) {
            word.store(half, Ordering::Relaxed);
        }
        header
            .time_base
            .store(now.wrapping_sub(1), Ordering::Relaxed);
        header.magic.store(MAGIC, Ordering::Release);
    }

    fn check_header(&self, layout: &Layout) -> Result<(), Refused> {
        let header = self.header();
        let found = header.magic.load(Ordering::Acquire);
        if found != MAGIC {
            return Err(Refused::Magic { found });
        }
        let found = header.version.load(Ordering::Relaxed);
        if found != u64::from(LAYOUT_VERSION) {
            return Err(Refused::Version { found });
        }
        let capacities = [
            ("connections", layout.connections, &header.connections),
            ("backend slots", layout.backends, &header.backends),
            ("service slots", layout.services, &header.services),
        ];
        for (what, expected, found) in capacities {
            let (expected, found) = (u64::from(expected), found.load(Ordering::Relaxed));
            if expected != found {
                return Err(Refused::Capacity {
                    what,
                    expected,
                    found,
                });
            }
        }
        let (expected, found) = (layout.checksum(), header.checksum.load(Ordering::Relaxed));
        if expected != found {
            return Err(Refused::Checksum { expected, found });
        }
        Ok(())
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`open` made the slice with one header"
    )]
    fn header(&self) -> &Header {
        &self.header[0]
    }

    /// The random numbers that the region was created with.
    #[must_use]
    pub fn secret(&self) -> Secret {
        let header = self.header();
        let mut table_key = [0; 6];
        for (to, from) in table_key.iter_mut().zip(&header.table_key) {
            *to = from.load(Ordering::Relaxed);
        }
        let [first, second] = &header.seed;
        let first = u128::from(first.load(Ordering::Relaxed));
        let second = u128::from(second.load(Ordering::Relaxed));
        let seed = (first << 64 | second).to_be_bytes();
        Secret {
            table_key: TableKey(table_key),
            seed: HashSeed(seed),
        }
    }

    /// The region's time when the host's clock shows `now` seconds; never before tick 1.
    #[must_use]
    pub fn tick(&self, now: u64) -> Tick {
        let seconds = self.seconds_since_start(now).max(1);
        Tick(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Notes the time for whoever adopts the region; for the control side, about once per second.
    pub fn note_time(&self, now: Tick) {
        self.header()
            .last_tick
            .store(u64::from(now.0), Ordering::Relaxed);
    }

    fn seconds_since_start(&self, now: u64) -> i64 {
        now.wrapping_sub(self.header().time_base.load(Ordering::Relaxed))
            .cast_signed()
    }

    /// Notes that this process ends in good order.
    pub fn note_clean_end(&self) {
        self.header().clean.store(1, Ordering::Release);
    }

    /// Whether the last process that had the region ended in good order; ask before adopting, on a
    /// region that [`adopt`](Self::adopt) returns it is always false.
    #[must_use]
    pub fn ended_clean(&self) -> bool {
        self.header().clean.load(Ordering::Acquire) != 0
    }

    /// How often the region has been adopted.
    #[must_use]
    pub fn adoptions(&self) -> u64 {
        self.header().adoptions.load(Ordering::Relaxed)
    }

    /// The layout that the region has.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Live connections per service and backend slot.
    #[must_use]
    pub fn live(&self) -> &LiveCounts {
        &self.live
    }

    /// Owners of the service slots, by slot number.
    #[must_use]
    pub fn service_owners(&self) -> &[Identity] {
        &self.service_identity
    }

    /// Owners of the backend slots, by slot number.
    #[must_use]
    pub fn backend_owners(&self) -> &[Identity] {
        &self.backend_identity
    }
}

/// Who owns a slot: a digest of a name, drawn by the control side; zero is nobody.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Identity(AtomicU64);

impl Identity {
    /// The owner's digest, or `None` for a free slot.
    #[must_use]
    pub fn owner(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0.load(Ordering::Acquire))
    }

    /// Gives the slot to `owner`, or frees it with `None`. For the control side's one writer.
    pub fn set_owner(&self, owner: Option<NonZeroU64>) {
        self.0
            .store(owner.map_or(0, NonZeroU64::get), Ordering::Release);
    }
}

/// First page of the region.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU64,
    checksum: AtomicU64,
    connections: AtomicU64,
    backends: AtomicU64,
    services: AtomicU64,
    table_key: [AtomicU64; 6],
    seed: [AtomicU64; 2],
    /// Host seconds at tick 0, as a wrapping difference.
    time_base: AtomicU64,
    last_tick: AtomicU64,
    clean: AtomicU64,
    adoptions: AtomicU64,
}

/// What all lcores share of one connection table besides its arrays; each on its own line.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct TableControl {
    /// Cells ever handed out; may run past the capacity.
    pub(crate) watermark: Padding<AtomicU64>,
    /// Head of the stack of free chunks: a tag against ABA, and the chunk's cell + 1.
    pub(crate) free: Padding<AtomicU64>,
}

/// [`super::Padded`] in C layout.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Padding<T>(pub(crate) T);

/// The arrays of one connection table.
#[derive(Clone, Debug)]
pub(crate) struct TableParts<const W: usize> {
    pub(crate) control: Slice<TableControl>,
    pub(crate) deadlines: Slice<AtomicU32>,
    pub(crate) buckets: Slice<Bucket>,
    /// Room for the cells, to be read as [`Columns`](super::columns::Columns).
    pub(crate) cells: Slice<Cell<W>>,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the seed"
)]
fn halves(seed: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_be_bytes(*seed);
    [(whole >> 64) as u64, whole as u64]
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn refusal(spoil: impl FnOnce(&Header)) -> Refused {
        let layout = Layout {
            connections: 10,
            backends: 4,
            services: 2,
        };
        let memory = Memory::heap(layout.octets());
        let secret = Secret {
            table_key: TableKey([1; 6]),
            seed: HashSeed([2; 16]),
        };
        let region = Region::create(memory.clone(), &layout, &secret, 1).unwrap();
        spoil(region.header());
        Region::adopt(memory, &layout, 1).unwrap_err()
    }

    #[test]
    fn a_region_of_another_version_is_refused_with_both_versions() {
        let refused = refusal(|header| header.version.store(99, Ordering::Relaxed));
        assert_eq!(refused, Refused::Version { found: 99 });
        let sentence = refused.to_string();
        assert_eq!(
            sentence,
            format!("the region has layout version 99, this program has version {LAYOUT_VERSION}")
        );
    }

    #[test]
    fn a_region_with_other_offsets_is_refused() {
        let refused = refusal(|header| header.checksum.store(99, Ordering::Relaxed));
        assert!(matches!(refused, Refused::Checksum { found: 99, .. }));
    }

    #[test]
    fn a_region_with_another_first_word_is_refused() {
        let refused = refusal(|header| header.magic.store(MAGIC + 1, Ordering::Relaxed));
        assert_eq!(refused, Refused::Magic { found: MAGIC + 1 });
    }
}
