//! Properties of the Internet checksum: wide against naive, by difference against in full.
//!
//! No counterpart in the patent. The naive forms here are RFC 1071's own, word by word.
//! Easy to get wrong: comparing modulo 0xffff would hide the confusion of the two zeros that these
//! tests are for; every comparison is octet for octet.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure here is a failed test"
)]

use lb_core::wire::IpProtocol;
use lb_core::wire::checksum::{self, Delta, Sum};
use lb_core::wire::{icmpv4, icmpv6, ipv4, tcp, udp};
use proptest::prelude::*;

/// Sum of 16-bit words as RFC 1071 section 4.1 has it.
fn naive_sum(octets: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in octets.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(pair[0]) << 8 | u32::from(low);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

fn pseudo_v4_octets(src: u32, dst: u32, protocol: u8, len: usize) -> Vec<u8> {
    let mut octets = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    octets.extend([0, protocol]);
    octets.extend(u16::try_from(len).unwrap().to_be_bytes());
    octets
}

fn pseudo_v6_octets(src: u128, dst: u128, protocol: u8, len: usize) -> Vec<u8> {
    let mut octets = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    octets.extend(u32::try_from(len).unwrap().to_be_bytes());
    octets.extend([0, 0, 0, protocol]);
    octets
}

/// Words that crowd around the two zeros, and any others.
fn edgy_word() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(0x0000),
        Just(0xffff),
        Just(0x0001),
        Just(0xfffe),
        any::<u16>()
    ]
}

/// An IPv4 header without options; its words are edgy, so that sums near the zeros are common.
fn header() -> impl Strategy<Value = [u8; ipv4::LEN]> {
    prop::array::uniform10(edgy_word()).prop_map(|words| {
        let mut octets = [0; ipv4::LEN];
        for (pair, word) in octets.chunks_mut(2).zip(words) {
            pair.copy_from_slice(&word.to_be_bytes());
        }
        octets[0] = 0x45;
        octets
    })
}

/// A header with its checksum, in either of the two forms that a receiver finds right.
fn filled(mut octets: [u8; ipv4::LEN], as_all_ones: bool) -> ([u8; ipv4::LEN], u16) {
    octets[10..12].fill(0);
    let checksum = match !naive_sum(&octets) {
        0 if as_all_ones => 0xffff,
        full => full,
    };
    octets[10..12].copy_from_slice(&checksum.to_be_bytes());
    (octets, checksum)
}

