//! Connections, a page at a time.
//!
//! WO 00/30294: connection table 66, for people.
//! Easy to get wrong: pages follow the table's cells, not time. A connection that lasts over the whole listing is
//! in it exactly once; one that comes or goes meanwhile may be in it or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// As many as were asked for, or fewer: a filter that matches little ends a page early.
    pub connections: Vec<Connection>,
    /// Value of `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Client's address and port, as in `198.51.100.7:4711` or `[2001:db8::7]:4711`.
    pub client: String,
    /// Address and port that the client speaks to.
    pub vip: String,
    /// Name of the service; absent where it is no longer configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Name of the backend; absent where it is no longer configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Backend's address and port; absent where it is no longer configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_address: Option<String>,
    /// `opening`, `answered`, `established`, `client_closed`, `backend_closed`, `closing`, `reset_by_client`,
    /// `reset_by_backend` or `datagram`.
    pub state: String,
    /// Whole seconds since its last packet.
    pub idle_seconds: u32,
    /// Whether only packets from the client pass the switch (forwarding `direct`).
    pub is_one_way: bool,
}
