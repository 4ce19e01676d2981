//! Properties of long frames: what was merged is cut into what it was, and every frame on a wire has right checksums.
//!
//! No counterpart in the patent; serves pseudo-network driver 57 (Fig. 8).
//! Easy to get wrong: frames of one flow must not overtake each other, whatever is merged.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a failure here is a failed test"
)]

use std::net::{IpAddr, SocketAddr};

use lb_core::filter::BURST;
use lb_core::offload::{Cut, Merger, Note, Segments, Uncuttable};
use lb_core::testkit::Frame;
use lb_core::testkit::sums::sums;
use lb_core::wire::tcp::Flags;
use lb_core::wire::{EtherType, IpProtocol};
use proptest::prelude::*;

const STAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];

fn sockets(is_v6: bool, port: u16) -> (SocketAddr, SocketAddr) {
    let address = |v4: [u8; 4], v6: &str| -> IpAddr {
        if is_v6 {
            v6.parse().unwrap()
        } else {
            v4.into()
        }
    };
    (
        (address([198, 51, 100, 2], "2001:db8:1::2"), port).into(),
        (address([198, 51, 100, 1], "2001:db8:1::1"), 80).into(),
    )
}

/// A segment of data that begins at `seq`; `id` is its identification.
fn segment(is_v6: bool, port: u16, id: u16, seq: u32, data: &[u8]) -> Frame {
    let (src, dst) = sockets(is_v6, port);
    let frame = Frame::tcp(src, dst)
        .flags(Flags::ACK)
        .seq(seq)
        .ack(77)
        .tcp_options(&STAMPS)
        .data(data);
    if is_v6 {
        frame
    } else {
        frame.id(id).dont_fragment(true)
    }
}

/// What the kernel is given for a burst, note and frame.
fn merged(frames: &[Vec<u8>]) -> Vec<(Note, Vec<u8>)> {
    let at_hand: Vec<_> = frames.iter().map(|frame| Some(frame.as_slice())).collect();
    let mut merger = Merger::default();
    let runs = merger.arrange(&at_hand);
    let all: Vec<usize> = {
        let mut all: Vec<_> = runs.iter().flat_map(|run| run.frames()).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(
        all,
        (0..frames.len()).collect::<Vec<_>>(),
        "each frame once"
    );
    runs.iter()
        .map(|run| {
            let first = &frames[run.frames().next().unwrap()];
            let Some(head) = run.head(first) else {
                return (Note::default(), first.clone());
            };
            let (note, headers) = head.octets().split_first_chunk().unwrap();
            let mut whole = headers.to_vec();
            for (nth, at) in run.frames().enumerate() {
                whole.extend(&frames[at][run.data(nth)]);
            }
            (Note::read(note), whole)
        })
        .collect()
}

fn cut(note: Note, frame: &[u8]) -> Vec<Vec<u8>> {
    let mut cut = Cut::new(note, frame).unwrap();
    let mut all = Vec::new();
    while let Some(len) = cut.next_len() {
        let mut out = vec![0xee; len];
        cut.write(frame, &mut out);
        all.push(out);
    }
    all
}

fn cut_all(whole: &[(Note, Vec<u8>)]) -> Vec<Vec<u8>> {
    whole
        .iter()
        .flat_map(|(note, frame)| cut(*note, frame))
        .collect()
}

fn lengths(whole: &[(Note, Vec<u8>)]) -> Vec<usize> {
    whole.iter().map(|(_, frame)| frame.len()).collect()
}

/// A train of segments of one flow.
fn train(is_v6: bool, port: u16, count: u16, size: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            let data: Vec<u8> = (0..size)
                .map(|at| (at * 7 + usize::from(n)) as u8)
                .collect();
            let seq = u32::MAX
                .wrapping_sub(2000)
                .wrapping_add(u32::from(n) * size as u32);
            segment(is_v6, port, 65_530_u16.wrapping_add(n), seq, &data).octets()
        })
        .collect()
}

