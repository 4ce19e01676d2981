//! Any octets as frames through a switch: no panic, no read beyond a segment, counters that add up.
//!
//! WO 00/30294, Fig. 6. The input is a little program: which configuration, then frame after frame, each either
//! of raw octets or a frame of the packet cases with some octets changed, and where its first segment ends.
//! Easy to get wrong: without the frames of the cases most inputs would never get past a checksum.
#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use lb_core::filter::Verdict;
use lb_core::packet::Packet;
use lb_core::testkit::cases::cases;
use lb_core::testkit::net::{plain, transit};
use lb_core::testkit::sums::sums;
use lb_core::testkit::world::Size;
use lb_core::testkit::{Answer, TestPacket, World};
use lb_core::wire::ipv4;
use libfuzzer_sys::fuzz_target;

/// Frames of the cases, to begin with.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let cases = cases();
    let of = |port| {
        cases
            .iter()
            .flat_map(move |case| case.input(port))
            .map(<[u8]>::to_vec)
    };
    of(0)
        .chain(of(1))
        .filter(|frame| frame.len() < 600)
        .collect()
});

static CONFIGURATIONS: LazyLock<[String; 2]> = LazyLock::new(|| [plain(), transit()]);

/// Small enough to be full at times.
const SIZE: Size = Size {
    connections: 16,
    neighbors: 64,
};
/// Frames of one input.
const MOST: usize = 64;

/// Reads an input from its front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.octet()?, self.octet()?]))
    }

    fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next frame, with the octets of its first segment; `None` at the end.
    fn frame(&mut self, order: u8) -> Option<TestPacket> {
        let mut frame = if order & 2 == 0 {
            let which = usize::from(self.word()?) % FRAMES.len();
            let mut frame = FRAMES[which].clone();
            for _ in 0..order >> 5 {
                let (at, octet) = (self.octet()?, self.octet()?);
                if let Some(place) = frame.get_mut(usize::from(at)) {
                    *place = octet;
                }
            }
            frame
        } else {
            let count = usize::from(self.word()?) % 4096;
            self.octets(count).to_vec()
        };
        if order & 4 != 0 {
            mend(&mut frame);
        }
        let head = if order & 8 == 0 {
            2048
        } else {
            self.octet()?.into()
        };
        Some(TestPacket::split(frame, head))
    }
}

/// Makes an IPv4 header's checksum right.
fn mend(frame: &mut [u8]) {
    let header = frame.get_mut(14..).and_then(ipv4::HeaderMut::parse);
    if let Some(mut header) = header {
        header.fill_checksum();
    }
}

/// Checksums that were right are right, and no tag was lost on the way of a frame that had none.
fn check(came: &[u8], answer: &Answer) {
    let is_tagged = came.get(12..14) == Some(&[0x81, 0]);
    if matches!(answer.verdict, Verdict::Forward(_)) && !is_tagged {
        assert_eq!(
            sums(&answer.frame),
            sums(came),
            "{came:02x?}\n{:02x?}",
            answer.frame
        );
    }
}

/// A switch for many inputs, since it takes its time to build one: each input finds it as after a night
/// without traffic.
struct Switch {
    world: World,
    inputs: u32,
}

/// Inputs after which a new switch is built.
const INPUTS: u32 = 10_000;
/// Longer than any connection idles.
const NIGHT_SECONDS: u32 = 10_000;

impl Switch {
    fn new(configuration: &str) -> Self {
        let world = World::with_size(configuration, 2, SIZE);
        Self {
            world: world.expect("the configurations of the cases are right"),
            inputs: 0,
        }
    }

    fn run(&mut self, input: &mut Input<'_>, configuration: &str) {
        // An input that ends in the middle has been run as far as it goes.
        let _ended = frames(&mut self.world, input);
        self.world.give_up();
        self.world.leap_seconds(NIGHT_SECONDS);
        self.world.take_late();
        assert_eq!(self.world.connections(), 0);
        self.inputs += 1;
        if self.inputs == INPUTS {
            *self = Self::new(configuration);
        }
    }
}

fn frames(world: &mut World, input: &mut Input<'_>) -> Option<()> {
    for _ in 0..MOST {
        let order = input.octet()?;
        let packet = input.frame(order)?;
        if packet.head().is_empty() {
            continue;
        }
        let came = packet.octets().to_vec();
        for answer in world.send(order & 1, vec![packet]) {
            check(&came, &answer);
        }
        if order & 16 != 0 {
            world.advance(u32::from(input.octet()?) * 100);
        }
    }
    Some(())
}

thread_local! {
    static SWITCHES: RefCell<Vec<Switch>> =
        RefCell::new(CONFIGURATIONS.iter().map(|text| Switch::new(text)).collect());
}

fuzz_target!(
    init: {
        // Else the first input would have to wait for it.
        LazyLock::force(&FRAMES);
    },
    |octets: &[u8]| {
        let mut input = Input(octets);
        let which = usize::from(input.octet().unwrap_or(0)) % CONFIGURATIONS.len();
        SWITCHES.with_borrow_mut(|switches| switches[which].run(&mut input, &CONFIGURATIONS[which]));
    }
);
