//! What arrives: connections are made, and then replayed, opened, missed or answered.
//!
//! No counterpart in the patent. Connections come into the table through the filter itself, as clients and
//! backends would open them: SYN, SYN+ACK back, ACK. In `direct` the middle one does not pass us.
//! Easy to get wrong: they are made in one random order and replayed in another. Replay in the order of
//! creation walks through the entries as they lie in memory.

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use lb_core::filter::BURST;
use lb_core::id::PortId;
use lb_core::packet::Packet;
use lb_core::wire::tcp::Flags;

use crate::buffer::Buffer;
use crate::frames::{Common, Stamp};
use crate::net::{Forwarding, Kind, MAX_FLOWS, Network, port_mac};
use crate::random::{shuffled, zipf};
use crate::switch::{Counted, Switch};
use crate::traffic::{Ends, Mixture, Stream, Traffic};

/// What the measured packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kinds {
    /// Clients' packets of established connections
    Established,
    /// Backends' packets of established connections (nat)
    Reply,
    /// SYNs that open connections; each round begins with none of them in the table
    New,
    /// Clients' packets that belong to no connection
    Miss,
    /// Half replies (nat), half clients' packets, of these 30 in 32 established, one SYN, one missed
    Mixed,
}

/// In which order flows are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// In a random one that is not the order of creation
    Shuffled,
    /// In the order of creation
    Creation,
    /// Drawn at random: the flow of rank r with a chance of about 1/r
    Zipf,
}

/// The traffic of a measurement.
#[derive(Clone, Debug, Args)]
pub struct Workload {
    /// Flows: connections that exist, or for `new` and `miss` packets that differ
    #[arg(long, default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FLOWS)))]
    pub flows: u32,
    /// Order of replay
    #[arg(long, default_value = "shuffled")]
    pub order: Order,
    /// What arrives
    #[arg(long, default_value = "established")]
    pub workload: Kinds,
}

/// Packets of a burst.
pub const PACKETS: u32 = {
    assert!(BURST == 32);
    32
};

/// Seed of the order of creation.
pub const CREATION: u64 = 1;
/// Seed of the order of replay.
pub const REPLAY: u64 = 2;
/// Draws of a Zipf replay at least: with fewer, the same few would come again and again.
const MIN_DRAWS: u32 = 1 << 20;
/// Of so many known flows one more is opened anew, in `mixed`.
const KNOWN_PER_NEW: u32 = 16;

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
/// Sequence numbers: of a client's first packet, and of a backend's.
const CLIENT_ISN: u32 = 0x1000_0000;
const BACKEND_ISN: u32 = 0x2000_0000;

impl Kinds {
    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Reply => "reply",
            Self::New => "new",
            Self::Miss => "miss",
            Self::Mixed => "mixed",
        }
    }
}

impl Order {
    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Creation => "creation",
            Self::Zipf => "zipf",
        }
    }
}

impl Workload {
    /// Connections that the table must hold.
    #[must_use]
    pub fn connections(&self) -> u32 {
        match self.workload {
            Kinds::Established | Kinds::Reply | Kinds::New => self.flows,
            Kinds::Miss => 0,
            Kinds::Mixed => self.flows + self.renewed_flows(),
        }
    }

    /// Room in the table where none is asked for: it is four fifths full, with `new` half full at the end.
    #[must_use]
    pub fn room(&self) -> u32 {
        match self.workload {
            Kinds::New => self.flows * 2,
            Kinds::Miss => self.flows,
            _ => self.connections().div_ceil(4) * 5,
        }
        .max(64)
    }

    fn renewed_flows(&self) -> u32 {
        (self.flows / KNOWN_PER_NEW).max(64)
    }

    /// Opens the connections that must exist, and makes the traffic that follows.
    ///
    /// # Errors
    /// Where the filter does not forward as it should.
    pub fn prepare<S: Stamp>(&self, network: &Network, switch: &mut Switch) -> Result<Traffic<S>> {
        let client_side = PortId(0);
        let server_side = PortId(network.server_port);
        let replies = network.forwarding == Forwarding::Nat;
        ensure!(
            replies || self.workload != Kinds::Reply,
            "--workload reply: with --forwarding direct no reply passes the switch"
        );
        let backends = match self.workload {
            Kinds::New | Kinds::Miss => Vec::new(),
            _ => connect::<S>(network, switch, &shuffled(self.flows, CREATION))?,
        };
        let order = || match self.order {
            Order::Shuffled => shuffled(self.flows, REPLAY),
            Order::Creation => shuffled(self.flows, CREATION),
            Order::Zipf => zipf(self.flows, self.flows.max(MIN_DRAWS) as usize, REPLAY),
        };
        let client = |kind| to_service(network, kind);
        let known = || Stream::new(sent(ACK), order().into_iter().map(client(Kind::Known)));
        let reply = || {
            let from_backend = |flow: u32| Ends {
                src: network.backend(backends.get(flow as usize).copied().unwrap_or(0)),
                dst: network.client(flow, Kind::Known),
            };
            Stream::new(
                answered(ACK, network.server_port),
                order().into_iter().map(from_backend),
            )
        };
        let opened = |flows| {
            let flows = shuffled(flows, REPLAY).into_iter().map(client(Kind::New));
            Stream::new(syn(), flows).renewed()
        };
        let stray = || Stream::new(sent(ACK), order().into_iter().map(client(Kind::Stray)));
        Ok(match self.workload {
            Kinds::Established => Traffic::only(known(), client_side),
            Kinds::Reply => Traffic::only(reply(), server_side),
            Kinds::New => Traffic::only(opened(self.flows), client_side),
            Kinds::Miss => Traffic::only(stray(), client_side),
            Kinds::Mixed => {
                let mut streams = vec![known(), opened(self.renewed_flows()), stray()];
                let mut mixtures = vec![Mixture {
                    port: client_side,
                    parts: vec![(0, BURST - 2), (1, 1), (2, 1)],
                }];
                if replies {
                    streams.push(reply());
                    mixtures.push(Mixture {
                        port: server_side,
                        parts: vec![(3, BURST)],
                    });
                }
                Traffic::new(streams, mixtures)
            }
        })
    }

