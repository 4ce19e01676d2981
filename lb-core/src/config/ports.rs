//! Which ports there are to configure.
//!
//! No counterpart in the patent. The checks know nothing of hardware: the program hands this in.
//! Easy to get wrong: where the kernel's routes are followed, the document does not say all about what is reachable.

use std::collections::BTreeSet;
use std::fmt;

use crate::id::PortId;

/// The ports that the program drives; prints as `0, 1, 2`, or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortsPresent {
    ports: BTreeSet<PortId>,
    follows_kernel: bool,
}

impl PortsPresent {
    /// The same ports with kernel devices, whose addresses and routes are followed: a backend that the document
    /// shows no way to is accepted, since the kernel may know one, now or later.
    #[must_use]
    pub fn with_kernel_routes(self) -> Self {
        Self {
            follows_kernel: true,
            ..self
        }
    }

    /// Whether the kernel's addresses and routes count besides the document's.
    #[must_use]
    pub const fn follows_kernel(&self) -> bool {
        self.follows_kernel
    }

    /// True if the program drives `port`.
    #[must_use]
    pub fn contains(&self, port: PortId) -> bool {
        self.ports.contains(&port)
    }
}

impl FromIterator<PortId> for PortsPresent {
    fn from_iter<I: IntoIterator<Item = PortId>>(ports: I) -> Self {
        Self {
            ports: ports.into_iter().collect(),
            follows_kernel: false,
        }
    }
}

impl fmt::Display for PortsPresent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for port in &self.ports {
            write!(f, "{separator}{port}")?;
            separator = ", ";
        }
        if self.ports.is_empty() {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}
