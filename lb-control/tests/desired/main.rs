//! Desired state, through `Control`, over real tables and a real publisher.
//!
//! No counterpart in the patent. Not here: the API around it, packets, agents.
//! Easy to get wrong: a lcore that has taken a turn holds its generation until its next turn or rest, and a change waits
//! for it 100 ms at most.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod documents;
mod files;
mod network;
mod scale;
mod support;
mod threads;
mod weights;
