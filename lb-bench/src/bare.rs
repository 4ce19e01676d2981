//! The bare loop: what finding and rewriting costs where nothing else is owed.
//!
//! No counterpart in the patent. The unit of `lb-bench filter`, as testpmd is the contest's: the same frames, in
//! the same order, in bursts and stages: key and hash; tags of one bucket, a cache line; whole key of one entry,
//! another; MAC addresses, address, port and two checksums by their differences. No state, no counters, no time,
//! no configuration, and nothing of a frame is checked. What a filter takes beyond it is its own.
//! Easy to get wrong: its table is as full as the filter's, and filled in the order of creation, not of replay.

use lb_core::filter::BURST;
use lb_core::flow::{FlowHash, FlowKey, KeyV4, TableKey};
use lb_core::packet::Packet;
use lb_core::shared::prefetch::{Origin, prefetch_from};
use lb_core::wire::checksum::Delta;

use crate::buffer::Buffer;

/// Tags and entry numbers of a bucket.
const SLOTS: usize = 8;
/// Octets of a frame that the loop reads and writes.
type Head = [u8; 54];

/// A bucket: one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    tags: [u32; SLOTS],
    entries: [u32; SLOTS],
}

/// An entry: one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Entry {
    key: [u64; 2],
    macs: [u8; 12],
    address: [u8; 4],
    port: [u8; 2],
    ip: u16,
    tcp: u16,
}

/// One packet between two stages.
#[derive(Clone, Copy, Default)]
struct Place {
    key: [u64; 2],
    hash: u64,
    entry: u32,
}

/// A table of flows, and the packets under way.
pub struct BareLoop {
    key: TableKey,
    buckets: Vec<Bucket>,
    entries: Vec<Entry>,
    flights: Box<[[Place; BURST]; 2]>,
    missed: u64,
}

/// Octets of a frame at a place known when compiling.
#[inline(always)]
fn octets<const AT: usize, const LEN: usize>(head: &Head) -> [u8; LEN] {
    const { assert!(AT + LEN <= size_of::<Head>()) };
    let (_, rest) = head.split_at(AT);
    rest.first_chunk().copied().unwrap_or([0; LEN])
}

#[inline(always)]
fn put<const AT: usize, const LEN: usize>(head: &mut Head, new: [u8; LEN]) {
    const { assert!(AT + LEN <= size_of::<Head>()) };
    let (_, rest) = head.split_at_mut(AT);
    if let Some(place) = rest.first_chunk_mut() {
        *place = new;
    }
}

#[inline(always)]
fn key_of(head: &Head) -> KeyV4 {
    KeyV4::from_packet(octets::<26, 8>(head), octets::<34, 4>(head), head[23])
}

#[expect(clippy::cast_possible_truncation, reason = "takes the low half")]
const fn tag_of(hash: u64) -> u32 {
    hash as u32 | 1
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below count"
)]
const fn bucket_of(hash: u64, count: usize) -> usize {
    ((hash as u128 * count as u128) >> 64) as usize
}

impl BareLoop {
    /// A table with room for `connections` flows of two directions each, as the filter's has it; holds those
    /// of `frames`, of which each goes in as it comes, and a second key that no frame has.
    pub fn new(key: TableKey, connections: u32, frames: impl Iterator<Item = Buffer>) -> Self {
        let mut all = Self {
            key,
            buckets: vec![Bucket::default(); (connections as usize / 2).max(2)],
            entries: Vec::with_capacity(connections as usize),
            flights: Box::default(),
            missed: 0,
        };
        for frame in frames {
            if let Some(head) = frame.head().first_chunk() {
                let key = key_of(head);
                let there = all.entries.len();
                all.entries.push(Entry {
                    key: key.0,
                    macs: [2; 12],
                    address: [10, 0, 0, 1],
                    port: [0x1f, 0x90],
                    ip: 0x1234,
                    tcp: 0x4321,
                });
                all.enter(key, there);
                all.enter(FlowKey([!key.0[0], !key.0[1]]), there);
            }
        }
        all
    }

