//! The task that makes all checks, on one thread, and puts what follows from them in force.
//!
//! No counterpart in the patent. Each backend has a small task of its own that sleeps until its check is due; a verdict
//! wakes the one that flips. All of them share a runtime of one thread, so what is decided is in force a moment later,
//! and what comes in while a flip is made goes into the next one.
//! Not here: when a check is due (`pace`), what one is (`probe`), what follows for flows (`fitness`).
//! Easy to get wrong: sockets are bounded by the file descriptors that this process may open, of which each check under
//! way holds one. Who finds no place is not checked this time; that is counted, and is no failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lb_core::config::HealthCheck;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::fitness::Outlook;
use super::lines::Lines;
use super::outcome::Outcome;
use super::pace::Pace;
use super::probe::{self, Trust};
use super::standing::Turn;
use super::table::{Entry, Id, Table};
use crate::control::{Control, Fitted};
use crate::metrics::Latency;
use crate::supervisor::Life;

/// Name of the task.
pub const TASK: &str = "health";

/// Between two looks for a new document, and whether the program ends.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two steps of a slow start.
const STEP_EVERY: Duration = Duration::from_secs(1);
/// Until a flip is tried again that a lcore held up.
const TRY_AGAIN: Duration = Duration::from_millis(5);
/// Checks under way at once, however many descriptors there are.
const MOST_AT_ONCE: u64 = 16_384;
/// Descriptors that this process asks for, if it may have so many.
const DESCRIPTORS: u64 = 65_536;

/// All checks: what is known, for whoever asks, and the task behind it.
pub struct Checks {
    control: Arc<Control>,
    /// Of the checks that passed.
    latency: Latency,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    table: Mutex<Table>,
    lines: Mutex<Lines>,
    trust: Trust,
    /// Somebody's state has changed.
    changed: Notify,
}

