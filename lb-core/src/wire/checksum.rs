//! The Internet checksum: over octets, over pseudo-headers, and changed by difference.
//!
//! No counterpart in the patent; step 220 rewrites addresses and ports and owes the checksums.
//! RFC 1071 (sum), RFC 1624 equation 3 (difference), RFC 768 and RFC 8200 8.1 (pseudo-headers).
//! Not here: which fields a checksum covers; each header's file fills its own.
//!
//! Easy to get wrong: ones' complement has two zeros, 0x0000 and 0xffff. A sum of octets that are
//! not all zero is never 0x0000, so a header's checksum, its complement, is never 0xffff. RFC 1141
//! computed the new checksum from the old one directly and could land on 0xffff: checksum 0xdd2f
//! with word 0x5555 → 0x3285 becomes 0x0000, and RFC 1141 gives 0xffff. Equation 3 works on the
//! complement, but only half escapes: a difference of 0xffff → 0x0000 added to a received 0xffff
//! ends on the wrong zero again. Here a [`Delta`] is never 0x0000 (its zero is 0xffff); a
//! sum with it cannot be 0x0000 either, so [`apply`] equals a full recompute octet for octet.
//!
//! That holds for whatever cannot be all zero: IPv4 headers, TCP, ICMPv6 and UDP (their
//! pseudo-headers have a protocol). An ICMPv4 echo reply can be: see [`apply_icmpv4`].

use std::ops::{Add, Neg};

use super::protocol::IpProtocol;

/// A ones' complement sum under way, of 16-bit words in network order.
///
/// Sums add up; the parts may be anything of even length, the last also of odd length. Up to 2^28
/// parts fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Sum of nothing.
    pub const ZERO: Self = Self(0);

    /// Sum of one word.
    #[inline]
    #[must_use]
    pub const fn word(word: u16) -> Self {
        Self(word as u64)
    }

    /// Sum of octets; an odd last one counts as the high half of a word (RFC 1071 section 1).
    ///
    /// Eight octets at a time in memory order, which RFC 1071 2(B) allows: only the folded result
    /// is turned round. The wide accumulator keeps the carries apart from the additions.
    #[inline]
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        let (words, tail) = octets.as_chunks::<8>();
        let mut sum: u128 = 0;
        for word in words {
            sum += u128::from(u64::from_ne_bytes(*word));
        }
        Self(u64::from(u16::from_be(fold(lanes(sum) + tail_sum(tail)))))
    }

    /// Pseudo-header of TCP and UDP over IPv4 (RFC 768, RFC 9293 3.1); `l4_len` in octets.
    #[inline]
    #[must_use]
    pub const fn pseudo_v4(src: u32, dst: u32, protocol: IpProtocol, l4_len: u16) -> Self {
        Self(src as u64 + dst as u64 + protocol.0 as u64 + l4_len as u64)
    }

    /// Pseudo-header of TCP, UDP and ICMPv6 over IPv6 (RFC 8200 8.1); `l4_len` in octets.
    ///
    /// Behind a routing header with segments left, `dst` is the last address of the route.
    #[inline]
    #[must_use]
    pub const fn pseudo_v6(src: u128, dst: u128, protocol: IpProtocol, l4_len: u32) -> Self {
        Self(lanes(src) + lanes(dst) + protocol.0 as u64 + l4_len as u64)
    }

    /// The sum in 16 bits; 0 only if every word was 0.
    #[inline]
    #[must_use]
    pub const fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The checksum that makes the whole right, where its own field was summed as 0.
    #[inline]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }

    /// The same for UDP, where 0 would mean "none": 0xffff stands in for it (RFC 768).
    #[inline]
    #[must_use]
    pub const fn checksum_udp(self) -> u16 {
        never_zero(self.checksum())
    }

    /// Whether a whole that includes its checksum field is right.
    #[inline]
    #[must_use]
    pub const fn is_right(self) -> bool {
        self.fold() == 0xffff
    }
}

impl Add for Sum {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// What an edit of words adds to the sum that a checksum covers.
///
/// Made once per flow and applied to each of its packets; differences add up, and the negative one
/// serves the flow's other direction. Its two octets stand as they would in a packet: ones' complement sums
/// do not care (RFC 1071, 2 B), and the checksum of a packet need not be turned round to be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta(u16);

impl Delta {
    /// No edit.
    pub const NONE: Self = Self(0xffff);

    /// One 16-bit word, such as a port.
    #[inline]
    #[must_use]
    pub const fn of_u16(old: u16, new: u16) -> Self {
        Self::from_lanes(new as u64 + !old as u64)
    }

