//! What the control side counts of itself.
//!
//! No counterpart in the patent.
//! Easy to get wrong: requests are counted by status, of which there are few, never by path, of which a client can
//! make as many as it likes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::latency::Latency;

/// Counters of the control side, shared by its tasks.
#[derive(Default)]
pub(crate) struct Meters {
    requests: Mutex<BTreeMap<u16, u64>>,
    connections: Mutex<BTreeMap<&'static str, u64>>,
    handshake_failures: AtomicU64,
    unreadable: AtomicU64,
    busy: AtomicU64,
    /// From a request's head to its answer.
    pub(super) request: Latency,
    /// One step of all masters.
    pub(crate) step: Latency,
    /// From weights to the flip.
    pub(crate) weights: Latency,
}

impl Meters {
    /// A request was answered.
    pub(crate) fn note_request(&self, status: u16, took: Duration) {
        *self.requests.lock().entry(status).or_default() += 1;
        self.request.note(took);
    }

    /// Somebody connected to a listener of this kind.
    pub(crate) fn note_connection(&self, listener: &'static str) {
        *self.connections.lock().entry(listener).or_default() += 1;
    }

    /// A TLS handshake failed: no certificate, a wrong one, an expired one, or no TLS at all.
    pub(crate) fn note_handshake_failure(&self) {
        self.handshake_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A load report was no load report.
    pub(crate) fn note_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// Weights could not be published, for a lcore had not taken over those before.
    pub(crate) fn note_busy(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// Load reports that were none.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> BTreeMap<u16, u64> {
        self.requests.lock().clone()
    }

    pub(super) fn connections(&self) -> BTreeMap<&'static str, u64> {
        self.connections.lock().clone()
    }

    pub(super) fn handshake_failures(&self) -> u64 {
        self.handshake_failures.load(Ordering::Relaxed)
    }

    pub(super) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }
}
