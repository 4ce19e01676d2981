//! Streams of packets, and bursts made of them.
//!
//! No counterpart in the patent: the world on the other end of the wires.
//! A stream replays one kind of packet over a list of flows, in order, round and round. A burst takes some
//! packets of each of its streams; all of one burst came in on one port.
//! Easy to get wrong: a SYN that repeats the one that opened its connection opens nothing; a stream that shall
//! open connections in every pass changes its sequence number.

use lb_core::filter::BURST;
use lb_core::id::PortId;

use crate::buffer::Buffer;
use crate::frames::{Common, Stamp};

/// Packets in a pass at least: the start of a pass must not be what is measured.
const MANY: usize = 1024;

/// One kind of packet over a list of flows.
pub struct Stream<S: Stamp> {
    common: Common,
    template: S::Frame,
    stamps: Vec<S>,
    at: usize,
    pass: u16,
    /// Each pass has a sequence number of its own.
    renews: bool,
}

impl<S: Stamp> Stream<S> {
    /// Packets with what they have in `common`, one for each stamp that `flows` gives, in that order.
    #[must_use]
    pub fn new(common: Common, flows: impl IntoIterator<Item = Ends>) -> Self {
        let template = S::template(&common);
        let mut stamps: Vec<_> = flows
            .into_iter()
            .map(|Ends { src, dst }| S::new(&template, src, dst))
            .collect();
        let flows = stamps.len();
        while !stamps.is_empty() && stamps.len() < MANY {
            stamps.extend_from_within(..flows);
        }
        Self {
            common,
            template,
            stamps,
            at: 0,
            pass: 0,
            renews: false,
        }
    }

    /// The same with another sequence number in every pass. Its low 16 bits must be 0 at first.
    #[must_use]
    pub fn renewed(mut self) -> Self {
        self.renews = true;
        self
    }

    /// Goes back to the first flow.
    fn rewind(&mut self) {
        self.at = 0;
    }

    #[inline]
    fn receive(&mut self, buffers: &mut [Buffer]) {
        let mut rest = buffers;
        while !rest.is_empty() {
            let stamps = self.stamps.get(self.at..).unwrap_or_default();
            let count = rest.len().min(stamps.len());
            if count == 0 {
                if self.stamps.is_empty() {
                    return;
                }
                self.next_pass();
                continue;
            }
            let (these, others) = rest.split_at_mut(count);
            for (buffer, stamp) in these.iter_mut().zip(stamps) {
                stamp.put(&self.template, buffer);
            }
            self.at += count;
            rest = others;
        }
    }

    #[cold]
    fn next_pass(&mut self) {
        self.at = 0;
        if self.renews {
            self.pass = self.pass.wrapping_add(1);
            let sequence = self.common.sequence | u32::from(self.pass);
            self.template = S::template(&Common {
                sequence,
                ..self.common
            });
        }
    }
}

/// Who speaks to whom.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Speaker.
    pub src: crate::net::End,
    /// Listener.
    pub dst: crate::net::End,
}

/// What a burst is made of.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Port on which it comes in.
    pub port: PortId,
    /// Stream by number, and packets of it; [`BURST`] packets in all.
    pub parts: Vec<(usize, usize)>,
}

/// Bursts without end.
pub struct Traffic<S: Stamp> {
    streams: Vec<Stream<S>>,
    mixtures: Vec<Mixture>,
    next: usize,
}

impl<S: Stamp> Traffic<S> {
    /// Bursts of these mixtures in turn.
    #[must_use]
    pub fn new(streams: Vec<Stream<S>>, mixtures: Vec<Mixture>) -> Self {
        Self {
            streams,
            mixtures,
            next: 0,
        }
    }

    /// Only packets of one stream, on one port.
    #[must_use]
    pub fn only(stream: Stream<S>, port: PortId) -> Self {
        let parts = vec![(0, BURST)];
        Self::new(vec![stream], vec![Mixture { port, parts }])
    }

    /// Receives the next burst; the port on which it comes in.
    #[inline]
    pub fn receive(&mut self, burst: &mut [Buffer]) -> PortId {
        let Some(mixture) = self.mixtures.get(self.next) else {
            return PortId::default();
        };
        self.next += 1;
        if self.next == self.mixtures.len() {
            self.next = 0;
        }
        let mut rest = burst;
        for &(stream, count) in &mixture.parts {
            let (these, others) = rest.split_at_mut(count.min(rest.len()));
            if let Some(stream) = self.streams.get_mut(stream) {
                stream.receive(these);
            }
            rest = others;
        }
        mixture.port
    }

    /// Of the bursts in one turn of the mixtures: how many packets `stream` has in them.
    #[must_use]
    pub fn share(&self, stream: usize) -> usize {
        let parts = self.mixtures.iter().flat_map(|mixture| &mixture.parts);
        parts
            .filter(|&&(number, _)| number == stream)
            .map(|&(_, count)| count)
            .sum()
    }

    /// Mixtures that take turns.
    #[must_use]
    pub fn mixtures(&self) -> usize {
        self.mixtures.len()
    }

    /// Packets until every stream has been replayed once.
    #[must_use]
    pub fn pass(&self) -> usize {
        let turn = self.mixtures.len() * BURST;
        let one = |(number, stream): (usize, &Stream<S>)| match self.share(number) {
            0 => 0,
            share => stream.stamps.len().div_ceil(share) * turn,
        };
        self.streams.iter().enumerate().map(one).max().unwrap_or(0)
    }

    /// Every stream goes back to its first flow.
    pub fn rewind(&mut self) {
        self.next = 0;
        self.streams.iter_mut().for_each(Stream::rewind);
    }
}
