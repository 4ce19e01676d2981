//! The table itself: finding a connection, one by one and in stages for a burst.
//!
//! WO 00/30294: step 212 (is there an entry?) of Fig. 6. A search reads one bucket, compares tags,
//! then the whole key in the entry, and asks whether the entry is live. For a burst the filter does
//! each step for all packets before the next one ([`Buckets::fetch`],
//! [`probe_burst`](ConnTable::probe_burst), [`resolve`](ConnTable::resolve)), so that the lines travel
//! meanwhile.
//! Easy to get wrong: a tag that matches is a hint. Only the full comparison decides.

use std::fmt;
use std::sync::Arc;

use super::bucket::{Bucket, Probe, Tag, alternate};
use super::cells::Lane;
use super::entry::{Cell, Cells, Conn, ConnId, ConnState, Direction};
use crate::flow::{FlowHash, FlowKey, TableKey};
use crate::shared::counters::{Counter, Padded};
use crate::shared::live::LiveCounts;
use crate::shared::prefetch::{Origin, prefetch_from, prefetch_read};
use crate::shared::region::{Region, TableControl, TableParts, Tick};
use crate::shared::scaled::Scaled;
use crate::shared::sync::{AtomicU32, Ordering};
use crate::shared::{Epochs, Slice};

/// What a search found: where, which way the packet goes, and the entry.
pub type Found<'a, const W: usize> = (ConnId, Direction, Conn<'a, W>);

/// Asked for a table of keys that are neither IPv4's (2 words) nor IPv6's (5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region has tables for keys of 2 and of 5 words, not of {0}")]
pub struct NotATable(pub usize);

/// Connection table 66 for keys of `W` words: 2 for IPv4, 5 for IPv6. Shared by all lanes; what
/// changes it needs the caller's own [`Lane`].
pub struct ConnTable<const W: usize> {
    pub(super) control: Slice<TableControl>,
    pub(super) buckets: Slice<Bucket>,
    pub(super) cells: Slice<Cell<W>>,
    pub(super) deadlines: Slice<AtomicU32>,
    pub(super) live: LiveCounts,
    pub(super) key: TableKey,
    pub(super) epochs: Arc<Epochs>,
    /// Inserted minus removed, per lane; one more for what was there before.
    pub(super) counts: Box<[Padded<Counter>]>,
    pub(super) adopted: u64,
}

