//! A frame in a vector: what the filter gets in place of an mbuf.
//!
//! No counterpart in the patent. Behaves as an mbuf does: a first segment with room to grow, and perhaps
//! further segments that only `total_len` tells of.
//! Easy to get wrong: octets that `set_len` adds hold anything; here they are 0xA5, so that code which
//! relies on zeros is found out.

use crate::packet::Packet;

/// Octets that the first segment holds at most, as an mbuf of the usual size does.
pub const SEGMENT: usize = 2048;

/// What a grown frame's new octets hold.
const ANYTHING: u8 = 0xa5;

/// A frame for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPacket {
    octets: Vec<u8>,
    head: usize,
}

impl TestPacket {
    /// A frame as a port delivers it: in one segment, if it fits there.
    #[must_use]
    pub fn new(frame: impl Into<Vec<u8>>) -> Self {
        Self::split(frame, SEGMENT)
    }

    /// A frame whose first segment ends after `head` octets, 1 to [`SEGMENT`].
    #[must_use]
    pub fn split(frame: impl Into<Vec<u8>>, head: usize) -> Self {
        let octets = frame.into();
        let head = head.clamp(1, SEGMENT).min(octets.len());
        Self { octets, head }
    }

    /// A new packet of our own, without octets.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            octets: Vec::new(),
            head: 0,
        }
    }

    /// The whole frame, all segments.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The whole frame, all segments.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }
}

impl Packet for TestPacket {
    fn head(&self) -> &[u8] {
        self.octets.get(..self.head).unwrap_or_default()
    }

    fn head_mut(&mut self) -> &mut [u8] {
        self.octets.get_mut(..self.head).unwrap_or_default()
    }

    fn total_len(&self) -> usize {
        self.octets.len()
    }

    fn set_len(&mut self, len: usize) -> bool {
        if len > SEGMENT {
            return false;
        }
        self.octets.truncate(self.head.min(len));
        self.octets.resize(len, ANYTHING);
        self.head = len;
        true
    }

    fn strip_front(&mut self, count: usize) -> bool {
        if count > self.head {
            return false;
        }
        self.octets.drain(..count);
        self.head -= count;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jumbo_frame_has_further_segments() {
        let packet = TestPacket::new(vec![1; 9014]);
        assert_eq!((packet.head().len(), packet.total_len()), (SEGMENT, 9014));
    }

    #[test]
    fn a_frame_cut_to_length_is_one_segment_and_its_new_octets_are_no_zeros() {
        let mut packet = TestPacket::split(vec![1; 100], 50);
        assert!(packet.set_len(60));
        assert_eq!((packet.head().len(), packet.total_len()), (60, 60));
        assert_eq!(
            packet.head().get(48..52),
            Some(&[1, 1, ANYTHING, ANYTHING][..])
        );
        assert!(!packet.set_len(SEGMENT + 1));
    }

    #[test]
    fn octets_come_off_the_front_of_the_first_segment_only() {
        let mut packet = TestPacket::split(vec![1, 2, 3, 4], 2);
        assert!(!packet.strip_front(3));
        assert!(packet.strip_front(1));
        assert_eq!((packet.head(), packet.octets()), (&[2][..], &[2, 3, 4][..]));
    }
}
