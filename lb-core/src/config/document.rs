//! The configuration as it is written: one JSON document.
//!
//! No counterpart in the patent. The types here are the published schema: a comment on a field is
//! the key's description in `docs/config.schema.json`, so it is written for operators.
//! Not here: what the values mean together (`check`), and the types that the tables are filled from (`model`).
//! Easy to get wrong: a value that only the checks refuse must still be readable here, or the answer
//! names that one key and stays silent about the others.

mod health;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use health::{AllDown, BackendHealth, CheckKind, HealthCheck, OnDown, Rcode, Record, Status};

use super::decimal::Decimal;
use super::object::{object, objects, present, present_object, word};
use super::whole::Whole;

/// Desired state of a load-balancing packet switch. Everything has a default: `{}` forwards nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "lb configuration")]
pub struct Document {
    /// Whether packets that are neither for a service nor for this machine are routed: true or false. Default: false, they are dropped.
    #[serde(default)]
    pub transit: bool,
    /// Seed of the hash by which source-hash and maglev choose backends: 32 hexadecimal digits. Boxes that must agree share it. Default: derived by the installation.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String", regex(pattern = r"^[0-9A-Fa-f]{32}$"))]
    pub hash_seed: Option<String>,
    /// Ports that carry IP, at most one entry for each. A port without an entry carries no IP. Default: none.
    #[serde(default, deserialize_with = "objects")]
    pub interfaces: Vec<Interface>,
    /// Static routes, beside the networks that interfaces are connected to. Default: none.
    #[serde(default, deserialize_with = "objects")]
    pub routes: Vec<Route>,
    /// Static neighbors, which are never asked for by ARP or ND and never age. Default: none.
    #[serde(default, deserialize_with = "objects")]
    pub neighbors: Vec<Neighbor>,
    /// Virtual services. Default: none.
    #[serde(default, deserialize_with = "objects")]
    pub services: Vec<Service>,
}

/// A port that carries IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Number of the port, as DPDK counts: a whole number from 0 to 65535. Required; the port must be among those that the program drives.
    pub port: Whole<0, 65535>,
    /// Name, unique among interfaces: 1 to 12 of the characters a-z, 0-9 and `-`, the first no `-`. Required. The kernel sees the interface as `lb-NAME`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,11}$"))]
    pub name: String,
    /// Own addresses, each with the prefix length of its network, as in `198.51.100.1/24` or `2001:db8:1::1/64`. Default: none.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destinations, as ADDRESS/LENGTH with all bits behind the prefix zero: `0.0.0.0/0` is the default route of IPv4. Required.
    pub prefix: String,
    /// Address of the next hop, of the prefix's family and on an interface's network. Required.
    pub via: String,
}

/// A static neighbor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Neighbor {
    /// IPv4 or IPv6 address of the neighbor, on an interface's network. Required.
    pub address: String,
    /// Its MAC address, six pairs of hexadecimal digits with colons: `02:00:00:00:01:01`. Required; not multicast, not all zero.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"))]
    pub mac: String,
}

/// A virtual service: one address, port and protocol, and the backends behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name, unique among services: 1 to 63 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`, the first a letter or digit. Required.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
    pub name: String,
    /// Virtual address (VIP) that clients speak to, IPv4 or IPv6. Required.
    pub address: String,
    /// TCP or UDP port that clients speak to: a whole number from 1 to 65535. Required.
    pub port: Whole<1, 65535>,
    /// Transport protocol. Required.
    #[serde(deserialize_with = "word")]
    pub protocol: Protocol,
    /// How packets reach a backend. Required.
    #[serde(deserialize_with = "word")]
    pub forwarding: Forwarding,
    /// How a new flow picks a backend. Default: weighted-round-robin.
    #[serde(default, deserialize_with = "word")]
    pub scheduler: Scheduler,
    /// Prime number of slots in the table of the scheduler maglev, which alone takes this key: from 7 to 5000011, at least the number of backends. Default: 65537.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<7, 5_000_011>")]
    pub maglev_table_size: Option<Whole<7, 5_000_011>>,
    /// Where the backends' weights come from. Default: static.
    #[serde(default, deserialize_with = "word")]
    pub weights: Weights,
    /// What the service needs of a backend, with `weights` of capability, which alone takes this key and needs at least one: words written like names. Backends that have all of these tags come first, the others take what is too much for them. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Asks every backend's HAProxy agent how it is. Default: nobody is asked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present_object"
    )]
    #[schemars(with = "AgentCheck")]
    pub agent_check: Option<AgentCheck>,
    /// Checks every backend's health. Default: nobody is checked, and all count as up.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "health::present_typed"
    )]
    #[schemars(with = "HealthCheck", extend("required" = ["type"]))]
    pub health: Option<HealthCheck>,
    /// What becomes of the flows of a backend that is down. Default: drain.
    #[serde(default, deserialize_with = "word")]
    pub on_down: OnDown,
    /// Time in which a backend that comes back up gets its full share of new flows, in a service with `health` only: seconds, a whole number from 0 to 3600. Default: 0, at once.
    #[serde(default = "no_slow_start")]
    pub slow_start: Whole<0, 3600>,
    /// Part of the backends that must be up, in a service with `health` only; while fewer are, all get new flows as though they were: a number from 0 to 1. Default: 0, never.
    #[serde(default = "no_panic")]
    pub panic: Decimal<0, 1000>,
    /// What becomes of a packet that would open a flow, while no backend takes one. Default: withdraw.
    #[serde(default, deserialize_with = "word")]
    pub all_down: AllDown,
    /// What happens to a packet that opens no flow and belongs to none. Default: reset.
    #[serde(default, deserialize_with = "word")]
    pub on_miss: OnMiss,
    /// After how long without a packet a flow is forgotten. Default: the default of each key.
    #[serde(default, deserialize_with = "object")]
    pub timeouts: Timeouts,
    /// Flows that the service may have in the connection table at once: a whole number from 1 to 67108864. Default: no limit of its own.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<1, 67_108_864>")]
    pub max_connections: Option<Whole<1, 67_108_864>>,
    /// Servers behind the service. Default: none, so that new flows are refused.
    #[serde(default, deserialize_with = "objects")]
    pub backends: Vec<Backend>,
}

