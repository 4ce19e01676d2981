//! Resource manager: takes what agents say, and answers every service's weights.
//!
//! WO 00/30294, box 52; it also steps master module 54 (`lb_core::master`), one per service. Three ways in:
//! load reports that agents send ([`ResourceManager::report`]), statements of HAProxy agents that are asked
//! ([`ResourceManager::agent_said`]), and weights that a resource manager elsewhere worked out
//! ([`ResourceManager::external_weights`]). One way out: [`ResourceManager::step`].
//! Pure: time is handed in; there is no thread, clock or socket here. What it remembers is bounded by the
//! configuration, whatever is sent.
//! Not here: how reports travel and who sent them (`api`), asking agents (`agent_check`), publishing
//! (`control`).
//! Easy to get wrong: a report speaks for a *server*, by its backend's name, in every service that names it; a
//! statement of an agent-check speaks for one backend of one service.

mod agents;
mod check;
mod external;
mod identity;
mod managed;
mod manager;
mod place;
mod tally;
mod view;
mod weights;

pub use agents::MOST_DEPARTED;
pub use check::{LEAST_CHECK_EXPIRY_SECONDS, MOST_PERCENT, Standing};
pub use external::{ExternalRefusal, LONGEST_TTL_SECONDS};
pub use identity::{Identity, ReportRefusal};
pub use manager::ResourceManager;
pub use tally::Counts;
pub use view::{
    AgentView, BackendExplanation, CheckView, Heard, LastRefusal, ServiceExplanation, Source,
};
