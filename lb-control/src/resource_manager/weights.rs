//! The last touch to weights: the percentage that an agent-check asks for.
//!
//! No counterpart in the patent. A percentage is applied to what the master hands out, not to what it
//! starts from: `even` would see the configured weight change, and make up for it.
//! Easy to get wrong: the scale must not follow the statements, or one agent's word would change the weights
//! of all.

use super::check::MOST_PERCENT;

/// Largest weight that schedulers take.
pub(super) const LARGEST: u64 = 65_535;
/// Weight that the lightest backend of a `static` service should have, so that one per cent can be told.
const RESOLUTION: u64 = 100;

/// The power of ten by which `static` weights are multiplied where percentages may come on top. It depends on
/// the configured weights alone.
pub(super) fn scale(configured: impl Iterator<Item = u32> + Clone) -> u32 {
    let above_zero = || {
        configured
            .clone()
            .filter(|&weight| weight > 0)
            .map(u64::from)
    };
    let (Some(lightest), Some(heaviest)) = (above_zero().min(), above_zero().max()) else {
        return 1;
    };
    let most = heaviest * u64::from(MOST_PERCENT) / 100;
    let mut scale = 1;
    while lightest * u64::from(scale) < RESOLUTION && most * u64::from(scale) * 10 <= LARGEST {
        scale *= 10;
    }
    scale
}

/// Takes `percents` (100: unchanged) of `weights`, in place. A weight above 0 stays above 0, unless its
/// percentage is 0; ratios are kept where a weight would pass the largest.
pub(super) fn take_percents(weights: &mut [u32], percents: impl Iterator<Item = u16>) {
    let exact: Vec<u64> = weights
        .iter()
        .zip(percents)
        .map(|(&weight, percent)| u64::from(weight) * u64::from(percent.min(MOST_PERCENT)))
        .collect();
    // Exact values are in hundredths; the whole is made smaller only if the largest would not fit.
    let whole = exact.iter().copied().max().unwrap_or(0).max(LARGEST * 100);
    for (weight, exact) in weights.iter_mut().zip(exact) {
        let rounded = (exact * LARGEST + whole / 2) / whole;
        let least = u64::from(exact > 0);
        *weight = u32::try_from(rounded.max(least)).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(weights: &[u32], percents: &[u16]) -> Vec<u32> {
        let mut weights = weights.to_vec();
        take_percents(&mut weights, percents.iter().copied());
        weights
    }

    #[test]
    fn three_quarters_of_a_thousand_are_seven_hundred_and_fifty() {
        assert_eq!(
            taken(&[1000, 1000, 1000], &[75, 100, 200]),
            [750, 1000, 2000]
        );
        assert_eq!(taken(&[65_535, 1, 3], &[100, 100, 50]), [65_535, 1, 2]);
    }

    #[test]
    fn only_nought_per_cent_is_nothing() {
        assert_eq!(taken(&[1, 1, 0], &[1, 0, 100]), [1, 0, 0]);
    }

    #[test]
    fn no_percentage_has_more_effect_than_the_largest() {
        assert_eq!(taken(&[100, 100], &[25_600, 100]), [400, 100]);
    }

    #[test]
    fn weights_that_would_be_too_large_keep_their_ratio() {
        assert_eq!(
            taken(&[60_000, 60_000, 1], &[200, 100, 100]),
            [65_535, 32_768, 1]
        );
    }

    #[test]
    fn configured_weights_are_multiplied_until_one_per_cent_can_be_told() {
        let of = |weights: &[u32]| scale(weights.iter().copied());
        assert_eq!(of(&[1, 1]), 100);
        assert_eq!(of(&[100, 300]), 1);
        assert_eq!(of(&[0, 50]), 10);
        assert_eq!(of(&[1, 65_535]), 1, "no room");
        assert_eq!(of(&[]), 1);
        assert_eq!(of(&[0]), 1);
    }
}
