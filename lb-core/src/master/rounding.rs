//! From factors to the whole numbers that schedulers take.
//!
//! No counterpart in the patent. Weights are configured weight × factor × a power of ten that depends on
//! the configured weights alone: 1000 next to a configured 100 reads as "100.0".
//! Easy to get wrong: the power of ten must not follow the factors, or a move of one backend would
//! change the weights of all.

use super::rules::RESOLUTION;

/// Upper limit of a weight, as the configuration has it.
pub(super) const LARGEST: f64 = 65_535.0;

/// The power of ten for configured weights from `lightest` to `heaviest`, all above 0, of which each may
/// be multiplied until it is `most` in all.
pub(super) fn scale(lightest: f64, most: f64) -> f64 {
    let mut scale = 1.0;
    while lightest * scale < RESOLUTION && most * scale * 10.0 <= LARGEST {
        scale *= 10.0;
    }
    while most * scale > LARGEST {
        scale /= 10.0;
    }
    scale
}

/// The weight of a backend that may have new flows: at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limited to 1..=65535 first, and NaN becomes 0 and then 1"
)]
pub(super) fn weight(base: f64, factor: f64, scale: f64) -> u32 {
    ((base * factor * scale).round().clamp(1.0, LARGEST) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_hundred_reads_as_a_thousand() {
        assert_eq!(weight(100.0, 1.0, scale(100.0, 400.0)), 1000);
        assert_eq!(weight(1.0, 1.0, scale(1.0, 4.0)), 1000);
        assert_eq!(weight(1.0, 0.125, scale(1.0, 4.0)), 125);
    }

    #[test]
    fn the_heaviest_configured_weight_still_has_room_to_grow() {
        let scale = scale(1.0, 4.0 * 65_535.0);
        assert!(weight(65_535.0, 4.0, scale) <= 65_535);
        assert_eq!(
            weight(1.0, 0.125, scale),
            1,
            "and the lightest is never at zero"
        );
    }
}
