//! Routing daemon: follows the kernel's addresses, routes, neighbors and links into the data path.
//!
//! WO 00/30294, box 58 and Fig. 8. With it `ip`, a routing daemon like BIRD or FRR, and every other program that speaks to
//! the kernel steer what packets meet. It reads everything once, and then follows change by change (`mirror`); where
//! messages were lost, or the kernel is known to be silent about what it does, it reads anew. What has changed is
//! gathered (`pace`) and published as one picture.
//! Not here: what the document adds (`lb_core::config`), what is written to the kernel (`interface_daemon`).
//! Easy to get wrong: a dump is older than it looks. Messages that come while it is made are kept and taken over
//! afterwards, though the dump may have what they say.

mod facts;
mod mirror;
mod pace;
mod routes;
mod socket;
mod status;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_core::config::KernelNetwork;
use lb_core::id::PortId;

use crate::control::Busy;
use crate::netlink::Heard;
use crate::supervisor::{Life, Task};
use facts::Fact;
use mirror::{Mirror, Tables};
use pace::Pace;
use socket::{Listener, Said, Table};

pub use mirror::{Doubt, News};
pub use status::{Figures, Status};

/// Name of the task.
pub const TASK: &str = "routing-daemon";
/// Octets of messages that may wait in the kernel: some 20,000 routes, as it counts.
pub const RECEIVE_BUFFER: usize = 32 << 20;
/// How often the document's interfaces are looked at, and how long the end is waited for at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Datagrams that are read before anything else has its turn.
const AT_ONCE: usize = 4096;
/// Times that a table which changes while it is read is read again.
const TRIES: usize = 3;
/// Pause before a publication that was refused is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Puts a picture in force.
pub type Publish = Box<dyn FnMut(&Arc<KernelNetwork>) -> Result<(), Busy> + Send>;

/// What the daemon works with.
pub struct Parts {
    /// The ports that have a kernel device, with its name; asked several times a second.
    pub devices: Box<dyn FnMut() -> Vec<(PortId, String)> + Send>,
    /// Puts a picture in force.
    pub publish: Publish,
    /// Hears what the kernel has found out of neighbors.
    pub hear: Box<dyn FnMut(News) + Send>,
    /// Told what deserves a line in the log.
    pub tell: Box<dyn FnMut(String) + Send>,
    /// Where figures go.
    pub status: Arc<Status>,
    /// Octets of messages that may wait in the kernel, see [`RECEIVE_BUFFER`].
    pub receive_buffer: usize,
}

/// The daemon's work, to be supervised: whatever fails, it begins anew and reads everything again.
#[must_use]
pub fn task(mut parts: Parts) -> Task {
    Task::new(TASK, move |life| {
        if let Err(error) = follow(&mut parts, life) {
            (parts.tell)(format!("routing daemon: {error}; it begins anew"));
        }
    })
}

fn follow(parts: &mut Parts, life: &Life) -> io::Result<()> {
    let mut daemon = Daemon {
        listener: Listener::open(parts.receive_buffer)?,
        parts,
        mirror: Mirror::default(),
        pace: Pace::default(),
        wanted: Some(Doubt::Start),
        resync_at: Instant::now(),
        looked: None,
        published: None,
        said: BTreeSet::new(),
    };
    while !life.is_over() {
        daemon.turn()?;
    }
    Ok(())
}

struct Daemon<'a> {
    parts: &'a mut Parts,
    listener: Listener,
    mirror: Mirror,
    pace: Pace,
    /// Why tables are to be read anew.
    wanted: Option<Doubt>,
    /// Not before then.
    resync_at: Instant,
    looked: Option<Instant>,
    published: Option<Arc<KernelNetwork>>,
    /// What was told already.
    said: BTreeSet<&'static str>,
}

