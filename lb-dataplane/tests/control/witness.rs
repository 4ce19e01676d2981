//! What was seen of the frames that came out: each one whole and of one backend, each flow with one backend.
//!
//! No counterpart in the patent. Claims 4 and 24 promise that a packet meets one whole generation; here is who would see
//! that it has not.
//! Easy to get wrong: a frame that is whole and a flow that is are two things. Where documents come and go, flows end by
//! right, and only frames can be judged.

use std::collections::BTreeSet;

use lb_core::testkit::net::{self, port_mac};

use crate::farm;
use crate::traffic::{FIRST, NETWORK, segment_sum, sum};

/// What is known of one flow.
#[derive(Clone, Copy, Default)]
struct Flow {
    /// Packets seen.
    packets: u8,
    backend: u8,
    /// Changes of backends among new flows before its first packet.
    era: u64,
}

/// Who looks at every frame.
#[derive(Default)]
pub(crate) struct Witness {
    flows: Vec<Flow>,
    /// Frames seen.
    pub(crate) frames: u64,
    /// New flows by the number of their backend.
    pub(crate) opened: [u64; 16],
    /// New flows that went to another set of backends than the new flow before.
    pub(crate) changes: u64,
    /// Most changes that one flow has lived through.
    pub(crate) lived_through: u64,
    last: Option<u8>,
    /// Frames that are no packets to backends: questions for neighbors.
    pub(crate) others: u64,
    /// Frames that are not what they should be, and the first of them in words.
    pub(crate) faults: u64,
    pub(crate) fault: Option<String>,
    /// Packets that came out of turn, or to another backend than those before; the first of them in words.
    pub(crate) breaks: u64,
    pub(crate) first_break: Option<String>,
}

impl Witness {
    /// Takes in a frame.
    pub(crate) fn see(&mut self, frame: &[u8]) {
        self.frames += 1;
        if frame.get(12..14) != Some(&[8, 0]) {
            self.others += 1;
            return;
        }
        match backend_of(frame) {
            Ok(backend) => self.follow(frame, backend),
            Err(fault) => {
                self.faults += 1;
                let words = || format!("frame {}: {fault}\n{frame:02x?}", self.frames);
                self.fault.get_or_insert_with(words);
            }
        }
    }

    fn follow(&mut self, frame: &[u8], backend: u8) {
        let number = u32::from_be_bytes([0, frame[27], frame[28], frame[29]]);
        let sequence = u32::from_be_bytes([frame[38], frame[39], frame[40], frame[41]]);
        let number = number as usize;
        if self.flows.len() <= number {
            self.flows.resize(number + 1, Flow::default());
        }
        if sequence == FIRST {
            self.open(backend);
        }
        let era = self.changes;
        let flow = &mut self.flows[number];
        if flow.packets == 0 {
            (flow.backend, flow.era) = (backend, era);
        }
        if sequence != FIRST + u32::from(flow.packets) || flow.backend != backend {
            self.breaks += 1;
            let words = || {
                format!(
                    "frame {}, flow {number}: sequence number {sequence} after {} packets, backend {backend} after {}",
                    self.frames, flow.packets, flow.backend
                )
            };
            self.first_break.get_or_insert_with(words);
        }
        (flow.packets, flow.backend) = ((sequence - FIRST) as u8 + 1, backend);
        self.lived_through = self.lived_through.max(era - flow.era);
    }

    fn open(&mut self, backend: u8) {
        self.opened[usize::from(backend)] += 1;
        // Backends come in pairs.
        let set = backend / 2;
        if self.last.is_some_and(|last| last != set) {
            self.changes += 1;
        }
        self.last = Some(set);
    }

    /// Flows that were seen.
    pub(crate) fn flows(&self) -> usize {
        self.flows.iter().filter(|flow| flow.packets > 0).count()
    }

    /// Backends of the flows from this number on, each once.
    pub(crate) fn backends_of(&self, first: u32) -> Vec<u8> {
        let flows = self.flows.get(first as usize..).unwrap_or_default();
        let seen = flows.iter().filter(|flow| flow.packets > 0);
        let numbers: BTreeSet<u8> = seen.map(|flow| flow.backend).collect();
        numbers.into_iter().collect()
    }

    /// Fails at the first frame or flow that was not as it should be.
    #[track_caller]
    pub(crate) fn found_no_fault(&self) {
        assert_eq!(self.faults, 0, "{:?}", self.fault);
        assert_eq!(self.breaks, 0, "{:?}", self.first_break);
        assert_eq!(self.others, 0);
    }
}

/// The backend that a frame goes to: MAC, address, port and both checksums say the same.
fn backend_of(frame: &[u8]) -> Result<u8, &'static str> {
    if frame.len() != 60 || frame[14] != 0x45 || frame[23] != 6 {
        return Err("no TCP over IPv4 of the right length");
    }
    if frame[6..12] != port_mac(1).0 || frame[22] != 63 || frame[26] != NETWORK {
        return Err("sent by another MAC, its TTL is not 63, or of no client");
    }
    let number = frame[33].wrapping_sub(100);
    if number > 15 {
        return Err("to no backend");
    }
    let host = net::farm(number);
    let port = u16::from_be_bytes([frame[36], frame[37]]);
    if frame[30..34] != host.v4.octets() || frame[..6] != host.mac.0 || port != farm::port(number) {
        return Err("to a backend's address, but not to its port or MAC");
    }
    if sum(0, &frame[14..34]) != 0xffff || segment_sum(frame) != 0xffff {
        return Err("with a wrong checksum");
    }
    Ok(number)
}
