//! Any octets as long frames and as bursts: no panic, and what is cut and merged again carries the same octets.
//!
//! No counterpart in the patent; serves pseudo-network driver 57 (Fig. 8). The input is a note and a frame for the
//! cutter, or a burst for the merger: trains of TCP segments with some octets changed, out of order at times.
//! Easy to get wrong: a merged frame may not be the segments' sum only for whoever reads data. It must be cut into
//! the same frames again, but for IPv4's identification and for which of its two zeros a checksum is.
#![no_main]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use lb_core::filter::BURST;
use lb_core::offload::{Cut, Merger, Note};
use lb_core::testkit::Frame;
use lb_core::testkit::sums::{Sums, sums};
use lb_core::wire::tcp::Flags;
use lb_core::wire::{EtherType, ethernet, ipv4, ipv6};
use libfuzzer_sys::fuzz_target;

const RIGHT: Sums = Sums {
    header: true,
    upper: true,
};
/// What a segment may not be longer than here: an MTU's worth.
const MOST_DATA: usize = 1500;

/// Reads an input from its front; zeros when it has ended.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// All frames that are cut of one: as many octets as are said, and an end to it.
fn cut(note: Note, frame: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut cut = Cut::new(note, frame).ok()?;
    let mut all = Vec::new();
    while let Some(len) = cut.next_len() {
        assert!(len <= frame.len(), "{len} octets of {}", frame.len());
        let mut out = vec![0xee; len];
        cut.write(frame, &mut out);
        all.push(out);
        assert!(all.len() <= frame.len().max(1), "no end");
    }
    Some(all)
}

/// A note and a frame as nobody's kernel has them.
fn any_long_frame(input: &mut Input<'_>) {
    let mut note = [0; Note::LEN];
    note.fill_with(|| input.octet());
    let _frames = cut(Note::read(&note), input.0);
}

/// A long frame as a kernel has it: what is cut has right checksums and carries the same data.
fn long_frame(input: &mut Input<'_>) {
    let (kind, size) = (input.octet(), 1 + input.word() % 1460);
    let options = usize::from(input.octet() % 11) * 4;
    let count = usize::from(input.word()) % 60_000;
    let data: Vec<u8> = (0..count).map(|at| (at * 7 + at / 251) as u8).collect();
    let is_v6 = kind & 1 != 0;
    let frame = segment(is_v6, 4000, input.octet().into(), 77, &data)
        .flags(Flags(input.octet()))
        .tcp_options(&vec![1; options]);
    let octets = frame.octets();
    let tcp = ethernet::LEN + if is_v6 { ipv6::LEN } else { ipv4::LEN };
    let mut note = [1, if is_v6 { 4 } else { 1 }, 0, 0, 0, 0, 0, 0, 0, 0];
    note[4..6].copy_from_slice(&size.to_ne_bytes());
    note[6..8].copy_from_slice(&u16::try_from(tcp).unwrap().to_ne_bytes());
    note[8..10].copy_from_slice(&16_u16.to_ne_bytes());
    let head = tcp + 20 + options;
    let segments = cut(Note::read(&note), &octets).expect("a frame that can be cut");
    let mut carried: Vec<u8> = Vec::new();
    for segment in &segments {
        assert_eq!(sums(segment), Some(RIGHT), "{segment:02x?}");
        assert_eq!(
            segment[tcp + 4..tcp + 8],
            seq_of(&octets, tcp, carried.len())
        );
        carried.extend(&segment[head..]);
    }
    assert_eq!(carried, data);
}

fn seq_of(frame: &[u8], tcp: usize, behind: usize) -> [u8; 4] {
    let first = u32::from_be_bytes(frame[tcp + 4..tcp + 8].try_into().unwrap());
    first
        .wrapping_add(u32::try_from(behind).unwrap())
        .to_be_bytes()
}

