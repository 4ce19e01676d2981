//! Cuts a frame of the kernel's into frames for a port, and completes their checksums.
//!
//! No counterpart in the patent; serves pseudo-network driver 57 (Fig. 8). RFC 9293 3.8 (a segment), RFC 3168 6.1.2
//! (CWR on the first segment only), RFC 6864 (IPv4 identification).
//! Not here: where the frames go; padding of short ones.
//! Easy to get wrong: PSH and FIN belong to the last segment, and the data of all but the last fill it.

use crate::wire::checksum::Sum;
use crate::wire::tcp::Flags;
use crate::wire::{EtherType, IpProtocol, ethernet, ipv4, ipv6, tcp};

use super::{Note, Segments, TCP_CHECKSUM, UDP_CHECKSUM};

/// Octets of a VLAN tag.
const TAG: usize = 4;

/// Why a frame with such a note is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncuttable {
    /// Segments of a kind that nobody asked for.
    #[error("segments of unknown kind {0}")]
    Kind(u8),
    /// The note speaks of places that the frame has not got.
    #[error("the note does not fit the frame")]
    Place,
    /// Not the TCP that the note says it is.
    #[error("no TCP segment of the kind that the note says")]
    NotTcp,
}

/// A frame that is being cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    kind: Kind,
    /// Octets of the frame.
    len: usize,
    /// Octets of data that have been written; all, also of headers, where it is not cut.
    done: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As it is.
    Whole,
    /// One frame; the checksum at the second place covers all from the first.
    Partial(usize, usize),
    Tcp(Layout),
}

/// Where things are in a frame that is cut.
#[derive(Clone, Copy, Debug)]
struct Layout {
    is_v6: bool,
    ip: usize,
    tcp: usize,
    data: usize,
    /// Octets of data in each segment, at least 1.
    size: usize,
}

impl Cut {
    /// Begins with a frame.
    ///
    /// # Errors
    /// See [`Uncuttable`].
    pub fn new(note: Note, frame: &[u8]) -> Result<Self, Uncuttable> {
        let kind = match (note.segments, note.partial) {
            (Segments::None, None) => Kind::Whole,
            (Segments::None, Some((start, offset))) => {
                let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
                if at + 2 > frame.len() {
                    return Err(Uncuttable::Place);
                }
                Kind::Partial(start, at)
            }
            (Segments::Unknown(kind), _) => return Err(Uncuttable::Kind(kind)),
            (Segments::Tcp4 | Segments::Tcp6, partial) => {
                let (start, offset) = partial.ok_or(Uncuttable::Place)?;
                if offset != TCP_CHECKSUM || note.size == 0 {
                    return Err(Uncuttable::Place);
                }
                let is_v6 = note.segments == Segments::Tcp6;
                Kind::Tcp(Layout::of(frame, is_v6, start.into(), note.size.into())?)
            }
        };
        Ok(Self {
            kind,
            len: frame.len(),
            done: 0,
        })
    }

    /// Octets of the next frame; `None` when all have been written.
    #[must_use]
    pub fn next_len(&self) -> Option<usize> {
        match self.kind {
            _ if self.done >= self.len => None,
            Kind::Whole | Kind::Partial(..) => Some(self.len),
            Kind::Tcp(Layout { data, size, .. }) => {
                let left = self.len.checked_sub(data + self.done)?;
                Some(data + left.min(size))
            }
        }
    }

    /// Writes the next frame over `out`, which has as many octets as [`next_len`](Self::next_len) says, and goes on.
    /// `frame` is the one that this began with.
    pub fn write(&mut self, frame: &[u8], out: &mut [u8]) {
        match self.kind {
            Kind::Whole => {
                copy(out, frame);
                self.done = self.len;
            }
            Kind::Partial(start, at) => {
                copy(out, frame);
                complete(out, start, at);
                self.done = self.len;
            }
            Kind::Tcp(layout) => {
                let count = out.len().saturating_sub(layout.data);
                let is_last = layout.data + self.done + count >= self.len;
                layout.segment(frame, out, self.done, is_last);
                self.done = if is_last {
                    self.len
                } else {
                    self.done + count.max(1)
                };
            }
        }
    }
}

