//! Source hash: all flows of a client address go to one backend.
//!
//! No counterpart in the patent. The client's address alone is hashed and looked up in a Maglev
//! table, so a change of backends moves few clients other than those it must. Weighted rendezvous
//! hashing would move none, at a hash per backend and new flow; a table is one read.
//! Easy to get wrong: this is affinity by table, not by memory. A client moves when its backend
//! goes or when weights change; a flow that is already open does not (connection table 66).

use super::maglev::PlaceTable;
use super::{BuildError, Candidate, Settings};
use crate::flow::{HashSeed, Tuple};
use crate::id::BackendSlot;

/// A Maglev table asked by client address.
#[derive(Clone, Debug)]
pub struct SourceHash {
    seed: HashSeed,
    table: PlaceTable,
}

impl SourceHash {
    pub(super) fn new(eligible: &[Candidate<'_>], settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            seed: settings.seed,
            table: PlaceTable::new(eligible, settings)?,
        })
    }

    /// The backend of the client's address.
    #[inline]
    #[must_use]
    pub fn pick(&self, tuple: &Tuple) -> Option<BackendSlot> {
        self.table.lookup(self.seed.source(tuple))
    }

    /// The table as it stands.
    #[must_use]
    pub const fn table(&self) -> &PlaceTable {
        &self.table
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{flow, with_candidates};
    use super::*;

    #[test]
    fn ports_do_not_move_a_client_to_another_backend() {
        let scheduler = with_candidates(&[1; 50], |c| {
            SourceHash::new(c, &Settings::default()).unwrap()
        });
        for client in 0..100 {
            let first = flow(client);
            let other = Tuple {
                src_port: first.src_port + 1,
                dst_port: 443,
                ..first
            };
            assert_eq!(scheduler.pick(&first), scheduler.pick(&other));
        }
    }

    #[test]
    fn clients_spread_over_all_backends() {
        let scheduler = with_candidates(&[1; 10], |c| {
            SourceHash::new(c, &Settings::default()).unwrap()
        });
        let mut clients = [0; 10];
        for client in 0..10_000 {
            clients[(scheduler.pick(&flow(client)).unwrap().0 - 100) as usize] += 1;
        }
        assert!(
            clients.iter().all(|n| (850..1150).contains(n)),
            "{clients:?}"
        );
    }
}
