//! Control: the one heart of the control side; every change of what packets meet goes through it.
//!
//! WO 00/30294, control processor 42 as the one writer of configuration table 64. File, API, signals and the
//! resource manager call it; each change is all or nothing, one after the other.
//! Not here: who may call what (`api`), what a document may say (`lb_core::config`), which weights are wanted
//! (`resource_manager`).
//! Two locks. Whoever changes something holds `changes` from the first look to the flip; `state` is what is in force,
//! held to read while a distribution is built and to write for the flip alone. So nobody who only looks waits for a build.
//! Easy to get wrong: what is new is made whole before anything of it is put in place. Whatever fails in between, a
//! panic too, leaves the old document, the old distribution, and nothing taken of slots and neighbor rows that the
//! next build would not settle.

mod change;
mod flip;
mod health;
mod look;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lb_core::config::{Config, KernelNetwork, PortsPresent, Prefix, Refusal};
use lb_core::route::neighbor::Now;
use parking_lot::{Mutex, RwLock};

pub use crate::desired::{
    Action, Applied, ApplyError, AuditRecord, Busy, Change, Current, Outcome, Patch, Revision,
    SaveError, ServiceWeights, Who,
};
use crate::desired::{audit::Audit, diff, file, revision::Revisions, weights};
use crate::health::fitness::Outlook;
use crate::publisher::Publisher;
use change::Draft;
use health::Verdicts;
pub use health::{Fitted, Verdict};
pub use look::Look;

/// What `Control` is made of.
pub struct Parts {
    /// Builds and flips.
    pub publisher: Publisher,
    /// Ports that a document may name.
    pub ports: PortsPresent,
    /// The document's file, for [`Control::reload`] and [`Control::save`].
    pub file: Option<PathBuf>,
    /// The audit log's file.
    pub audit: Option<PathBuf>,
    /// The moment.
    pub now: Box<dyn Fn() -> Now + Send + Sync>,
}

/// The shared heart; wrap it into an `Arc`.
pub struct Control {
    ports: PortsPresent,
    file: Option<PathBuf>,
    now: Box<dyn Fn() -> Now + Send + Sync>,
    changes: Mutex<Changing>,
    state: RwLock<State>,
    audit: Mutex<Audit>,
    refusals: AtomicU64,
}

/// What only those need who change something.
struct Changing {
    /// The document's meaning with the weights and the fitness that are in force.
    in_force: Config,
    /// What is believed of backends' health.
    verdicts: Verdicts,
    /// Service at which the next step of weights begins to look.
    first: usize,
    /// Destinations that routes lead elsewhere, and whose connections have not been told.
    moved: Vec<Prefix>,
    /// What the file held when it was read or written last.
    file_text: Option<Arc<str>>,
}

/// What is in force.
struct State {
    publisher: Publisher,
    current: Arc<Current>,
    /// The kernel's view of the network, where it is followed; of nothing until it is known.
    network: Option<Arc<KernelNetwork>>,
    revisions: Revisions,
    flipped_at: f64,
    flips: u64,
    weights_waiting: usize,
    /// How services stand, in the order of the document.
    outlooks: Arc<[Outlook]>,
}

impl Control {
    /// Publishes the first generation: that of `text`, which is the file's as a rule; `None` is the empty document.
    ///
    /// # Errors
    /// [`ApplyError::Refused`] and [`ApplyError::Busy`]; nothing was published.
    pub fn new(parts: Parts, text: Option<&str>) -> Result<Self, ApplyError> {
        let Parts {
            mut publisher,
            ports,
            file,
            audit,
            now,
        } = parts;
        let name = match &file {
            Some(path) if text.is_some() => path.display().to_string(),
            _ => "no file".to_owned(),
        };
        let by = Who { name, via: "file" };
        let draft = Draft::of(text.unwrap_or("{}"), &ports);
        let (read, document, config) = draft.checked()?;
        let network = ports.follows_kernel().then(Arc::default);
        let mut in_force = config.clone();
        let verdicts = Verdicts::default();
        let outlooks = verdicts.fit_all(&mut in_force);
        let next = publisher
            .build(&in_force, network.as_deref(), now())
            .map_err(|error| ApplyError::Refused(vec![error.refusal(&config, &read)]))?;
        if publisher.publish(next).is_err() {
            publisher.abandon();
            return Err(Busy.into());
        }
        let revision = Arc::new(Revision {
            number: 1,
            text: Arc::clone(&read),
            by,
            at: seconds_since_1970(),
        });
        let mut revisions = Revisions::default();
        revisions.push(Arc::clone(&revision));
        let control = Self {
            ports,
            file,
            now,
            changes: Mutex::new(Changing {
                in_force,
                verdicts,
                first: 0,
                moved: Vec::new(),
                file_text: text.map(|_| read),
            }),
            state: RwLock::new(State {
                publisher,
                current: Arc::new(Current::new(Arc::clone(&revision), document, config)),
                network,
                revisions,
                flipped_at: since_1970().as_secs_f64(),
                flips: 1,
                weights_waiting: 0,
                outlooks,
            }),
            audit: Mutex::new(Audit::new(audit)),
            refusals: AtomicU64::new(0),
        };
        control.note(Action::Start, &revision.by, 0, &[], Vec::new());
        Ok(control)
    }