impl Layout {
    fn of(frame: &[u8], is_v6: bool, tcp: usize, size: usize) -> Result<Self, Uncuttable> {
        let ip = network(frame).ok_or(Uncuttable::NotTcp)?;
        let packet = frame.get(ip..).ok_or(Uncuttable::NotTcp)?;
        let behind = if is_v6 {
            let header =
                ipv6::Header::parse(packet, packet.len()).map_err(|_| Uncuttable::NotTcp)?;
            let upper = header.upper().map_err(|_| Uncuttable::NotTcp)?;
            (upper.protocol == IpProtocol::TCP).then_some(upper.l4_offset)
        } else {
            let header =
                ipv4::Header::parse(packet, packet.len()).map_err(|_| Uncuttable::NotTcp)?;
            (header.protocol() == IpProtocol::TCP).then_some(header.header_len())
        };
        if behind.ok_or(Uncuttable::NotTcp)? + ip != tcp {
            return Err(Uncuttable::Place);
        }
        let segment = frame.get(tcp..).ok_or(Uncuttable::Place)?;
        let header = tcp::Header::parse(segment, segment.len()).map_err(|_| Uncuttable::NotTcp)?;
        Ok(Self {
            is_v6,
            ip,
            tcp,
            data: tcp + header.header_len(),
            size,
        })
    }

    /// Writes the segment whose data begin at `done`.
    fn segment(&self, frame: &[u8], out: &mut [u8], done: usize, is_last: bool) {
        let Some((head, data)) = out.split_at_mut_checked(self.data) else {
            return;
        };
        copy(head, frame);
        copy(data, frame.get(self.data + done..).unwrap_or_default());
        let (index, done) = low(done / self.size, done);
        let Some((ip, segment)) = out
            .get_mut(self.ip..)
            .and_then(|packet| packet.split_at_mut_checked(self.tcp - self.ip))
        else {
            return;
        };
        let octets = u16::try_from(segment.len()).unwrap_or(u16::MAX);
        let pseudo = if self.is_v6 {
            self.ipv6(ip, octets)
        } else {
            ipv4(ip, octets, index)
        };
        let Some(was) = tcp::Header::parse(segment, segment.len())
            .ok()
            .map(|was| (was.seq(), was.flags()))
        else {
            return;
        };
        let not_here = match (done == 0, is_last) {
            (true, true) => Flags::default(),
            (true, false) => Flags::PSH.with(Flags::FIN),
            (false, true) => Flags::CWR,
            (false, false) => Flags::PSH.with(Flags::FIN).with(Flags::CWR),
        };
        if let Some(mut header) = tcp::HeaderMut::parse(segment) {
            header.set_seq(was.0.wrapping_add(done));
            header.set_flags(Flags(was.1.0 & !not_here.0));
            header.fill_checksum(pseudo);
        }
    }

    fn ipv6(&self, ip: &mut [u8], octets: u16) -> Sum {
        let extensions = u16::try_from(self.tcp - self.ip - ipv6::LEN).unwrap_or(0);
        if let Some(mut header) = ipv6::HeaderMut::parse(ip) {
            header.set_payload_len(octets.saturating_add(extensions));
        }
        // Its payload is elsewhere; the frame's length is not what this looks at.
        ipv6::Header::parse_quoted(ip).map_or(Sum::ZERO, |header| {
            header.pseudo(IpProtocol::TCP, octets.into())
        })
    }
}

fn ipv4(ip: &mut [u8], octets: u16, index: u16) -> Sum {
    let header_len = u16::try_from(ip.len()).unwrap_or(0);
    let id = ipv4::Header::parse_quoted(ip).map_or(0, |header| header.id());
    if let Some(mut header) = ipv4::HeaderMut::parse(ip) {
        header.set_total_len(octets.saturating_add(header_len));
        header.set_id(id.wrapping_add(index));
        header.fill_checksum();
    }
    ipv4::Header::parse_quoted(ip).map_or(Sum::ZERO, |header| header.pseudo(octets))
}

/// What is added to identification and sequence number, which count modulo 2^16 and 2^32.
#[expect(clippy::cast_possible_truncation, reason = "is what is wanted")]
fn low(index: usize, done: usize) -> (u16, u32) {
    (index as u16, done as u32)
}

/// Where the IP header begins, behind at most one VLAN tag.
fn network(frame: &[u8]) -> Option<usize> {
    let kind = ethernet::Header::parse(frame)?.ethertype();
    let is_tagged = matches!(kind, EtherType::VLAN | EtherType::QINQ);
    Some(ethernet::LEN + if is_tagged { TAG } else { 0 })
}

/// Copies as much as there is room for.
fn copy(out: &mut [u8], from: &[u8]) {
    let count = out.len().min(from.len());
    if let (Some(out), Some(from)) = (out.get_mut(..count), from.get(..count)) {
        out.copy_from_slice(from);
    }
}

/// Makes a checksum whole whose place holds the pseudo-header's sum.
fn complete(frame: &mut [u8], start: usize, at: usize) {
    let sum = Sum::octets(frame.get(start..).unwrap_or_default());
    let checksum = if at - start == usize::from(UDP_CHECKSUM) {
        sum.checksum_udp()
    } else {
        sum.checksum()
    };
    if let Some(place) = frame.get_mut(at..at + 2) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
}
