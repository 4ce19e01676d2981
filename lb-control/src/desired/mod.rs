//! Desired state: the document as people and programs change it.
//!
//! No counterpart in the patent, whose system parameters come from "the system administrator". Here are the
//! pieces that `control` puts together: revisions, what differs between two of them, the change of one backend,
//! weights that move while the document does not, who did what, and the way back to the file.
//! Not here: what a document may say (`lb_core::config`), and flipping (`publisher`).
//! Easy to get wrong: a *revision* is a document that was applied; a *generation* is a flip. Weights flip, and
//! leave the revision as it is.

pub mod audit;
pub mod diff;
pub mod error;
pub mod file;
pub mod patch;
pub mod revision;
pub mod weights;

pub use audit::{Action, AuditRecord, Outcome};
pub use diff::Change;
pub use error::{Applied, ApplyError, Busy, SaveError};
pub use patch::Patch;
pub use revision::{Current, REVISIONS_KEPT, Revision, Who};
pub use weights::ServiceWeights;
