//! Maglev: consistent hashing of the whole tuple.
//!
//! No counterpart in the patent. Eisenbud et al., "Maglev: A Fast and Reliable Software Network
//! Load Balancer", NSDI 2016, section 3.4: every backend prefers the table's places in an order of
//! its own (an offset and a skip, hashed from its name), and backends take turns at claiming their
//! next free place. Shares come out even, and a change of backends moves few places other than
//! those it must.
//! Weights, which the paper leaves open: the heaviest backend claims a place in every round, one of
//! weight `w` its place number `k` in round `⌈k · heaviest / w⌉`. Equal weights are then the
//! paper's algorithm, and every backend has a place after round 0. Where places suffice, a backend
//! is less than two above its exact share and less than `1 + n · share of weight` below.
//! Boxes agree on the table if they share seed, size, names and weights: backends are sorted by
//! name first, as the order of turns decides who wins a contested place.
//! Easy to get wrong: the size must be prime, or a skip that divides it never reaches some places.

use super::calendar::Calendar;
use super::turn::reduce;
use super::{BuildError, Candidate, Settings, purpose};
use crate::flow::{HashSeed, Tuple};
use crate::id::BackendSlot;

/// Upper limit of a table's size, in places of two octets.
pub const MOST_PLACES: u32 = 1 << 24;

const FREE: u16 = u16::MAX;

/// A table asked by the whole tuple.
#[derive(Clone, Debug)]
pub struct Maglev {
    seed: HashSeed,
    table: PlaceTable,
}

impl Maglev {
    pub(super) fn new(eligible: &[Candidate<'_>], settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            seed: settings.seed,
            table: PlaceTable::new(eligible, settings)?,
        })
    }

    /// The backend of the tuple.
    #[inline]
    #[must_use]
    pub fn pick(&self, tuple: &Tuple) -> Option<BackendSlot> {
        self.table.lookup(self.seed.flow(tuple))
    }

    /// The table as it stands.
    #[must_use]
    pub const fn table(&self) -> &PlaceTable {
        &self.table
    }
}

/// The table itself: places, each naming a backend. Empty if no backend is eligible.
#[derive(Clone, Debug)]
pub struct PlaceTable {
    slots: Box<[BackendSlot]>,
    /// Indices into `slots`.
    places: Box<[u16]>,
}

impl PlaceTable {
    pub(super) fn new(eligible: &[Candidate<'_>], settings: &Settings) -> Result<Self, BuildError> {
        let size = settings.maglev_table_size;
        if !is_table_size(size) {
            return Err(BuildError::TableSize { size });
        }
        if eligible.len() > size as usize {
            return Err(BuildError::TableTooSmall {
                size,
                backends: eligible.len(),
            });
        }
        let mut sorted = eligible.to_vec();
        sorted.sort_unstable_by_key(|candidate| (candidate.name, candidate.slot));
        let permutations: Vec<_> = sorted
            .iter()
            .map(|candidate| Permutation::of(candidate.name, &settings.seed, size))
            .collect();
        let weights: Vec<u32> = sorted.iter().map(|candidate| candidate.weight).collect();
        Ok(Self {
            slots: sorted.iter().map(|candidate| candidate.slot).collect(),
            places: populate(&permutations, &weights, size).into(),
        })
    }

    /// The backend at the place that a hash falls on.
    #[inline]
    #[must_use]
    pub fn lookup(&self, hash: u64) -> Option<BackendSlot> {
        let index = *self.places.get(reduce(hash, self.places.len()))?;
        self.slots.get(usize::from(index)).copied()
    }

    /// The backend of every place, in order.
    pub fn places(&self) -> impl ExactSizeIterator<Item = BackendSlot> {
        self.places.iter().map(|&index| {
            self.slots
                .get(usize::from(index))
                .copied()
                .unwrap_or_default()
        })
    }
}

/// Whether a table may have this many places: a prime below [`MOST_PLACES`].
#[must_use]
pub const fn is_table_size(size: u32) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= size && size < MOST_PLACES {
        if size.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    size >= 2 && size < MOST_PLACES
}

/// The order in which a backend prefers the places of a table: `offset`, `offset + skip`, … modulo
/// the table's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permutation {
    /// Below the size.
    offset: u32,
    /// From 1, below the size.
    skip: u32,
}

impl Permutation {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "remainders of a 32-bit divisor"
    )]
    fn of(name: &str, seed: &HashSeed, size: u32) -> Self {
        let hash = |purpose| seed.octets(purpose, name.as_bytes());
        Self {
            offset: (hash(purpose::OFFSET) % u64::from(size)) as u32,
            skip: (hash(purpose::SKIP) % u64::from(size - 1)) as u32 + 1,
        }
    }
}

/// Fills a table of `size` places (a prime) with indices of the permutations, one weight each.
/// At most 65,535 permutations; without any weight above 0 the table is empty.
#[expect(
    clippy::cast_possible_truncation,
    reason = "indices fit 16 bits; 64-bit targets only"
)]
fn populate(permutations: &[Permutation], weights: &[u32], size: u32) -> Vec<u16> {
    let heaviest = u64::from(weights.iter().copied().max().unwrap_or(0));
    if heaviest == 0 {
        return Vec::new();
    }
    let mut claims: Vec<Claims> = permutations
        .iter()
        .zip(weights)
        .map(|(&order, &weight)| Claims {
            order,
            weight: u64::from(weight),
            taken: 0,
        })
        .collect();
    let mut rounds = Calendar::new(size as usize, claims.len());
    for (index, _) in weights
        .iter()
        .enumerate()
        .filter(|&(_, &weight)| weight > 0)
    {
        rounds.put(0, index as u16);
    }
    let mut table = Table::new(size);
    let mut due = Vec::new();
    // The heaviest backend claims a place in every round, so `size` rounds fill the table.
    for round in 0..size as usize {
        rounds.take(round, &mut due);
        due.sort_unstable();
        for index in due.drain(..) {
            let Some(claim) = claims.get_mut(usize::from(index)) else {
                continue;
            };
            table.claim(&mut claim.order, index);
            if table.free == 0 {
                return table.places;
            }
            claim.taken += 1;
            rounds.put(
                (claim.taken * heaviest).div_ceil(claim.weight) as usize,
                index,
            );
        }
    }
    table.places
}

/// How far one backend is in its order of preference, and how many places it has.
struct Claims {
    order: Permutation,
    weight: u64,
    taken: u64,
}

/// A table being filled. The bitmap says again which places are taken: most looks are in vain, and
/// it stays in the first-level cache where the places do not.
struct Table {
    places: Vec<u16>,
    taken: Vec<u64>,
    size: u32,
    free: u32,
}

impl Table {
    fn new(size: u32) -> Self {
        Self {
            places: vec![FREE; size as usize],
            taken: vec![0; size.div_ceil(64) as usize],
            size,
            free: size,
        }
    }

    /// Gives the first free place in the order to a backend, and moves the order's offset behind it.
    fn claim(&mut self, order: &mut Permutation, index: u16) {
        let size = self.size;
        while let Some(word) = self.taken.get_mut(order.offset as usize / 64) {
            let place = order.offset;
            let bit = 1 << (place % 64);
            // Both are below MOST_PLACES: the sum fits.
            let next = place + order.skip;
            order.offset = if next < size { next } else { next - size };
            if *word & bit == 0 {
                *word |= bit;
                self.free -= 1;
                if let Some(entry) = self.places.get_mut(place as usize) {
                    *entry = index;
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