impl<const W: usize> fmt::Debug for ConnTable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnTable")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<const W: usize> ConnTable<W> {
    /// The table's arrays, as they lie in the region, without any repair.
    pub(super) fn attach(region: &Region, epochs: Arc<Epochs>) -> Result<Self, NotATable> {
        let TableParts {
            control,
            deadlines,
            buckets,
            cells,
        } = region.table().ok_or(NotATable(W))?;
        let counts = (0..epochs.lanes()).map(|_| Padded::default()).collect();
        Ok(Self {
            control,
            buckets,
            cells,
            deadlines,
            live: region.live().clone(),
            key: region.secret().table_key,
            epochs,
            counts,
            adopted: 0,
        })
    }

    /// Most connections that the table can hold.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.deadlines.len()).unwrap_or(u32::MAX)
    }

    /// Connections in the table, about: lanes that work meanwhile may be seen half.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts
            .iter()
            .fold(self.adopted, |sum, lane| sum.wrapping_add(lane.value()))
    }

    /// Whether the table has no connections, as far as [`len`](Self::len) can tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Live connections per service and backend slot, of both address families.
    #[must_use]
    pub fn live(&self) -> &LiveCounts {
        &self.live
    }

    /// Hash of a key under the region's secret.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &FlowKey<W>) -> FlowHash {
        self.key.hash(key)
    }

    /// A new turn of the lane's loop: whatever it held from this table is forgotten, and cells that
    /// no lane holds any more come back. Two tables may share lane numbers; both must then be turned
    /// where the lane holds nothing of either.
    #[inline]
    pub fn turn(&self, lane: &mut Lane<W>) {
        self.epochs.turn(lane.number());
        if lane.has_limbo() {
            self.reclaim(lane);
        }
    }

    /// The lane will not look at the table until its next [`turn`](Self::turn).
    pub fn rest(&self, lane: &Lane<W>) {
        self.epochs.offline(lane.number());
    }

    /// Starts to bring the bucket where a key with this hash belongs, all the way: the next that happens to it is
    /// mostly an insert's compare-and-swap, which nothing can hide (from the second level a new flow took 25 ns more).
    #[inline]
    pub fn prefetch_bucket(&self, hash: FlowHash) {
        prefetch_read(self.primary(hash));
    }

    /// Where lines of the table probably lie.
    #[inline(always)]
    fn origin(&self) -> Origin {
        Origin::of_table(self.used_cells())
    }

    /// Stage 2 for a burst: [`probe`](Self::probe) for those places whose bits are set in `taken`; probes of other
    /// places hold anything. Gives the places of keys that may lie in their alternate bucket, and starts to bring
    /// it: of a new table that is 80 % full 2 % of the keys, of one that has long been so 8 %.
    #[inline(always)]
    #[must_use]
    pub fn probe_burst(
        &self,
        hashes: &[FlowHash; 32],
        probes: &mut [Probe; 32],
        taken: u32,
    ) -> u32 {
        let missing = match self.origin() {
            Origin::SecondLevel => self.probe_near(hashes, probes, taken),
            Origin::Beyond => self.probe_beyond(hashes, probes, taken),
        };
        if missing == 0 {
            return 0;
        }
        self.fetch_alternates(hashes, probes, missing)
    }

    /// [`probe_primaries`](Self::probe_primaries) with what is known when compiling, and so is
    /// [`probe_beyond`](Self::probe_beyond): the origin is asked for once, not packet by packet.
    #[inline(never)]
    fn probe_near(&self, hashes: &[FlowHash; 32], probes: &mut [Probe; 32], taken: u32) -> u32 {
        self.probe_primaries(Origin::SecondLevel, hashes, probes, taken)
    }

    #[inline(never)]
    fn probe_beyond(&self, hashes: &[FlowHash; 32], probes: &mut [Probe; 32], taken: u32) -> u32 {
        self.probe_primaries(Origin::Beyond, hashes, probes, taken)
    }

    /// The first part of [`probe_burst`](Self::probe_burst): the places of keys whose primary buckets do not have them.
    #[inline(always)]
    fn probe_primaries(
        &self,
        origin: Origin,
        hashes: &[FlowHash; 32],
        probes: &mut [Probe; 32],
        taken: u32,
    ) -> u32 {
        let len = taken_len(taken);
        let buckets = Scaled::new(&self.buckets);
        let cells = self.cells();
        let mut probe = |at: usize| {
            let (Some(&hash), Some(place)) = (hashes.get(at), probes.get_mut(at)) else {
                return false;
            };
            let (probe, is_missing) = buckets.at(hash.0).probe(Tag::of(hash));
            fetch_likely(origin, cells, probe);
            *place = probe;
            is_missing
        };
        let mut missing = 0;
        if taken.count_ones() as usize == len {
            // From the last place to the first, whose bit is the lowest.
            for at in (0..len.min(hashes.len())).rev() {
                missing = missing + missing + u32::from(probe(at));
            }
        } else {
            for at in bits(taken) {
                missing |= u32::from(probe(at)) << at;
            }
        }
        missing
    }

    /// The rest of [`probe_burst`](Self::probe_burst): of the places where nothing was found, those that have to look
    /// elsewhere.
    #[inline(never)]
    fn fetch_alternates(
        &self,
        hashes: &[FlowHash; 32],
        probes: &mut [Probe; 32],
        missing: u32,
    ) -> u32 {
        let origin = self.origin();
        let mut elsewhere = 0;
        for at in bits(missing) {
            if let (Some(&hash), Some(probe)) = (hashes.get(at), probes.get_mut(at)) {
                *probe = self.primary(hash).unmatched();
                if probe.is_elsewhere() {
                    prefetch_from(origin, self.alternate(hash));
                    elsewhere |= 1 << at;
                }
            }
        }
        elsewhere
    }

    /// Stage 2, second part, a stage later: [`probe_again`](Self::probe_again) for the places that
    /// [`probe_burst`](Self::probe_burst) gave. Their entries are on the way then, and should be asked for last.
    #[inline(never)]
    pub fn probe_elsewhere(
        &self,
        hashes: &[FlowHash; 32],
        probes: &mut [Probe; 32],
        elsewhere: u32,
    ) {
        for at in bits(elsewhere) {
            if let (Some(&hash), Some(probe)) = (hashes.get(at), probes.get_mut(at)) {
                *probe = self.probe_again(hash);
            }
        }
    }

    /// Stage 2: looks for the tag in the primary bucket, and starts to bring the entry that has it.
    #[inline(always)]
    #[must_use]
    pub fn probe(&self, hash: FlowHash) -> Probe {
        let primary = self.primary(hash);
        let (probe, is_missing) = primary.probe(Tag::of(hash));
        if is_missing {
            return primary.unmatched();
        }
        fetch_likely(self.origin(), self.cells(), probe);
        probe
    }

    /// Stage 2, second part, for a probe that [`is_elsewhere`](Probe::is_elsewhere): looks for the
    /// tag in the alternate bucket.
    #[inline]
    #[must_use]
    pub fn probe_again(&self, hash: FlowHash) -> Probe {
        let (probe, is_missing) = self.alternate(hash).probe(Tag::of(hash));
        if is_missing {
            // What has moved away from the alternate bucket is not this key.
            return Probe::default();
        }
        fetch_likely(self.origin(), self.cells(), probe);
        probe
    }

    /// What stage 1 needs of the table, for a whole burst.
    #[inline(always)]
    #[must_use]
    pub fn buckets(&self) -> Buckets<'_> {
        Buckets {
            key: self.key,
            buckets: Scaled::new(&self.buckets),
            origin: self.origin(),
        }
    }

    /// The entries, for look-ups of a whole burst.
    #[inline(always)]
    #[must_use]
    pub fn entries(&self) -> Entries<'_, W> {
        Entries(self.cells())
    }

    /// Stage 3: compares the whole key. The same turn as the probe; `hash` and `key` as before.
    #[inline(always)]
    #[must_use]
    pub fn resolve(&self, probe: Probe, hash: FlowHash, key: &FlowKey<W>) -> Option<Found<'_, W>> {
        let slot = probe.candidate();
        if let Some(cell) = slot.cell()
            && let Some(conn) = self.cell(cell)
            && conn.has_key(slot.direction(), key)
            && conn.is_live()
        {
            return Some((ConnId(cell), slot.direction(), conn));
        }
        if probe.is_nothing() {
            None
        } else {
            self.find(hash, key)
        }
    }

    /// The live connection that `key` belongs to. `hash` is the key's [`hash`](Self::hash).
    #[must_use]
    #[inline(never)]
    pub fn find(&self, hash: FlowHash, key: &FlowKey<W>) -> Option<Found<'_, W>> {
        let first = self.primary(hash);
        self.find_in(first, hash, key).or_else(|| {
            first
                .has_moved()
                .then(|| self.find_in(self.alternate(hash), hash, key))
                .flatten()
        })
    }

    fn find_in<'a>(
        &'a self,
        bucket: &Bucket,
        hash: FlowHash,
        key: &FlowKey<W>,
    ) -> Option<Found<'a, W>> {
        self.candidates(bucket, hash, key)
            .find(|(_, _, conn)| conn.is_live())
    }

    /// Entries in `bucket` that have the key, in whatever life.
    #[inline]
    pub(super) fn candidates<'a, 'k>(
        &'a self,
        bucket: &'k Bucket,
        hash: FlowHash,
        key: &'k FlowKey<W>,
    ) -> impl Iterator<Item = Found<'a, W>> + use<'a, 'k, W> {
        bucket.matches(Tag::of(hash)).filter_map(move |i| {
            let slot = bucket.slot(i);
            let cell = slot.cell()?;
            let conn = self.cell(cell)?;
            conn.has_key(slot.direction(), key)
                .then_some((ConnId(cell), slot.direction(), conn))
        })
    }

    /// The connection in a cell, if one lives there. The caller found the number earlier in the same
    /// turn, or takes what is there now.
    #[inline]
    #[must_use]
    pub fn conn(&self, id: ConnId) -> Option<Conn<'_, W>> {
        self.cell(id.0).filter(|conn| conn.is_live())
    }

    /// Changes the state of a connection from `from` to `to`, and looks at it again at `due` at the
    /// latest. False, and nothing done, when the state was another or the connection is gone.
    pub fn change_state(&self, id: ConnId, from: ConnState, to: ConnState, due: Tick) -> bool {
        let (Some(conn), Some(deadline)) = (self.cell(id.0), self.deadlines.get(id.0 as usize))
        else {
            return false;
        };
        if !conn.swap_state(from, to) {
            return false;
        }
        // Lowering comes after the change, so that the sweep, which raises the deadline and then
        // looks at the state again, misses neither. 0 (no deadline) is the lowest and stays.
        deadline.fetch_min(due.0.max(1), Ordering::AcqRel);
        true
    }

    /// Visits live connections by number: looks at up to `limit` cells from `from` on and returns
    /// where to go on, or `None` at the end. The lane of the caller must be in a turn.
    pub fn for_each(
        &self,
        from: ConnId,
        limit: u32,
        mut visit: impl FnMut(ConnId, Conn<'_, W>),
    ) -> Option<ConnId> {
        let end = self.used_cells().min(from.0.saturating_add(limit));
        for number in from.0..end {
            if let Some(conn) = self.conn(ConnId(number)) {
                visit(ConnId(number), conn);
            }
        }
        (end > from.0 && end < self.used_cells()).then_some(ConnId(end))
    }

    /// Cells that have ever been used; the rest has never been touched.
    #[must_use]
    pub fn used_cells(&self) -> u32 {
        let watermark = self.control().watermark.0.load(Ordering::Acquire);
        u32::try_from(watermark)
            .unwrap_or(u32::MAX)
            .min(self.capacity())
    }

    #[inline]
    pub(super) fn cell(&self, number: u32) -> Option<Conn<'_, W>> {
        self.cells().get(number).map(Conn::of)
    }

    #[inline(always)]
    pub(super) fn cells(&self) -> Cells<'_, W> {
        Cells::new(&self.cells)
    }

    #[inline]
    pub(super) fn primary(&self, hash: FlowHash) -> &Bucket {
        Scaled::new(&self.buckets).at(hash.0)
    }

    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "a high product with len is below len"
    )]
    pub(super) fn alternate(&self, hash: FlowHash) -> &Bucket {
        &self.buckets[alternate(hash, self.buckets.len())]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`Region::table` made the slice with one"
    )]
    pub(super) fn control(&self) -> &TableControl {
        &self.control[0]
    }

    #[inline]
    pub(super) fn count(&self, lane: &Lane<W>) -> Option<&Counter> {
        self.counts.get(lane.number()).map(|counter| &counter.0)
    }
}

