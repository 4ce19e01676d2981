//! Revisions: documents that were applied, with who did it and when.
//!
//! No counterpart in the patent. The last [`REVISIONS_KEPT`] are kept as text, so that each can be applied again;
//! only the one in force is kept with its meaning.
//! Easy to get wrong: numbers count from 1 with every start of the program and are never given twice; a rollback
//! makes a new number too.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use lb_core::config::{Backend, BackendState, Config, Document, Service};

/// Revisions that are kept, the current one among them.
pub const REVISIONS_KEPT: usize = 16;

/// Who changes something, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// As the way knows them: `uid 0 (pid 123)`, a certificate's name, a file's path.
    pub name: String,
    /// The way: `unix`, `tls`, `tcp`, `file`, `signal`.
    pub via: &'static str,
}

/// A document that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Counts from 1 since the program started.
    pub number: u64,
    /// The document, as it was put.
    pub text: Arc<str>,
    /// Who applied it.
    pub by: Who,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The revision in force, with what it means. It can be used like its [`Revision`].
#[derive(Clone, Debug)]
pub struct Current {
    /// Number, text, who and when.
    pub revision: Arc<Revision>,
    /// The document, read.
    pub document: Document,
    /// The document, checked. Weights are the configured ones.
    pub config: Config,
    names: Names,
}

impl Deref for Current {
    type Target = Revision;

    fn deref(&self) -> &Revision {
        &self.revision
    }
}

impl Current {
    pub(crate) fn new(revision: Arc<Revision>, document: Document, config: Config) -> Self {
        let names = Names::of(&config);
        Self {
            revision,
            document,
            config,
            names,
        }
    }

    /// The service called `name`, with its position in the document and in the distribution.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<(usize, &Service)> {
        let services = &self.config.services;
        let called = |at: &u32| services.get(*at as usize).map_or("", |s| s.name.as_str());
        let found = self
            .names
            .services
            .binary_search_by(|at| called(at).cmp(name));
        let at = *self.names.services.get(found.ok()?)? as usize;
        Some((at, services.get(at)?))
    }

    /// The backend called `name` of the service at a position, with its own position in the document.
    #[must_use]
    pub fn backend(&self, service: usize, name: &str) -> Option<(usize, &Backend)> {
        let place = self.place(service, name)?;
        let at = place.at as usize;
        Some((at, self.config.services.get(service)?.backends.get(at)?))
    }

    /// Position of a backend among those that are not disabled; `None` where it is, or is unknown.
    pub(crate) fn present(&self, service: usize, name: &str) -> Option<usize> {
        let place = self.place(service, name)?;
        place.present.map(|at| at as usize)
    }

    fn place(&self, service: usize, name: &str) -> Option<Place> {
        let backends = &self.config.services.get(service)?.backends;
        let called = |at: u32| backends.get(at as usize).map_or("", |b| b.name.as_str());
        let places = self.names.backends.get(service)?;
        let found = places.binary_search_by(|place| called(place.at).cmp(name));
        places.get(found.ok()?).copied()
    }
}

/// Positions in the order of names. Names themselves stand in the configuration only, of which there is much.
#[derive(Clone, Debug)]
struct Names {
    services: Vec<u32>,
    /// Of each service, in the order of the document.
    backends: Vec<Vec<Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: u32,
    /// Position among those that are not disabled.
    present: Option<u32>,
}

impl Names {
    fn of(config: &Config) -> Self {
        let mut services: Vec<(u32, &str)> = (0..)
            .zip(config.services.iter().map(|service| service.name.as_str()))
            .collect();
        services.sort_unstable_by_key(|(_, name)| *name);
        Self {
            services: services.into_iter().map(|(at, _)| at).collect(),
            backends: config.services.iter().map(places).collect(),
        }
    }
}

fn places(service: &Service) -> Vec<Place> {
    let mut before = 0;
    let mut named: Vec<(Place, &str)> = Vec::with_capacity(service.backends.len());
    for (at, backend) in (0..).zip(&service.backends) {
        let is_present = backend.state != BackendState::Disabled;
        let present = is_present.then_some(before);
        before += u32::from(is_present);
        named.push((Place { at, present }, &backend.name));
    }
    named.sort_unstable_by_key(|(_, name)| *name);
    named.into_iter().map(|(place, _)| place).collect()
}

/// The last revisions, newest first.
#[derive(Debug, Default)]
pub(crate) struct Revisions(VecDeque<Arc<Revision>>);

impl Revisions {
    /// Adds the newest, and lets the oldest go where there are too many.
    pub(crate) fn push(&mut self, revision: Arc<Revision>) {
        self.0.truncate(REVISIONS_KEPT - 1);
        self.0.push_front(revision);
    }

    pub(crate) fn find(&self, number: u64) -> Option<&Arc<Revision>> {
        self.0.iter().find(|revision| revision.number == number)
    }

    /// Number of the oldest that is kept; 0 if there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.0.back().map_or(0, |revision| revision.number)
    }

    /// All of them, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Revision>> {
        self.0.iter().cloned().collect()
    }
}
