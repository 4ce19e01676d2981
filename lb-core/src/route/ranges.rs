//! Prefixes laid out as ranges: nested prefixes become neighboring ranges, each with one answer.
//!
//! No counterpart in the patent. Longest prefix match is a matter of nesting; once it has been
//! worked out here, a lookup only asks which range an address is in.
//! Easy to get wrong: ranges are named by their *last* address. The last address of the last range
//! exists; the first address of the range after it does not.

/// An address as a number: `u32` for IPv4, `u128` for IPv6.
pub(super) trait Address: Copy + Ord {
    /// Bits of an address.
    const BITS: u8;
    /// The all-zeros address.
    const FIRST: Self;
    /// The all-ones address.
    const LAST: Self;

    /// First and last address of the prefix of `len` bits (at most `BITS`) that holds this address.
    fn bounds(self, len: u8) -> (Self, Self);
    /// The address before, unless this is the first.
    fn before(self) -> Option<Self>;
}

macro_rules! address {
    ($int:ty, $bits:literal) => {
        impl Address for $int {
            const BITS: u8 = $bits;
            const FIRST: Self = 0;
            const LAST: Self = <$int>::MAX;

            fn bounds(self, len: u8) -> (Self, Self) {
                // A shift by all bits (length 0) is none to the processor, hence `checked_shr`.
                let host = <$int>::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                (self & !host, self | host)
            }

            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    };
}

address!(u32, 32);
address!(u128, 128);

/// A prefix and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix<A> {
    first: A,
    last: A,
    hop: u32,
}

impl<A: Address> Prefix<A> {
    /// Host bits of `network` are ignored; a length beyond the family's counts as the longest.
    pub(super) fn new(network: A, len: u8, hop: u32) -> Self {
        let (first, last) = network.bounds(len.min(A::BITS));
        Self { first, last, hop }
    }
}

/// Sorts prefixes, outer before inner, and keeps the last given of equal ones.
pub(super) fn sort<A: Address>(prefixes: &mut Vec<Prefix<A>>) {
    // Stable, on the list turned round: of equal prefixes the last given comes first and stays.
    prefixes.reverse();
    prefixes.sort_by(|a, b| a.first.cmp(&b.first).then(b.last.cmp(&a.last)));
    prefixes.dedup_by_key(|prefix| (prefix.first, prefix.last));
}

/// The whole address space as ranges in order: the last address of each, and its answer.
///
/// Addresses that no prefix holds answer `nowhere`; ranges with equal answers are one. `prefixes`
/// are as [`sort`] leaves them.
pub(super) fn lay_out<A: Address>(prefixes: &[Prefix<A>], nowhere: u32) -> Vec<(A, u32)> {
    let mut ranges = Vec::new();
    let everything = Prefix {
        first: A::FIRST,
        last: A::LAST,
        hop: nowhere,
    };
    // The prefixes that hold the address the sweep has come to, outermost first.
    let mut open = vec![everything];
    for prefix in prefixes {
        while let Some(ended) = open.pop_if(|inner| inner.last < prefix.first) {
            extend_to(&mut ranges, ended.last, ended.hop);
        }
        if let (Some(outer), Some(last)) = (open.last(), prefix.first.before()) {
            extend_to(&mut ranges, last, outer.hop);
        }
        open.push(*prefix);
    }
    while let Some(ended) = open.pop() {
        extend_to(&mut ranges, ended.last, ended.hop);
    }
    ranges
}

/// Answers `hop` from behind the last range up to `last`, which may already be passed.
fn extend_to<A: Address>(ranges: &mut Vec<(A, u32)>, last: A, hop: u32) {
    match ranges.last_mut() {
        Some((end, _)) if *end >= last => {}
        Some((end, same)) if *same == hop => *end = last,
        _ => ranges.push((last, hop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: u32 = u32::MAX;

    fn ranges(prefixes: &[(u32, u8, u32)]) -> Vec<(u32, u32)> {
        let mut prefixes: Vec<_> = prefixes
            .iter()
            .map(|&(network, len, hop)| Prefix::new(network, len, hop))
            .collect();
        sort(&mut prefixes);
        lay_out(&prefixes, NOWHERE)
    }

    #[test]
    fn without_prefixes_everything_leads_nowhere() {
        assert_eq!(ranges(&[]), [(u32::MAX, NOWHERE)]);
    }

    #[test]
    fn an_inner_prefix_splits_the_outer_one_in_three() {
        assert_eq!(
            ranges(&[(0x0a01_0000, 16, 2), (0x0a00_0000, 8, 1)]),
            [
                (0x09ff_ffff, NOWHERE),
                (0x0a00_ffff, 1),
                (0x0a01_ffff, 2),
                (0x0aff_ffff, 1),
                (u32::MAX, NOWHERE)
            ]
        );
    }

    #[test]
    fn prefixes_at_both_ends_of_the_address_space_stay_inside_it() {
        assert_eq!(
            ranges(&[(0, 32, 1), (u32::MAX, 32, 2), (0, 0, 3)]),
            [(0, 1), (u32::MAX - 1, 3), (u32::MAX, 2)]
        );
    }

    #[test]
    fn prefixes_that_end_together_leave_no_empty_range_between() {
        assert_eq!(
            ranges(&[
                (0x8000_0000, 1, 1),
                (0xc000_0000, 2, 2),
                (0xffff_ffff, 32, 3)
            ]),
            [
                (0x7fff_ffff, NOWHERE),
                (0xbfff_ffff, 1),
                (0xffff_fffe, 2),
                (u32::MAX, 3)
            ]
        );
    }

    #[test]
    fn neighbors_with_the_same_answer_become_one_range() {
        assert_eq!(
            ranges(&[(0, 1, 7), (1 << 31, 1, 7), (5, 32, 7)]),
            [(u32::MAX, 7)]
        );
    }

    #[test]
    fn the_last_given_of_two_equal_prefixes_wins() {
        assert_eq!(ranges(&[(0, 0, 1), (9, 0, 2)]), [(u32::MAX, 2)]);
        assert_eq!(ranges(&[(0, 0, 2), (9, 0, 1)]), [(u32::MAX, 1)]);
    }
}