    /// A packet of each flow, in the order in which the connections were made.
    pub fn created<S: Stamp>(&self, network: &Network) -> impl Iterator<Item = Buffer> {
        let template = S::template(&established());
        let ends = to_service(network, Kind::Known);
        shuffled(self.flows, CREATION).into_iter().map(move |flow| {
            let Ends { src, dst } = ends(flow);
            let mut buffer = Buffer::default();
            S::new(&template, src, dst).put(&template, &mut buffer);
            buffer
        })
    }

    /// Packets in one burst of this workload, on average over all mixtures, that no connection claims, in
    /// parts of `mixtures`.
    #[must_use]
    pub fn missed<S: Stamp>(&self, traffic: &Traffic<S>) -> usize {
        match self.workload {
            Kinds::Miss => traffic.share(0),
            Kinds::Mixed => traffic.share(2),
            _ => 0,
        }
    }
}

/// A client's packet for its service.
pub fn to_service(network: &Network, kind: Kind) -> impl Fn(u32) -> Ends + '_ {
    move |flow| Ends {
        src: network.client(flow, kind),
        dst: network.vip(flow),
    }
}

const fn syn() -> Common {
    Common {
        to: port_mac(0),
        flags: SYN,
        sequence: CLIENT_ISN,
        acknowledgment: 0,
    }
}

/// A client's later packet.
#[must_use]
pub const fn established() -> Common {
    sent(ACK)
}

/// What a client sends after its SYN.
const fn sent(flags: Flags) -> Common {
    Common {
        to: port_mac(0),
        flags,
        sequence: CLIENT_ISN + 1,
        acknowledgment: BACKEND_ISN + 1,
    }
}

/// What a backend sends.
const fn answered(flags: Flags, port: u16) -> Common {
    Common {
        to: port_mac(port),
        flags,
        sequence: BACKEND_ISN,
        acknowledgment: CLIENT_ISN + 1,
    }
}

/// Opens a connection for each flow, in this order; the backend of each flow, by flow number.
fn connect<S: Stamp>(network: &Network, switch: &mut Switch, order: &[u32]) -> Result<Vec<u16>> {
    let before = switch.counted();
    let replies = network.forwarding == Forwarding::Nat;
    let mut backends = vec![0; order.len()];
    let mut buffers = vec![Buffer::default(); BURST];
    let to_service = to_service(network, Kind::Known);
    for flows in order.chunks(BURST) {
        let burst = buffers.get_mut(..flows.len()).unwrap_or_default();
        send::<S>(switch, PortId(0), syn(), burst, flows, &to_service);
        if replies {
            for (&flow, packet) in flows.iter().zip(&*burst) {
                let number = S::destination(packet.head())
                    .and_then(|end| network.backend_number(end.address))
                    .context("a SYN did not go to a backend")?;
                if let Some(place) = backends.get_mut(flow as usize) {
                    *place = number;
                }
            }
            let common = answered(Flags(SYN.0 | ACK.0), network.server_port);
            let from_backend = |flow: u32| Ends {
                src: network.backend(backends.get(flow as usize).copied().unwrap_or(0)),
                dst: network.client(flow, Kind::Known),
            };
            let port = PortId(network.server_port);
            send::<S>(switch, port, common, burst, flows, from_backend);
        }
        send::<S>(switch, PortId(0), sent(ACK), burst, flows, &to_service);
    }
    let packets = order.len() as u64 * if replies { 3 } else { 2 };
    let expected = Counted {
        received: packets,
        forwarded: packets,
        missed: 0,
    };
    switch.check(before, expected)?;
    ensure!(
        switch.connections() == order.len() as u64,
        "{} connections in the table, {} were opened",
        switch.connections(),
        order.len()
    );
    Ok(backends)
}

fn send<S: Stamp>(
    switch: &mut Switch,
    port: PortId,
    common: Common,
    burst: &mut [Buffer],
    flows: &[u32],
    ends: impl Fn(u32) -> Ends,
) {
    let template = S::template(&common);
    for (buffer, &flow) in burst.iter_mut().zip(flows) {
        let Ends { src, dst } = ends(flow);
        S::new(&template, src, dst).put(&template, buffer);
    }
    switch.burst(port, burst);
}
