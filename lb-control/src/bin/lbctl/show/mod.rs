//! The API's answers as text for people: views in, text out, nothing else.
//!
//! No counterpart in the patent. One file per noun, as in `lb_control::view`. `Room` is the width of the
//! terminal; without one (a file, a pipe) nothing is cut.
//! Easy to get wrong: a list without members is said in a sentence; headings over nothing look like a fault
//! of the switch.

mod advertise;
mod agents;
mod backends;
mod connections;
mod document;
pub(crate) mod format;
mod lcores;
mod network;
mod ports;
mod rate;
mod services;
mod status;
pub(crate) mod table;

pub(crate) use advertise::advertise;
pub(crate) use agents::{agents, explained};
pub(crate) use backends::{backend, backends, table as backend_table};
pub(crate) use connections::Listing;
pub(crate) use document::{applied, audit, checked, diff, revisions};
pub(crate) use lcores::{drop_rates, drops, lcores};
pub(crate) use network::{neighbors, routes};
pub(crate) use ports::ports;
pub(crate) use rate::{Before, per_second};
pub(crate) use services::{rates as service_rates, service, services};
pub(crate) use status::status;

/// Characters in a line of the terminal; `None` where there is none.
pub(crate) type Room = Option<usize>;

#[cfg(test)]
pub(crate) mod tests;
