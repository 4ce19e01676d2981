//! Asks every agent on its interval, many at once and without a thread for each.
//!
//! No counterpart in the patent. [`run`] keeps one task per *address*: an agent that stands for its server in
//! several services is asked once, and the answer counts for all. Which agents there are comes through a watch
//! channel; answers go to a callback.
//! Not here: what one question is (`ask`), what follows from an answer (`resource_manager`).
//! Easy to get wrong: an agent that never answers holds a place for a whole question's time. So places are
//! many, questions short, and who stays silent is asked less often; or dead agents would silence the others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::ask::{AskError, ask};
use super::statement::Statement;
use super::target::Target;

/// Questions under way at once: a quarter of the file descriptors that a process usually may open.
pub const AT_ONCE: usize = 256;
/// Longest time that one question may take; shorter where the interval is.
pub const LONGEST_QUESTION: Duration = Duration::from_secs(2);
/// Failures in a row after which an agent is asked less often; its last word has expired by then.
const PATIENCE: u32 = 5;
/// How many times the pause then doubles, and the longest one that comes of it: two thousand agents that
/// hang leave the others their places, and one that comes back is heard soon.
const DOUBLINGS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// Part of an interval by which each question is shifted at random, either way: agents that were started
/// together must not be asked together for ever.
const JITTER: f64 = 0.1;

/// What came of a question, for one backend.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Service's name.
    pub service: Arc<str>,
    /// Backend's name in it.
    pub backend: Arc<str>,
    /// The statement, or why there is none.
    pub outcome: Result<Statement, AskError>,
}

/// What one task asks, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Errand {
    interval: Duration,
    /// Service and backend.
    names: Vec<(Arc<str>, Arc<str>)>,
}

/// Asks all agents of `targets`, whatever they become, until the other end of the channel is dropped.
/// `hear` is called from the runtime's thread and must be short.
///
/// # Panics
/// When `hear` does. An agent whose task had ended unnoticed would look silent for ever.
pub async fn run<H>(mut targets: watch::Receiver<Arc<[Target]>>, hear: H)
where
    H: Fn(Answer) + Send + Sync + 'static,
{
    let hear = Arc::new(hear);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut errands: BTreeMap<SocketAddr, watch::Sender<Errand>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let mut wanted = errands_of(&targets.borrow_and_update());
        errands.retain(|address, _| wanted.contains_key(address));
        while let Some((address, errand)) = wanted.pop_first() {
            match errands.entry(address) {
                Entry::Occupied(running) => {
                    running.get().send_if_modified(|old| replace(old, errand));
                }
                Entry::Vacant(vacant) => {
                    let (sender, receiver) = watch::channel(errand);
                    vacant.insert(sender);
                    tasks.spawn(keep_asking(address, receiver, places.clone(), hear.clone()));
                }
            }
        }
        loop {
            tokio::select! {
                changed = targets.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(ended) = tasks.join_next() => pass_on(ended),
            }
        }
    }
}

/// A task's panic is the poller's: whoever supervises it starts all of it again.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

fn replace(old: &mut Errand, new: Errand) -> bool {
    let is_other = *old != new;
    *old = new;
    is_other
}

fn errands_of(targets: &[Target]) -> BTreeMap<SocketAddr, Errand> {
    let mut errands: BTreeMap<SocketAddr, Errand> = BTreeMap::new();
    for target in targets {
        let errand = errands.entry(target.address).or_insert_with(|| Errand {
            interval: target.interval,
            names: Vec::new(),
        });
        errand.interval = errand.interval.min(target.interval);
        let name = (target.service.clone(), target.backend.clone());
        errand.names.push(name);
    }
    errands
}

/// Asks one agent until its errand is taken away.
async fn keep_asking<H: Fn(Answer)>(
    address: SocketAddr,
    mut errand: watch::Receiver<Errand>,
    places: Arc<Semaphore>,
    hear: Arc<H>,
) {
    let chance = Chance::default();
    let mut failures: u32 = 0;
    let mut turn = 0;
    // Soon, also where the interval is long: a server that somebody drained must not wait a minute to say so.
    let first = errand.borrow().interval.min(LONGEST_QUESTION);
    let mut due = Instant::now() + first.mul_f64(chance.at(turn));
    loop {
        tokio::select! {
            changed = errand.changed() => {
                if changed.is_err() {
                    return;
                }
                // A shorter interval counts at once.
                due = due.min(Instant::now() + errand.borrow().interval);
                continue;
            }
            () = sleep_until(due) => {}
        }
        turn += 1;
        let interval = errand.borrow().interval;
        let Ok(place) = places.acquire().await else {
            return;
        };
        let outcome = ask(address, interval.min(LONGEST_QUESTION)).await;
        drop(place);
        if errand.has_changed().is_err() {
            return;
        }
        failures = if outcome.is_err() {
            failures.saturating_add(1)
        } else {
            0
        };
        for (service, backend) in &errand.borrow().names {
            hear(Answer {
                service: service.clone(),
                backend: backend.clone(),
                outcome: outcome.clone(),
            });
        }
        let shift = 1.0 - JITTER + 2.0 * JITTER * chance.at(turn);
        // From the last due time, so that slow answers do not stretch the interval; but never in arrears.
        due = (due + pause(failures, interval).mul_f64(shift)).max(Instant::now());
    }
}

/// Time until the next question.
fn pause(failures: u32, interval: Duration) -> Duration {
    let doublings = failures.saturating_sub(PATIENCE).min(DOUBLINGS);
    (interval * 2_u32.pow(doublings)).min(interval.max(LONGEST_PAUSE))
}

/// Numbers from 0 to 1 that differ from task to task. Chance enough to spread questions, not for secrets.
#[derive(Default)]
struct Chance(RandomState);

impl Chance {
    fn at(&self, turn: u64) -> f64 {
        let high = u32::try_from(self.0.hash_one(turn) >> 32).unwrap_or(u32::MAX);
        f64::from(high) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(service: &str, port: u16, seconds: u64) -> Target {
        Target {
            service: service.into(),
            backend: "web-1".into(),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            interval: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn an_agent_that_two_services_name_is_asked_once_at_the_shorter_interval() {
        let errands = errands_of(&[target("a", 1, 5), target("b", 1, 2), target("c", 2, 5)]);
        assert_eq!(errands.len(), 2);
        let shared = errands.first_key_value().unwrap().1;
        assert_eq!(shared.interval, Duration::from_secs(2));
        assert_eq!(shared.names.len(), 2);
    }

    #[test]
    fn who_stays_silent_is_asked_less_often_but_for_ever() {
        let pauses = |interval| {
            let interval = Duration::from_secs(interval);
            [0, 5, 6, 7, 8, u32::MAX].map(|failures| pause(failures, interval).as_secs())
        };
        assert_eq!(pauses(2), [2, 2, 4, 8, 16, 16]);
        assert_eq!(pauses(10), [10, 10, 16, 16, 16, 16]);
        assert_eq!(pauses(60), [60; 6]);
    }

    #[test]
    fn chance_stays_between_nought_and_one_and_moves() {
        let chance = Chance::default();
        let drawn: Vec<f64> = (0..100).map(|turn| chance.at(turn)).collect();
        assert!(drawn.iter().all(|part| (0.0..=1.0).contains(part)));
        assert!(drawn.iter().any(|&part| part < 0.5) && drawn.iter().any(|&part| part > 0.5));
    }
}