#[test]
fn a_train_of_segments_is_one_frame_and_is_cut_into_the_same_train() {
    for is_v6 in [false, true] {
        let frames = train(is_v6, 4000, 32, 1448);
        let whole = merged(&frames);
        assert_eq!(whole.len(), 1);
        let (note, frame) = whole.first().unwrap();
        assert_eq!(note.size, 1448);
        assert_eq!(frame.len(), usize::from(note.header_len) + 32 * 1448);
        assert_eq!(cut_all(&whole), frames);
    }
}

#[test]
fn trains_of_several_flows_come_apart_by_flow() {
    let (a, b) = (train(false, 4000, 8, 1000), train(false, 4001, 8, 1000));
    let c = train(true, 4000, 8, 1000);
    let frames: Vec<_> = (0..8)
        .flat_map(|n| [a[n].clone(), b[n].clone(), c[n].clone()])
        .collect();
    let whole = merged(&frames);
    assert_eq!(whole.len(), 3);
    assert_eq!(cut_all(&whole), [a, b, c].concat());
}

#[test]
fn a_push_ends_a_frame_and_so_does_a_short_segment() {
    let data = [5; 500];
    let at = |n: u32, len: usize| segment(true, 9, 0, n, &data[..len]);
    let pushed = at(500, 500).flags(Flags::ACK.with(Flags::PSH));
    let frames = [
        at(0, 500),
        pushed,
        at(1000, 500),
        at(1500, 20),
        at(1520, 500),
    ];
    let frames = frames.map(|frame| frame.octets());
    let whole = merged(&frames);
    let headers = 14 + 40 + 32;
    assert_eq!(
        lengths(&whole),
        [headers + 1000, headers + 520, headers + 500]
    );
    assert_eq!(cut_all(&whole), frames);
}

#[test]
fn what_is_not_plain_data_in_sequence_stays_alone() {
    let base = |is_v6| segment(is_v6, 9, 8, 100, &[1; 100]);
    let next = |is_v6| segment(is_v6, 9, 9, 200, &[2; 100]);
    let stamps = [1, 1, 8, 10, 0, 0, 0, 8, 0, 0, 0, 9];
    for is_v6 in [false, true] {
        let others = [
            ("a gap", next(is_v6).seq(201)),
            ("again", next(is_v6).seq(100)),
            ("another acknowledgment", next(is_v6).ack(78)),
            ("another window", next(is_v6).window(9)),
            ("other options", next(is_v6).tcp_options(&stamps)),
            ("more data than before", next(is_v6).data(&[2; 101])),
            ("no data", next(is_v6).data(&[])),
            (
                "an echo of congestion",
                next(is_v6).flags(Flags::ACK.with(Flags::ECE)),
            ),
            ("urgent", next(is_v6).flags(Flags::ACK.with(Flags::URG))),
            ("a reset", next(is_v6).flags(Flags::ACK.with(Flags::RST))),
            ("another hop count", next(is_v6).hops(3)),
            ("marked by a router", next(is_v6).dscp_ecn(3)),
            ("a wrong checksum", next(is_v6).bad_checksum()),
            ("a tag", next(is_v6).tag(EtherType::VLAN, 5)),
        ];
        let only_v4 = [
            ("may be fragmented", next(false).dont_fragment(false)),
            ("IPv4 options", next(false).options(&[1; 4])),
            ("a wrong header checksum", next(false).bad_header_checksum()),
        ];
        let only_v6 = [
            ("another flow label", next(true).flow_label(5)),
            (
                "an extension header",
                next(true).extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0]),
            ),
        ];
        let more: &[_] = if is_v6 { &only_v6 } else { &only_v4 };
        for (what, other) in others.iter().chain(more) {
            let frames = [base(is_v6).octets(), other.octets()];
            let whole = merged(&frames);
            assert_eq!(whole.len(), 2, "{what}, IPv6 {is_v6}");
            let frames_again: Vec<_> = whole.iter().map(|(_, frame)| frame.clone()).collect();
            assert_eq!(frames_again, frames, "{what}");
        }
        let spoilt = [base(is_v6).bad_checksum().octets(), next(is_v6).octets()];
        assert_eq!(merged(&spoilt).len(), 2, "the first has a wrong checksum");
    }
}

