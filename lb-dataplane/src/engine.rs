//! Packet engine: the loop of one worker lcore.
//!
//! WO 00/30294, Fig. 5 (box 72), steps 102–112; claims 8–10. Poll the next queue (102), take a burst (104),
//! filter it (106), send it (108, 110), and stay with a queue that gives full bursts, up to a bound (112).
//! Not here: what becomes of a packet (`lb_core::filter`, Fig. 6), who polls what (`placement`).
//! Easy to get wrong: nothing in this loop may wait, lock, allocate or call the kernel; and the lcore
//! must take its turn in the tables' epochs even when no packet comes, or nobody could reuse anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lb_core::config::Distribution;
use lb_core::filter::verdict::{self, Verdict};
use lb_core::filter::{BURST, Filter, Flight};
use lb_core::id::PortId;
use lb_core::route::neighbor::Now;
use lb_core::shared::{Counter, Reader};

use crate::dpdk::burst::Burst;
use crate::dpdk::clock::Clock;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::Mempool;
use crate::dpdk::queue::RxQueue;
use crate::exchange::{Punted, WorkerEnd};
use crate::outbox::{Outbox, Sent};

/// Full bursts in a row that one queue gets before the others have their turn (step 112).
const BURSTS_IN_A_ROW: u32 = 8;
/// Milliseconds between two steps of housekeeping: aging, neighbors, packets that wait.
const HOUSEKEEPING_MILLIS: u32 = 10;

/// What a lcore tells of itself, besides the filter's counters.
#[derive(Debug)]
pub struct EngineCounters {
    /// Turns of the loop: its heartbeat.
    pub turns: Counter,
    /// Turns in which no queue had a packet.
    pub idle_turns: Counter,
    /// Nanoseconds from the beginning of turns that had packets to the beginning of the next.
    pub busy_nanoseconds: Counter,
    /// Polls of a queue, by the number of packets that they gave, from 0.
    pub polls: [Counter; BURST + 1],
    /// Octets received.
    pub octets: Counter,
    /// Questions for neighbors that found no mbuf.
    pub no_mbuf: Counter,
    /// Frames of the control processor's that were handed to their port.
    pub injected: Counter,
    /// What went to each port, by port number.
    pub sent: Vec<Sent>,
}

impl EngineCounters {
    /// All zero; `sent` has a place for every port number.
    #[must_use]
    pub fn new(sent: Vec<Sent>) -> Self {
        Self {
            turns: Counter::default(),
            idle_turns: Counter::default(),
            busy_nanoseconds: Counter::default(),
            polls: std::array::from_fn(|_| Counter::default()),
            octets: Counter::default(),
            no_mbuf: Counter::default(),
            injected: Counter::default(),
            sent,
        }
    }
}

/// The time of the connection tables, as the engine hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Cycle counter since the start.
    pub clock: Clock,
    /// Tick of the region at the start.
    pub start_tick: u32,
}

impl Time {
    /// The moment now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Now {
        self.at(self.clock.now())
    }

    /// The moment so many nanoseconds after the start.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds wrap after 49 days, as `Now` says"
    )]
    pub fn at(&self, nanos: u64) -> Now {
        let seconds = nanos / 1_000_000_000;
        Now {
            tick: self.start_tick.saturating_add(seconds as u32),
            millis: (nanos / 1_000_000) as u32,
        }
    }
}

/// Everything that one worker lcore works with.
pub struct Engine {
    /// Queues that this lcore alone polls.
    pub inbox: Vec<RxQueue>,
    /// One outbox per port, by port number; `None` where there is no such port.
    pub outboxes: Vec<Option<Outbox>>,
    /// Ways to the control processor and back, one for each port that this lcore polls; none without an
    /// exception path.
    pub exchange: Vec<WorkerEnd>,
    /// Fig. 6.
    pub filter: Filter<Mbuf>,
    /// The reading end of the configuration table.
    pub distributions: Reader<Distribution>,
    /// Where frames of our own come from.
    pub pool: Mempool,
    /// Time.
    pub time: Time,
    /// Told to the control side.
    pub counters: Arc<EngineCounters>,
    /// One lcore of all looks after the neighbor table.
    pub tends_neighbors: bool,
    /// Millisecond of the last housekeeping.
    pub kept_millis: u32,
    /// When the last turn began, in nanoseconds, if it had packets.
    pub busy_since: Option<u64>,
}

