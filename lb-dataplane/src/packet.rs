//! An mbuf as the filter sees it.
//!
//! WO 00/30294: a buffer of shared memory 34. The filter knows [`Packet`] only, so that all of it is tested
//! without DPDK; this is the one place where the two meet.

use lb_core::packet::Packet;

use crate::dpdk::mbuf::Mbuf;

impl Packet for Mbuf {
    #[inline]
    fn head(&self) -> &[u8] {
        Mbuf::head(self)
    }

    #[inline]
    fn head_mut(&mut self) -> &mut [u8] {
        Mbuf::head_mut(self)
    }

    #[inline]
    fn total_len(&self) -> usize {
        Mbuf::len(self)
    }

    fn set_len(&mut self, len: usize) -> bool {
        Mbuf::set_len(self, len)
    }

    fn strip_front(&mut self, count: usize) -> bool {
        Mbuf::strip_front(self, count)
    }
}
