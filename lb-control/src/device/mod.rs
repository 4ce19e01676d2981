//! The resource manager as a device of its own: it hears agents, works out weights, and feeds one or many boxes.
//!
//! WO 00/30294: resource manager 52 and master 54 may be "a stand-alone device". Load reports come in by the API's own
//! code; what services there are is read from the boxes; weights go to them by `PUT /v1/weights`, with a time to live, so
//! that a box whose device has died goes back to what it works out by itself.
//! Four tasks, each on a thread: the API, the masters' steps, the questions to agents, and the visits to boxes.
//! Not here: the command line (`bin/lb-control.rs`), arithmetic (`resource_manager`).
//! Easy to get wrong: a box that cannot be reached is not a box without services. What is known of it stays, and its
//! agents are heard, until it says something else.

mod desk;
mod fleet;
mod talk;
mod visits;
mod way;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use desk::Desk;
pub use way::{NoWay, Trust, Way};

use crate::api::{self, Access, Address, Hall, Listener};
use crate::manager::ask_agents;
use crate::supervisor::{Board, Supervisor, Task};

/// Between two steps of the masters.
const STEP_EVERY: Duration = Duration::from_secs(1);

/// What the device runs with.
pub struct Parts {
    /// The ways to the boxes.
    pub boxes: Vec<Way>,
    /// Between two visits to a box.
    pub period: Duration,
    /// Seconds for which weights stand at a box, above 0, 3600 at most; several periods, or one lost visit is felt.
    pub ttl_seconds: f64,
    /// Where agents report, and where can be looked.
    pub listeners: Vec<Listener>,
    /// Who may do what there.
    pub access: Access,
    /// Told when a box begins or ceases to take weights: a line for the log.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// The device, running.
pub struct Running {
    supervisor: Supervisor,
    addresses: Vec<Address>,
}

impl Running {
    /// What can be seen of the tasks.
    #[must_use]
    pub fn board(&self) -> Board {
        self.supervisor.board()
    }

    /// Where the API listens, in the order of the listeners, with ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Ends all tasks and waits for them; a second at most, mostly less.
    pub fn stop(self) {
        self.supervisor.stop();
    }
}

/// Starts the device.
///
/// # Errors
/// That of the system, which has no more threads.
pub fn run(parts: Parts) -> io::Result<Running> {
    let Parts {
        boxes,
        period,
        ttl_seconds,
        listeners,
        access,
        tell,
    } = parts;
    let addresses = listeners
        .iter()
        .map(Listener::address)
        .collect::<io::Result<_>>()?;
    let names = boxes.iter().map(Way::to_string);
    let desk = Arc::new(Desk::new(names, access, tell));
    let mut supervisor = Supervisor::new();
    let hall = Hall {
        router: api::device_router(&desk),
        meters: Arc::clone(&desk.meters),
        board: supervisor.board(),
    };
    supervisor.spawn(Task::new(api::TASK, move |life| {
        api::serve_hall(&hall, &listeners, life);
    }))?;
    let stepping = Arc::clone(&desk);
    supervisor.spawn(Task::new("weights", move |life| {
        while life.sleep(STEP_EVERY) {
            stepping.step();
        }
    }))?;
    let asking = Arc::clone(&desk);
    supervisor.spawn(Task::new("agent-check", move |life| {
        let hear = Arc::clone(&asking);
        ask_agents(life, asking.targets(), move |answer| hear.heard(&answer));
    }))?;
    let boxes: Arc<[Way]> = boxes.into();
    supervisor.spawn(Task::new("boxes", move |life| {
        visits::keep_visiting(&desk, &boxes, period, ttl_seconds, life);
    }))?;
    Ok(Running {
        supervisor,
        addresses,
    })
}
