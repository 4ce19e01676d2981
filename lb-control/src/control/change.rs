//! Changes of the document: read, compared, built, put in force, and noted.
//!
//! No counterpart in the patent. All ways lead to `put`, which alone decides what a change comes to.
//! Not here: weights that move while the document does not (`flip`).
//! Easy to get wrong: text is read and checked before the lock is taken where it is known by then, so that a large
//! document does not hold up a small change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lb_core::config::{Config, Document, PortsPresent, Refusal, check, read};

use super::{Changing, Control, State, seconds_since_1970};
use crate::desired::patch::Missing;
use crate::desired::{
    Action, Applied, ApplyError, Change, Current, Patch, Revision, Who, diff, file, weights,
};

/// A text, as far as it could be read.
pub(super) struct Draft {
    text: Arc<str>,
    pub(super) document: Option<Document>,
    pub(super) config: Result<Config, Vec<Refusal>>,
}

impl Draft {
    pub(super) fn of(text: &str, ports: &PortsPresent) -> Self {
        let (document, config) = match read(text) {
            Ok(document) => {
                let config = check(&document, text, ports);
                (Some(document), config)
            }
            Err(refusal) => (None, Err(vec![refusal])),
        };
        Self {
            text: text.into(),
            document,
            config,
        }
    }

    /// The text with what it means.
    ///
    /// # Errors
    /// [`ApplyError::Refused`].
    pub(super) fn checked(self) -> Result<(Arc<str>, Document, Config), ApplyError> {
        let config = self.config.map_err(ApplyError::Refused)?;
        // What could be checked could be read.
        Ok((self.text, self.document.unwrap_or_default(), config))
    }
}

impl Control {
    /// Puts a document in force. `expected`: only if this revision is.
    ///
    /// A text that is in force already stays the revision that it is; one that says the same in other words is a new
    /// revision without a flip.
    ///
    /// # Errors
    /// [`ApplyError::Refused`], [`ApplyError::Conflict`] and [`ApplyError::Busy`]; nothing was changed.
    pub fn apply(
        &self,
        text: &str,
        by: &Who,
        expected: Option<u64>,
    ) -> Result<Applied, ApplyError> {
        let draft = Draft::of(text, &self.ports);
        let mut changes = self.changes.lock();
        self.put(&mut changes, draft, Action::Apply, by, expected)
    }

    /// Changes one backend in the document. `expected`: only if this revision is in force. What changes nothing
    /// makes no revision.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`ApplyError::NotFound`]; nothing was changed.
    pub fn patch_backend(
        &self,
        service: &str,
        backend: &str,
        patch: &Patch,
        by: &Who,
        expected: Option<u64>,
    ) -> Result<Applied, ApplyError> {
        let mut changes = self.changes.lock();
        let current = self.current();
        let edited = patch.edit(&current.text, service, backend);
        let text = edited.map_err(|missing| {
            let error = ApplyError::NotFound {
                service: service.to_owned(),
                backend: (missing == Missing::Backend).then(|| backend.to_owned()),
            };
            self.refuse(Action::Patch, by, &[], error)
        })?;
        let mut draft = Draft::of(&text, &self.ports);
        if draft.document.as_ref() == Some(&current.document) {
            draft.text = Arc::clone(&current.text);
        }
        self.put(&mut changes, draft, Action::Patch, by, expected)
    }

    /// Puts an earlier revision's document in force again, as a new revision.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`ApplyError::NoSuchRevision`]; nothing was changed.
    pub fn rollback(&self, to: u64, by: &Who) -> Result<Applied, ApplyError> {
        let mut changes = self.changes.lock();
        let found = {
            let state = self.state.read();
            let text = state
                .revisions
                .find(to)
                .map(|found| Arc::clone(&found.text));
            text.ok_or(ApplyError::NoSuchRevision {
                wanted: to,
                oldest: state.revisions.oldest(),
                newest: state.current.number,
            })
        };
        let text = found.map_err(|error| self.refuse(Action::Rollback, by, &[], error))?;
        let draft = Draft::of(&text, &self.ports);
        self.put(&mut changes, draft, Action::Rollback, by, None)
    }

