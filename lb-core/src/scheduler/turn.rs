//! Arithmetic of turns and draws: numbers mapped onto `0..len` without a division.
//!
//! No counterpart in the patent. Easy to get wrong: [`reduce`] looks at the high bits of a hash
//! only; a number that counts up must go through [`mix`] first.

/// Maps a hash evenly onto `0..len` by its high bits, without division; 0 when `len` is 0.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's high half is below len"
)]
pub(super) const fn reduce(hash: u64, len: usize) -> usize {
    ((hash as u128 * len as u128) >> 64) as usize
}

/// Mixes a number so that every bit depends on every other (SplitMix64's finalizer; Steele, Lea and
/// Flood, OOPSLA 2014).
#[inline]
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Takes the next turn in a cycle of `len` and moves the cursor on.
///
/// A cursor beyond the cycle (fresh from a random start, or left by a longer cycle) lands anywhere
/// in it: sending all such cursors to 0 would give the first backend of a new distribution one flow
/// from every lcore.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "below len, which is a usize"
)]
pub(super) const fn take_turn(turn: &mut u64, len: usize) -> usize {
    let at = if *turn < len as u64 {
        *turn as usize
    } else if *turn == len as u64 {
        0
    } else {
        reduce(mix(*turn), len)
    };
    *turn = at as u64 + 1;
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_left_by_a_longer_cycle_do_not_all_meet_at_the_first_backend() {
        let starts: Vec<usize> = (0..8)
            .map(|lcore| take_turn(&mut (1_000_000 + lcore), 100))
            .collect();
        assert!(starts.iter().all(|&at| at < 100));
        assert!(starts.iter().any(|&at| at != starts[0]), "{starts:?}");
    }

    #[test]
    fn a_cursor_inside_the_cycle_goes_round_it() {
        let mut turn = 1;
        let turns: Vec<usize> = (0..5).map(|_| take_turn(&mut turn, 3)).collect();
        assert_eq!(turns, [1, 2, 0, 1, 2]);
    }

    #[test]
    fn hashes_reduce_to_every_position_and_none_beyond() {
        assert_eq!(
            [0, 1 << 62, u64::MAX].map(|hash| reduce(hash, 4)),
            [0, 1, 3]
        );
        assert_eq!(reduce(u64::MAX, 0), 0);
    }
}