/// A server behind a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Name, unique in the service: 1 to 63 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`, the first a letter or digit. Required.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
    pub name: String,
    /// Address of the server, of the VIP's family: with `direct` on an interface's network, otherwise where a route leads. Required.
    pub address: String,
    /// Port of the server: a whole number from 1 to 65535. Default: the service's port, and with `direct` nothing else.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<1, 65535>")]
    pub port: Option<Whole<1, 65535>>,
    /// Share of new flows relative to the other backends, without a unit: a whole number from 0 to 65535, where 0 means no new flows. Default: 100.
    #[serde(default = "default_weight")]
    pub weight: Whole<0, 65535>,
    /// Whether it takes part. Default: enabled.
    #[serde(default, deserialize_with = "word")]
    pub state: BackendState,
    /// What it is able to do, for services with `weights` of capability: words written like names. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Address at which its HAProxy agent is asked, in a service with `agent_check` only. Default: the backend's address.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub agent_address: Option<String>,
    /// Whether it is a last resort, which has new flows only while no other backend can: true or false. Default: false.
    #[serde(default)]
    pub backup: bool,
    /// What differs in its health check, or `off` for none, in a service with `health` only. Default: nothing differs.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "BackendHealth")]
    pub health: Option<BackendHealth>,
}

const fn no_slow_start() -> Whole<0, 3600> {
    Whole::new(0)
}

fn no_panic() -> Decimal<0, 1000> {
    Decimal::new(0)
}

const fn default_weight() -> Whole<0, 65535> {
    Whole::new(100)
}

/// Whom to ask how a backend is, by HAProxy's agent-check protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentCheck {
    /// TCP port of the agents: a whole number from 1 to 65535. Required.
    pub port: Whole<1, 65535>,
    /// Time between two questions: seconds, a whole number from 1 to 60. Default: 2.
    #[serde(default = "default_interval")]
    pub interval: Whole<1, 60>,
}

const fn default_interval() -> Whole<1, 60> {
    Whole::new(2)
}

/// Seconds of silence after which a flow is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// TCP, handshake seen: seconds, a whole number from 1 to 604800. Default: 7440, which is 2 h 4 min (RFC 5382 REQ-5).
    pub established: Whole<1, 604_800>,
    /// TCP, SYN seen but no handshake: seconds, a whole number from 1 to 604800. Default: 60.
    pub half_open: Whole<1, 604_800>,
    /// TCP, after FIN in both directions or RST: seconds, a whole number from 1 to 604800. Default: 10.
    pub closing: Whole<1, 604_800>,
    /// UDP: seconds, a whole number from 1 to 604800. Default: 120 (RFC 4787 REQ-5).
    pub udp: Whole<1, 604_800>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            established: Whole::new(7440),
            half_open: Whole::new(60),
            closing: Whole::new(10),
            udp: Whole::new(120),
        }
    }
}

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarding {
    /// Only the MAC addresses change; the backend holds the VIP on its loopback and answers clients itself.
    Direct,
    /// Destination address and port become the backend's; its replies return through the switch.
    Nat,
    /// Of a later part; read so that the checks can say so.
    #[schemars(skip)]
    FullNat,
    /// Of a later part; read so that the checks can say so.
    #[schemars(skip)]
    Tunnel,
}

/// How a new flow picks a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduler {
    /// One after the other; every weight but 0 is the same.
    RoundRobin,
    /// One after the other, as often as the weight says.
    #[default]
    WeightedRoundRobin,
    /// The backend with the fewest flows for its weight.
    LeastConnections,
    /// By a hash of the client's address, so that a client stays with its backend.
    SourceHash,
    /// By a hash of the flow, in a table of which few slots move when backends come and go.
    Maglev,
}

/// Where weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// From the document.
    #[default]
    Static,
    /// From load reports, so that backends become equally busy.
    Even,
    /// From load reports, with a strong bias to the least busy backends.
    LeastLoaded,
    /// From load reports and tags: backends with the service's `tags` first, the others take what is too much for them.
    Capability,
}

/// Whether a backend takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackendState {
    /// It has new flows, by its weight.
    #[default]
    Enabled,
    /// It has no new flows; those that it has go on.
    Draining,
    /// As if it were not there: no new flows, and those that it has end.
    Disabled,
}

/// What happens to a packet for a service that opens no flow and belongs to none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMiss {
    /// TCP is answered with a reset, limited in rate; UDP is dropped.
    #[default]
    Reset,
    /// It is dropped.
    Drop,
    /// It picks a backend as a new flow would; for several boxes that share `hash_seed`.
    Hash,
}

/// The document's JSON Schema (draft 2020-12), indented, with a line feed at its end.
///
/// # Errors
/// None in practice: the schema is plain JSON.
pub fn schema() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document))?;
    text.push('\n');
    Ok(text)
}