    /// Puts the file's document in force; what was changed by other ways and not saved is gone.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`ApplyError::NoFile`], [`ApplyError::File`]; nothing was changed.
    pub fn reload(&self, by: &Who) -> Result<Applied, ApplyError> {
        let mut changes = self.changes.lock();
        let text = self
            .read_file()
            .map_err(|error| self.refuse(Action::Reload, by, &[], error))?;
        let draft = Draft::of(&text, &self.ports);
        let applied = self.put(&mut changes, draft, Action::Reload, by, None)?;
        changes.file_text = Some(text.into());
        Ok(applied)
    }

    /// Puts a draft in force and notes what came of it.
    fn put(
        &self,
        changes: &mut Changing,
        draft: Draft,
        action: Action,
        by: &Who,
        expected: Option<u64>,
    ) -> Result<Applied, ApplyError> {
        let current = self.current();
        let differences = match &draft.document {
            Some(document) => diff::between(&current.document, document),
            None => Vec::new(),
        };
        let put = match expected.filter(|&expected| expected != current.number) {
            Some(expected) => Err(ApplyError::Conflict {
                expected,
                is: current.number,
            }),
            None => self.put_in_force(changes, draft, &current, by),
        };
        match put {
            Ok((revision, generation)) => {
                self.note(action, by, current.number, &differences, Vec::new());
                Ok(Applied {
                    revision,
                    generation,
                    changes: differences,
                })
            }
            Err(error) => Err(self.refuse(action, by, &differences, error)),
        }
    }

    /// Revision and generation that are in force afterwards.
    fn put_in_force(
        &self,
        changes: &mut Changing,
        draft: Draft,
        current: &Current,
        by: &Who,
    ) -> Result<(u64, u64), ApplyError> {
        let (text, document, config) = draft.checked()?;
        if text == current.text {
            return Ok((
                current.number,
                self.state.read().publisher.current().generation,
            ));
        }
        let is_same = config == current.config;
        let revision = Arc::new(Revision {
            number: current.number + 1,
            text,
            by: by.clone(),
            at: seconds_since_1970(),
        });
        let number = revision.number;
        let next = Arc::new(Current::new(Arc::clone(&revision), document, config));
        let mut in_force = weights::carry_over(&next.config, &current.config, &changes.in_force);
        let outlooks = changes.verdicts.fit_all(&mut in_force);
        let enter = |state: &mut State| {
            state.revisions.push(revision);
            state.current = Arc::clone(&next);
            state.outlooks = outlooks;
        };
        if is_same {
            let mut state = self.state.write();
            enter(&mut state);
            return Ok((number, state.publisher.current().generation));
        }
        let distribution = {
            let state = self.wait_until_ready()?;
            let network = state.network.as_deref();
            let built = state.publisher.build(&in_force, network, (self.now)());
            built.map_err(|error| {
                ApplyError::Refused(vec![error.refusal(&next.config, &next.text)])
            })?
        };
        let generation = self.flip(distribution, enter)?;
        changes.in_force = in_force;
        Ok((number, generation))
    }

    fn read_file(&self) -> Result<String, ApplyError> {
        let path = self.file.as_ref().ok_or(ApplyError::NoFile)?;
        file::read(path).map_err(|source| ApplyError::File {
            path: path.clone(),
            source,
        })
    }

    /// Counts and notes a refusal, and hands it back.
    fn refuse(
        &self,
        action: Action,
        by: &Who,
        differences: &[Change],
        error: ApplyError,
    ) -> ApplyError {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        let errors = match &error {
            ApplyError::Refused(refusals) => refusals.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        };
        self.note(action, by, self.current().number, differences, errors);
        error
    }
}
