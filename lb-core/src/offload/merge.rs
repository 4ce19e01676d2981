//! Merges TCP segments of a burst that follow each other into long frames for the kernel.
//!
//! No counterpart in the patent; serves pseudo-network driver 57 (Fig. 8). What a NIC calls receive offload: a kernel
//! spends most of its time on a packet's headers, and with this sees one in place of thirty-two.
//! Only what a sender cut can be made whole again: data of one flow, in sequence, equal headers, all parts but the last
//! of one size. Everything else passes as it came: so nothing is lost that anybody could tell from the parts, and what
//! a kernel that forwards would cut again are the same segments.
//! Not here: [`cut`](super::cut), the other direction.
//! Easy to get wrong: frames of one flow keep their order. A frame only joins the last run of its flow.

use crate::filter::BURST;
use crate::wire::checksum::Sum;
use crate::wire::tcp::Flags;
use crate::wire::{EtherType, IpProtocol, ethernet, ipv4, ipv6, tcp};

use super::{Note, Segments, TCP_CHECKSUM};

/// Octets of headers in front of data, at most: Ethernet, IPv6, and TCP with all options.
const HEADERS: usize = ethernet::LEN + ipv6::LEN + 60;
/// Octets of a packet, at most.
const LONGEST: usize = 65_535;
/// May stand on the last segment of a run only.
const LAST: Flags = Flags::PSH.with(Flags::FIN);

/// Frames that go to the kernel as one; most often a single one.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    frames: [u8; BURST],
    count: usize,
    /// The first frame, if it is TCP.
    first: Option<Segment>,
    /// Octets of data of the last frame, and all of them.
    last: usize,
    data: usize,
    /// The last frame's flags.
    flags: Flags,
    /// Whether another frame may join.
    is_open: bool,
    /// Whether the first frame's checksum was found right.
    is_verified: bool,
}

/// A TCP segment over plain IP, in a frame.
#[derive(Clone, Copy, Debug)]
struct Segment {
    is_v6: bool,
    tcp: usize,
    data: usize,
    end: usize,
    seq: u32,
    flags: Flags,
}

/// What is written in place of a run of several frames: this, and the data of each.
#[derive(Debug)]
pub struct Head {
    octets: [u8; Note::LEN + HEADERS],
    len: usize,
}

impl Head {
    /// The note and the headers.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// Arranges bursts, one after the other.
#[derive(Debug, Default)]
pub struct Merger {
    runs: Vec<Run>,
}

impl Merger {
    /// The runs of a burst, in the order of their first frames: every frame is in one of them. A frame that is not at
    /// hand in one piece is `None`, and stays alone. At most [`BURST`] frames are looked at.
    pub fn arrange(&mut self, frames: &[Option<&[u8]>]) -> &[Run] {
        self.runs.clear();
        for (at, frame) in (0..).zip(frames.iter().take(BURST)) {
            let segment = frame.and_then(Segment::of);
            let joined = match (segment, frame) {
                (Some(segment), Some(frame)) => self.join(at, segment, frame, frames),
                _ => false,
            };
            if !joined {
                self.runs.push(Run::new(at, segment, *frame));
            }
        }
        &self.runs
    }

    /// Whether the frame has joined the last run of its flow.
    fn join(&mut self, at: u8, segment: Segment, frame: &[u8], frames: &[Option<&[u8]>]) -> bool {
        let first_of = |run: &Run| {
            let first = run.frames.first().copied().unwrap_or_default();
            frames.get(usize::from(first)).copied().flatten()
        };
        let last_of_flow = self.runs.iter_mut().rev().find_map(|run| {
            let (first, its) = (run.first?, first_of(run)?);
            (first.is_v6 == segment.is_v6 && first.flow(its) == segment.flow(frame))
                .then_some((run, first, its))
        });
        match last_of_flow {
            Some((run, first, its)) if run.is_open => run.join(at, segment, frame, first, its),
            _ => false,
        }
    }
}

impl Run {
    fn new(at: u8, segment: Option<Segment>, frame: Option<&[u8]>) -> Self {
        let mut frames = [0; BURST];
        if let Some(place) = frames.first_mut() {
            *place = at;
        }
        let len = segment.map_or(0, |segment| segment.end - segment.data);
        let can_merge = match (segment, frame) {
            (Some(segment), Some(frame)) => segment.can_merge(frame),
            _ => false,
        };
        let flags = segment.map_or_else(Flags::default, |segment| segment.flags);
        Self {
            frames,
            count: 1,
            first: segment,
            last: len,
            data: len,
            flags,
            is_open: can_merge && !flags.intersects(LAST),
            is_verified: false,
        }
    }

