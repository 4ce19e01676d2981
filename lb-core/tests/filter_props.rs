//! Properties of the filter that hold for any frame and any mixture of flows.
//!
//! WO 00/30294, Fig. 6. The world checks after every burst that received = forwarded + replied + punted + apps
//! + dropped + held; so every property here holds the counters to their equation as well.

use std::collections::BTreeMap;

use lb_core::filter::Verdict;
use lb_core::packet::Packet;
use lb_core::testkit::cases::{Flow, Scene, cases};
use lb_core::testkit::net::{Family, farmed, plain, transit};
use lb_core::testkit::sums::{Sums, sums};
use lb_core::testkit::{Frame, TestPacket, World};
use lb_core::wire::tcp::Flags;
use proptest::prelude::*;
use proptest::sample::Index;

/// A change to a good frame.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Word(Index, u16),
    Cut(Index),
    Grow(u8, u8),
    Splice(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        (index(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (index(), any::<u16>()).prop_map(|(at, word)| Mutation::Word(at, word)),
        index().prop_map(Mutation::Cut),
        (any::<u8>(), any::<u8>()).prop_map(|(count, octet)| Mutation::Grow(count, octet)),
        (index(), index()).prop_map(|(from, to)| Mutation::Splice(from, to)),
    ]
}

fn mutate(frame: &mut Vec<u8>, mutation: &Mutation) {
    // Most mutations shall hit headers.
    let near = frame.len().clamp(1, 80);
    match mutation {
        Mutation::Set(at, octet) => set(frame, at.index(near), *octet),
        Mutation::Flip(at, bit) => {
            let at = at.index(near);
            let octet = frame.get(at).copied().unwrap_or(0) ^ 1 << bit;
            set(frame, at, octet);
        }
        Mutation::Word(at, word) => {
            let at = at.index(near) & !1;
            let [high, low] = word.to_be_bytes();
            set(frame, at, high);
            set(frame, at + 1, low);
        }
        Mutation::Cut(at) => frame.truncate(at.index(frame.len().max(1))),
        Mutation::Grow(count, octet) => frame.resize(frame.len() + usize::from(*count), *octet),
        Mutation::Splice(from, to) => {
            let part = frame.split_off(from.index(frame.len().max(1)));
            let at = to.index(frame.len().max(1)).min(frame.len());
            frame.splice(at..at, part);
        }
    }
}

fn set(frame: &mut [u8], at: usize, octet: u8) {
    if let Some(place) = frame.get_mut(at) {
        *place = octet;
    }
}

/// All frames of the cases, short ones rather than long.
fn good_frames() -> Vec<(u8, Vec<u8>)> {
    let cases = cases();
    let of = |port: u8| {
        cases.iter().flat_map(move |case| {
            case.input(port)
                .into_iter()
                .map(move |f| (port, f.to_vec()))
        })
    };
    of(0)
        .chain(of(1))
        .filter(|(_, frame)| frame.len() < 400)
        .collect()
}

/// Frames that began as good ones, or never were any, with the end of their first segment.
fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>, usize)>> {
    let good = good_frames();
    let mutated = (any::<Index>(), prop::collection::vec(mutation(), 0..6)).prop_map(
        move |(which, mutations)| {
            let (port, mut frame) = which.get(&good).clone();
            mutations
                .iter()
                .for_each(|mutation| mutate(&mut frame, mutation));
            (port, frame)
        },
    );
    let random = (0..2u8, prop::collection::vec(any::<u8>(), 0..200));
    let frame = prop_oneof![9 => mutated, 1 => random];
    let whole = (frame, prop_oneof![3 => Just(2048usize), 1 => 1..200usize]);
    prop::collection::vec(
        whole.prop_map(|((port, frame), head)| (port, frame, head)),
        1..40,
    )
}

