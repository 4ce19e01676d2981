//! A frame in DPDK's memory, owned by one place at a time.
//!
//! WO 00/30294: the ownership bit of a packet buffer (network interface or switching processor). Here
//! it is Rust's ownership: who has the [`Mbuf`] may read and write it, and nobody else.
//! A long frame is a chain of segments; [`Mbuf::head`] is the first, and headers are looked for there
//! only. Not here: what the octets mean (`lb_core::frame`).
//! Easy to get wrong: an mbuf is a pointer and knows no EAL. It cannot dangle all the same: its pool
//! lives as long as the EAL, and the EAL does not go down while an mbuf is out (`Eal::close`).

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ptr::NonNull;

use lb_core::id::PortId;

use super::mempool::Mempool;

/// One frame; dropping it gives all its segments back to their pool.
///
/// DPDK's rules for what it points to: the data of each segment lies within its buffer, `next` leads
/// through the whole chain, the first segment counts octets and segments of all. Drivers keep them for
/// what they hand us, and every method here leaves them true.
#[repr(transparent)]
pub struct Mbuf(NonNull<dpdk_sys::rte_mbuf>);

// SAFETY: an mbuf is not bound to a thread; its pool takes it back from any (`Pool`).
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// An empty frame of one segment. For frames of our own; [`Burst::fill`](super::Burst::fill) takes
    /// many at once. `None` where the pool is empty.
    #[must_use]
    pub fn alloc(pool: &Mempool) -> Option<Self> {
        // SAFETY: the pool lives as long as its handle.
        let mbuf = unsafe { dpdk_sys::shim_mbuf_alloc(pool.as_ptr()) };
        NonNull::new(mbuf).map(Self)
    }

    #[inline]
    fn descriptor(&self) -> &dpdk_sys::rte_mbuf {
        // SAFETY: points to an mbuf that is ours alone, as long as `self` is.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn descriptor_mut(&mut self) -> &mut dpdk_sys::rte_mbuf {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { self.0.as_mut() }
    }

    /// Octets of the first segment: the frame from its Ethernet header on, whole if it has one segment.
    #[inline]
    #[must_use]
    pub fn head(&self) -> &[u8] {
        octets(self.descriptor())
    }

    /// The same, to be rewritten.
    #[inline]
    pub fn head_mut(&mut self) -> &mut [u8] {
        let descriptor = self.descriptor_mut();
        let length = usize::from(descriptor.data_len);
        let start = data(descriptor);
        // SAFETY: the data of a segment lies within its buffer, and the frame is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Octets of the whole frame, all segments.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.descriptor().pkt_len as usize
    }

    /// True for a frame without octets, as [`Mbuf::alloc`] makes them.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Port that received the frame; of no meaning for a frame of our own.
    #[inline]
    #[must_use]
    pub fn port(&self) -> PortId {
        PortId(self.descriptor().port)
    }

    /// Octets that the first segment can hold from its present start on.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        let descriptor = self.descriptor();
        usize::from(descriptor.buf_len.saturating_sub(descriptor.data_off))
    }

    /// How many segments the frame has, from 1.
    #[inline]
    #[must_use]
    pub fn segment_count(&self) -> usize {
        usize::from(self.descriptor().nb_segs)
    }

    /// Octets segment by segment, the head first.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            next: self.0.as_ptr(),
            _frame: PhantomData,
        }
    }

    /// Makes the frame one segment of `length` octets, cut or grown at its end: for replies and frames
    /// of our own. Octets that are new are zero, so that nothing of an earlier frame leaks out.
    ///
    /// Following segments go back to their pool; where the frame had some, octets behind the old head
    /// are zero, not theirs. False, and nothing has changed, where the first segment has not the room.
    #[inline]
    #[must_use]
    pub fn set_len(&mut self, length: usize) -> bool {
        let room = self.room();
        let Ok(short) = u16::try_from(length) else {
            return false;
        };
        if length > room {
            return false;
        }
        let descriptor = self.descriptor_mut();
        let old = usize::from(descriptor.data_len);
        descriptor.data_len = short;
        descriptor.pkt_len = u32::from(short);
        if let Some(rest) = NonNull::new(descriptor.next) {
            descriptor.next = std::ptr::null_mut();
            descriptor.nb_segs = 1;
            // A chain of its own now, to be freed.
            drop(Self(rest));
        }
        if let Some(grown) = self.head_mut().get_mut(old..) {
            grown.fill(0);
        }
        true
    }

    /// Takes `count` octets off the front. False, and nothing has changed, where the first segment is
    /// shorter.
    #[inline]
    #[must_use]
    pub fn strip_front(&mut self, count: usize) -> bool {
        let descriptor = self.descriptor_mut();
        let Ok(short) = u16::try_from(count) else {
            return false;
        };
        let Some(data_len) = descriptor.data_len.checked_sub(short) else {
            return false;
        };
        descriptor.data_len = data_len;
        // Cannot pass the buffer's end: the octets were data of this segment.
        descriptor.data_off = descriptor.data_off.saturating_add(short);
        descriptor.pkt_len = descriptor.pkt_len.saturating_sub(u32::from(short));
        true
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the mbuf is ours and the chain whole; it is not used after this.
        unsafe { dpdk_sys::shim_mbuf_free(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("len", &self.len())
            .field("segments", &self.segment_count())
            .field("head", &self.head())
            .finish()
    }
}

/// First octet of a segment's data.
#[inline]
fn data(segment: &dpdk_sys::rte_mbuf) -> *mut u8 {
    // SAFETY: the data of a segment starts within its buffer.
    unsafe {
        segment
            .buf_addr
            .cast::<u8>()
            .add(usize::from(segment.data_off))
    }
}

/// Data of one segment.
#[inline]
fn octets(segment: &dpdk_sys::rte_mbuf) -> &[u8] {
    let start = data(segment);
    // SAFETY: the data of a segment lies within its buffer, which is ours as the segment is.
    unsafe { std::slice::from_raw_parts(start, usize::from(segment.data_len)) }
}

/// Segments of a frame, in order.
#[derive(Debug)]
pub struct Segments<'a> {
    next: *const dpdk_sys::rte_mbuf,
    _frame: PhantomData<&'a Mbuf>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // SAFETY: null, or a segment of the frame that is borrowed for 'a.
        let segment: &'a dpdk_sys::rte_mbuf = unsafe { self.next.as_ref() }?;
        self.next = segment.next;
        Some(octets(segment))
    }
}

impl FusedIterator for Segments<'_> {}