impl Engine {
    /// Turns until told to stop, then sends or frees all that is left.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut under_way = UnderWay::default();
        while !stop.load(Ordering::Relaxed) {
            self.turn(&mut under_way);
        }
        self.filter.give_up(drop);
        self.flush();
        self.filter.retire();
    }

    /// One turn: every queue once, then housekeeping if it is due.
    fn turn(&mut self, under_way: &mut UnderWay) {
        let nanos = self.time.clock.now();
        let now = self.time.at(nanos);
        if let Some(began) = self.busy_since.take() {
            let busy = nanos.saturating_sub(began);
            self.counters.busy_nanoseconds.add(busy);
        }
        self.filter.turn();
        let distribution = self.distributions.turn();
        let mut work = Work {
            outboxes: &mut self.outboxes,
            exchange: &mut self.exchange,
            filter: &mut self.filter,
            counters: &self.counters,
            distribution,
            now,
        };
        let mut received = 0;
        for queue in &mut self.inbox {
            received += work.serve(queue, under_way);
        }
        let [Caught { burst, .. }, _] = &mut under_way.0;
        if work.filter.has_held() && work.filter.has_learned() {
            work.release(burst);
        }
        if now.millis.wrapping_sub(self.kept_millis) >= HOUSEKEEPING_MILLIS {
            self.kept_millis = now.millis;
            work.housekeep(self.tends_neighbors, burst);
        }
        work.inject();
        work.ask(&self.pool);
        self.counters.turns.add(1);
        if received == 0 {
            self.counters.idle_turns.add(1);
        } else {
            self.busy_since = Some(nanos);
        }
        self.flush();
    }

    fn flush(&mut self) {
        for (outbox, sent) in self.outboxes.iter_mut().zip(&self.counters.sent) {
            if let Some(outbox) = outbox {
                outbox.flush(sent);
            }
        }
    }
}

/// A burst, and what the filter knows of it so far.
#[derive(Default)]
struct Caught {
    burst: Burst,
    flight: Flight,
}

/// The burst that is decided next, and the one behind it. Both are empty between two queues.
#[derive(Default)]
struct UnderWay([Caught; 2]);

/// What a turn works with: one distribution, one moment.
struct Work<'a> {
    outboxes: &'a mut [Option<Outbox>],
    exchange: &'a mut [WorkerEnd],
    filter: &'a mut Filter<Mbuf>,
    counters: &'a EngineCounters,
    distribution: &'a Distribution,
    now: Now,
}