/// A packet with octets whose first segment ends there.
fn packets(frames: Vec<(u8, Vec<u8>, usize)>) -> impl Iterator<Item = (u8, TestPacket)> {
    frames
        .into_iter()
        .filter(|(_, frame, _)| !frame.is_empty())
        .map(|(port, frame, head)| (port, TestPacket::split(frame, head)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_frame_is_lost_and_what_leaves_is_as_right_as_it_came(frames in frames(), with_transit: bool) {
        let text = if with_transit { transit() } else { plain() };
        let mut world = World::new(&text, 2).unwrap();
        for (port, packet) in packets(frames) {
            let (came, head) = (packet.octets().to_vec(), packet.head().len());
            let answer = world.send(port, vec![packet]).remove(0);
            // A tag that was taken off has moved the headers.
            let is_tagged = came.get(12..14) == Some(&[0x81, 0]);
            match answer.verdict {
                Verdict::Forward(_) if !is_tagged => {
                    // Right stays right, and wrong stays wrong.
                    prop_assert_eq!(sums(&answer.frame), sums(&came), "{:02x?}\n{:02x?}", came, answer.frame);
                }
                Verdict::Reply if head == came.len() => {
                    let right = Sums { header: true, upper: true };
                    prop_assert!(sums(&answer.frame).is_none_or(|sums| sums == right), "{:02x?}", answer.frame);
                }
                _ => {}
            }
        }
        world.advance_seconds(5);
    }

    #[test]
    fn a_burst_decides_as_its_frames_do_one_by_one(frames in frames()) {
        let one_by_one = {
            let mut world = World::new(&plain(), 2).unwrap();
            packets(frames.clone()).filter(|(port, _)| *port == 0).flat_map(|(port, p)| world.send(port, vec![p])).collect::<Vec<_>>()
        };
        let mut world = World::new(&plain(), 2).unwrap();
        let together = packets(frames).filter(|(port, _)| *port == 0).map(|(_, packet)| packet).collect();
        prop_assert_eq!(world.send(0, together), one_by_one);
    }
}

/// Any flow with forwarding `nat`.
fn nat_flow() -> impl Strategy<Value = (Flow, bool)> {
    (any::<bool>(), 1024..u16::MAX, any::<bool>()).prop_map(|(is_v6, port, is_udp)| {
        let scene = Scene {
            family: if is_v6 { Family::V6 } else { Family::V4 },
            port,
        };
        (if is_udp { scene.nat_udp() } else { scene.nat() }, is_udp)
    })
}

/// A packet's plain values.
#[derive(Clone, Debug)]
struct Values {
    data: Vec<u8>,
    seq: u32,
    ack: u32,
    id: u16,
    class: u8,
    label: u32,
    hops: u8,
    flags: u8,
    has_checksum: bool,
}

fn values() -> impl Strategy<Value = Values> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let numbers = (
        any::<u32>(),
        any::<u32>(),
        any::<u16>(),
        any::<u8>(),
        0..0x10_0000u32,
        2..=255u8,
    );
    let flags = prop_oneof![Just(0x10u8), Just(0x18), Just(0x38), Just(0xd0)];
    (data, numbers, flags, any::<bool>()).prop_map(
        |(data, (seq, ack, id, class, label, hops), flags, has_checksum)| Values {
            data,
            seq,
            ack,
            id,
            class,
            label,
            hops,
            flags,
            has_checksum,
        },
    )
}

impl Values {
    fn put_in(&self, frame: Frame, must_have_checksum: bool) -> Frame {
        let frame = frame
            .data(&self.data)
            .seq(self.seq)
            .ack(self.ack)
            .flags(Flags(self.flags));
        let frame = frame
            .id(self.id)
            .dscp_ecn(self.class)
            .flow_label(self.label)
            .hops(self.hops);
        // Only a datagram over IPv4 may be without.
        if self.has_checksum || must_have_checksum {
            frame
        } else {
            frame.no_checksum()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_two_directions_of_a_nat_flow_are_inverse(
        (flow, is_udp) in nat_flow(),
        packets in prop::collection::vec((any::<bool>(), values()), 1..20),
    ) {
        let mut world = World::new(&plain(), 2).unwrap();
        let first = if is_udp { flow.datagram(b"first") } else { flow.syn() };
        world.send_one(0, first.octets());
        for (is_back, values) in packets {
            let came = match (is_back, is_udp) {
                (false, false) => flow.segment(),
                (false, true) => flow.datagram(b""),
                (true, false) => flow.answer(),
                (true, true) => flow.answer_datagram(b""),
            };
            let must_have_checksum = !is_udp || flow.client.is_ipv6();
            let came = values.put_in(came, must_have_checksum);
            let leaves = if is_back { flow.back(&came) } else { flow.there(&came) };
            let answer = world.send_one(u8::from(is_back), came.octets());
            prop_assert_eq!(answer.frame, leaves.hops(values.hops - 1).octets());
        }
        prop_assert_eq!(world.connections(), 1);
    }

    #[test]
    fn every_packet_of_a_flow_goes_to_one_backend_in_order_whoever_else_there_is(
        scheduler in prop::sample::select(vec!["round-robin", "weighted-round-robin", "least-connections", "source-hash", "maglev"]),
        forwarding in prop::sample::select(vec!["nat", "direct"]),
        is_v6: bool,
        order in prop::collection::vec(0..12u16, 1..200),
        bursts in prop::collection::vec(1..33usize, 1..200),
    ) {
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let keys = format!(r#""forwarding": "{forwarding}", "scheduler": "{scheduler}""#);
        let mut world = World::new(&farmed(family, &keys, &[1, 2, 3, 4]), 2).unwrap();
        let flow = |number: u16| Scene { family, port: 2000 + number }.nat();
        let mut sent: BTreeMap<u16, u32> = BTreeMap::new();
        let mut frames: Vec<(u16, u32, TestPacket)> = Vec::new();
        for number in order {
            let count = sent.entry(number).or_default();
            let segment = if *count == 0 { flow(number).syn() } else { flow(number).segment().seq(1000 + *count) };
            let marked = segment.data(&count.to_be_bytes());
            frames.push((number, *count, TestPacket::new(marked.octets())));
            *count += 1;
        }
        let mut seen: BTreeMap<u16, (Vec<u8>, u32)> = BTreeMap::new();
        let mut sizes = bursts.iter().copied().cycle();
        while !frames.is_empty() {
            let rest = frames.split_off(sizes.next().unwrap_or(1).min(frames.len()));
            let burst = frames.iter().map(|(_, _, packet)| packet.clone()).collect();
            for ((number, count, _), answer) in frames.iter().zip(world.send(0, burst)) {
                prop_assert!(matches!(answer.verdict, Verdict::Forward(_)), "{:?}", answer.verdict);
                prop_assert_eq!(answer.frame.last_chunk(), Some(&count.to_be_bytes()));
                let backend = answer.frame.get(..6).unwrap().to_vec();
                let (first, next) = seen.entry(*number).or_insert_with(|| (backend.clone(), 0));
                prop_assert_eq!((&*first, *next), (&backend, *count), "flow {}", number);
                *next += 1;
            }
            frames = rest;
        }
    }

    #[test]
    fn other_flows_do_not_change_where_a_hash_sends_a_flow(
        scheduler in prop::sample::select(vec!["source-hash", "maglev"]),
        port in 1024..u16::MAX,
        others in prop::collection::vec(1024..u16::MAX, 0..60),
    ) {
        let keys = format!(r#""forwarding": "nat", "scheduler": "{scheduler}""#);
        let text = farmed(Family::V4, &keys, &[1, 1, 1, 1, 1]);
        let syn = |port| Scene { family: Family::V4, port }.nat().syn().octets();
        let mut alone = World::new(&text, 2).unwrap();
        let mut busy = World::new(&text, 2).unwrap();
        for other in others {
            busy.send_one(0, syn(other));
        }
        prop_assert_eq!(alone.send_one(0, syn(port)).frame, busy.send_one(0, syn(port)).frame);
    }
}
