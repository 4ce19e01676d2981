//! Who sent a report, and why it is not taken.
//!
//! No counterpart in the patent. How a sender proves who it is belongs to the API; here it is only asked
//! whether it may speak for the backend that its report names.
//! Easy to get wrong: the name is checked before the backend is looked up, so that a certificate cannot be used
//! to find out which backends exist.

use lb_core::load::Refusal;

/// Who sent a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Somebody on this machine: speaks for every backend.
    Local,
    /// Somebody who has the shared token: speaks for every backend.
    Token,
    /// Somebody with a certificate: speaks for the backends that it names, and no other.
    Named(&'a [String]),
}

impl Identity<'_> {
    /// Every identity's word, for counters that exist before the first report.
    pub const WORDS: [&'static str; 3] = ["local", "token", "named"];

    /// The word under which its reports are counted.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Token => "token",
            Self::Named(_) => "named",
        }
    }

    pub(super) fn may_speak_for(&self, backend: &str) -> bool {
        match self {
            Self::Local | Self::Token => true,
            Self::Named(names) => names.iter().any(|name| name == backend),
        }
    }
}

/// The one cause for which a report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ReportRefusal {
    /// The certificate names other backends.
    #[error("backend: the sender's certificate does not name it")]
    WrongIdentity,
    /// No service has such a backend.
    #[error("backend: the configuration has none of this name")]
    UnknownBackend,
    /// The report itself.
    #[error(transparent)]
    Report(#[from] Refusal),
}

impl ReportRefusal {
    /// Every cause's word, for counters that exist before the first refusal.
    pub const CAUSES: [&'static str; 2 + Refusal::CAUSES.len()] = {
        let mut causes = [""; 2 + Refusal::CAUSES.len()];
        let (own, of_gates) = causes.split_at_mut(2);
        own.copy_from_slice(&[Self::WrongIdentity.cause(), Self::UnknownBackend.cause()]);
        of_gates.copy_from_slice(&Refusal::CAUSES);
        causes
    };

    /// The word under which the cause is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::WrongIdentity => "wrong_identity",
            Self::UnknownBackend => "unknown_backend",
            Self::Report(refusal) => refusal.cause(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_that_a_gate_knows_is_counted_here() {
        let counted = ReportRefusal::CAUSES;
        assert!(Refusal::CAUSES.iter().all(|cause| counted.contains(cause)));
        assert_eq!(counted.len(), Refusal::CAUSES.len() + 2);
        for own in [ReportRefusal::WrongIdentity, ReportRefusal::UnknownBackend] {
            assert!(counted.contains(&own.cause()));
        }
    }
}
