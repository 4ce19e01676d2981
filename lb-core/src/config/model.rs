//! The configuration after all checks: types that cannot be wrong.
//!
//! WO 00/30294: what configuration table 64 is filled from. Made by [`super::parse`] alone.
//! Not here: the flat form that worker lcores read (`Distribution`), and lasting slots.
//! Easy to get wrong: the order of services and backends is the document's and says nothing about
//! their identity, which is their name.

use std::net::IpAddr;
use std::sync::Arc;

use super::document::BackendState;
use super::fitness::{AllDown, Fitness, HealthCheck, OnDown};
use super::prefix::{Cidr, Prefix};
use crate::flow::{HashSeed, Protocol};
use crate::id::PortId;
use crate::master::Algorithm;
use crate::scheduler::SchedulerKind;
use crate::wire::MacAddr;

/// Desired state of the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Packets that are neither for a service nor for us are routed.
    pub transit: bool,
    /// Seed of the choice of backends; `None`: derived by the installation.
    pub hash_seed: Option<HashSeed>,
    /// At most one for each port; their networks are disjoint between ports or differ in length.
    pub interfaces: Vec<Interface>,
    /// Each prefix once, and none that an interface is connected to.
    pub routes: Vec<Route>,
    /// Each address once.
    pub neighbors: Vec<StaticNeighbor>,
    /// Each name once, and each address, port and protocol once.
    pub services: Vec<Service>,
}

/// A port that carries IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// A port that exists.
    pub port: PortId,
    /// 1 to 12 characters a-z, 0-9 and `-`.
    pub name: String,
    /// Own addresses, each with its network; no address on two interfaces.
    pub addresses: Vec<Cidr>,
}

/// A static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destinations.
    pub prefix: Prefix,
    /// Next hop, on a network that `port` is connected to; never an address of our own.
    pub via: IpAddr,
    /// The port of that network.
    pub port: PortId,
}

/// A neighbor that is never asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticNeighbor {
    /// On a network that `port` is connected to; never an address of our own.
    pub address: IpAddr,
    /// Unicast, not all zero.
    pub mac: MacAddr,
    /// The port of that network.
    pub port: PortId,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// 1 to 63 characters, unique.
    pub name: String,
    /// VIP.
    pub address: IpAddr,
    /// 1 to 65535.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How packets reach a backend.
    pub forwarding: Forwarding,
    /// How a new flow picks a backend.
    pub scheduler: SchedulerKind,
    /// Slots in the table of [`SchedulerKind::Maglev`]: a prime from 7 to 5000011, at least the number
    /// of backends. Other schedulers have no use for it.
    pub maglev_table_size: u32,
    /// Where weights come from.
    pub algorithm: Algorithm,
    /// What a backend should have, each once; some with [`Algorithm::Capability`], none with the others.
    pub tags: Vec<String>,
    /// Whom to ask how the backends are; `None`: nobody.
    pub agent_check: Option<AgentCheck>,
    /// What becomes of the flows of a backend that is down.
    pub on_down: OnDown,
    /// In which a backend that comes up gets its full share, 0 to 3600 seconds; 0: at once.
    pub slow_start_seconds: u32,
    /// Thousandths of the backends that must be up, or all count as up; 0 to 1000, 0: never.
    pub panic_permille: u32,
    /// What becomes of an opening packet while no backend takes it.
    pub all_down: AllDown,
    /// What happens to a packet that opens no flow and belongs to none.
    pub on_miss: OnMiss,
    /// When silent flows are forgotten.
    pub timeouts: Timeouts,
    /// Flows at once, 1 to 67108864; `None`: no limit of its own.
    pub max_connections: Option<u32>,
    /// May be empty. Each name once, and each address and port once.
    pub backends: Vec<Backend>,
}

impl Service {
    /// Whether its weights may change while its document does not.
    #[must_use]
    pub fn has_moving_weights(&self) -> bool {
        self.algorithm != Algorithm::Static || self.agent_check.is_some()
    }
}

/// A server behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// 1 to 63 characters, unique in the service.
    pub name: String,
    /// Of the VIP's family, where a network or route leads; with [`Forwarding::Direct`] a network.
    pub address: IpAddr,
    /// 1 to 65535; with [`Forwarding::Direct`] the service's.
    pub port: u16,
    /// Share of new flows, 0 to 65535; 0: no new flows.
    pub weight: u32,
    /// Whether it takes part.
    pub state: BackendState,
    /// What it is able to do, each once.
    pub tags: Vec<String>,
    /// Where its agent is asked; `None`: at its own address.
    pub agent_address: Option<IpAddr>,
    /// Has new flows only while no other backend can.
    pub is_backup: bool,
    /// How its health is found out; `None`: it counts as up.
    pub health: Option<Arc<HealthCheck>>,
    /// What its health makes of it; not the document's, which begins with fully fit.
    pub fitness: Fitness,
}

/// Whom to ask how a service's backends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentCheck {
    /// TCP port of the agents, 1 to 65535.
    pub port: u16,
    /// Between two questions, 1 to 60 seconds.
    pub interval_seconds: u32,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// MAC addresses change; the backend answers clients itself.
    Direct,
    /// MAC addresses, IP address and port change; replies return through us.
    Nat,
}

/// What happens to a packet for a service that opens no flow and belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnMiss {
    /// TCP is answered with a reset (step 208), UDP dropped.
    Reset,
    /// Dropped.
    Drop,
    /// A backend is picked as for a new flow.
    Hash,
}

/// Seconds of silence after which a flow is forgotten, each 1 to 604800.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, handshake seen.
    pub established: u32,
    /// TCP, SYN seen but no handshake.
    pub half_open: u32,
    /// TCP, after FIN in both directions or RST.
    pub closing: u32,
    /// UDP.
    pub udp: u32,
}
