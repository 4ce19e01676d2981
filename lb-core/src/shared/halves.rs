//! Compares the upper halves of a cache line's words with one number, all at once.
//!
//! No counterpart in the patent. On x86-64 this takes a dozen SSE2 instructions instead of fifty; it
//! is most of the work of a search in the connection table. Elsewhere, and under loom, one word
//! after the other.
//! Easy to get wrong: the words are atomics that others write meanwhile. Vector loads of them are no
//! atomic accesses to the compiler, so they stand in assembly, where what the processor promises
//! counts: an aligned 8-octet part of a vector load is never torn. They order nothing; who acts on a
//! match loads the word again.

#![cfg_attr(
    all(target_arch = "x86_64", not(loom), not(miri)),
    expect(unsafe_code, reason = "vector loads of atomics exist only in assembly")
)]

use super::sync::AtomicU64;

/// Words of one cache line, eight at most.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Line<const N: usize>(pub(crate) [AtomicU64; N]);

/// Two bits, both set or both clear, for each word: whether its upper 32 bits are `wanted`. Bits 0 and 1 are the
/// first word's.
#[inline(always)]
pub(crate) fn equal_upper_halves<const N: usize>(line: &Line<N>, wanted: u32) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    if N == 8 {
        return eight(line.0.as_ptr(), wanted);
    }
    one_by_one(&line.0, wanted)
}

#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
#[inline(always)]
fn eight(words: *const AtomicU64, wanted: u32) -> u32 {
    let matches: u32;
    // SAFETY: the only caller passes the start of a line of eight words, which are 64 readable octets at an
    // address divisible by 64, as aligned loads need it; the instructions read them, write to named registers
    // only, touch neither stack nor flags, and are part of SSE2, which every x86-64 has.
    unsafe {
        std::arch::asm!(
            "movd {wanted_everywhere}, {wanted:e}",
            "pshufd {wanted_everywhere}, {wanted_everywhere}, 0",
            "movaps {low}, [{words}]",
            "shufps {low}, [{words} + 16], 0xdd",
            "movaps {high}, [{words} + 32]",
            "shufps {high}, [{words} + 48], 0xdd",
            "pcmpeqd {low}, {wanted_everywhere}",
            "pcmpeqd {high}, {wanted_everywhere}",
            "packssdw {low}, {high}",
            "pmovmskb {matches:e}, {low}",
            words = in(reg) words,
            wanted = in(reg) wanted,
            wanted_everywhere = out(xmm_reg) _,
            low = out(xmm_reg) _,
            high = out(xmm_reg) _,
            matches = lateout(reg) matches,
            options(readonly, nostack, preserves_flags),
        );
    }
    matches
}

fn one_by_one(words: &[AtomicU64], wanted: u32) -> u32 {
    use super::sync::Ordering;

    let equal = |word: &AtomicU64| word.load(Ordering::Relaxed) >> 32 == u64::from(wanted);
    words.iter().rev().fold(0, |matches, word| {
        (matches << 2) | (u32::from(equal(word)) * 3)
    })
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_its_own_bits_and_lower_halves_do_not_count() {
        for i in 0..8u32 {
            let line = Line(std::array::from_fn(|k| {
                AtomicU64::new(if k == i as usize {
                    7 << 32 | 9
                } else {
                    9 << 32 | 7
                })
            }));
            assert_eq!(equal_upper_halves::<8>(&line, 7), 3 << (2 * i));
            assert_eq!(equal_upper_halves::<8>(&line, 9), 0xffff & !(3 << (2 * i)));
        }
    }

    #[test]
    fn at_once_and_one_by_one_agree() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Few different upper halves, some with the sign bit.
            (random >> 62) << 62 | (random >> 33)
        };
        for _ in 0..1000 {
            let line: Line<8> = Line(std::array::from_fn(|_| AtomicU64::new(next())));
            for wanted in [0, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
                assert_eq!(
                    equal_upper_halves(&line, wanted),
                    one_by_one(&line.0, wanted)
                );
            }
        }
    }
}
