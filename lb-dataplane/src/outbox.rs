//! Outbox: frames of one worker lcore that wait to leave on one port.
//!
//! WO 00/30294, Fig. 5, steps 108–110. Frames gather to bursts, so that a port is asked once for many; they
//! leave when a burst is full and at the end of every turn, so that a lone frame waits one turn at most.
//! Easy to get wrong: a port that takes no more must not hold up the lcore. What it refuses several times
//! over is dropped, oldest work first kept, and counted against the port.

use lb_core::id::PortId;
use lb_core::shared::Counter;

use crate::dpdk::burst::Burst;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::queue::TxQueue;

/// Times that a full port is asked again.
const RETRIES: u32 = 16;

/// Counters of an outbox, written by its lcore.
#[derive(Debug, Default)]
pub struct Sent {
    /// Frames handed to the port.
    pub packets: Counter,
    /// Frames that the port did not take.
    pub dropped: Counter,
}

/// Frames for one port.
pub struct Outbox {
    queue: TxQueue,
    waiting: Burst,
}

impl Outbox {
    /// An empty outbox before a transmit queue.
    #[must_use]
    pub fn new(queue: TxQueue) -> Self {
        Self {
            queue,
            waiting: Burst::default(),
        }
    }

    /// The port that it leads to.
    #[must_use]
    pub fn port(&self) -> PortId {
        self.queue.port()
    }

    /// Adds a frame; sends when that makes a full burst.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf, sent: &Sent) {
        // `flush` leaves room, so the frame is never refused.
        drop(self.waiting.push(mbuf));
        if self.waiting.is_full() {
            self.flush(sent);
        }
    }

    /// Sends a whole burst, behind what waits. Nothing waits afterwards, and the burst is empty.
    #[inline]
    pub fn send_all(&mut self, burst: &mut Burst, sent: &Sent) {
        self.flush(sent);
        send(&mut self.queue, burst, sent);
    }

    /// Sends what waits. Nothing waits afterwards.
    #[inline]
    pub fn flush(&mut self, sent: &Sent) {
        if !self.waiting.is_empty() {
            send(&mut self.queue, &mut self.waiting, sent);
        }
    }
}

/// Sends or drops all frames of a burst.
#[inline]
fn send(queue: &mut TxQueue, burst: &mut Burst, sent: &Sent) {
    let mut count = queue.send(burst);
    if !burst.is_empty() {
        count += insist(queue, burst, sent);
    }
    sent.packets.add(count as u64);
}

#[cold]
fn insist(queue: &mut TxQueue, burst: &mut Burst, sent: &Sent) -> usize {
    let mut count = 0;
    for _ in 0..RETRIES {
        count += queue.send(burst);
        if burst.is_empty() {
            return count;
        }
        std::hint::spin_loop();
    }
    sent.dropped.add(burst.len() as u64);
    burst.clear();
    count
}
