//! Who asks, and when.
//!
//! No counterpart in the patent. Requests come one to a connection, or many over a connection that lasts;
//! in the second case weights steer new connections only, as they do in a switch that works on layer 4.
//! Bursts are a Markov-modulated Poisson process of two rates.
//! Easy to get wrong: a connection outlives the weights that it was opened under.

use super::random::Random;

/// Shape of the arrivals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// One request to a connection, Poisson.
    Poisson,
    /// One request to a connection; the rate is 0.4 or 1.6 times the mean, a second each on average.
    Bursty,
    /// Connections of so many seconds on average, each with this many requests per second.
    Lasting {
        /// Mean length of a connection.
        seconds: f64,
        /// Requests per second of one connection.
        rps: f64,
    },
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// A request of a new connection.
    New,
    /// A request of an old connection, which goes to the server that it is with.
    On(usize),
    /// Nothing to serve: a rate changed, a connection ended or began.
    Nothing,
}

/// A source of requests.
pub(crate) struct Traffic {
    shape: Shape,
    /// Requests per second, mean.
    pub(crate) rate: f64,
    chance: Random,
    is_high: bool,
    turns_at: f64,
    connections: Vec<usize>,
    /// Connections of each server.
    live: Vec<u32>,
}

impl Traffic {
    /// Connections of the shape `Lasting` that are there from the beginning are dealt out by `pick`.
    pub(crate) fn new(
        shape: Shape,
        rate: f64,
        chance: Random,
        mut pick: impl FnMut(&mut Random) -> usize,
    ) -> Self {
        let mut traffic = Self {
            shape,
            rate,
            chance,
            is_high: false,
            turns_at: 0.0,
            connections: Vec::new(),
            live: Vec::new(),
        };
        if let Shape::Lasting { rps, .. } = shape {
            for _ in 0..(rate / rps) as usize {
                let server = pick(&mut traffic.chance);
                traffic.open(server);
            }
        }
        traffic
    }

    /// The next event after `now`: its time and what it is. `pick` deals out a new connection.
    pub(crate) fn next(
        &mut self,
        now: f64,
        pick: impl FnOnce(&mut Random) -> usize,
    ) -> (f64, Arrival) {
        match self.shape {
            Shape::Poisson => (now + self.chance.exponential(1.0 / self.rate), Arrival::New),
            Shape::Bursty => {
                if now >= self.turns_at {
                    self.is_high = !self.is_high;
                    self.turns_at = now + self.chance.exponential(1.0);
                }
                let rate = self.rate * if self.is_high { 1.6 } else { 0.4 };
                let next = now + self.chance.exponential(1.0 / rate);
                if next > self.turns_at {
                    return (self.turns_at, Arrival::Nothing);
                }
                (next, Arrival::New)
            }
            Shape::Lasting { seconds, rps } => self.next_of_lasting(now, seconds, rps, pick),
        }
    }

    fn next_of_lasting(
        &mut self,
        now: f64,
        seconds: f64,
        rps: f64,
        pick: impl FnOnce(&mut Random) -> usize,
    ) -> (f64, Arrival) {
        let live = self.connections.len() as f64;
        let (opening, asking, ending) = (self.rate / (rps * seconds), live * rps, live / seconds);
        let next = now + self.chance.exponential(1.0 / (opening + asking + ending));
        let kind = self.chance.part() * (opening + asking + ending);
        if kind < opening {
            let server = pick(&mut self.chance);
            self.open(server);
            return (next, Arrival::Nothing);
        }
        let which = (self.chance.part() * live) as usize;
        if kind < opening + asking {
            return (next, Arrival::On(self.connections[which]));
        }
        let server = self.connections.swap_remove(which);
        self.live[server] -= 1;
        (next, Arrival::Nothing)
    }

    /// Connections to a server, if connections last.
    pub(crate) fn connections(&self, server: usize) -> Option<u32> {
        matches!(self.shape, Shape::Lasting { .. })
            .then(|| self.live.get(server).copied().unwrap_or(0))
    }

    /// Connections to a server that is gone open anew elsewhere.
    pub(crate) fn leave(&mut self, server: usize, mut pick: impl FnMut(&mut Random) -> usize) {
        for place in 0..self.connections.len() {
            if self.connections[place] == server {
                let other = pick(&mut self.chance);
                self.connections[place] = other;
                self.live[server] -= 1;
                self.live[other] += 1;
            }
        }
    }

    fn open(&mut self, server: usize) {
        self.connections.push(server);
        if self.live.len() <= server {
            self.live.resize(server + 1, 0);
        }
        self.live[server] += 1;
    }
}
