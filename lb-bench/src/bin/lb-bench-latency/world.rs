//! The world around the switch: a source and a receiver that share one CPU, and so one clock.
//!
//! No counterpart in the patent. The stamp is in a frame's padding behind the IP packet, which nobody rewrites: the
//! nanosecond at which the frame was filled, right before it went into the ring. Nothing here sleeps or waits.
//! Easy to get wrong: frames that come back are filled anew and sent again; asking the pool for each would make
//! the world slower than the switch.

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use lb_bench::buffer::Buffer;
use lb_bench::frames::{LEN_V4, Stamp, StampV4};
use lb_bench::latency::Course;
use lb_bench::latency::pace::Pace;
use lb_bench::latency::report::{Ages, Passage};
use lb_bench::net::Kind;
use lb_bench::random::shuffled;
use lb_bench::workload::{CREATION, REPLAY, established, to_service};
use lb_core::packet::Packet;
use lb_dataplane::dpdk::burst::{self, Burst};
use lb_dataplane::dpdk::clock::Clock;
use lb_dataplane::dpdk::mbuf::Mbuf;
use lb_dataplane::dpdk::{Eal, Mempool, RxQueue, TxQueue};

use crate::switch::network;

/// Where the stamp stands: behind the IPv4 packet of 40 octets.
const STAMP: usize = 54;
/// Frames under way at most while the source goes as fast as the switch: half a ring.
const WINDOW: u64 = 512;
/// Frames under way at most while connections are opened, so that none is lost.
const FEW: u64 = 256;
/// Nanoseconds without a frame after which no more will come: longer than a kernel keeps anybody from a CPU.
const SILENCE: u64 = 500_000_000;
/// Nanoseconds before a load is measured.
const WARM_UP: u64 = 20_000_000;
/// Longest age that is told from longer ones: ten seconds.
const OLDEST: u64 = 10_000_000_000;

type Frame = [u8; LEN_V4];

/// Source and receiver.
pub(crate) struct World {
    clock: Clock,
    pool: Mempool,
    out: TxQueue,
    back: RxQueue,
    /// In the order of replay.
    frames: Vec<Frame>,
    /// In the order in which connections are opened; empty afterwards.
    openers: Vec<Frame>,
    /// The frame that is sent next.
    at: usize,
    /// Mbufs of ours that wait to be filled.
    idle: Vec<Mbuf>,
    arrived: Burst,
    totals: Totals,
    ages: Histogram<u64>,
    last_look: u64,
    longest_pause: u64,
}

/// Packets since the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Put into the ring.
    pub(crate) sent: u64,
    /// Taken out of the other one.
    pub(crate) returned: u64,
    /// Not put into the ring for want of room.
    pub(crate) refused: u64,
    /// Put into the ring and never seen again.
    pub(crate) lost: u64,
}

impl Totals {
    const fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            returned: self.returned - before.returned,
            refused: self.refused - before.refused,
            lost: self.lost - before.lost,
        }
    }
}

impl World {
    /// A world around the two far ends of a switch.
    pub(crate) fn new(
        eal: &Eal,
        pool: &Mempool,
        course: &Course,
        out: TxQueue,
        back: RxQueue,
    ) -> Result<Self> {
        Ok(Self {
            clock: Clock::new(eal),
            pool: pool.clone(),
            out,
            back,
            frames: frames(course, REPLAY),
            openers: frames(course, CREATION),
            at: 0,
            idle: Vec::new(),
            arrived: Burst::default(),
            totals: Totals::default(),
            ages: Histogram::new_with_bounds(1, OLDEST, 3)?,
            last_look: 0,
            longest_pause: 0,
        })
    }

    /// Sends one packet of each flow, in the order of creation, and sees them come back.
    pub(crate) fn open_connections(&mut self) -> Result<()> {
        let openers = std::mem::take(&mut self.openers);
        let replay = std::mem::replace(&mut self.frames, openers);
        let count = self.frames.len() as u64;
        while self.totals.sent < count {
            let now = self.receive();
            let room = FEW.saturating_sub(self.under_way());
            self.send(now, burst_of(room.min(count - self.totals.sent)))?;
        }
        self.drain();
        self.frames = replay;
        self.at = 0;
        let Totals { sent, returned, .. } = self.totals;
        ensure!(
            sent == returned,
            "{returned} of {sent} packets that open connections came back"
        );
        Ok(())
    }

    /// Keeps the switch busy for so many seconds, with a bounded number of packets under way; million packets per
    /// second that went through.
    pub(crate) fn saturate(&mut self, seconds: f64) -> Result<f64> {
        let (before, begin) = (self.totals, self.clock.now());
        let end = begin + nanos(seconds);
        let mut now = begin;
        while now < end {
            now = self.receive();
            let room = WINDOW.saturating_sub(self.under_way());
            self.send(now, burst_of(room))?;
        }
        let returned = self.totals.returned - before.returned;
        self.drain();
        Ok(mpps(returned, now - begin))
    }

