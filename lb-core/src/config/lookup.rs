//! A small read-only hash table from three words to a number: services by address and port, own addresses.
//!
//! Part of the configuration table 64: built once with a distribution, then only asked, by every packet
//! that has no connection yet. Open addressing at a load of one half at most.
//! No counterpart in the patent, which lists its valid services in a row.

/// Three words: an address ([`crate::flow::AddressWords`]) and what distinguishes rows of one address.
pub type LookupKey = [u64; 3];

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    cells: Box<[Option<(LookupKey, u32)>]>,
}

impl Lookup {
    /// Builds the table; of two equal keys the first stays.
    #[must_use]
    pub fn build(rows: &[(LookupKey, u32)]) -> Self {
        let mut table = Self {
            cells: vec![None; (rows.len() * 2).next_power_of_two().max(2)].into(),
        };
        for &(key, value) in rows {
            if let Some(cell) = table.free_cell(key) {
                *cell = Some((key, value));
            }
        }
        table
    }

    /// The number under a key.
    #[inline]
    #[must_use]
    pub fn find(&self, key: LookupKey) -> Option<u32> {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = home(key);
        loop {
            match self.cells.get(at & mask) {
                Some(Some((seen, value))) if *seen == key => return Some(*value),
                Some(Some(_)) => at = at.wrapping_add(1),
                _ => return None,
            }
        }
    }

    /// The cell where a new key belongs; `None` where the key is there already.
    fn free_cell(&mut self, key: LookupKey) -> Option<&mut Option<(LookupKey, u32)>> {
        let mask = self.cells.len() - 1;
        let mut at = home(key);
        while let Some(Some((seen, _))) = self.cells.get(at & mask) {
            if *seen == key {
                return None;
            }
            at = at.wrapping_add(1);
        }
        self.cells.get_mut(at & mask)
    }
}

#[inline]
fn home(key: LookupKey) -> usize {
    let [a, b, c] = key;
    let mixed = (a ^ b.rotate_left(29) ^ c.rotate_left(17)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_of_a_thousand_ports_of_one_address_and_no_other() {
        let rows: Vec<_> = (0..1000u32)
            .map(|port| ([0, 0xc000_020a, u64::from(port)], port))
            .collect();
        let table = Lookup::build(&rows);
        for &(key, value) in &rows {
            assert_eq!(table.find(key), Some(value));
        }
        assert_eq!(table.find([0, 0xc000_020a, 1000]), None);
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert_eq!(Lookup::default().find([1, 2, 3]), None);
        assert_eq!(Lookup::build(&[]).find([0, 0, 0]), None);
    }

    #[test]
    fn the_first_of_two_equal_keys_stays() {
        assert_eq!(
            Lookup::build(&[([1, 1, 1], 5), ([1, 1, 1], 6)]).find([1, 1, 1]),
            Some(5)
        );
    }
}
