//! Worker lcores and dropped packets.
//!
//! WO 00/30294: switching processors 44, as they count.
//! Easy to get wrong: all counts are since the program started; rates are the difference of two answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All worker lcores that poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lcores {
    /// In ascending order.
    pub lcores: Vec<Lcore>,
}

/// A worker lcore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lcore {
    /// Its number.
    pub lcore: u32,
    /// Receive queues that it polls, as `port:queue`.
    pub queues: Vec<String>,
    /// Whether its loop turns.
    pub is_beating: bool,
    /// Seconds since its loop was last seen to turn.
    pub heartbeat_age_seconds: f64,
    /// Turns of its loop.
    pub turns: u64,
    /// Turns in which no queue had a packet.
    pub idle_turns: u64,
    /// Seconds spent in turns that had packets.
    pub busy_seconds: f64,
    /// Part of the last second or so that was spent in turns with packets, 0 to 1.
    pub busy_ratio: f64,
    /// Polls of a queue that gave no packet.
    pub empty_polls: u64,
    /// Polls by the number of packets that they gave, from 0 on.
    pub polls: Vec<u64>,
    /// Packets received.
    pub received: u64,
    /// Octets received.
    pub received_octets: u64,
    /// What became of them.
    pub verdicts: Verdicts,
    /// Frames of the control processor's that it handed to their ports.
    #[serde(default)]
    pub injected: u64,
    /// Packets that wait for a neighbor now.
    pub held: u64,
    /// Questions for neighbors that it sent.
    pub solicitations: u64,
    /// Questions for neighbors that found no mbuf.
    pub no_mbuf: u64,
}

/// What became of received packets; with `held` they add up to all that were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdicts {
    /// Sent on.
    pub forwarded: u64,
    /// Turned into an answer.
    pub replied: u64,
    /// For the control processor.
    pub punted: u64,
    /// For network applications.
    pub apps: u64,
    /// Dropped.
    pub dropped: u64,
}

/// Packets dropped by the filter, by reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drops {
    /// All of them together.
    pub dropped: u64,
    /// Every reason there is, also those that did not occur.
    pub reasons: Vec<Drop>,
}

/// Packets dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drop {
    /// The reason's word.
    pub reason: String,
    /// What it means.
    pub sentence: String,
    /// Packets since the program started.
    pub packets: u64,
}