    /// Into its bucket, or where that is full into the next.
    fn enter(&mut self, key: KeyV4, entry: usize) {
        let FlowHash(hash) = self.key.hash(&key);
        let count = self.buckets.len();
        for step in 0..count {
            let at = (bucket_of(hash, count) + step) % count;
            let Some(bucket) = self.buckets.get_mut(at) else {
                return;
            };
            if let Some(free) = bucket.tags.iter().position(|&tag| tag == 0) {
                if let (Some(tag), Some(place)) =
                    (bucket.tags.get_mut(free), bucket.entries.get_mut(free))
                {
                    *tag = tag_of(hash);
                    *place = u32::try_from(entry).unwrap_or(0);
                }
                return;
            }
        }
    }

    /// Where the table's lines lie.
    fn origin(&self) -> Origin {
        Origin::of_table(u32::try_from(self.entries.len()).unwrap_or(u32::MAX))
    }

    /// Stage one: keys and hashes of a burst; asks for the buckets.
    #[inline]
    pub fn look(&mut self, flight: usize, burst: &[Buffer]) {
        let origin = self.origin();
        let Self {
            key,
            buckets,
            flights,
            ..
        } = self;
        let Some(flight) = flights.get_mut(flight) else {
            return;
        };
        for (place, frame) in flight.iter_mut().zip(burst) {
            let Some(head) = frame.head().first_chunk() else {
                continue;
            };
            let packed = key_of(head);
            let FlowHash(hash) = key.hash(&packed);
            if let Some(bucket) = buckets.get(bucket_of(hash, buckets.len())) {
                prefetch_from(origin, bucket);
            }
            (place.key, place.hash) = (packed.0, hash);
        }
    }

    /// Stage two: matches tags, and asks for the entries.
    #[inline]
    pub fn probe(&mut self, flight: usize) {
        let origin = self.origin();
        let Self {
            buckets,
            entries,
            flights,
            ..
        } = self;
        let Some(flight) = flights.get_mut(flight) else {
            return;
        };
        for place in flight {
            let Some(bucket) = buckets.get(bucket_of(place.hash, buckets.len())) else {
                continue;
            };
            let tag = tag_of(place.hash);
            let matches = (0u32..)
                .zip(bucket.tags)
                .fold(0, |all, (bit, other)| all | u32::from(other == tag) << bit);
            let slot = (matches | 1 << (SLOTS - 1)).trailing_zeros() as usize;
            place.entry = bucket.entries.get(slot).copied().unwrap_or(0);
            if let Some(entry) = entries.get(place.entry as usize) {
                prefetch_from(origin, entry);
            }
        }
    }

    /// Stage three: compares the whole keys, and rewrites.
    #[inline]
    pub fn settle(&mut self, flight: usize, burst: &mut [Buffer]) {
        let Some(flight) = self.flights.get(flight) else {
            return;
        };
        for (place, frame) in flight.iter().zip(burst) {
            let entry = self.entries.get(place.entry as usize);
            let Some(entry) = entry.filter(|entry| entry.key == place.key) else {
                self.missed += 1;
                continue;
            };
            let Some(head) = frame.head_mut().first_chunk_mut() else {
                continue;
            };
            put::<0, 12>(head, entry.macs);
            head[22] = head[22].wrapping_sub(1);
            let ip = Delta::from_u16(entry.ip).edit(octets::<24, 2>(head));
            put::<24, 2>(head, ip);
            put::<30, 4>(head, entry.address);
            put::<36, 2>(head, entry.port);
            let tcp = Delta::from_u16(entry.tcp).edit(octets::<50, 2>(head));
            put::<50, 2>(head, tcp);
        }
    }

    /// Packets that were not found at the first place that their tags named.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}