    /// Offers packets at an even rate for so many seconds, and notes how old they are when they come back.
    pub(crate) fn offer(
        &mut self,
        wanted_mpps: f64,
        seconds: f64,
        busy: impl Fn() -> u64,
    ) -> Result<Passage> {
        self.paced(wanted_mpps, WARM_UP)?;
        self.drain();
        self.ages.reset();
        (self.last_look, self.longest_pause) = (0, 0);
        let (before, busy_before) = (self.totals, busy());
        let (skipped, time) = self.paced(wanted_mpps, nanos(seconds))?;
        let busy = busy() - busy_before;
        // The last frames belong to the load as well.
        self.drain();
        let Totals {
            sent,
            returned,
            refused,
            lost,
        } = self.totals.since(before);
        ensure!(
            returned > 0 && returned == self.ages.len() && returned + lost == sent,
            "{returned} of {sent} packets came back, {lost} did not, {} were looked at",
            self.ages.len()
        );
        Ok(Passage {
            sent,
            refused,
            skipped,
            lost,
            mpps: mpps(sent, time),
            busy_percent: percent(busy, time),
            ages: Ages::of(&self.ages),
            longest_pause: self.longest_pause,
        })
    }

    /// Sends and receives at an even rate; packets skipped, and nanoseconds that it took.
    fn paced(&mut self, mpps: f64, time: u64) -> Result<(u64, u64)> {
        let begin = self.clock.now();
        let mut pace = Pace::new(begin, mpps);
        let mut now = begin;
        while now < begin + time {
            now = self.receive();
            let due = pace.due(now);
            if due > 0 {
                self.send(now, due)?;
            }
        }
        Ok((pace.skipped(), now - begin))
    }

    /// Gives all mbufs back; packets in all.
    pub(crate) fn unplug(mut self) -> Totals {
        self.drain();
        self.totals
    }

    const fn under_way(&self) -> u64 {
        let Totals {
            sent,
            returned,
            lost,
            ..
        } = self.totals;
        sent.saturating_sub(returned + lost)
    }

    /// Puts `count` frames, a burst at most, into the ring; what finds no room is refused.
    #[inline]
    fn send(&mut self, now: u64, count: usize) -> Result<()> {
        let mut burst = Burst::default();
        for _ in 0..count {
            let Some(mut mbuf) = self.idle.pop().or_else(|| Mbuf::alloc(&self.pool)) else {
                break;
            };
            // Writing to an mbuf's header takes it out of the other CPU's cache.
            ensure!(
                mbuf.len() == LEN_V4 || mbuf.set_len(LEN_V4),
                "an mbuf has no room for a frame"
            );
            let frame = self.frames.get(self.at);
            if let Some((place, frame)) = mbuf.head_mut().first_chunk_mut().zip(frame) {
                *place = *frame;
                stamp(place, now);
            }
            self.at += 1;
            if self.at >= self.frames.len() {
                self.at = 0;
            }
            drop(burst.push(mbuf));
        }
        self.totals.sent += self.out.send(&mut burst) as u64;
        self.totals.refused += burst.len() as u64;
        self.idle.extend(burst.drain());
        Ok(())
    }

    /// Takes a burst out of the ring and notes how old its frames are; the moment afterwards.
    #[inline]
    fn receive(&mut self) -> u64 {
        let count = self.back.receive(&mut self.arrived);
        let now = self.clock.now();
        if self.last_look != 0 {
            self.longest_pause = self.longest_pause.max(now - self.last_look);
        }
        self.last_look = now;
        if count == 0 {
            return now;
        }
        self.totals.returned += count as u64;
        for mbuf in self.arrived.drain() {
            if let Some(then) = stamped(mbuf.head()) {
                self.ages.saturating_record(now.saturating_sub(then));
            }
            self.idle.push(mbuf);
        }
        self.clock.now()
    }

    /// Takes out what still comes; what does not is lost.
    fn drain(&mut self) {
        let (mut heard, mut returned) = (self.clock.now(), self.totals.returned);
        while self.under_way() > 0 {
            let now = self.receive();
            if self.totals.returned > returned {
                (heard, returned) = (now, self.totals.returned);
            } else if now.saturating_sub(heard) > SILENCE {
                self.totals.lost += self.under_way();
            }
        }
    }
}

/// A client's packet of each flow.
fn frames(course: &Course, order: u64) -> Vec<Frame> {
    let network = network(course);
    let ends = to_service(&network, Kind::Known);
    let template = StampV4::template(&established());
    let frame = |flow| {
        let ends = ends(flow);
        let mut buffer = Buffer::default();
        StampV4::new(&template, ends.src, ends.dst).put(&template, &mut buffer);
        buffer.head().first_chunk().copied().unwrap_or(template)
    };
    let order = shuffled(course.flows, order);
    order.into_iter().map(frame).collect()
}

#[inline]
fn stamp(frame: &mut Frame, now: u64) {
    let place = frame.get_mut(STAMP..).and_then(<[u8]>::first_chunk_mut);
    if let Some(place) = place {
        *place = now.to_ne_bytes();
    }
}

#[inline]
fn stamped(frame: &[u8]) -> Option<u64> {
    let octets = frame.get(STAMP..)?.first_chunk()?;
    Some(u64::from_ne_bytes(*octets))
}

fn burst_of(room: u64) -> usize {
    usize::try_from(room).map_or(burst::CAPACITY, |room| room.min(burst::CAPACITY))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds are positive and below a million"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[expect(clippy::cast_precision_loss, reason = "times far below 2^52 ns")]
fn percent(part: u64, all: u64) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn mpps(packets: u64, nanos: u64) -> f64 {
    packets as f64 * 1e3 / nanos.max(1) as f64
}