    /// Two words, such as an IPv4 address; they begin at an even offset of what is summed.
    #[inline]
    #[must_use]
    pub const fn of_u32(old: u32, new: u32) -> Self {
        Self::from_lanes(new as u64 + !old as u64)
    }

    /// Eight words, such as an IPv6 address; they begin at an even offset of what is summed.
    #[inline]
    #[must_use]
    pub const fn of_u128(old: u128, new: u128) -> Self {
        Self::from_lanes(lanes(new) + lanes(!old))
    }

    /// The difference as stored in a connection; never 0. A word of memory, not a number.
    #[inline]
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }

    /// The difference that [`to_u16`](Self::to_u16) stored.
    #[inline]
    #[must_use]
    pub const fn from_u16(stored: u16) -> Self {
        Self(stored)
    }

    /// The two octets of a checksum after the edit; [`apply`] says of which.
    ///
    /// ~(~checksum + delta) of RFC 1624, equation 3, is the checksum *minus* the difference: the same
    /// 16 bits in every case, as long as the difference is not 0.
    #[inline(always)]
    #[must_use]
    pub const fn edit(self, checksum: [u8; 2]) -> [u8; 2] {
        let (difference, borrow) = u16::from_ne_bytes(checksum).overflowing_sub(self.0);
        // A borrow leaves at least 1, since the difference is not 0.
        difference.wrapping_sub(borrow as u16).to_ne_bytes()
    }

    #[inline]
    const fn from_lanes(lanes: u64) -> Self {
        Self(never_zero(fold(lanes)).to_be())
    }
}

impl Default for Delta {
    fn default() -> Self {
        Self::NONE
    }
}

impl Add for Delta {
    type Output = Self;

    /// Both edits; neither operand is 0, so the end-around sum is not 0 either.
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(end_around(self.0, other.0))
    }
}

impl Neg for Delta {
    type Output = Self;

    /// The edit undone.
    #[inline]
    fn neg(self) -> Self {
        Self(never_zero(!self.0))
    }
}

/// The checksum after an edit, of an IPv4 header, TCP or ICMPv6 (RFC 1624 equation 3).
///
/// A wrong checksum stays wrong, as it should.
#[inline]
#[must_use]
pub const fn apply(checksum: u16, delta: Delta) -> u16 {
    u16::from_be_bytes(delta.edit(checksum.to_be_bytes()))
}

/// The checksum after an edit, of UDP: 0 ("none") stays 0, a computed 0 becomes 0xffff.
///
/// Over IPv6 a checksum of 0 is not allowed and has to be dropped before (RFC 8200 8.1).
#[inline]
#[must_use]
pub const fn apply_udp(checksum: u16, delta: Delta) -> u16 {
    u16::from_be_bytes(edit_udp(checksum.to_be_bytes(), delta))
}

/// The same for the two octets of a UDP checksum as they stand in a packet.
#[inline(always)]
#[must_use]
pub const fn edit_udp(checksum: [u8; 2], delta: Delta) -> [u8; 2] {
    let new = never_zero(u16::from_ne_bytes(delta.edit(checksum)));
    match checksum {
        [0, 0] => checksum,
        _ => new.to_ne_bytes(),
    }
}

/// The checksum after an edit, of ICMPv4: as 0xffff where [`apply`] gives 0x0000.
///
/// ICMPv4 has no pseudo-header: an echo reply with identifier 0, sequence 0 and no data is all
/// zero, and a receiver's sum over it is right only with 0xffff. That other zero is right for every
/// other message too, so no look at the data is needed.
#[inline]
#[must_use]
pub const fn apply_icmpv4(checksum: u16, delta: Delta) -> u16 {
    never_zero(apply(checksum, delta))
}

/// 0xffff for 0, and every other number as it is.
#[inline]
const fn never_zero(number: u16) -> u16 {
    if number == 0 { 0xffff } else { number }
}

/// Ones' complement addition; 0 only for 0 + 0.
#[inline]
const fn end_around(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // A carry leaves at most 0xfffe, so this cannot overflow.
    sum + carry as u16
}

/// The four 32-bit lanes of a number, added; below 2^34.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each cast takes one lane of the number"
)]
const fn lanes(number: u128) -> u64 {
    let (high, low) = ((number >> 64) as u64, number as u64);
    (high >> 32) + high as u32 as u64 + (low >> 32) + low as u32 as u64
}

/// Folds into 16 bits with the carries added in; 0 only for 0.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "four foldings leave 16 bits"
)]
const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

