//! A buffer with one frame, as a NIC leaves it: what the filter gets in place of an mbuf.
//!
//! No counterpart in the patent but the buffers of memory 34. Preallocated and used again; the frame lies
//! inside, on cache lines of its own, so that a burst costs no allocation.
//! Easy to get wrong: an mbuf has a header on a line of its own, which the real program reads too; what the
//! filter alone costs is measured without it.

use lb_core::packet::Packet;

/// Octets that a frame may grow to, by an answer of ours: an ICMP error with the start of the packet.
const ROOM: usize = 192;

/// One frame.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Buffer {
    octets: [u8; ROOM],
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            octets: [0; ROOM],
            len: 0,
        }
    }
}

impl Buffer {
    /// Puts a frame of `N` octets, at most 192, into the buffer; its octets, for what differs by flow.
    #[inline]
    pub fn receive<const N: usize>(&mut self, frame: &[u8; N]) -> Option<&mut [u8; N]> {
        let place = self.octets.first_chunk_mut::<N>()?;
        *place = *frame;
        self.len = N;
        Some(place)
    }
}

impl Packet for Buffer {
    #[inline]
    fn head(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn head_mut(&mut self) -> &mut [u8] {
        self.octets.get_mut(..self.len).unwrap_or_default()
    }

    #[inline]
    fn total_len(&self) -> usize {
        self.len
    }

    fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= ROOM;
        if fits {
            self.len = len;
        }
        fits
    }

    fn strip_front(&mut self, count: usize) -> bool {
        let fits = count <= self.len;
        if fits {
            self.octets.copy_within(count..self.len, 0);
            self.len -= count;
        }
        fits
    }
}
