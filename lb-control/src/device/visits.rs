//! Visits to the boxes: each is asked what it has, and told its weights, once a period.
//!
//! WO 00/30294: weights on their way from a resource manager of its own to configuration table 64.
//! Every box has a task of its own, so that one that hangs keeps nobody waiting.
//! Easy to get wrong: revisions count from 1 with every start of a box's program. A number alone does not tell whether the
//! document is still the one that we know; number and time together do.

use std::sync::Arc;
use std::time::Duration;

use lb_core::config::{PortsPresent, Service, check, read};
use lb_core::id::PortId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::desk::{Desk, Visit};
use super::talk::{Talk, Trouble};
use super::way::Way;
use crate::supervisor::Life;
use crate::view::{ExternalWeights, Revisions};

/// Longest time for a visit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether the program ends: also the task's sign of life.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Where a box takes weights.
const WEIGHTS: &str = "/v1/weights";

/// Visits all boxes until the program ends.
///
/// # Panics
/// When the system has no event queue, or a visit does: the supervisor sees to it.
pub(super) fn keep_visiting(
    desk: &Arc<Desk>,
    boxes: &Arc<[Way]>,
    period: Duration,
    ttl_seconds: f64,
    life: &Life,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => std::panic::resume_unwind(Box::new(format!("visits to boxes: {error}"))),
    };
    runtime.block_on(async {
        let mut visitors = JoinSet::new();
        for number in 0..boxes.len() {
            let visitor = Visitor {
                desk: Arc::clone(desk),
                boxes: Arc::clone(boxes),
                number,
                ttl_seconds,
                known: None,
            };
            visitors.spawn(visitor.go_round(period));
        }
        while !life.is_over() {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                Some(ended) = visitors.join_next() => {
                    if let Err(error) = ended && let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    });
    // A name that is being looked up holds up nobody's end.
    runtime.shutdown_background();
}

/// Who visits one box.
struct Visitor {
    desk: Arc<Desk>,
    boxes: Arc<[Way]>,
    number: usize,
    ttl_seconds: f64,
    /// The document that the desk knows: its revision, and when that was applied.
    known: Option<(u64, u64)>,
}

impl Visitor {
    async fn go_round(mut self, period: Duration) {
        let mut due = Instant::now();
        loop {
            let visit = match timeout(PATIENCE, self.visit()).await {
                Ok(visit) => visit,
                Err(_) => Err(Trouble::Slow),
            };
            self.desk
                .note(self.number, visit.map_err(|trouble| trouble.to_string()));
            // From the last due time, so that slow visits do not stretch the period; but never in arrears.
            due = (due + period).max(Instant::now());
            sleep_until(due).await;
        }
    }

    async fn visit(&mut self) -> Result<Visit, Trouble> {
        let Some(way) = self.boxes.get(self.number) else {
            return Err(Trouble::Slow);
        };
        let mut talk = Talk::begin(way).await?;
        let revisions: Revisions = talk.get("/v1/config/revisions").await?;
        let mut current = revisions.revisions.iter();
        let current = current.find(|revision| revision.is_current);
        let current = current.map(|revision| (revision.revision, revision.at));
        if current.is_none() || current != self.known {
            self.known = None;
            let text = talk.get_text("/v1/config").await?;
            self.desk.learn(self.number, services(&text)?);
            self.known = current;
        }
        let services = self.desk.part(self.number);
        let count = services.len();
        if count > 0 {
            let body = ExternalWeights {
                ttl_seconds: self.ttl_seconds,
                services,
            };
            let body = serde_json::to_vec(&body).unwrap_or_default();
            // Refused, perhaps because the document has changed since it was read: the next visit reads it again.
            talk.put(WEIGHTS, body)
                .await
                .inspect_err(|_| self.known = None)?;
        }
        Ok(Visit {
            services: count,
            revision: current.map_or(0, |(revision, _)| revision),
        })
    }
}

/// The services of a box's document. It was checked there: whatever ports it names, there are.
fn services(text: &str) -> Result<Vec<Service>, Trouble> {
    let unreadable = |why: String| Trouble::Unreadable {
        path: "/v1/config".to_owned(),
        why,
    };
    let document = read(text).map_err(|refusal| unreadable(refusal.to_string()))?;
    let ports = document.interfaces.iter().filter_map(|interface| {
        let port = u16::try_from(interface.port.within()?).ok()?;
        Some(PortId(port))
    });
    let ports = ports.collect::<PortsPresent>().with_kernel_routes();
    match check(&document, text, &ports) {
        Ok(config) => Ok(config.services),
        Err(refusals) => Err(unreadable(
            refusals
                .first()
                .map_or_else(String::new, ToString::to_string),
        )),
    }
}