/// Up to seven octets in memory order, padded with zeros to whole words and added up.
#[inline]
fn tail_sum(octets: &[u8]) -> u64 {
    let (mut sum, mut rest) = (0, octets);
    if let Some((word, after)) = rest.split_first_chunk() {
        (sum, rest) = (u64::from(u32::from_ne_bytes(*word)), after);
    }
    if let Some((word, after)) = rest.split_first_chunk() {
        sum += u64::from(u16::from_ne_bytes(*word));
        rest = after;
    }
    if let Some(&octet) = rest.first() {
        sum += u64::from(u16::from_ne_bytes([octet, 0]));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_example_in_rfc_1071_is_ddf2() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::octets(&octets).fold(), 0xddf2);
    }

    #[test]
    fn the_example_in_rfc_1624_gives_zero_and_not_all_ones() {
        assert_eq!(apply(0xdd2f, Delta::of_u16(0x5555, 0x3285)), 0x0000);
    }

    #[test]
    fn a_word_of_all_ones_cleared_under_the_other_zero_still_equals_a_full_recompute() {
        // Words 0x1234, 0xedcb, 0xffff: the sum is 0xffff, and a sender may write its checksum as
        // 0xffff.
        let sum = |words: [u16; 3]| words.map(Sum::word).into_iter().fold(Sum::ZERO, Sum::add);
        assert_eq!(sum([0x1234, 0xedcb, 0xffff]).checksum(), 0);
        let full = sum([0x1234, 0xedcb, 0]).checksum();
        assert_eq!(apply(0xffff, Delta::of_u16(0xffff, 0)), full);
        assert_eq!(apply(0x0000, Delta::of_u16(0xffff, 0)), full);
    }

    #[test]
    fn the_reverse_direction_undoes_an_edit() {
        let there = Delta::of_u32(0xc000_020a, 0x0a00_000b) + Delta::of_u16(80, 8080);
        for checksum in [0x0000, 0x0001, 0x1c46, 0xfffe] {
            assert_eq!(apply(apply(checksum, there), -there), checksum);
        }
        assert_eq!(-Delta::NONE, Delta::NONE);
        assert_eq!(Delta::of_u16(7, 7), Delta::NONE);
        assert_eq!(Delta::of_u16(0xffff, 0), Delta::NONE);
    }

    #[test]
    fn a_stored_difference_comes_back() {
        let delta = Delta::of_u128(1 << 100, 7);
        assert_eq!(Delta::from_u16(delta.to_u16()), delta);
        assert_eq!(Delta::default(), Delta::NONE);
    }

    #[test]
    fn the_checksum_minus_the_difference_is_equation_3_for_every_checksum() {
        for delta in [1, 0x00ff, 0x1234, 0xfffe, 0xffff] {
            for checksum in 0..=u16::MAX {
                let third = !end_around(!checksum, u16::from_be(delta));
                assert_eq!(apply(checksum, Delta(delta)), third);
            }
        }
    }

    #[test]
    fn udp_without_a_checksum_stays_without_and_a_computed_zero_is_sent_as_all_ones() {
        let delta = Delta::of_u16(0x5555, 0x3285);
        assert_eq!(apply_udp(0, delta), 0);
        assert_eq!(apply_udp(0xdd2f, delta), 0xffff);
        assert_eq!(Sum::word(0xffff).checksum_udp(), 0xffff);
        assert_eq!(Sum::word(0x1234).checksum_udp(), 0xedcb);
    }

    #[test]
    fn an_empty_echo_request_turned_into_a_reply_is_right_for_its_receiver() {
        // Type 8, all else zero: checksum 0xf7ff. The reply is all zero but for its checksum.
        let checksum = apply_icmpv4(0xf7ff, Delta::of_u16(0x0800, 0x0000));
        assert!(Sum::word(checksum).is_right());
    }

    #[test]
    fn the_largest_numbers_fold_without_loss() {
        assert_eq!(fold(u64::MAX), 0xffff);
        assert_eq!(fold(0), 0);
        assert_eq!(lanes(u128::MAX), 4 * 0xffff_ffff);
        let most = Sum::pseudo_v6(u128::MAX, u128::MAX, IpProtocol(255), u32::MAX);
        assert_eq!(most.fold(), 0x00ff);
    }

    #[test]
    fn sums_of_the_parts_are_the_sum_of_the_whole() {
        let octets: Vec<u8> = (0..=250).collect();
        for cut in (0..octets.len()).step_by(2) {
            let (head, tail) = octets.split_at(cut);
            let parts = Sum::octets(head) + Sum::octets(tail);
            assert_eq!(parts.fold(), Sum::octets(&octets).fold());
        }
    }
}
