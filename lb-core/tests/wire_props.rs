//! Properties of the header views: no octets of any length make them panic or read past the end.
//!
//! No counterpart in the patent. Easy to get wrong: purely random octets never get past the first
//! check, so half of them begin with a plausible header.

use std::net::Ipv6Addr;

use lb_core::wire::checksum::{Delta, Sum};
use lb_core::wire::ports::{Ports, PortsMut};
use lb_core::wire::{IpProtocol, MacAddr, arp, ethernet, extension, icmpv4, icmpv6};
use lb_core::wire::{ipv4, ipv6, ndp, options, tcp, udp, vlan};
use proptest::prelude::*;

/// Octets of any length to 160, some with a plausible beginning.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let plausible = prop::sample::select(vec![
        vec![0x45],
        vec![0x46, 0, 0, 60],
        vec![0x4f, 0, 0, 100],
        vec![0x60, 0, 0, 0, 0, 20, 6, 64],
        vec![0x60, 0, 0, 0, 0, 80, 0, 64],
        vec![0, 80, 0, 80, 0, 20],
        vec![0, 1, 8, 0, 6, 4, 0, 1],
        vec![0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 2],
        vec![0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 0x10],
        vec![135, 0],
        vec![136, 0],
        vec![],
    ]);
    let small = prop_oneof![
        0_u8..9,
        prop::sample::select(vec![43, 44, 51, 60]),
        any::<u8>()
    ];
    (plausible, prop::collection::vec(small, 0..160)).prop_map(|(mut octets, rest)| {
        octets.extend(rest);
        octets
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2048,
        ..ProptestConfig::default()
    })]

    #[test]
    fn link_headers_are_there_exactly_if_their_octets_are(octets in octets()) {
        let header = ethernet::Header::parse(&octets);
        prop_assert_eq!(header.is_some(), octets.len() >= ethernet::LEN);
        if let Some(header) = header {
            let mut out = [0; ethernet::LEN];
            let fields = ethernet::Fields {
                dst: header.dst(),
                src: header.src(),
                ethertype: header.ethertype(),
            };
            fields.emit(&mut out);
            prop_assert_eq!(&out[..], &octets[..ethernet::LEN]);
        }
        let tag = vlan::Tag::parse(&octets);
        prop_assert_eq!(tag.is_some(), octets.len() >= vlan::LEN);
        if let Some(tag) = tag {
            let mut out = [0; vlan::LEN];
            let fields = vlan::Fields {
                pcp: tag.pcp(),
                dei: tag.dei(),
                vid: tag.vid(),
                ethertype: tag.ethertype(),
            };
            fields.emit(&mut out);
            prop_assert_eq!(&out[..], &octets[..vlan::LEN]);
        }
        if let Ok(message) = arp::Message::parse(&octets) {
            let mut out = [0; arp::LEN];
            message.emit(&mut out);
            prop_assert_eq!(&out[..], &octets[..arp::LEN]);
        }
    }

    #[test]
    fn an_ipv4_header_that_parses_has_lengths_that_hold(
        mut octets in octets(),
        frame_len in 0_usize..200,
    ) {
        if let Ok(header) = ipv4::Header::parse(&octets, frame_len) {
            let total_len = usize::from(header.total_len());
            prop_assert!((ipv4::LEN..=ipv4::MAX_LEN).contains(&header.header_len()));
            prop_assert!(header.header_len() <= total_len && total_len <= frame_len);
            prop_assert!(header.header_len() <= octets.len());
            let payload_len = usize::from(header.payload_len());
            prop_assert_eq!(header.header_len() + payload_len, total_len);
            prop_assert!(header.options().count() <= 40);
            prop_assert_eq!(header.fragment_offset() % 8, 0);
            let _ = header.has_source_route();
        }
        if let Ok(header) = ipv4::Header::parse_quoted(&octets) {
            let _ = (header.payload_len(), header.verify_checksum());
        }
        if let Some(mut header) = ipv4::HeaderMut::parse(&mut octets) {
            header.fill_checksum();
        }
        if let Ok(header) = ipv4::Header::parse_quoted(&octets) {
            prop_assert_eq!(header.verify_checksum(), Ok(()));
        }
    }

    #[test]
    fn the_upper_layer_of_ipv6_lies_within_the_packet(
        octets in octets(),
        frame_len in 0_usize..200,
    ) {
        if let Ok(header) = ipv6::Header::parse(&octets, frame_len) {
            let packet_len = ipv6::LEN + usize::from(header.payload_len());
            prop_assert!(packet_len <= frame_len);
            if let Ok(upper) = header.upper() {
                prop_assert_eq!(upper.l4_offset + upper.l4_len, packet_len);
                prop_assert!(upper.l4_offset <= ipv6::LEN + extension::MAX_OCTETS);
                prop_assert!(upper.l4_offset == ipv6::LEN || upper.l4_offset <= octets.len());
            }
        }
    }

    #[test]
    fn a_chain_of_extension_headers_ends_within_its_bounds(
        first in prop::sample::select(vec![0_u8, 6, 43, 44, 51, 59, 60]),
        payload in octets(),
        further in 0_usize..2000,
    ) {
        let payload_len = payload.len() + further;
        if let Ok(upper) = extension::walk(IpProtocol(first), &payload, payload_len) {
            prop_assert_eq!(upper.l4_offset + upper.l4_len, ipv6::LEN + payload_len);
            prop_assert!(upper.l4_offset <= ipv6::LEN + extension::MAX_OCTETS);
            prop_assert!(upper.l4_offset <= ipv6::LEN + payload.len());
        }
    }

    #[test]
    fn transport_headers_that_parse_lie_within_the_packet(
        mut octets in octets(),
        l4_len in 0_usize..200,
    ) {
        if let Ok(header) = tcp::Header::parse(&octets, l4_len) {
            prop_assert!((20..=60).contains(&header.header_len()));
            prop_assert!(header.header_len() <= l4_len.min(octets.len()));
            prop_assert!(header.options().count() <= 40);
        }
        if let Ok(header) = udp::Header::parse(&octets, l4_len) {
            prop_assert!((udp::LEN..=l4_len).contains(&usize::from(header.length())));
        }
        prop_assert_eq!(Ports::parse(&octets).is_some(), octets.len() >= 4);
        if let Some(header) = icmpv4::Header::parse(&octets, l4_len) {
            let _ = (header.is_error(), header.mtu(), header.sequence());
        }
        if let Some(header) = icmpv6::Header::parse(&octets, l4_len) {
            let _ = (header.is_error(), header.mtu(), header.sequence());
        }
        if let Some(mut ports) = PortsMut::parse(&mut octets) {
            ports.set_src(1);
            ports.set_dst(2);
        }
        if let Some(mut header) = tcp::HeaderMut::parse(&mut octets) {
            header.update_checksum(Delta::of_u16(1, 2));
            header.fill_checksum(Sum::word(6));
            prop_assert!(tcp::is_checksum_right(&octets, Sum::word(6)));
        }
        if let Some(mut header) = udp::HeaderMut::parse(&mut octets) {
            header.fill_checksum(Sum::word(17));
            prop_assert!(udp::is_checksum_right(&octets, Sum::word(17)));
        }
        if let Some(mut header) = icmpv4::HeaderMut::parse(&mut octets) {
            header.turn_into_echo_reply();
            header.fill_checksum();
            prop_assert!(icmpv4::is_checksum_right(&octets));
        }
        if let Some(mut header) = icmpv6::HeaderMut::parse(&mut octets) {
            header.turn_into_echo_reply();
            header.fill_checksum(Sum::word(58));
            prop_assert!(icmpv6::is_checksum_right(&octets, Sum::word(58)));
        }
    }

    #[test]
    fn neighbor_discovery_that_parses_survives_being_written_back(
        mut octets in octets(), source: u128, to_group: bool, flags: u8,
    ) {
        let source = Ipv6Addr::from_bits(if source % 4 == 0 { 0 } else { source });
        let target = Ipv6Addr::from_bits(0x2001_0db8 << 96 | 7);
        let destination = if to_group { ndp::solicited_node(target) } else { target };
        let _ = ndp::Message::parse(&octets, source, destination, 255);
        // With a right checksum the later checks are reached as well.
        if let Some(fixed) = octets.first_chunk_mut::<{ ndp::LEN }>() {
            fixed[4] = flags;
            fixed[8..24].copy_from_slice(&target.octets());
        }
        let len = u32::try_from(octets.len()).unwrap();
        let (src, dst) = (source.to_bits(), destination.to_bits());
        let pseudo = Sum::pseudo_v6(src, dst, IpProtocol::ICMPV6, len);
        if let Some(mut header) = icmpv6::HeaderMut::parse(&mut octets) {
            header.fill_checksum(pseudo);
        }
        let Ok(message) = ndp::Message::parse(&octets, source, destination, 255) else {
            return Ok(());
        };
        let mut out = [0; ndp::LEN_WITH_OPTION];
        let len = match message {
            ndp::Message::Solicitation(solicitation) => solicitation.emit(&mut out),
            ndp::Message::Advertisement(advertisement) => advertisement.emit(&mut out),
        };
        prop_assert_eq!(ndp::Message::parse(&out[..len], source, destination, 255), Ok(message));
    }

    #[test]
    fn options_end_after_at_most_as_many_steps_as_octets(octets in octets()) {
        prop_assert!(options::Options::new(&octets).count() <= octets.len());
    }

    #[test]
    fn every_mac_address_survives_its_text_and_its_number(
        mac: [u8; 6],
        text in "[0-9a-fA-F:+ -]{0,20}",
    ) {
        let mac = MacAddr(mac);
        prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        prop_assert_eq!(MacAddr::from_u64(mac.to_u64()), mac);
        if let Ok(parsed) = text.parse::<MacAddr>() {
            prop_assert_eq!(parsed.to_string(), text.to_lowercase());
        }
    }
}