/// The word at `index` chosen so that the whole adds up to 0xffff: a checksum of 0x0000.
fn force_zero_checksum(octets: &mut [u8; ipv4::LEN], index: usize) {
    octets[10..12].fill(0);
    octets[2 * index..][..2].fill(0);
    let complement = !naive_sum(octets);
    octets[2 * index..][..2].copy_from_slice(&complement.to_be_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2048,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_edit_of_a_header_by_difference_equals_a_full_recompute(
        start in header(),
        index in prop::sample::select(vec![1_usize, 2, 3, 4, 6, 7, 8, 9]),
        new in edgy_word(),
        zero in any::<bool>(),
        as_all_ones in any::<bool>(),
    ) {
        let mut start = start;
        if zero {
            force_zero_checksum(&mut start, 9);
        }
        let (old_octets, old_checksum) = filled(start, as_all_ones);
        let at = 2 * index;
        let old = u16::from_be_bytes([old_octets[at], old_octets[at + 1]]);
        let mut edited = old_octets;
        edited[at..at + 2].copy_from_slice(&new.to_be_bytes());
        let (_, full) = filled(edited, false);
        prop_assert_eq!(checksum::apply(old_checksum, Delta::of_u16(old, new)), full);
    }

    #[test]
    fn an_edit_that_leads_to_a_zero_checksum_equals_a_full_recompute(
        start in header(),
        index in prop::sample::select(vec![2_usize, 6, 7, 8, 9]),
    ) {
        let (old_octets, old_checksum) = filled(start, false);
        let mut edited = old_octets;
        force_zero_checksum(&mut edited, index);
        let word = |octets: &[u8]| u16::from_be_bytes([octets[2 * index], octets[2 * index + 1]]);
        let delta = Delta::of_u16(word(&old_octets), word(&edited));
        prop_assert_eq!(checksum::apply(old_checksum, delta), 0x0000);
    }

    #[test]
    fn nat_of_a_header_by_the_setters_equals_a_full_recompute(
        start in header(), src: u32, dst: u32, as_all_ones: bool,
    ) {
        let mut start = start;
        // A total length and a TTL that a router forwards.
        start[2] |= 1;
        start[8] = start[8].max(2);
        let (octets, _) = filled(start, as_all_ones);
        let head = ipv4::Header::parse_quoted(&octets).unwrap();
        let delta = Delta::of_u32(head.src(), src) + Delta::of_u32(head.dst(), dst) + ipv4::ONE_HOP;
        let ttl = head.ttl() - 1;
        let (mut fast, mut full) = (octets, octets);
        for edited in [&mut fast, &mut full] {
            let mut header = ipv4::HeaderMut::parse(edited).unwrap();
            header.set_src(src);
            header.set_dst(dst);
            header.set_ttl(ttl);
        }
        ipv4::HeaderMut::parse(&mut fast).unwrap().update_checksum(delta);
        ipv4::HeaderMut::parse(&mut full).unwrap().fill_checksum();
        prop_assert_eq!(fast, full);
    }

    #[test]
    fn a_wrong_checksum_stays_wrong(start in header(), error in 1_u16..0xffff, old: u16, new: u16) {
        let (_, right) = filled(start, false);
        let wrong = right.wrapping_add(error);
        prop_assume!(wrong % 0xffff != right % 0xffff);
        let delta = Delta::of_u16(old, new);
        prop_assert_ne!(
            checksum::apply(wrong, delta) % 0xffff,
            checksum::apply(right, delta) % 0xffff
        );
    }

    #[test]
    fn nat_of_tcp_over_ipv4_equals_a_full_recompute(
        from: (u32, u32), to: (u32, u32), ports: (u16, u16),
        segment in prop::collection::vec(any::<u8>(), tcp::LEN..120),
    ) {
        let pseudo = |(src, dst)| {
            Sum::pseudo_v4(src, dst, IpProtocol::TCP, u16::try_from(segment.len()).unwrap())
        };
        let (mut fast, mut full) = (segment.clone(), segment.clone());
        tcp::HeaderMut::parse(&mut fast).unwrap().fill_checksum(pseudo(from));
        let octets = [pseudo_v4_octets(from.0, from.1, 6, fast.len()), fast.clone()].concat();
        prop_assert_eq!(naive_sum(&octets), 0xffff);

        let old = u16::from_be_bytes([segment[0], segment[1]]);
        let old_dst = u16::from_be_bytes([segment[2], segment[3]]);
        let delta = Delta::of_u32(from.0, to.0) + Delta::of_u32(from.1, to.1)
            + Delta::of_u16(old, ports.0) + Delta::of_u16(old_dst, ports.1);
        for edited in [&mut fast, &mut full] {
            let mut header = tcp::HeaderMut::parse(edited).unwrap();
            header.set_src_port(ports.0);
            header.set_dst_port(ports.1);
        }
        tcp::HeaderMut::parse(&mut fast).unwrap().update_checksum(delta);
        tcp::HeaderMut::parse(&mut full).unwrap().fill_checksum(pseudo(to));
        prop_assert_eq!(fast, full);
    }

    #[test]
    fn nat_of_udp_over_ipv6_equals_a_full_recompute_and_comes_back(
        from: (u128, u128), to: (u128, u128), port in edgy_word(),
        datagram in prop::collection::vec(
            prop_oneof![Just(0), Just(0xff), any::<u8>()],
            udp::LEN..40,
        ),
    ) {
        let pseudo = |(src, dst)| {
            Sum::pseudo_v6(src, dst, IpProtocol::UDP, u32::try_from(datagram.len()).unwrap())
        };
        let mut start = datagram.clone();
        udp::HeaderMut::parse(&mut start).unwrap().fill_checksum(pseudo(from));
        let octets = [pseudo_v6_octets(from.0, from.1, 17, start.len()), start.clone()].concat();
        prop_assert_eq!(naive_sum(&octets), 0xffff);
        prop_assert!(udp::is_checksum_right(&start, pseudo(from)));

        let old = u16::from_be_bytes([datagram[2], datagram[3]]);
        let delta = Delta::of_u128(from.0, to.0) + Delta::of_u128(from.1, to.1)
            + Delta::of_u16(old, port);
        let (mut fast, mut full) = (start.clone(), start.clone());
        let mut header = udp::HeaderMut::parse(&mut fast).unwrap();
        header.set_dst_port(port);
        header.update_checksum(delta);
        let mut header = udp::HeaderMut::parse(&mut full).unwrap();
        header.set_dst_port(port);
        header.fill_checksum(pseudo(to));
        prop_assert_eq!(&fast, &full);

        let mut header = udp::HeaderMut::parse(&mut fast).unwrap();
        header.set_dst_port(old);
        header.update_checksum(-delta);
        prop_assert_eq!(fast, start);
    }

    #[test]
    fn udp_lands_on_all_ones_where_a_full_recompute_does(
        from: u32, to: u32, mut datagram in prop::collection::vec(any::<u8>(), 12..40),
    ) {
        let len = u16::try_from(datagram.len()).unwrap();
        let pseudo = |dst| Sum::pseudo_v4(0xc633_6407, dst, IpProtocol::UDP, len);
        // Two octets of data chosen so that the rewritten datagram adds up to 0xffff.
        datagram[6..10].fill(0);
        let pseudo_octets = pseudo_v4_octets(0xc633_6407, to, 17, datagram.len());
        let all = [pseudo_octets, datagram.clone()].concat();
        let missing = !naive_sum(&all);
        datagram[8..10].copy_from_slice(&missing.to_be_bytes());
        let mut header = udp::HeaderMut::parse(&mut datagram).unwrap();
        header.fill_checksum(pseudo(from));
        header.update_checksum(Delta::of_u32(from, to));
        prop_assert_eq!(&datagram[6..8], &[0xff, 0xff]);
        prop_assert!(udp::is_checksum_right(&datagram, pseudo(to)));
    }

    #[test]
    fn icmpv4_is_right_for_its_receiver_after_any_edit_of_the_identifier(
        id in edgy_word(),
        mut message in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], icmpv4::LEN..40),
    ) {
        let mut header = icmpv4::HeaderMut::parse(&mut message).unwrap();
        header.fill_checksum();
        prop_assert!(icmpv4::is_checksum_right(&message));
        let old = u16::from_be_bytes([message[4], message[5]]);
        let mut header = icmpv4::HeaderMut::parse(&mut message).unwrap();
        header.set_id(id);
        header.update_checksum(Delta::of_u16(old, id));
        prop_assert_eq!(naive_sum(&message), 0xffff);
    }

    #[test]
    fn icmpv6_by_difference_equals_a_full_recompute(
        from: (u128, u128), to: (u128, u128), id in edgy_word(),
        message in prop::collection::vec(any::<u8>(), icmpv6::LEN..40),
    ) {
        let pseudo = |(src, dst)| {
            Sum::pseudo_v6(src, dst, IpProtocol::ICMPV6, u32::try_from(message.len()).unwrap())
        };
        let old = u16::from_be_bytes([message[4], message[5]]);
        let delta = Delta::of_u128(from.0, to.0) + Delta::of_u128(from.1, to.1)
            + Delta::of_u16(old, id);
        let (mut fast, mut full) = (message.clone(), message.clone());
        let mut header = icmpv6::HeaderMut::parse(&mut fast).unwrap();
        header.fill_checksum(pseudo(from));
        header.set_id(id);
        header.update_checksum(delta);
        let mut header = icmpv6::HeaderMut::parse(&mut full).unwrap();
        header.set_id(id);
        header.fill_checksum(pseudo(to));
        prop_assert_eq!(fast, full);
    }

    #[test]
    fn differences_added_up_equal_edits_one_after_the_other(
        checksum: u16, a: (u32, u32), b: (u16, u16), c: (u128, u128),
    ) {
        let (a, b) = (Delta::of_u32(a.0, a.1), Delta::of_u16(b.0, b.1));
        let c = Delta::of_u128(c.0, c.1);
        let one_by_one = checksum::apply(checksum::apply(checksum::apply(checksum, a), b), c);
        prop_assert_eq!(checksum::apply(checksum, a + b + c), one_by_one);
        prop_assert_eq!(checksum::apply(checksum, c + (b + a)), one_by_one);
        prop_assert_ne!((a + b + c).to_u16(), 0);
        prop_assert_ne!((-(a + b)).to_u16(), 0);
    }
}

