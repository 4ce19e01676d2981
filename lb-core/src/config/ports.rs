//! Which ports there are to configure.
//!
//! No counterpart in the patent. The checks know nothing of hardware: the program hands this in.

use std::collections::BTreeSet;
use std::fmt;

use crate::id::PortId;

/// The ports that the program drives; prints as `0, 1, 2`, or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortsPresent(BTreeSet<PortId>);

impl PortsPresent {
    /// True if the program drives `port`.
    #[must_use]
    pub fn contains(&self, port: PortId) -> bool {
        self.0.contains(&port)
    }
}

impl FromIterator<PortId> for PortsPresent {
    fn from_iter<I: IntoIterator<Item = PortId>>(ports: I) -> Self {
        Self(ports.into_iter().collect())
    }
}

impl fmt::Display for PortsPresent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for port in &self.0 {
            write!(f, "{separator}{port}")?;
            separator = ", ";
        }
        if self.0.is_empty() {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}
