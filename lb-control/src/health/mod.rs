//! Health checks: which backends answer, and who gets new flows for it.
//!
//! No counterpart in the patent, whose backends do not fail. Every backend of a service with `health` is asked in its
//! turn ([`probe`], [`pace`]); what comes of it is counted ([`standing`]) and kept ([`table`]); what follows for a service
//! is decided by a pure function ([`fitness`]) and put in force by `Control`, with a flip of its own at once.
//! Not here: how much a backend that is up should weigh (`resource_manager`).
//! Easy to get wrong: all checks share one thread. Nothing here may wait but by `await`, and a check that hangs holds
//! nothing but its own place.

pub mod checks;
pub mod fitness;
mod lines;
pub mod outcome;
pub mod pace;
pub mod probe;
pub mod standing;
pub mod table;

pub use checks::Checks;