#[test]
fn a_frame_does_not_overtake_one_of_its_flow() {
    let data = |n: u32| segment(false, 9, 1, n * 100, &[3; 100]).octets();
    let question = segment(false, 9, 1, 200, &[]).octets();
    let frames = [data(0), data(1), question.clone(), data(2), data(3)];
    let whole = merged(&frames);
    assert_eq!(whole.len(), 3);
    assert_eq!(whole.get(1).unwrap().1, question);
}

#[test]
fn padding_is_not_data() {
    let small = |n: u32| {
        segment(false, 9, n as u16, n, &[9])
            .tcp_options(&[])
            .padded()
    };
    let frames = [small(5).octets(), small(6).octets()];
    let whole = merged(&frames);
    assert_eq!(lengths(&whole), [14 + 20 + 20 + 2]);
}

#[test]
fn a_partial_checksum_is_completed_and_udps_is_never_zero() {
    for is_v6 in [false, true] {
        let (src, dst) = sockets(is_v6, 53);
        for built in [
            Frame::udp(src, dst).data(&[1, 2, 3]),
            Frame::udp(src, dst).data(&[1, 2]).with_zero_sum(),
            Frame::tcp(src, dst).flags(Flags::ACK).data(&[1]),
        ] {
            let right = built.octets();
            let start: u16 = if is_v6 { 54 } else { 34 };
            let is_udp = built.octets()[if is_v6 { 20 } else { 23 }] == 17;
            let offset = if is_udp { 6 } else { 16 };
            let mut partial = right.clone();
            let at = usize::from(start + offset);
            let upper = &right[usize::from(start)..];
            // The pseudo-header's sum is what the whole lacks of 0xffff without its checksum.
            let mut without = upper.to_vec();
            without[usize::from(offset)..usize::from(offset) + 2].fill(0);
            let whole = lb_core::wire::checksum::Sum::octets(&without);
            let checksum = u16::from_be_bytes([right[at], right[at + 1]]);
            let pseudo = lb_core::wire::checksum::Sum::word(!checksum)
                + lb_core::wire::checksum::Sum::word(!whole.fold());
            partial[at..at + 2].copy_from_slice(&pseudo.fold().to_be_bytes());
            let note = Note {
                partial: Some((start, offset)),
                ..Note::default()
            };
            let out = cut(note, &partial);
            assert_eq!(out.len(), 1);
            let found = sums(out.first().unwrap()).unwrap();
            assert!(found.upper, "IPv6 {is_v6}");
            if is_udp {
                assert_ne!(out.first().unwrap()[at..at + 2], [0, 0]);
            }
        }
    }
}

#[test]
fn flags_of_a_long_frame_go_where_they_belong() {
    let flags = Flags::ACK
        .with(Flags::PSH)
        .with(Flags::CWR)
        .with(Flags::FIN);
    let long = segment(false, 9, 1, 0, &[1; 2500]).flags(flags).octets();
    let note = Note {
        partial: Some((34, 16)),
        segments: Segments::Tcp4,
        header_len: 66,
        size: 1000,
    };
    let out = cut(note, &long);
    let found: Vec<_> = out.iter().map(|frame| frame[34 + 13]).collect();
    let (ack, last) = (Flags::ACK, Flags::PSH.with(Flags::FIN));
    assert_eq!(found, [ack.with(Flags::CWR).0, ack.0, ack.with(last).0]);
    assert!(
        out.iter()
            .all(|frame| sums(frame).is_some_and(|sums| sums.header && sums.upper))
    );
}

#[test]
fn a_tagged_long_frame_is_cut_too() {
    let long = segment(true, 9, 1, 0, &[1; 3000])
        .tag(EtherType::VLAN, 7)
        .octets();
    let note = Note {
        partial: Some((58, 16)),
        segments: Segments::Tcp6,
        header_len: 90,
        size: 1428,
    };
    let out = cut(note, &long);
    let found: Vec<_> = out.iter().map(Vec::len).collect();
    assert_eq!(found, [90 + 1428, 90 + 1428, 90 + 144]);
    for frame in &out {
        let untagged = [&frame[..12], &frame[16..]].concat();
        assert!(sums(&untagged).unwrap().upper);
    }
}