    fn join(&mut self, at: u8, segment: Segment, frame: &[u8], first: Segment, its: &[u8]) -> bool {
        let (size, len) = (first.end - first.data, segment.end - segment.data);
        let follows = self.data as u64 == u64::from(segment.seq.wrapping_sub(first.seq));
        if !follows
            || len > size
            || first.data - ethernet::LEN + self.data + len > LONGEST
            || !segment.can_merge(frame)
            || !first.is_like(its, segment, frame)
            || !(self.is_verified || first.is_right(its))
            || !segment.is_right(frame)
        {
            return false;
        }
        let Some(place) = self.frames.get_mut(self.count) else {
            return false;
        };
        *place = at;
        self.count += 1;
        self.is_verified = true;
        self.last = len;
        self.data += len;
        self.flags = segment.flags;
        self.is_open = len == size && !segment.flags.intersects(LAST);
        true
    }

    /// Its frames, by their place in the burst.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.frames
            .get(..self.count)
            .unwrap_or_default()
            .iter()
            .map(|&at| usize::from(at))
    }

    /// Where the data of its frame number `nth` are, in octets of that frame.
    #[must_use]
    pub fn data(&self, nth: usize) -> std::ops::Range<usize> {
        let Some(first) = self.first else {
            return 0..0;
        };
        let len = if nth + 1 == self.count {
            self.last
        } else {
            first.end - first.data
        };
        first.data..first.data + len
    }

    /// What stands before the data of all its frames, if there is more than one; `frame` is the first of them.
    #[must_use]
    pub fn head(&self, frame: &[u8]) -> Option<Head> {
        let first = self.first.filter(|_| self.count > 1)?;
        let header_len = u16::try_from(first.data).ok()?;
        let note = Note {
            partial: Some((u16::try_from(first.tcp).ok()?, TCP_CHECKSUM)),
            segments: if first.is_v6 {
                Segments::Tcp6
            } else {
                Segments::Tcp4
            },
            header_len,
            size: u16::try_from(first.end - first.data).ok()?,
        };
        let mut head = Head {
            octets: [0; Note::LEN + HEADERS],
            len: Note::LEN + first.data,
        };
        let (place, headers) = head.octets.split_first_chunk_mut()?;
        *place = note.octets();
        let headers = headers.get_mut(..first.data)?;
        headers.copy_from_slice(frame.get(..first.data)?);
        let (ip, segment) = headers
            .get_mut(ethernet::LEN..)?
            .split_at_mut_checked(first.tcp - ethernet::LEN)?;
        let octets = u16::try_from(segment.len() + self.data).ok()?;
        let pseudo = if first.is_v6 {
            ipv6::HeaderMut::parse(ip)?.set_payload_len(octets);
            ipv6::Header::parse_quoted(ip)
                .ok()?
                .pseudo(IpProtocol::TCP, octets.into())
        } else {
            let mut header = ipv4::HeaderMut::parse(ip)?;
            header.set_total_len(octets + 20);
            header.fill_checksum();
            ipv4::Header::parse_quoted(ip).ok()?.pseudo(octets)
        };
        let mut header = tcp::HeaderMut::parse(segment)?;
        header.set_flags(first.flags.with(self.flags));
        header.set_checksum(pseudo.fold());
        Some(head)
    }
}

