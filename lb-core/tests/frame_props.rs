//! The parser's straight path agrees with the closer look.
//!
//! WO 00/30294, Fig. 6, step 204. What `frame::parse` accepts at first sight, `frame::classify` must accept with
//! the same offsets and the same key; otherwise an odd frame would be one thing or another by its length.
#![expect(clippy::indexing_slicing, reason = "test")]

use std::sync::LazyLock;

use lb_core::filter::Reason;
use lb_core::frame::{Parsed, classify, parse};
use lb_core::testkit::cases::cases;
use lb_core::testkit::layout::header_len;
use lb_core::testkit::net::port_mac;
use proptest::prelude::*;
use proptest::sample::Index;

/// Whether the straight path may accept what the closer look refuses: destinations that nobody has, which the
/// filter checks once per flow, and TCP options behind the first segment, which nobody reads.
fn may_differ(straight: Parsed, closer: Parsed, head: usize, headers: usize) -> bool {
    let is_flow = matches!(straight, Parsed::FlowV4(_) | Parsed::FlowV6(_));
    match closer {
        Parsed::Unfit(Reason::MartianDestination) => is_flow,
        Parsed::Unfit(Reason::HeaderSplit) => is_flow && head < headers,
        _ => false,
    }
}

fn check(frame: &[u8], head: usize) -> Result<(), String> {
    let first = &frame[..head];
    let mac = port_mac(0);
    let (straight, closer) = (
        parse(first, frame.len(), mac),
        classify(first, frame.len(), mac),
    );
    if straight == closer || may_differ(straight, closer, head, header_len(frame)) {
        return Ok(());
    }
    Err(format!(
        "{head} of {frame:02x?}\nstraight: {straight:?}\ncloser: {closer:?}"
    ))
}

/// All frames that the cases send to port 0.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    cases()
        .iter()
        .flat_map(|case| {
            case.input(0)
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .collect()
});

#[test]
fn every_case_and_every_beginning_of_it_is_read_alike() {
    for frame in FRAMES.iter().filter(|frame| frame.len() < 200) {
        for head in 1..=frame.len() {
            check(frame, head).unwrap();
        }
        for len in 1..frame.len() {
            check(&frame[..len], len).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn changed_frames_are_read_alike(
        which in any::<Index>(),
        changes in prop::collection::vec((0..80usize, any::<u8>()), 0..5),
        mends_checksum: bool,
        head in any::<Index>(),
        is_split: bool,
    ) {
        let mut frame = which.get(&FRAMES).clone();
        for (at, octet) in changes {
            if let Some(place) = frame.get_mut(at) {
                *place = octet;
            }
        }
        if mends_checksum {
            mend(&mut frame);
        }
        let head = if is_split { head.index(frame.len()) + 1 } else { frame.len() };
        prop_assert!(check(&frame, head).is_ok(), "{}", check(&frame, head).unwrap_err());
    }
}

/// Makes an IPv4 header's checksum right again, so that a change is not refused for that alone.
fn mend(frame: &mut [u8]) {
    if frame.get(12..14) != Some(&[8, 0]) {
        return;
    }
    if let Some(packet) = frame.get_mut(14..)
        && let Some(mut header) = lb_core::wire::ipv4::HeaderMut::parse(packet)
    {
        header.fill_checksum();
    }
}
