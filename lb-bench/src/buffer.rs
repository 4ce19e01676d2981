//! A buffer with one frame, as a NIC leaves it: what the filter gets in place of an mbuf.
//!
//! No counterpart in the patent but the buffers of memory 34. Preallocated and used again; the frame lies
//! inside, on cache lines of its own, so that a burst costs no allocation.
//! Easy to get wrong: an mbuf has a header on a line of its own, which the real program reads too; what the
//! filter alone costs is measured without it.

use lb_core::packet::Packet;

/// Octets that a frame may grow to, by an answer of ours: an ICMP error with the start of the packet. As many as an
/// octet can say, so that a length needs no check, which an mbuf's needs neither.
const ROOM: usize = u8::MAX as usize;

/// One frame.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Buffer {
    octets: [u8; ROOM],
    len: u8,
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
    /// Puts a frame of `N` octets, at most 255, into the buffer; its octets, for what differs by flow.
    #[inline]
    pub fn receive<const N: usize>(&mut self, frame: &[u8; N]) -> Option<&mut [u8; N]> {
        let place = self.octets.first_chunk_mut::<N>()?;
        *place = *frame;
        #[expect(clippy::cast_possible_truncation, reason = "asserted")]
        let len = const {
            assert!(N <= ROOM);
            N as u8
        };
        self.len = len;
        Some(place)
    }
}

impl Packet for Buffer {
    #[inline]
    fn head(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    #[inline]
    fn head_mut(&mut self) -> &mut [u8] {
        self.octets
            .get_mut(..usize::from(self.len))
            .unwrap_or_default()
    }

    #[inline]
    fn total_len(&self) -> usize {
        self.len.into()
    }

    fn set_len(&mut self, len: usize) -> bool {
        u8::try_from(len).map(|len| self.len = len).is_ok()
    }

    fn strip_front(&mut self, count: usize) -> bool {
        let len = self.total_len();
        let fits = count <= len;
        if fits {
            self.octets.copy_within(count..len, 0);
            self.set_len(len - count);
        }
        fits
    }
}