#[test]
fn every_length_to_200_at_every_alignment_adds_up_as_the_naive_sum_does() {
    let mut state: u32 = 0x1c46_5eed;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(220)
    .collect();
    for memory in [random, vec![0xff; 220], vec![0; 220]] {
        for offset in 0..16 {
            for len in 0..=200 {
                let octets = &memory[offset..offset + len];
                let wide = Sum::octets(octets).fold();
                assert_eq!(wide, naive_sum(octets), "offset {offset}, length {len}");
            }
        }
    }
}

#[test]
fn the_longest_packet_of_all_ones_does_not_overflow() {
    let octets = vec![0xff; 65_535];
    assert_eq!(Sum::octets(&octets).fold(), naive_sum(&octets));
}

#[test]
fn every_checksum_with_every_edgy_edit_equals_equation_3_on_true_sums() {
    // All sums that a header which is not all zero can have, both forms of zero, and the edits that
    // reach the corners.
    let words = [
        0x0000_u16, 0x0001, 0x5555, 0x3285, 0x7fff, 0x8000, 0xfffe, 0xffff,
    ];
    for sum in 1..=0xffff_u16 {
        for (old, new) in words
            .iter()
            .flat_map(|&o| words.iter().map(move |&n| (o, n)))
        {
            // The rest of the header, without the word: 0 only if the word is all there is.
            let rest = (u32::from(sum) + 0xffff - u32::from(old)) % 0xffff;
            let rest = if rest == 0 { 0xffff } else { rest };
            let full = naive_sum(&[&rest.to_be_bytes()[2..], &new.to_be_bytes()].concat());
            let by_difference = checksum::apply(!sum, Delta::of_u16(old, new));
            assert_eq!(by_difference, !full, "sum {sum:#x}, {old:#x} to {new:#x}");
        }
    }
}
