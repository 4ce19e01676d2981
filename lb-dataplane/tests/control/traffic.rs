//! Endless traffic: flows are written into one pipe, what the program sends is read from another.
//!
//! No counterpart in the patent. Every flow is a SYN, packets behind it, and a RST; many flows are under way at a time, and new
//! ones begin all the time. The client's address is the flow's number, the TCP sequence number tells its packets apart.
//! Easy to get wrong: opening a pipe waits for its other end, which the program opens when the EAL makes its devices.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lb_core::testkit::net::{CLIENT, Family, HTTP, NAT, ROUTER, port_mac};
use lb_core::testkit::{Frame, pcap};

use crate::restart_kit::Place;
use crate::witness::Witness;

/// Devices over the pipes. Port 0 leads to clients; what it sends back to them is not kept.
pub(crate) const DEVICES: &str = "--vdev=net_pcap0,rx_pcap=in.fifo,tx_pcap=/dev/null \
                                  --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out.fifo";

/// Flows under way at a time.
pub(crate) const FLOWS_AT_ONCE: u32 = 256;
/// Packets of a flow, the SYN among them.
pub(crate) const PACKETS: u32 = 32;
/// TCP sequence number of a SYN.
pub(crate) const FIRST: u32 = 1000;
/// Frames that are written at once.
const BATCH: usize = 64;
/// The first octet of all clients' addresses; the flow's number is in the others.
pub(crate) const NETWORK: u8 = 11;

/// Traffic under way.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    seen: Arc<AtomicU64>,
    feed: JoinHandle<()>,
    drain: JoinHandle<Witness>,
    /// Sent to by who lets the second pipe be opened.
    gate: Sender<()>,
}

impl Traffic {
    /// Makes the pipes and waits at them; to be called before the program starts. Between two batches of frames there
    /// is a pause.
    pub(crate) fn prepare(place: &Place, pause: Duration) -> Self {
        let traffic = Self::held(place, pause);
        traffic.let_go();
        traffic
    }

    /// The same, but the second pipe has no reader yet: the program waits for one among its devices.
    pub(crate) fn held(place: &Place, pause: Duration) -> Self {
        place.capture::<&[u8]>("none.pcap", &[]);
        let pipes = [place.path("in.fifo"), place.path("out.fifo")];
        let made = Command::new("mkfifo").args(&pipes).status().unwrap();
        assert!(made.success(), "mkfifo");
        let [into, out] = pipes;
        let (stop, sent, seen) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let feed = {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            thread::spawn(move || {
                let pipe = File::options().write(true).open(into).unwrap();
                feed(pipe, pause, &stop, &sent);
            })
        };
        let (gate, opens) = channel();
        let drain = {
            let seen = Arc::clone(&seen);
            thread::spawn(move || match opens.recv() {
                Ok(()) => drain(File::open(out).unwrap(), &seen),
                Err(_) => Witness::default(),
            })
        };
        Self {
            stop,
            sent,
            seen,
            feed,
            drain,
            gate,
        }
    }

    /// Lets the program go on from its second pipe.
    pub(crate) fn let_go(&self) {
        self.gate.send(()).unwrap();
    }

    /// Frames that have come out so far.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Frames that have gone in so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// A number that no flow has yet: those from it on have not begun.
    pub(crate) fn flows_from_now(&self) -> u32 {
        // In every so many turns each place begins one flow, those of low numbers perhaps after those of high ones.
        let turn = (self.sent() / u64::from(FLOWS_AT_ONCE)) as u32;
        (turn / PACKETS + 2) * FLOWS_AT_ONCE
    }

    /// No more frames go in; those that are in come out.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// After the program's end: frames that went in, and who saw them come out.
    pub(crate) fn end(self) -> (u64, Witness) {
        self.stop();
        self.feed.join().unwrap();
        let witness = self.drain.join().unwrap();
        (self.sent.load(Ordering::Relaxed), witness)
    }
}

