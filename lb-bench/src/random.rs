//! Random numbers that are the same on every machine, and orders made of them.
//!
//! No counterpart in the patent. SplitMix64 (Steele, Lea, Flood, 2014): small, and good enough to shuffle.
//! Easy to get wrong: two orders from one seed are one order, and replaying in the order of creation
//! flatters every table; each use takes a seed of its own.

/// A source of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The source that belongs to a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = (self.next_u64() >> 32) * u64::from(bound);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A number from 0 up to, but not, 1.
    pub fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.next_u64() >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }
}

/// The numbers below `count` in random order (Fisher and Yates).
#[must_use]
pub fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut random = Random::new(seed);
    for end in (1..count).rev() {
        order.swap(end as usize, random.below(end + 1) as usize);
    }
    order
}

/// `draws` numbers below `count`, rank r (from 1) with a chance that goes with ln(1 + 1/r): Zipf's law with
/// exponent 1, in its continuous form. Which number has which rank is random.
#[must_use]
pub fn zipf(count: u32, draws: usize, seed: u64) -> Vec<u32> {
    let ranked = shuffled(count, seed ^ 0x5a1f);
    let mut random = Random::new(seed);
    let spread = (f64::from(count) + 1.0).ln();
    let draw = |_| {
        // Truncation makes a rank of the position.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to count + 1"
        )]
        let rank = (random.unit() * spread).exp() as usize;
        ranked
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    };
    (0..draws).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_number_once_and_another_seed_gives_another_order() {
        let order = shuffled(1000, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order, shuffled(1000, 2));
    }

    #[test]
    fn the_first_tenth_of_ranks_gets_most_draws_and_the_last_some() {
        let draws = zipf(1000, 100_000, 3);
        let ranked = shuffled(1000, 3 ^ 0x5a1f);
        let mut by_flow = vec![0u32; 1000];
        for flow in draws {
            by_flow[flow as usize] += 1;
        }
        let of = |ranks: &[u32]| {
            ranks
                .iter()
                .map(|&flow| by_flow[flow as usize])
                .sum::<u32>()
        };
        let first = of(&ranked[..100]);
        // ln(101) / ln(1001) of all.
        assert!((64_000..70_000).contains(&first), "{first}");
        assert!(of(&ranked[500..]) > 5_000);
    }
}
