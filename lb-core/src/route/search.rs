//! Search among ranges: a static tree whose nodes are whole cache lines.
//!
//! No counterpart in the patent. A binary search over 200,000 ranges waits for memory some ten
//! times in a row. Here a leaf holds `L` ranges, last addresses and answers side by side in one
//! line; the level above holds each leaf's greatest address, blocked by `B`; the level above that
//! each block's greatest; and so on to one root. Looking a block over is a loop without branches,
//! which the compiler turns into vector compares. It costs the same whether addresses are spread
//! or, as IPv6's are, all within a few prefixes: that is why there is no index by leading bits, and
//! five routes take one line, not a quarter of a megabyte.
//! Easy to get wrong: blocks are filled up with the greatest address, so the search must count
//! addresses *less* than the one sought; "less or equal" would count the filling at the top of the
//! address space.

/// A number that blocks are made of.
pub(super) trait Key: Copy + Ord {
    /// The greatest of them.
    const LAST: Self;

    /// How many of `keys` are less than this one.
    fn count_less(self, keys: &[Self]) -> usize;
}

macro_rules! key {
    ($int:ty) => {
        impl Key for $int {
            const LAST: Self = <$int>::MAX;

            #[inline]
            fn count_less(self, keys: &[Self]) -> usize {
                // Summed as the keys' own type: wider lanes would double the vector work.
                let count = keys
                    .iter()
                    .map(|&key| <$int>::from(key < self))
                    .sum::<$int>();
                usize::try_from(count).unwrap_or(usize::MAX)
            }
        }
    };
}

key!(u32);
key!(u64);

/// Ranges that cover every number from 0 on, each with an answer.
#[derive(Clone, Debug)]
pub(super) struct RangeTree<K, const B: usize, const L: usize> {
    leaves: Box<[Leaf<K, L>]>,
    /// All levels above the leaves, root first.
    blocks: Box<[Block<K, B>]>,
    /// Where each level starts in `blocks`, root first.
    levels: Box<[usize]>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Leaf<K, const L: usize> {
    lasts: [K; L],
    answers: [u32; L],
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block<K, const B: usize>([K; B]);

impl<K: Key, const B: usize, const L: usize> RangeTree<K, B, L> {
    /// Builds from the last number and the answer of each range, in order; the last range ends at
    /// the greatest number.
    pub(super) fn new(ranges: &[(K, u32)]) -> Self {
        let leaves: Box<[Leaf<K, L>]> = ranges
            .chunks(L)
            .map(|chunk| Leaf {
                lasts: filled(chunk.iter().map(|&(last, _)| last), K::LAST),
                answers: filled(chunk.iter().map(|&(_, answer)| answer), 0),
            })
            .collect();
        let mut levels_up: Vec<Vec<Block<K, B>>> = Vec::new();
        let mut maxima: Vec<K> = leaves
            .iter()
            .filter_map(|leaf| leaf.lasts.last().copied())
            .collect();
        while maxima.len() > 1 {
            let level: Vec<_> = maxima
                .chunks(B)
                .map(|chunk| Block(filled(chunk.iter().copied(), K::LAST)))
                .collect();
            maxima = level
                .iter()
                .filter_map(|block| block.0.last().copied())
                .collect();
            levels_up.push(level);
        }
        let (mut blocks, mut levels) = (Vec::new(), Vec::new());
        for level in levels_up.into_iter().rev() {
            levels.push(blocks.len());
            blocks.extend(level);
        }
        Self {
            leaves,
            blocks: blocks.into(),
            levels: levels.into(),
        }
    }

    /// Answer of the range that holds `key`; `None` only from a tree of no ranges.
    #[inline]
    pub(super) fn lookup(&self, key: K) -> Option<u32> {
        let mut position = 0;
        for level in &self.levels {
            let block = self.blocks.get(level + position)?;
            position = position * B + key.count_less(&block.0);
        }
        let leaf = self.leaves.get(position)?;
        leaf.answers.get(key.count_less(&leaf.lasts)).copied()
    }
}

/// The items, then as many of `filling` as it takes.
fn filled<T: Copy, const N: usize>(items: impl Iterator<Item = T>, filling: T) -> [T; N] {
    let mut array = [filling; N];
    for (entry, item) in array.iter_mut().zip(items) {
        *entry = item;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const B: usize, const L: usize>(lasts: &[u32]) {
        let ranges: Vec<(u32, u32)> = lasts.iter().copied().zip(0..).collect();
        let tree = RangeTree::<u32, B, L>::new(&ranges);
        let near = lasts
            .iter()
            .flat_map(|&k| [k.saturating_sub(1), k, k.saturating_add(1)]);
        for key in near.chain([0, u32::MAX]) {
            let expected = lasts.partition_point(|&last| last < key);
            let answer = tree.lookup(key).map(|answer| answer as usize);
            assert_eq!(answer, Some(expected), "{key} among {}", lasts.len());
        }
    }

    #[test]
    fn answers_equal_a_binary_search_at_every_size_around_whole_blocks_and_levels() {
        for len in (1..=20).chain([63, 64, 65, 127, 128, 129, 255, 256, 257, 4096, 4097, 5000]) {
            let mut lasts: Vec<u32> = (1..len).map(|i| i * 3).collect();
            lasts.push(u32::MAX);
            check::<4, 2>(&lasts);
            check::<16, 8>(&lasts);
        }
    }

    #[test]
    fn without_ranges_there_is_no_answer() {
        let tree = RangeTree::<u32, 4, 2>::new(&[]);
        assert_eq!(tree.lookup(0), None);
    }

    #[test]
    fn a_leaf_of_either_family_is_one_cache_line() {
        assert_eq!(size_of::<Leaf<u32, 8>>(), 64);
        assert_eq!(size_of::<Leaf<u64, 5>>(), 64);
    }
}