impl Work<'_> {
    /// Steps 102–112 for one queue; how many packets it gave. While it gives full bursts, the next one's first
    /// stage runs before the last stage of the one before, so that the memory of both travels in between.
    #[inline]
    fn serve(&mut self, queue: &mut RxQueue, UnderWay(both): &mut UnderWay) -> usize {
        let mut received = 0;
        let [mut this, mut next] = both.each_mut();
        for _ in 0..BURSTS_IN_A_ROW {
            let count = queue.receive(&mut next.burst);
            received += count;
            if let Some(polls) = self.counters.polls.get(count) {
                polls.add(1);
            }
            self.look(queue.port(), next);
            self.dispatch(queue.port(), this);
            self.filter.probe(&mut next.flight);
            std::mem::swap(&mut this, &mut next);
            if count < BURST {
                break;
            }
        }
        self.dispatch(queue.port(), this);
        received
    }

    /// Step 106, its first part.
    #[inline]
    fn look(&mut self, ingress: PortId, Caught { burst, flight }: &mut Caught) {
        let octets: usize = burst.as_slice().iter().map(Mbuf::len).sum();
        self.counters.octets.add(octets as u64);
        let packets = burst.as_mut_slice();
        self.filter
            .look(flight, self.distribution, self.now, ingress, packets);
    }

    /// Steps 106, its last part, to 110: decides on a burst and hands every packet on. It is empty afterwards.
    #[inline]
    fn dispatch(&mut self, ingress: PortId, Caught { burst, flight }: &mut Caught) {
        if burst.is_empty() {
            return;
        }
        let packets = burst.as_mut_slice();
        let verdicts = self
            .filter
            .settle(flight, self.distribution, self.now, packets);
        if let Some(port) = verdict::one_way(verdicts)
            && burst.is_full()
            && let Some((outbox, sent)) = self.outbox(port)
        {
            outbox.send_all(burst, sent);
            return;
        }
        let (mut dead, mut punted) = (Burst::default(), Punted::default());
        for (mbuf, &verdict) in burst.drain().zip(verdicts) {
            match verdict {
                Verdict::Forward(port) => self.send(port, mbuf),
                Verdict::Reply => self.send(ingress, mbuf),
                Verdict::Hold(neighbor) => drop(self.filter.hold(neighbor, self.now, mbuf)),
                Verdict::Punt(class) => punted.push(class, mbuf),
                // No apps yet, and the filter never says so.
                Verdict::App(_) | Verdict::Drop(_) => drop(dead.push(mbuf)),
            }
        }
        dead.clear();
        if !punted.is_empty() {
            self.punt(ingress, &mut punted);
        }
    }

    /// Sends frames up to the control processor; what finds no place is dropped.
    #[cold]
    fn punt(&mut self, ingress: PortId, punted: &mut Punted) {
        let refused = match self.exchange.iter_mut().find(|end| end.port() == ingress) {
            Some(end) => end.send_up(punted),
            None => punted.clear(),
        };
        self.filter.refuse_punted(refused as u64);
    }

    /// Sends the control processor's frames out of their ports as they are.
    #[inline]
    fn inject(&mut self) {
        for at in 0..self.exchange.len() {
            let Some(end) = self.exchange.get_mut(at) else {
                return;
            };
            let (port, mut down) = (end.port(), Burst::new());
            let count = end.take(&mut down);
            if count == 0 {
                continue;
            }
            for mbuf in down.drain() {
                self.send(port, mbuf);
            }
            self.counters.injected.add(count as u64);
        }
    }

    #[inline]
    fn send(&mut self, port: PortId, mbuf: Mbuf) {
        if let Some((outbox, sent)) = self.outbox(port) {
            outbox.push(mbuf, sent);
        }
    }

    #[inline]
    fn outbox(&mut self, port: PortId) -> Option<(&mut Outbox, &Sent)> {
        let at = usize::from(port.0);
        let outbox = self.outboxes.get_mut(at)?.as_mut()?;
        Some((outbox, self.counters.sent.get(at)?))
    }

    /// Sends packets whose neighbor has answered, and frees those whose time is over.
    #[cold]
    fn release(&mut self, burst: &mut Burst) {
        let (outboxes, counters) = (&mut *self.outboxes, self.counters);
        self.filter
            .release(self.distribution, self.now, |mbuf, verdict| {
                let Verdict::Forward(port) = verdict else {
                    if let Err(mbuf) = burst.push(mbuf) {
                        drop(mbuf);
                    }
                    return;
                };
                let at = usize::from(port.0);
                if let (Some(Some(outbox)), Some(sent)) =
                    (outboxes.get_mut(at), counters.sent.get(at))
                {
                    outbox.push(mbuf, sent);
                }
            });
        burst.clear();
    }

    #[cold]
    fn housekeep(&mut self, tends_neighbors: bool, burst: &mut Burst) {
        self.filter.sweep(self.distribution, self.now);
        if tends_neighbors {
            self.filter.maintain(self.now);
        }
        if self.filter.has_held() {
            self.release(burst);
        }
    }

    /// Sends the questions for neighbors that this turn brought up.
    #[inline]
    fn ask(&mut self, pool: &Mempool) {
        while let Some(neighbor) = self.filter.next_question() {
            let Some(mut mbuf) = Mbuf::alloc(pool) else {
                self.counters.no_mbuf.add(1);
                continue;
            };
            if let Some(port) = self
                .filter
                .write_question(self.distribution, neighbor, &mut mbuf)
            {
                self.send(port, mbuf);
            }
        }
    }
}