/// Writes frames until told to stop, or until nobody reads.
fn feed(mut pipe: File, pause: Duration, stop: &AtomicBool, sent: &AtomicU64) {
    let mut octets = pcap::write(std::iter::empty());
    let mut frames = frames();
    let mut count = 0;
    while pipe.write_all(&octets).is_ok() {
        sent.fetch_add(count, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(pause);
        octets.clear();
        for frame in frames.by_ref().take(BATCH) {
            let length = (frame.len() as u32).to_le_bytes();
            octets.extend([[0; 4], [0; 4], length, length].as_flattened());
            octets.extend(frame);
        }
        count = BATCH as u64;
    }
}

/// Reads frames until the program closes the pipe.
fn drain(pipe: File, seen: &AtomicU64) -> Witness {
    let mut pipe = BufReader::with_capacity(1 << 16, pipe);
    let mut witness = Witness::default();
    let mut header = [0; 24];
    if pipe.read_exact(&mut header).is_err() {
        return witness;
    }
    let (mut record, mut frame) = ([0; 16], Vec::new());
    while pipe.read_exact(&mut record).is_ok() {
        let length = u32::from_le_bytes(*record[8..].first_chunk().unwrap());
        frame.resize(length as usize, 0);
        if pipe.read_exact(&mut frame).is_err() {
            break;
        }
        witness.see(&frame);
        seen.fetch_add(1, Ordering::Relaxed);
    }
    witness
}

/// The frames in the order of their coming, for ever: flows begin one after the other, evenly spread.
fn frames() -> impl Iterator<Item = Vec<u8>> {
    let template = template();
    let turns = (0..u32::MAX).flat_map(|turn| (0..FLOWS_AT_ONCE).map(move |place| (turn, place)));
    turns.filter_map(move |(turn, place)| {
        let number = (turn + place % PACKETS) % PACKETS;
        // A place whose first flow would begin in the middle waits for the next.
        let before = ((turn + place % PACKETS) / PACKETS).checked_sub(1)?;
        let flow = before * FLOWS_AT_ONCE + place;
        Some(frame(&template, flow, number))
    })
}

/// A SYN of no flow in particular.
fn template() -> Vec<u8> {
    let syn = Frame::syn(
        CLIENT.socket(Family::V4, 40_000),
        NAT.socket(Family::V4, HTTP),
    );
    syn.link(ROUTER.mac, port_mac(0)).padded().octets()
}

/// A packet of a flow; number 0 is its SYN.
fn frame(template: &[u8], flow: u32, number: u32) -> Vec<u8> {
    let mut frame = template.to_vec();
    let [_, high, middle, low] = flow.to_be_bytes();
    frame[26..30].copy_from_slice(&[NETWORK, high, middle, low]);
    frame[38..42].copy_from_slice(&(FIRST + number).to_be_bytes());
    if number > 0 {
        frame[42..46].copy_from_slice(&5001_u32.to_be_bytes());
        // ACK; the last packet is a RST, so that the connection table does not fill.
        frame[47] = if number + 1 < PACKETS { 0x10 } else { 0x14 };
    }
    frame[24..26].fill(0);
    let header = !sum(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    frame[50..52].fill(0);
    let segment = !segment_sum(&frame);
    frame[50..52].copy_from_slice(&segment.to_be_bytes());
    frame
}

/// One's complement sum of a TCP segment without options or data, with its pseudo-header.
pub(crate) fn segment_sum(frame: &[u8]) -> u16 {
    // Protocol and length.
    let pseudo = u32::from(sum(6 + 20, &frame[26..34]));
    sum(pseudo, &frame[34..54])
}

/// One's complement sum of 16-bit words (RFC 1071), begun with a value.
pub(crate) fn sum(begin: u32, octets: &[u8]) -> u16 {
    let words = octets.chunks_exact(2);
    let sum = words.fold(begin, |sum, word| {
        sum + u32::from(u16::from_be_bytes([word[0], word[1]]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}
