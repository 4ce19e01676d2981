//! The control side as a whole: its tasks are started, and stopped again.
//!
//! WO 00/30294, control processor 42: its programs run beside the switching processors and never in their way. Six
//! threads: the API, the resource manager's steps, the questions to agents, the health checks, what is announced to
//! routers, and the watch over worker lcores.
//! Whoever calls [`run`] has confined itself to the main lcore's CPU before; all threads inherit that.
//! Not here: how a task is kept alive (`supervisor`), what the program itself does with signals.
//! Easy to get wrong: [`Running`] must be stopped before what `Switch` looks into goes away.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::advertiser::Advertiser;
use crate::api::{self, Access, Address, App, Listener};
use crate::control::{Control, Who};
use crate::health::{self, Checks};
use crate::heartbeat::{Heartbeats, LOOK_EVERY};
use crate::manager::Manager;
use crate::metrics::Meters;
use crate::supervisor::{Board, Life, Supervisor, Task};
use crate::switch::Switch;
use crate::unreachable::Unreachable;

/// What the control side runs with.
pub struct Parts {
    /// Desired state, and the way to the lcores.
    pub control: Arc<Control>,
    /// The data path.
    pub switch: Arc<dyn Switch>,
    /// Where the API listens.
    pub listeners: Vec<Listener>,
    /// Who may do what there.
    pub access: Access,
    /// Set by somebody (on SIGHUP) who wants the document's file read again.
    pub reload: Arc<AtomicBool>,
    /// Told about each reload, each backend that goes down or comes up or that no route leads to, and each VIP that is
    /// announced or withdrawn: a line for the log.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
    /// Further tasks, to be kept alive like ours.
    pub tasks: Vec<Task>,
}

/// The control side, running.
pub struct Running {
    supervisor: Supervisor,
    addresses: Vec<Address>,
    advertiser: Arc<Advertiser>,
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

    /// Takes back what routers were told of VIPs. To be called while packets still flow, before the end; takes a moment
    /// where something was announced.
    pub fn withdraw(&self) {
        self.advertiser.withdraw();
    }

    /// Ends all tasks and waits for them; a second at most, mostly less.
    pub fn stop(self) {
        self.supervisor.stop();
    }
}

/// Starts the control side.
///
/// # Errors
/// That of the system, which has no more threads.
pub fn run(parts: Parts) -> io::Result<Running> {
    let addresses = parts
        .listeners
        .iter()
        .map(Listener::address)
        .collect::<io::Result<_>>()?;
    let mut supervisor = Supervisor::new();
    let meters = Arc::new(Meters::default());
    let manager = Arc::new(Manager::new(
        Arc::clone(&parts.control),
        Arc::clone(&meters),
    ));
    let tell: Arc<dyn Fn(&str) + Send + Sync> = parts.tell.into();
    let checks = Arc::new(Checks::new(Arc::clone(&parts.control), Arc::clone(&tell)));
    let heartbeats = Arc::new(Heartbeats::default());
    let advertiser = Arc::new(Advertiser::new(
        Arc::clone(&parts.control),
        Arc::clone(&parts.switch),
    ));
    let app = Arc::new(App {
        control: Arc::clone(&parts.control),
        switch: Arc::clone(&parts.switch),
        manager: Arc::clone(&manager),
        advertiser: Arc::clone(&advertiser),
        checks: Arc::clone(&checks),
        heartbeats: Arc::clone(&heartbeats),
        board: supervisor.board(),
        access: parts.access,
        meters,
    });
    let listeners = parts.listeners;
    supervisor.spawn(Task::new(api::TASK, move |life| {
        api::serve(&app, &listeners, life);
    }))?;
    let stepping = Arc::clone(&manager);
    supervisor.spawn(Task::new("weights", move |life| {
        stepping.keep_stepping(life);
    }))?;
    supervisor.spawn(Task::new("agent-check", move |life| {
        manager.keep_asking(life);
    }))?;
    let (announcing, told) = (Arc::clone(&advertiser), Arc::clone(&tell));
    supervisor.spawn(Task::new("advertiser", move |life| {
        announcing.keep(life, told.as_ref());
    }))?;
    supervisor.spawn(Task::new(health::checks::TASK, move |life| {
        checks.keep_checking(life);
    }))?;
    let watch = Watch {
        control: parts.control,
        switch: parts.switch,
        heartbeats,
        reload: parts.reload,
        tell,
    };
    supervisor.spawn(Task::new("watch", move |life| watch.keep_watching(life)))?;
    for task in parts.tasks {
        supervisor.spawn(task)?;
    }
    Ok(Running {
        supervisor,
        addresses,
        advertiser,
    })
}

/// The task that looks after worker lcores, and whether the file is to be read again.
struct Watch {
    control: Arc<Control>,
    switch: Arc<dyn Switch>,
    heartbeats: Arc<Heartbeats>,
    reload: Arc<AtomicBool>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Watch {
    fn keep_watching(&self, life: &Life) {
        let mut unreachable = Unreachable::default();
        loop {
            let lines = unreachable.look(&self.control);
            lines.iter().for_each(|line| (self.tell)(line));
            self.heartbeats.look(&self.switch.lcores(), Instant::now());
            if self.reload.swap(false, Ordering::Relaxed) {
                self.reload_file();
            }
            if !life.sleep(LOOK_EVERY) {
                return;
            }
        }
    }

    fn reload_file(&self) {
        let by = Who {
            name: "SIGHUP".to_owned(),
            via: "signal",
        };
        match self.control.reload(&by) {
            Ok(applied) => (self.tell)(&format!(
                "configuration read again: revision {}, {} change(s)",
                applied.revision,
                applied.changes.len()
            )),
            Err(error) => (self.tell)(&format!("configuration not read again: {error}")),
        }
    }
}