/// The buckets of a table, and the secret by which keys are hashed.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a> {
    key: TableKey,
    buckets: Scaled<'a, Bucket>,
    origin: Origin,
}

impl<'a> Buckets<'a> {
    /// Stage 1: hashes a key, and starts to bring the bucket where it belongs.
    #[inline(always)]
    pub fn fetch<const W: usize>(&self, key: &FlowKey<W>) -> FlowHash {
        let hash = self.key.hash(key);
        prefetch_from(self.origin, self.primary(hash));
        hash
    }

    #[inline(always)]
    fn primary(&self, hash: FlowHash) -> &'a Bucket {
        self.buckets.at(hash.0)
    }
}

/// The entries of a table, in whatever life.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a, const W: usize>(Cells<'a, W>);

impl<'a, const W: usize> Entries<'a, W> {
    /// The entry that a probe names, and the direction of its key there. Whatever it named, even nothing: only the
    /// whole key and the entry's life tell whether it is the right one.
    #[inline(always)]
    #[must_use]
    pub(crate) fn named(self, probe: Probe) -> Option<(Direction, Conn<'a, W>)> {
        let conn = Conn::of(self.0.get_by_octet(probe.likely_octet())?);
        Some((probe.candidate().direction(), conn))
    }
}

/// Starts to bring what will probably be needed of an entry: its first line, and towards the client, where the entry
/// has two, the second.
#[inline(always)]
fn fetch_likely<const W: usize>(origin: Origin, cells: Cells<'_, W>, probe: Probe) {
    let octet = probe.likely_octet();
    cells.prefetch(origin, octet);
    // Not a branch: the probe itself is still on its way.
    let is_reverse = probe.candidate().direction() == Direction::Reverse;
    cells.prefetch_part(origin, octet, is_reverse);
}

/// Places up to the last whose bit is set.
const fn taken_len(taken: u32) -> usize {
    (u32::BITS - taken.leading_zeros()) as usize
}

/// Numbers of the bits that are set, from the lowest.
#[inline]
fn bits(mut word: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (lowest != u32::BITS).then_some(lowest as usize)
    })
}
