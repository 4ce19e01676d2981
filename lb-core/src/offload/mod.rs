//! What a kernel and the driver of its device leave to each other: checksums, and segments of TCP.
//!
//! No counterpart in the patent; serves pseudo-network driver 57 (Fig. 8). A kernel hands over one long TCP frame in
//! place of 45 short ones, and takes such a one, with a note of ten octets in front: `struct virtio_net_hdr` of
//! Virtual I/O Device 1.1, 5.1.6. [`cut`] makes of it what a port may send: frames of at most the MTU with whole checksums.
//! [`merge`] makes long frames of the segments of a burst, as a NIC's receive offload does.
//! Not here: the device that is written and read (`lb-dataplane`).
//! Easy to get wrong: a merged frame goes to the kernel with the words "its checksum is right", so each part's was
//! verified before.

pub mod cut;
pub mod merge;

pub use cut::{Cut, Uncuttable};
pub use merge::{Merger, Run};

/// Offset of TCP's checksum in its header.
const TCP_CHECKSUM: u16 = 16;
/// Offset of UDP's.
const UDP_CHECKSUM: u16 = 6;

/// What the note says of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segments {
    /// The frame is one that may stand on a wire.
    #[default]
    None,
    /// It is to be cut into TCP segments, over IPv4.
    Tcp4,
    /// The same over IPv6.
    Tcp6,
    /// Something that we did not ask for, by its number.
    Unknown(u8),
}

/// The note in front of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Where what the checksum covers begins, in octets from the frame's beginning, and where in that the checksum
    /// is, which holds the sum of the pseudo-header only. `None`: the checksum is whole.
    pub partial: Option<(u16, u16)>,
    /// Whether it is to be cut.
    pub segments: Segments,
    /// Octets of headers in front of the data; 0 where nobody needs to know.
    pub header_len: u16,
    /// Octets of data in each segment; 0 where there are none.
    pub size: u16,
}

impl Note {
    /// Octets of a note.
    pub const LEN: usize = 10;
    const NEEDS_CHECKSUM: u8 = 1;
    /// Says of segments that the first one carries CWR (RFC 3168, 6.1.2).
    const ECN: u8 = 0x80;

    /// Reads a note, in this machine's order of octets.
    #[must_use]
    pub fn read(octets: &[u8; Self::LEN]) -> Self {
        let &[flags, kind, a, b, c, d, e, f, g, h] = octets;
        let word = |high, low| u16::from_ne_bytes([high, low]);
        Self {
            partial: (flags & Self::NEEDS_CHECKSUM != 0).then(|| (word(e, f), word(g, h))),
            segments: match kind & !Self::ECN {
                0 => Segments::None,
                1 => Segments::Tcp4,
                4 => Segments::Tcp6,
                other => Segments::Unknown(other),
            },
            header_len: word(a, b),
            size: word(c, d),
        }
    }

    /// Writes it.
    #[must_use]
    pub fn octets(&self) -> [u8; Self::LEN] {
        let kind = match self.segments {
            Segments::None => 0,
            Segments::Tcp4 => 1,
            Segments::Tcp6 => 4,
            Segments::Unknown(number) => number,
        };
        let flags = if self.partial.is_some() {
            Self::NEEDS_CHECKSUM
        } else {
            0
        };
        let (start, offset) = self.partial.unwrap_or_default();
        let [a, b] = self.header_len.to_ne_bytes();
        let [c, d] = self.size.to_ne_bytes();
        let [e, f] = start.to_ne_bytes();
        let [g, h] = offset.to_ne_bytes();
        [flags, kind, a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for segments in [Segments::None, Segments::Tcp4, Segments::Tcp6] {
            for partial in [None, Some((34, 16))] {
                let note = Note {
                    partial,
                    segments,
                    header_len: 66,
                    size: 1448,
                };
                assert_eq!(Note::read(&note.octets()), note);
            }
        }
        assert_eq!(Note::default().octets(), [0; Note::LEN]);
    }

    #[test]
    fn a_segment_with_cwr_is_a_segment() {
        let note = Note::read(&[1, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(note.segments, Segments::Tcp4);
        assert_eq!(
            Note::read(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]).segments,
            Segments::Unknown(3)
        );
    }
}
