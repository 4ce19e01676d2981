//! A kernel device, as the interface daemon needs it.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57. The same daemon works with a TAP and with virtio-user.
//! Easy to get wrong: frames that go up stay the daemon's, which sends them home; a device copies them.

use std::os::fd::BorrowedFd;

use crate::dpdk::burst::Burst;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::Mempool;

/// Frames to and from the kernel, with whole checksums in both directions.
pub(super) trait Device: Send {
    /// Gives frames to the kernel; how many it took, in any order.
    fn deliver(&mut self, frames: &[Mbuf]) -> usize;

    /// Puts frames of the kernel's into the burst, as many as it has and there is room for, in mbufs of this pool.
    fn collect(&mut self, pool: &Mempool, burst: &mut Burst) -> Collected;

    /// What becomes readable when the kernel has a frame; none where it has to be asked again and again.
    fn readable(&self) -> Option<BorrowedFd<'_>>;
}

/// What became of asking a device for frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collected {
    /// Frames that were lost.
    pub(super) lost: usize,
    /// Whether the kernel has no more, and will tell when it has.
    pub(super) is_all: bool,
}
