//! Receive and transmit queues: the only way in and out for frames.
//!
//! WO 00/30294, Fig. 5: steps 102–112 poll receive queues and fill transmit queues of network
//! interfaces 37. A queue is handed out once, by `Port::open`, and can go to a lcore but not be used by
//! two: DPDK's drivers have no locks.
//! Easy to get wrong: a queue keeps its port alive. The port stops when the last of them is dropped,
//! so drop them (end the lcore's closure) before looking at what the port has counted in the end.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use lb_core::id::{PortId, QueueId};

use super::burst::Burst;
use super::port::Device;

/// One receive queue.
#[derive(Debug)]
pub struct RxQueue {
    device: Arc<Device>,
    queue: QueueId,
    _one_user: PhantomData<Cell<()>>,
}

/// One transmit queue.
#[derive(Debug)]
pub struct TxQueue {
    device: Arc<Device>,
    queue: QueueId,
    _one_user: PhantomData<Cell<()>>,
}

impl RxQueue {
    /// The one handle to a receive queue that has been set up.
    pub(super) fn new(device: Arc<Device>, queue: QueueId) -> Self {
        Self {
            device,
            queue,
            _one_user: PhantomData,
        }
    }

    /// Port that it belongs to.
    #[inline]
    #[must_use]
    pub fn port(&self) -> PortId {
        self.device.id()
    }

    /// Its number on the port.
    #[inline]
    #[must_use]
    pub fn queue(&self) -> QueueId {
        self.queue
    }

    /// Puts frames that have arrived behind those in the burst; answers how many. Does not wait. Before
    /// the port is started nothing arrives, and DPDK complains in its log.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        let (first, room) = burst.spare();
        // SAFETY: the queue is set up and its port open, as `device` is held; `&mut` and no copy of the
        // handle make this its only user; `room` slots are free from `first` on.
        let count =
            unsafe { dpdk_sys::shim_rx_burst(self.device.id().0, self.queue.0, first, room) };
        // SAFETY: the driver has written `count` mbufs and given them to us.
        unsafe { burst.add(count) };
        usize::from(count)
    }
}

impl TxQueue {
    /// The one handle to a transmit queue that has been set up.
    pub(super) fn new(device: Arc<Device>, queue: QueueId) -> Self {
        Self {
            device,
            queue,
            _one_user: PhantomData,
        }
    }

    /// Port that it belongs to.
    #[inline]
    #[must_use]
    pub fn port(&self) -> PortId {
        self.device.id()
    }

    /// Its number on the port.
    #[inline]
    #[must_use]
    pub fn queue(&self) -> QueueId {
        self.queue
    }

    /// Hands the burst's first frames to the driver, as many as it takes, and answers how many; the
    /// others stay in the burst, in order. Does not wait.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        let (first, count) = burst.frames();
        // SAFETY: as for `receive`; the first `count` slots are frames of ours.
        let taken =
            unsafe { dpdk_sys::shim_tx_burst(self.device.id().0, self.queue.0, first, count) };
        let taken = taken.min(count);
        // SAFETY: the driver owns the first `taken` frames now.
        unsafe { burst.forget_front(taken) };
        usize::from(taken)
    }
}