/// A segment of data of one of a few flows.
fn segment(is_v6: bool, port: u16, id: u16, seq: u32, data: &[u8]) -> Frame {
    let address = |last: u16| -> IpAddr {
        if is_v6 {
            [0x2001, 0xdb8, 1, 0, 0, 0, 0, last].into()
        } else {
            [198, 51, 100, u8::try_from(last).unwrap()].into()
        }
    };
    let (src, dst): (SocketAddr, SocketAddr) = ((address(2), port).into(), (address(1), 80).into());
    let frame = Frame::tcp(src, dst)
        .flags(Flags::ACK)
        .seq(seq)
        .ack(77)
        .data(data);
    if is_v6 {
        frame
    } else {
        frame.id(id).dont_fragment(true)
    }
}

/// A burst: segments that mostly follow each other, some of them spoilt, and frames of any octets.
fn burst(input: &mut Input<'_>) -> Vec<Vec<u8>> {
    let size = 1 + usize::from(input.word()) % MOST_DATA;
    let mut next = BTreeMap::new();
    let mut frames = Vec::new();
    while frames.len() < BURST && !input.0.is_empty() {
        let order = input.octet();
        if order & 0xc0 == 0xc0 {
            let count = usize::from(input.octet());
            frames.push(input.octets(count).to_vec());
            continue;
        }
        let (is_v6, port) = (order & 1 != 0, 4000 + u16::from(order >> 1 & 1));
        let seq = next.entry((is_v6, port)).or_insert(u32::MAX - 3000);
        let len = if order & 4 == 0 {
            size
        } else {
            usize::from(input.word()) % MOST_DATA
        };
        let data: Vec<u8> = (0..len).map(|at| (at + frames.len()) as u8).collect();
        let mut frame = segment(is_v6, port, input.octet().into(), *seq, &data);
        *seq = seq.wrapping_add(u32::try_from(len).unwrap());
        if order & 8 != 0 {
            frame = frame.flags(Flags(input.octet()));
        }
        if order & 16 != 0 {
            frame = frame.tag(EtherType::VLAN, 7);
        }
        let mut octets = frame.padded().octets();
        if order & 32 != 0 {
            let (at, octet) = (usize::from(input.octet()), input.octet());
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        frames.push(octets);
    }
    frames
}

/// Each frame goes up once, those of a flow in their order, and what is merged is cut into what it was.
fn merge(frames: &[Vec<u8>]) {
    let at_hand: Vec<_> = frames.iter().map(|frame| Some(frame.as_slice())).collect();
    let mut merger = Merger::default();
    let runs = merger.arrange(&at_hand);
    let mut seen = vec![0; frames.len()];
    for run in runs {
        let its: Vec<usize> = run.frames().collect();
        assert!(its.is_sorted());
        its.iter().for_each(|&at| seen[at] += 1);
        let Some(head) = run.head(&frames[its[0]]) else {
            assert_eq!(its.len(), 1, "frames without a head for them");
            continue;
        };
        let (note, headers) = head.octets().split_first_chunk().unwrap();
        let mut whole = headers.to_vec();
        for (nth, &at) in its.iter().enumerate() {
            whole.extend(&frames[at][run.data(nth)]);
        }
        let again = cut(Note::read(note), &whole).expect("what we merge can be cut");
        assert_eq!(again.len(), its.len());
        for (again, &at) in again.iter().zip(&its) {
            let came = &frames[at][..again.len()];
            assert_eq!((sums(again), sums(came)), (Some(RIGHT), Some(RIGHT)));
            assert_eq!(bare(again), bare(came));
        }
    }
    assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
}

/// A segment without what may differ: identification, and checksums, which have two zeros.
fn bare(frame: &[u8]) -> Vec<u8> {
    let mut bare = frame.to_vec();
    let tcp = if bare[ethernet::LEN] >> 4 == 4 {
        bare[18..20].fill(0);
        bare[24..26].fill(0);
        ethernet::LEN + ipv4::LEN
    } else {
        ethernet::LEN + ipv6::LEN
    };
    bare[tcp + 16..tcp + 18].fill(0);
    bare
}

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    match input.octet() % 4 {
        0 => any_long_frame(&mut input),
        1 => long_frame(&mut input),
        _ => merge(&burst(&mut input)),
    }
});
