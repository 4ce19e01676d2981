//! Agent-check: asks agents that speak HAProxy's protocol, and reads their answers.
//!
//! No counterpart in the patent, whose agents send by themselves; here the control processor asks (a pull
//! beside `/v1/load-reports`), so that agents which are deployed already work unchanged. [`Statement`] reads
//! one answer, [`ask`] gets one over TCP, [`run`] asks every agent on its interval.
//! Not here: what a statement does to weights, and when it is no longer believed (`resource_manager`).
//! Easy to get wrong: an agent says only what it wants to change; what it leaves out stays as it was.

mod ask;
mod poller;
mod statement;
mod target;

pub use ask::{AskError, LONGEST_LINE, ask};
pub use poller::{AT_ONCE, Answer, LONGEST_QUESTION, run};
pub use statement::{Admin, Health, LARGEST_PERCENT, LONGEST_TEXT, Statement, Unfinished};
pub use target::Target;