    /// The revision in force.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.state.read().current)
    }

    /// The revisions that are kept, newest first.
    #[must_use]
    pub fn revisions(&self) -> Vec<Arc<Revision>> {
        self.state.read().revisions.all()
    }

    /// Looks at what is in force, all of one generation. Nothing is published before `f` returns, so it should be
    /// short; and it must not call this `Control`.
    pub fn look<R>(&self, f: impl FnOnce(&Look<'_>) -> R) -> R {
        let state = self.state.read();
        f(&Look::of(&state, self.refusals.load(Ordering::Relaxed)))
    }

    /// What a document means here: whether [`apply`](Self::apply) would take it now.
    ///
    /// # Errors
    /// What is wrong with it, as for [`apply`](Self::apply).
    pub fn check(&self, text: &str) -> Result<Config, Vec<Refusal>> {
        let draft = Draft::of(text, &self.ports);
        let config = draft.config?;
        let changes = self.changes.lock();
        let state = self.state.read();
        let in_force = weights::carry_over(&config, &state.current.config, &changes.in_force);
        let network = state.network.as_deref();
        let built = state.publisher.build(&in_force, network, (self.now)());
        state.publisher.abandon();
        match built {
            Ok(_) => Ok(config),
            Err(error) => Err(vec![error.refusal(&config, text)]),
        }
    }

    /// What [`apply`](Self::apply) would change.
    ///
    /// # Errors
    /// What is wrong with the document in itself.
    pub fn diff(&self, text: &str) -> Result<Vec<Change>, Vec<Refusal>> {
        let draft = Draft::of(text, &self.ports);
        draft.config?;
        let after = draft.document.unwrap_or_default();
        Ok(diff::between(&self.current().document, &after))
    }

    /// Writes the document in force to the file, whole, and with the file's mode; answers the path.
    ///
    /// # Errors
    /// Why it was not written; [`SaveError::Changed`] where somebody else's work would be lost.
    pub fn save(&self, by: &Who) -> Result<PathBuf, SaveError> {
        let mut changes = self.changes.lock();
        let text = Arc::clone(&self.current().text);
        let saved = self.write_file(&mut changes, &text);
        let errors = saved.as_ref().err().map(ToString::to_string);
        let number = self.current().number;
        self.note(Action::Save, by, number, &[], errors.into_iter().collect());
        saved
    }

    /// The last records of the audit log, newest first, [`RECORDS_KEPT`](crate::desired::audit::RECORDS_KEPT) at most.
    #[must_use]
    pub fn audit(&self, most: usize) -> Vec<AuditRecord> {
        self.audit.lock().last(most)
    }

    /// Notes that somebody has switched the announcement of the box, or of one VIP. It is no part of the document, so
    /// the revision stays.
    pub(crate) fn note_advertise(&self, by: &Who, vip: Option<IpAddr>, before: &str, after: &str) {
        let change = Change {
            path: vip.map_or_else(|| "advertise".to_owned(), |vip| format!("advertise[{vip}]")),
            before: Some(before.into()),
            after: Some(after.into()),
        };
        let number = self.current().number;
        self.note(Action::Advertise, by, number, &[change], Vec::new());
    }

    /// Records that could not be written to the audit log's file.
    #[must_use]
    pub fn audit_lost(&self) -> u64 {
        self.audit.lock().lost()
    }

    fn write_file(&self, changes: &mut Changing, text: &Arc<str>) -> Result<PathBuf, SaveError> {
        let path = self.file.as_ref().ok_or(SaveError::NoFile)?;
        let is_ours = match file::read(path) {
            Ok(held) => changes.file_text.as_deref() == Some(held.as_str()) || held == **text,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !is_ours {
            return Err(SaveError::Changed { path: path.clone() });
        }
        file::replace(path, text).map_err(|(path, source)| SaveError::Write { path, source })?;
        changes.file_text = Some(Arc::clone(text));
        Ok(path.clone())
    }

    /// A line for the audit log; `errors` say that it was refused.
    fn note(
        &self,
        action: Action,
        by: &Who,
        revision_before: u64,
        differences: &[Change],
        errors: Vec<String>,
    ) {
        let mut record = AuditRecord {
            at: seconds_since_1970(),
            by: by.name.clone(),
            via: by.via.to_owned(),
            action,
            outcome: if errors.is_empty() {
                Outcome::Done
            } else {
                Outcome::Refused
            },
            revision_before,
            revision: self.current().number,
            changes: Vec::new(),
            changes_left_out: 0,
            errors,
        };
        record.set_changes(differences);
        self.audit.lock().add(record);
    }
}

fn since_1970() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

fn seconds_since_1970() -> u64 {
    since_1970().as_secs()
}