impl Segment {
    /// A whole TCP segment over IPv4 without options or IPv6 without extension headers.
    fn of(frame: &[u8]) -> Option<Self> {
        let kind = ethernet::Header::parse(frame)?.ethertype();
        let packet = frame.get(ethernet::LEN..)?;
        let (is_v6, ip_len, total) = match kind {
            EtherType::IPV4 => {
                let header = ipv4::Header::parse(packet, packet.len()).ok()?;
                let is_plain = header.header_len() == ipv4::LEN && !header.is_fragment();
                let total = usize::from(header.total_len());
                (is_plain && header.protocol() == IpProtocol::TCP).then_some((
                    false,
                    ipv4::LEN,
                    total,
                ))?
            }
            EtherType::IPV6 => {
                let header = ipv6::Header::parse(packet, packet.len()).ok()?;
                let total = ipv6::LEN + usize::from(header.payload_len());
                (header.next_header() == IpProtocol::TCP).then_some((true, ipv6::LEN, total))?
            }
            _ => return None,
        };
        let (tcp, end) = (ethernet::LEN + ip_len, ethernet::LEN + total);
        let segment = frame.get(tcp..end)?;
        let header = tcp::Header::parse(segment, segment.len()).ok()?;
        Some(Self {
            is_v6,
            tcp,
            data: tcp + header.header_len(),
            end,
            seq: header.seq(),
            flags: header.flags(),
        })
    }

    /// Whether it is data and nothing but data. IPv4: with "don't fragment", where the identification says nothing
    /// (RFC 6864, 4.1), and a header checksum that is right.
    fn can_merge(&self, frame: &[u8]) -> bool {
        let is_data = self.end > self.data && Flags(self.flags.0 & !LAST.0) == Flags::ACK;
        is_data
            && (self.is_v6
                || frame.get(ethernet::LEN..).is_some_and(|packet| {
                    ipv4::Header::parse(packet, packet.len()).is_ok_and(|header| {
                        header.dont_fragment() && header.verify_checksum().is_ok()
                    })
                }))
    }

    /// Addresses and ports, which stand behind each other.
    fn flow<'f>(&self, frame: &'f [u8]) -> Option<&'f [u8]> {
        let addresses = if self.is_v6 { 32 } else { 8 };
        frame.get(self.tcp - addresses..self.tcp + 4)
    }

    /// Whether two frames of a flow differ in nothing but what differs between the segments of a long frame: lengths,
    /// identification, sequence number, checksums, and [`LAST`].
    fn is_like(&self, mine: &[u8], other: Self, frame: &[u8]) -> bool {
        let equal = |range: std::ops::Range<usize>| mine.get(range.clone()) == frame.get(range);
        let ip = if self.is_v6 {
            // Up to the payload length; next header and hop limit.
            equal(0..18) && equal(20..22)
        } else {
            // Up to the total length; fragment field, TTL, protocol.
            equal(0..16) && equal(20..24)
        };
        let tcp = self.tcp;
        ip && self.data == other.data
            // Acknowledgment and data offset; window; urgent pointer and options, timestamps among them.
            && equal(tcp + 8..tcp + 13)
            && equal(tcp + 14..tcp + 16)
            && equal(tcp + 18..self.data)
    }

    /// Whether its checksum is right.
    fn is_right(&self, frame: &[u8]) -> bool {
        let packet = frame.get(ethernet::LEN..).unwrap_or_default();
        let segment = frame.get(self.tcp..self.end).unwrap_or_default();
        let octets = u16::try_from(segment.len()).unwrap_or(0);
        let pseudo = if self.is_v6 {
            ipv6::Header::parse_quoted(packet).map_or(Sum::ZERO, |header| {
                header.pseudo(IpProtocol::TCP, octets.into())
            })
        } else {
            ipv4::Header::parse_quoted(packet).map_or(Sum::ZERO, |header| header.pseudo(octets))
        };
        tcp::is_checksum_right(segment, pseudo)
    }
}