#[test]
fn a_note_that_lies_costs_the_frame_and_nothing_else() {
    let frame = segment(false, 9, 1, 0, &[1; 100]).octets();
    let right = Note {
        partial: Some((34, 16)),
        segments: Segments::Tcp4,
        header_len: 66,
        size: 50,
    };
    let refused = |note: Note, frame: &[u8]| Cut::new(note, frame).unwrap_err();
    let place = Uncuttable::Place;
    assert_eq!(refused(Note { size: 0, ..right }, &frame), place);
    assert_eq!(
        refused(
            Note {
                partial: None,
                ..right
            },
            &frame
        ),
        place
    );
    for partial in [(34, 6), (35, 16), (9000, 16)] {
        let partial = Some(partial);
        assert_eq!(refused(Note { partial, ..right }, &frame), place);
    }
    let segments = Segments::Tcp6;
    assert_eq!(
        refused(Note { segments, ..right }, &frame),
        Uncuttable::NotTcp
    );
    let segments = Segments::Unknown(5);
    assert_eq!(
        refused(Note { segments, ..right }, &frame),
        Uncuttable::Kind(5)
    );
    let one = Note {
        segments: Segments::None,
        partial: Some((34, 200)),
        ..right
    };
    assert_eq!(refused(one, &frame), place);
}

proptest! {
    /// Any mixture of trains: each frame arrives once, those of a flow in their order, octets unchanged.
    #[test]
    fn what_was_merged_is_cut_into_what_it_was(
        steps in proptest::collection::vec((0..3_u16, 1..400_usize, any::<bool>(), 0..8_u8), 1..=BURST),
        is_v6: bool,
    ) {
        let mut next = [(0_u32, 0_u16); 3];
        let mut flows = [100_usize; 3];
        let frames: Vec<(u16, Vec<u8>)> = steps
            .iter()
            .map(|&(flow, len, same, odd)| {
                let (seq, id) = &mut next[usize::from(flow)];
                let size = &mut flows[usize::from(flow)];
                if !same {
                    *size = len;
                }
                let data = vec![odd; *size];
                let frame = segment(is_v6, flow, *id, *seq, &data);
                let frame = match odd {
                    0 => frame.flags(Flags::ACK.with(Flags::PSH)),
                    1 => frame.ack(5),
                    2 => frame.bad_checksum(),
                    _ => frame,
                };
                *seq = seq.wrapping_add(data.len() as u32);
                *id = id.wrapping_add(1);
                (flow, frame.octets())
            })
            .collect();
        let burst: Vec<_> = frames.iter().map(|(_, frame)| frame.clone()).collect();
        let again = cut_all(&merged(&burst));
        prop_assert_eq!(again.len(), burst.len());
        let port = if is_v6 { 54 } else { 34 };
        for flow in 0..3_u16 {
            let of_flow = |all: &[Vec<u8>]| -> Vec<Vec<u8>> {
                let its = |frame: &&Vec<u8>| frame[port..port + 2] == flow.to_be_bytes();
                all.iter().filter(its).cloned().collect()
            };
            prop_assert_eq!(of_flow(&again), of_flow(&burst));
        }
    }

    /// Whatever stands in a note and behind it: an answer, and no panic.
    #[test]
    fn no_note_and_no_frame_is_too_odd(
        note: [u8; Note::LEN],
        frame in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0..6_u8,
    ) {
        let mut note = Note::read(&note);
        note.segments = match kind {
            0 => Segments::None,
            1 | 2 => Segments::Tcp4,
            3 => Segments::Tcp6,
            _ => note.segments,
        };
        if let Ok(mut cut) = Cut::new(note, &frame) {
            let mut count = 0;
            while let Some(len) = cut.next_len() {
                prop_assert!(len <= frame.len());
                cut.write(&frame, &mut vec![0; len]);
                count += 1;
                prop_assert!(count <= frame.len() + 1);
            }
        }
        let mut merger = Merger::default();
        prop_assert_eq!(merger.arrange(&[Some(&frame), None, Some(&frame)]).len(), 3);
    }
}
