//! The resource manager at work: behind a lock, with a clock, fed by the API and by agent-checks.
//!
//! WO 00/30294, boxes 52 and 54 as programs of the control processor. About once a second the masters are stepped and
//! their weights go to `Control`, which flips if any has changed.
//! Not here: what follows from reports (`resource_manager`), flipping (`control`).
//! Easy to get wrong: the order of the two locks. The manager's is taken first, `Control`'s inside it; never the other
//! way round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_core::load::LoadReport;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::agent_check::{self, Answer, Target};
use crate::control::{Control, ServiceWeights};
use crate::metrics::Meters;
use crate::resource_manager::{ExternalRefusal, Identity, ReportRefusal, ResourceManager};
use crate::supervisor::Life;

/// Between two steps of the masters.
const STEP_EVERY: Duration = Duration::from_secs(1);
/// Between two looks whether the program ends, for the task that asks agents.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The resource manager, shared by those who feed it.
pub(crate) struct Manager {
    control: Arc<Control>,
    meters: Arc<Meters>,
    began: Instant,
    state: Mutex<State>,
    targets: watch::Sender<Arc<[Target]>>,
}

struct State {
    manager: ResourceManager,
    /// Revision that it was configured with; 0 for none.
    revision: u64,
}

impl Manager {
    pub(crate) fn new(control: Arc<Control>, meters: Arc<Meters>) -> Self {
        let manager = Self {
            control,
            meters,
            began: Instant::now(),
            state: Mutex::new(State {
                manager: ResourceManager::new(),
                revision: 0,
            }),
            targets: watch::Sender::new(Arc::default()),
        };
        manager.catch_up();
        manager
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Takes over the revision in force, if that has not been done.
    pub(crate) fn catch_up(&self) {
        let mut state = self.state.lock();
        let State { manager, revision } = &mut *state;
        let now_in_force = self.control.look(|look| {
            if look.revision.number == *revision {
                return None;
            }
            let services = &look.revision.config.services;
            manager.configure(services, |service, backend| {
                look.backend_slot(service, backend)
            });
            *revision = look.revision.number;
            Some(Arc::clone(look.revision))
        });
        drop(state);
        if let Some(current) = now_in_force {
            self.targets
                .send_replace(Target::of(&current.config.services));
        }
    }

    /// Takes a load report.
    pub(crate) fn report(
        &self,
        report: &LoadReport,
        from: Identity<'_>,
    ) -> Result<(), ReportRefusal> {
        let now = self.now();
        self.state.lock().manager.report(report, from, now)
    }

    /// Takes weights from elsewhere.
    pub(crate) fn external_weights(
        &self,
        sent: &[ServiceWeights],
        by: &str,
        ttl_seconds: f64,
    ) -> Result<(), ExternalRefusal> {
        let now = self.now();
        let mut state = self.state.lock();
        state.manager.external_weights(sent, by, ttl_seconds, now)
    }

    /// Asks something of the manager at this moment; in between nobody else can.
    pub(crate) fn ask<R>(&self, what: impl FnOnce(&ResourceManager, f64) -> R) -> R {
        let now = self.now();
        what(&self.state.lock().manager, now)
    }

    fn heard(&self, answer: &Answer) {
        let now = self.now();
        let manager = &mut self.state.lock().manager;
        match &answer.outcome {
            Ok(said) => manager.agent_said(&answer.service, &answer.backend, said, now),
            Err(error) => manager.agent_failed(&answer.service, &answer.backend, *error),
        }
    }

    /// Steps the masters once, and publishes what they answer.
    pub(crate) fn step(&self) {
        self.catch_up();
        let began = Instant::now();
        let now = self.now();
        let weights = self.state.lock().manager.step(now);
        self.meters.step.note(began.elapsed());
        let began = Instant::now();
        // A lcore that has not turned yet will have by the next step, which wants the same again.
        if self.control.set_weights(&weights).is_err() {
            self.meters.note_busy();
        }
        self.meters.weights.note(began.elapsed());
    }

    /// The task that steps.
    pub(crate) fn keep_stepping(&self, life: &Life) {
        while life.sleep(STEP_EVERY) {
            self.step();
        }
    }

    /// The task that asks agents.
    ///
    /// # Panics
    /// As [`ask_agents`].
    pub(crate) fn keep_asking(self: &Arc<Self>, life: &Life) {
        let hear = Arc::clone(self);
        ask_agents(life, self.targets.subscribe(), move |answer| {
            hear.heard(&answer);
        });
    }
}

/// Asks agents until the program ends.
///
/// # Panics
/// When the system has no event queue, or the asking does: the supervisor sees to it.
pub(crate) fn ask_agents(
    life: &Life,
    targets: watch::Receiver<Arc<[Target]>>,
    hear: impl Fn(Answer) + Send + Sync + 'static,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => std::panic::resume_unwind(Box::new(format!("agent-checks: {error}"))),
    };
    let asking = agent_check::run(targets, hear);
    runtime.block_on(async {
        let mut asking = std::pin::pin!(asking);
        while !life.is_over() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = &mut asking => return,
            }
        }
    });
}