impl Checks {
    /// Checks of what `control` has in force, of which `tell` gets a line for each change.
    #[must_use]
    pub fn new(control: Arc<Control>, tell: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            control,
            latency: Latency::default(),
            tell,
            table: Mutex::default(),
            lines: Mutex::default(),
            trust: Trust::default(),
            changed: Notify::new(),
        }
    }

    /// Looks at the table; nothing is noted meanwhile.
    pub fn ask<R>(&self, what: impl FnOnce(&Table) -> R) -> R {
        what(&self.table.lock())
    }

    /// What is known of one backend.
    #[must_use]
    pub fn entry(&self, service: &str, backend: &str) -> Option<Entry> {
        self.ask(|table| table.entry(service, backend).cloned())
    }

    /// How long the checks took that passed.
    pub(crate) fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The task: makes checks until the program ends.
    ///
    /// # Panics
    /// When the system has no event queue: the supervisor sees to it.
    pub fn keep_checking(self: &Arc<Self>, life: &Life) {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => std::panic::resume_unwind(Box::new(format!("health checks: {error}"))),
        };
        let round = Round {
            checks: Arc::clone(self),
            places: Arc::new(Semaphore::new(places())),
            tasks: HashMap::new(),
            revision: 0,
        };
        runtime.block_on(round.keep_going(life, &runtime));
        // What hangs in a check is not waited for.
        runtime.shutdown_background();
    }

    /// Notes what came of a check, and tells of a change; whether the backend is in doubt.
    fn heard(&self, id: &Id, outcome: &Outcome) -> bool {
        if let Outcome::Passed { latency, .. } = outcome {
            self.latency.note(*latency);
        }
        let now = seconds_since_1970();
        let (turn, is_in_doubt) = self.table.lock().note(id, outcome, now);
        if let Some(turn) = turn {
            self.changed.notify_one();
            self.tell_turn(id, turn, now);
        }
        is_in_doubt
    }

    fn tell_turn(&self, (service, backend): &Id, turn: Turn, now: f64) {
        let word = match turn {
            // It is as everybody took it to be.
            Turn::Confirmed => return,
            Turn::Up => "up",
            Turn::Down => "down",
        };
        let id = (service.clone(), backend.clone());
        let Some(kept_back) = self.lines.lock().may(&id, now) else {
            return;
        };
        let why = self.entry(service, backend).map(|entry| entry.standing.why);
        let why = why.unwrap_or_default();
        let mut line = format!("health: {service}/{backend} is {word}: {why}");
        if kept_back > 0 {
            line += &format!(" ({kept_back} changes before were not told)");
        }
        (self.tell)(&line);
    }

    /// Puts what is believed now in force; whether it will change by itself.
    async fn put_in_force(&self) -> bool {
        loop {
            let (verdicts, is_moving) = self.table.lock().verdicts(seconds_since_1970());
            let before = self.outlooks();
            match self.control.set_health(&verdicts) {
                Ok(Fitted { waiting: 0, .. }) => {
                    self.tell_outlooks(&before);
                    return is_moving;
                }
                Ok(_) => {
                    self.tell_outlooks(&before);
                    tokio::task::yield_now().await;
                }
                Err(_) => {
                    sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    fn outlooks(&self) -> HashMap<String, Outlook> {
        self.control.look(|look| {
            let services = look.revision.config.services.iter();
            services
                .map(|service| service.name.clone())
                .zip(look.outlooks.iter().copied())
                .collect()
        })
    }

    fn tell_outlooks(&self, before: &HashMap<String, Outlook>) {
        for (service, is) in self.outlooks() {
            let was = before.get(&service).copied().unwrap_or_default();
            let (up, of) = (is.up, is.of);
            if is.is_panicking != was.is_panicking {
                let what = if is.is_panicking {
                    "too few to believe it, so all get flows"
                } else {
                    "enough, so those that are down get no flows"
                };
                (self.tell)(&format!(
                    "health: {service}: {up} of {of} backends are up: {what}"
                ));
            }
            if is.is_on_backup != was.is_on_backup {
                let what = if is.is_on_backup {
                    "its backups serve"
                } else {
                    "its backups rest"
                };
                (self.tell)(&format!(
                    "health: {service}: {up} of {of} backends are up: {what}"
                ));
            }
        }
    }

    /// Checks one backend until it is told to stop.
    async fn keep_checking_one(
        self: Arc<Self>,
        id: Id,
        check: Arc<HealthCheck>,
        places: Arc<Semaphore>,
        first: Duration,
    ) {
        let pace = Pace::of(&check);
        let mut due = Instant::now() + first;
        loop {
            sleep_until(due).await;
            let began = Instant::now();
            let outcome = match places.try_acquire() {
                Ok(_place) => probe::run(&check, &self.trust).await,
                Err(_) => Outcome::NotMade("too many checks are under way".to_owned()),
            };
            let is_in_doubt = self.heard(&id, &outcome);
            due = began + pace.next(is_in_doubt, chance(), began.elapsed());
        }
    }
}

/// The tasks of one run of the runtime.
struct Round {
    checks: Arc<Checks>,
    places: Arc<Semaphore>,
    tasks: HashMap<Id, AbortHandle>,
    revision: u64,
}

impl Round {
    async fn keep_going(mut self, life: &Life, runtime: &Runtime) {
        // What a run before this one knew is still known; only its tasks are gone.
        let again = self.checks.table.lock().checks();
        self.begin(again, runtime);
        let checks = Arc::clone(&self.checks);
        let flipping = async move {
            let mut is_moving = checks.put_in_force().await;
            loop {
                if is_moving {
                    let _ = timeout(STEP_EVERY, checks.changed.notified()).await;
                } else {
                    checks.changed.notified().await;
                }
                is_moving = checks.put_in_force().await;
            }
        };
        let mut flipping = std::pin::pin!(flipping);
        while !life.is_over() {
            self.catch_up(runtime);
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = &mut flipping => return,
            }
        }
    }

    /// Takes over the revision in force, if that has not been done.
    fn catch_up(&mut self, runtime: &Runtime) {
        let current = self.checks.control.current();
        if current.number == self.revision {
            return;
        }
        self.revision = current.number;
        let now = seconds_since_1970();
        let services = &current.config.services;
        let plan = self.checks.table.lock().configure(services, now);
        for id in &plan.stop {
            if let Some(task) = self.tasks.remove(id) {
                task.abort();
            }
        }
        {
            let table = self.checks.table.lock();
            let mut lines = self.checks.lines.lock();
            let gone = plan.stop.iter();
            gone.filter(|(service, backend)| table.entry(service, backend).is_none())
                .for_each(|id| lines.forget(id));
        }
        self.begin(plan.start, runtime);
        self.checks.changed.notify_one();
    }

    fn begin(&mut self, start: Vec<(Id, Arc<HealthCheck>)>, runtime: &Runtime) {
        let of = u32::try_from(start.len()).unwrap_or(u32::MAX);
        for ((id, check), place) in start.into_iter().zip(0..) {
            let first = Pace::of(&check).first(place, of);
            let checks = Arc::clone(&self.checks);
            let places = Arc::clone(&self.places);
            let task = checks.keep_checking_one(id.clone(), check, places, first);
            self.tasks.insert(id, runtime.spawn(task).abort_handle());
        }
    }
}

/// Checks that may be under way at once: half of the descriptors that this process may open, of which it asks for more.
fn places() -> usize {
    let is = getrlimit(Resource::Nofile);
    let most = is.maximum.unwrap_or(DESCRIPTORS);
    let wanted = most.min(DESCRIPTORS).max(is.current.unwrap_or(DESCRIPTORS));
    let asked = Rlimit {
        current: Some(wanted),
        maximum: is.maximum,
    };
    let has = match setrlimit(Resource::Nofile, asked) {
        Ok(()) => wanted,
        Err(_) => is.current.unwrap_or(DESCRIPTORS),
    };
    usize::try_from((has / 2).clamp(1, MOST_AT_ONCE)).unwrap_or(1)
}

/// A number from 0 to 1. Chance enough to spread checks, not for secrets.
fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = RandomState::new().build_hasher().finish();
    let high = u32::try_from(random >> 32).unwrap_or(u32::MAX);
    f64::from(high) / f64::from(u32::MAX)
}

pub(crate) fn seconds_since_1970() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64()
}
