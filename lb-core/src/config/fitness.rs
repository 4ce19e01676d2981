//! How fit a backend is for flows, beside its weight; and how its health is found out.
//!
//! No counterpart in the patent. The checked form of the keys about health; a distribution is built from a backend's
//! weight and its [`Fitness`].
//! Not here: checking, and what follows for a service when backends fail (`health` of the control side).
//! Easy to get wrong: fitness 0 is not weight 0. An operator who sets a weight of 0 wants flows to end in peace,
//! a backend that is down may be left by the flows that it has.

use std::net::IpAddr;
use std::sync::Arc;

pub use super::document::{AllDown, OnDown, Rcode, Record};

/// Thousandths of the weight that a backend which is fully fit has.
pub const FULL: u16 = 1000;

/// What health makes of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fitness {
    /// Thousandths of its weight, 0 to [`FULL`]; 0: no new flows.
    pub permille: u16,
    /// What its flows do, where it is down; `None`: they stay.
    pub leaves: Option<OnDown>,
}

impl Fitness {
    /// Fully fit.
    pub const FIT: Self = Self {
        permille: FULL,
        leaves: None,
    };
    /// No new flows, and nothing else.
    pub const RESTING: Self = Self {
        permille: 0,
        leaves: None,
    };

    /// A weight, scaled; 0 only where the weight or the fitness is 0.
    #[must_use]
    pub fn scale(self, weight: u32) -> u32 {
        if weight == 0 || self.permille == 0 {
            return 0;
        }
        let scaled = u64::from(weight) * u64::from(self.permille) / u64::from(FULL);
        u32::try_from(scaled).unwrap_or(weight).max(1)
    }

    /// Whether it is on its way up: fit, but not fully.
    #[must_use]
    pub const fn is_partial(self) -> bool {
        self.permille > 0 && self.permille < FULL
    }
}

impl Default for Fitness {
    fn default() -> Self {
        Self::FIT
    }
}

/// A backend's health check, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Address that is asked.
    pub address: IpAddr,
    /// Port that is asked; no meaning for [`Probe::Icmp`].
    pub port: u16,
    /// What is asked.
    pub probe: Arc<Probe>,
    /// From the start of one check to that of the next, 100 to 3600000 milliseconds.
    pub interval_millis: u32,
    /// That a check may take, 10 milliseconds to the interval.
    pub timeout_millis: u32,
    /// Passed in a row to be up, 1 to 100.
    pub rise: u32,
    /// Failed in a row to be down, 1 to 100.
    pub fall: u32,
    /// Thousandths of the interval by which a check may come sooner, 0 to 500.
    pub jitter_permille: u32,
}

/// What is asked of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A TCP connection.
    Tcp,
    /// An answer over HTTP.
    Http(HttpProbe),
    /// An echo.
    Icmp,
    /// An answer over UDP.
    Udp {
        /// The datagram, 0 to 512 octets.
        send: Vec<u8>,
        /// What the answer must hold; empty: anything.
        expect: Vec<u8>,
    },
    /// An answer of a name server.
    Dns {
        /// Labels, each 1 to 63 octets; none: the root.
        name: Vec<String>,
        /// Type of record.
        record: Record,
        /// Code of the answer.
        rcode: Rcode,
    },
}

impl Probe {
    /// The word for its kind in the document.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(http) if http.tls.is_some() => "https",
            Self::Http(_) => "http",
            Self::Icmp => "icmp",
            Self::Udp { .. } => "udp",
            Self::Dns { .. } => "dns",
        }
    }
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Path and query; begins with `/`.
    pub path: String,
    /// Value of the header `Host`.
    pub host: String,
    /// First and last of each range of statuses that pass.
    pub statuses: Vec<(u16, u16)>,
    /// Text that the body must hold.
    pub body: Option<String>,
    /// TLS around it.
    pub tls: Option<TlsProbe>,
}

/// TLS around a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProbe {
    /// Name or address that the certificate should be for; a name is asked for in the handshake.
    pub name: String,
    /// Whether the certificate must be one that this system trusts.
    pub verify: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_scaled_and_only_nothing_becomes_nothing() {
        let fit = |permille| Fitness {
            permille,
            leaves: None,
        };
        assert_eq!(fit(500).scale(100), 50);
        assert_eq!(fit(1).scale(100), 1);
        assert_eq!(fit(0).scale(100), 0);
        assert_eq!(fit(1000).scale(u32::MAX), u32::MAX);
        assert_eq!(Fitness::FIT.scale(0), 0);
        assert!(fit(1).is_partial() && fit(999).is_partial());
        assert!(!Fitness::FIT.is_partial() && !Fitness::RESTING.is_partial());
    }
}