impl Daemon<'_> {
    fn turn(&mut self) -> io::Result<()> {
        self.look();
        let is_all = self.hear()?;
        if is_all {
            self.mirror.end_of_window();
        }
        let now = Instant::now();
        if let Some(doubt) = self.wanted.filter(|_| self.resync_at <= now) {
            return self.resync(doubt);
        }
        if self.pace.due().is_some_and(|due| due <= now) && self.is_sound(now) {
            self.publish(now);
        }
        if is_all {
            self.listener.wait(self.nap());
        }
        Ok(())
    }

    /// Looks whether the document names other devices now.
    fn look(&mut self) {
        let now = Instant::now();
        if self.looked.is_some_and(|at| now < at + LOOK_EVERY) {
            return;
        }
        self.looked = Some(now);
        if self.mirror.set_devices((self.parts.devices)()) {
            self.pace.note_change(now);
            // What the kernel does to routes over other devices was not followed closely.
            self.want(Doubt::Link);
        }
    }

    /// Takes over what has come; true: there is nothing more.
    fn hear(&mut self) -> io::Result<bool> {
        let mut is_all = false;
        let mut said = Vec::new();
        for _ in 0..AT_ONCE {
            match self.listener.hear(|one| said.push(one))? {
                Heard::Some => {}
                Heard::Nothing => {
                    is_all = true;
                    break;
                }
                Heard::Overrun => self.want(Doubt::Overrun),
            }
        }
        self.take_all(said);
        Ok(is_all)
    }

    fn take_all(&mut self, said: Vec<Said>) {
        if said.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut has_changed = false;
        let (mut messages, mut unreadable) = (0, 0);
        for one in said {
            messages += 1;
            match one {
                Ok(Fact::Nothing(why)) => self.say_once(why),
                Ok(fact) => {
                    let outcome = self.mirror.take(fact);
                    has_changed |= outcome.is_change;
                    if let Some(doubt) = outcome.doubt {
                        self.want(doubt);
                    }
                    if let Some(news) = outcome.news {
                        (self.parts.hear)(news);
                    }
                }
                Err(why) => {
                    unreadable += 1;
                    self.complain(&why);
                }
            }
        }
        if has_changed {
            self.pace.note_change(now);
        }
        self.parts.status.update(|figures| {
            figures.messages += messages;
            figures.unreadable += unreadable;
            if has_changed {
                figures.changed_at = status::since_1970();
            }
        });
    }

    fn say_once(&mut self, why: Option<&'static str>) {
        if let Some(why) = why
            && self.said.insert(why)
        {
            (self.parts.tell)(format!("routing daemon: {why}"));
        }
    }

    /// One line about messages that cannot be read; the counter has the rest.
    fn complain(&mut self, why: &str) {
        if self.said.insert("unreadable") {
            (self.parts.tell)(format!(
                "routing daemon: a message of the kernel's cannot be read and is left out: {why}"
            ));
        }
    }

    fn want(&mut self, doubt: Doubt) {
        self.wanted = Some(self.wanted.map_or(doubt, |other| other.min(doubt)));
    }

    /// Whether a picture may be published: nothing is known to be missing, or it will take a while to find out.
    fn is_sound(&self, now: Instant) -> bool {
        self.wanted
            .is_none_or(|doubt| !doubt.is_of_all() && self.resync_at > now + pace::LONGEST)
    }

    /// How long there is nothing to do but to listen.
    fn nap(&self) -> Duration {
        let now = Instant::now();
        let look_at = self.looked.map_or(now, |at| at + LOOK_EVERY);
        let resync_at = self.wanted.map(|_| self.resync_at);
        let dues = [Some(look_at), resync_at, self.pace.due()];
        let next = dues.into_iter().flatten().min().unwrap_or(now);
        // A publication that has to wait for a resync must not make a busy loop.
        next.saturating_duration_since(now)
            .max(Duration::from_millis(1))
    }

    /// Reads tables anew, and takes over what happened meanwhile.
    fn resync(&mut self, doubt: Doubt) -> io::Result<()> {
        let began = Instant::now();
        self.wanted = None;
        let mut backlog = Vec::new();
        let mut is_lost = false;
        let mut tables = Tables::default();
        // Links come first: the kernel answers that when it has done with a change of a device, routes and all.
        let all = doubt.is_of_all();
        let wanted: &[Table] = if all {
            &[
                Table::Links,
                Table::Addresses,
                Table::Routes4,
                Table::Routes6,
                Table::Neighbors,
            ]
        } else {
            &[Table::Links, Table::Routes4, Table::Routes6]
        };
        for &table in wanted {
            let listener = &mut self.listener;
            let between = || {
                loop {
                    match listener.hear(|one| backlog.push(one))? {
                        Heard::Some => {}
                        Heard::Nothing => return Ok(()),
                        Heard::Overrun => is_lost = true,
                    }
                }
            };
            let (part, is_whole, unread) = read(table, between)?;
            tables.add(part);
            if !is_whole {
                self.want(Doubt::Mismatch);
            }
            if let Some(why) = unread {
                self.complain(&why);
            }
        }
        for news in self.mirror.put(tables, all) {
            (self.parts.hear)(news);
        }
        self.take_all(backlog);
        if is_lost {
            self.want(Doubt::Overrun);
        }
        let now = Instant::now();
        let took = now - began;
        self.resync_at = now + took * 3;
        self.pace.note_change(now);
        self.parts.status.update(|figures| {
            let at = Doubt::ALL.iter().position(|one| *one == doubt);
            if let Some(count) = at.and_then(|at| figures.resyncs.get_mut(at)) {
                *count += 1;
            }
            figures.resync_time = took;
        });
        if doubt == Doubt::Overrun {
            (self.parts.tell)(format!(
                "routing daemon: messages of the kernel's were lost; all was read again in {:.3} s",
                took.as_secs_f64()
            ));
        }
        Ok(())
    }

    fn publish(&mut self, began: Instant) {
        let network = Arc::new(self.mirror.picture());
        if self.published.as_ref() == Some(&network) {
            self.pace.note_done(began, Instant::now());
            return;
        }
        let is_first = self.published.is_none();
        let outcome = (self.parts.publish)(&network);
        let now = Instant::now();
        let took = now - began;
        if outcome.is_err() {
            self.pace.pause(began, now + TRY_AGAIN);
            self.parts.status.update(|figures| figures.busy += 1);
            return;
        }
        self.pace.note_done(began, now);
        let addresses = network.interfaces.iter();
        let addresses = addresses.map(|one| one.addresses.len()).sum();
        self.parts.status.update(|figures| {
            figures.devices = network.interfaces.len();
            figures.routes = network.routes.len();
            figures.addresses = addresses;
            figures.neighbors = network.neighbors.len();
            figures.publications += 1;
            figures.publish_time += took;
            figures.last_publish_time = took;
        });
        if is_first {
            (self.parts.tell)(format!(
                "routing daemon: follows {} kernel device(s) with {addresses} address(es) and {} route(s)",
                network.interfaces.len(),
                network.routes.len(),
            ));
        }
        self.published = Some(network);
    }
}

/// Reads one table; whether it is in one piece, and why a line of it could not be read.
fn read(
    table: Table,
    mut between: impl FnMut() -> io::Result<()>,
) -> io::Result<(Tables, bool, Option<String>)> {
    let mut left = TRIES;
    loop {
        left -= 1;
        let mut tables = Tables::default();
        let mut unread = None;
        let each = |said: Said| match said {
            Ok(fact) => tables.list(fact),
            Err(why) => unread = Some(why),
        };
        let is_whole = socket::dump(table, each, &mut between)?;
        if is_whole || left == 0 {
            return Ok((tables, is_whole, unread));
        }
    }
}
