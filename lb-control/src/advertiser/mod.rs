//! Advertiser: tells routing daemons which VIPs this box can serve, by host routes in a kernel table of their own.
//!
//! No counterpart in the patent. A VIP is announced while it has a usable backend, the data path turns, and nobody has
//! switched it off; BIRD or FRR read the table and tell the routers. A route leads over a kernel device of ours, which
//! ends with the process: killed, it takes the routes along.
//! Not here: what routing daemons make of it (`packaging/bird`, `packaging/frr`), the kernel's routes on their way in
//! (`routing_daemon`).
//! Easy to get wrong: at the end routes go first and lcores last. A routing daemon's last word to its neighbor leaves
//! through the worker lcores.

mod announcer;
mod kept;
mod table;
mod vips;
mod wellness;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};

use crate::control::{Control, Who};
use crate::supervisor::Life;
use crate::switch::Switch;
use crate::view::{self, AdvertiseState};
use announcer::Announcer;
use kept::{Keeper, Kept};
use vips::{Circumstances, Obstacle, Switches};

pub use kept::FILE;
pub use table::TABLE;
pub use wellness::{TRUSTED_AFTER, UNWELL_AFTER};

/// Between two looks at what is in force.
const TURN_EVERY: Duration = Duration::from_millis(50);
/// What is asked for is waited for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// A refusal of the kernel's is said when it has lasted so long: at the start devices come up by and by.
const SAID_AFTER: Duration = Duration::from_secs(2);
/// From the last route's end to that of the worker lcores: routing daemons need them to say so.
pub const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is announced, and the switches; wrap it into an `Arc`.
pub struct Advertiser {
    control: Arc<Control>,
    switch: Arc<dyn Switch>,
    state: Mutex<State>,
    /// Somebody has asked for something.
    asked: Condvar,
    /// It was done.
    done: Condvar,
}

/// What is shared with those who ask.
struct State {
    switches: Switches,
    keeper: Keeper,
    /// Why the next process will not know the switches.
    not_kept: Option<String>,
    /// What was wrong at the start.
    remark: Option<String>,
    around: Circumstances,
    told: BTreeMap<IpAddr, Told>,
    announced: BTreeSet<IpAddr>,
    announcements: u64,
    withdrawals: u64,
    asked: u64,
    done: u64,
    is_ending: bool,
}

/// What is told of one VIP.
#[derive(Clone, Debug)]
struct Told {
    services: Vec<String>,
    /// Kernel device of its route: it is announced.
    device: Option<String>,
    /// Since when it is announced, or not; seconds since 1970.
    since: u64,
    obstacle: Option<Obstacle>,
    failing_since: Option<Instant>,
}

/// A VIP that no service has.
#[derive(Debug, thiserror::Error)]
#[error("no service has the address {0}; `lbctl advertise` lists the VIPs")]
pub struct NoSuchVip(pub IpAddr);

impl Advertiser {
    /// An advertiser with the switches that an earlier process left in the state directory.
    #[must_use]
    pub fn new(control: Arc<Control>, switch: Arc<dyn Switch>) -> Self {
        let (keeper, kept, remark) = Keeper::open(switch.about().state_directory);
        let told = control.look(vips::of).into_iter().map(|(address, vip)| {
            let mut told = Told::new();
            told.services = vip.services;
            (address, told)
        });
        let told = told.collect();
        Self {
            control,
            switch,
            state: Mutex::new(State {
                switches: kept.switches,
                keeper,
                not_kept: None,
                remark,
                around: Circumstances::default(),
                told,
                announced: kept.announced,
                announcements: 0,
                withdrawals: 0,
                asked: 0,
                done: 0,
                is_ending: false,
            }),
            asked: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Switches the box, or one VIP, on or off, and waits until it is done, a second at most. What was so already is
    /// noted all the same: somebody wanted it.
    ///
    /// # Errors
    /// [`NoSuchVip`]; nothing has changed.
    pub fn set(
        &self,
        vip: Option<IpAddr>,
        wanted: AdvertiseState,
        by: &Who,
    ) -> Result<(), NoSuchVip> {
        let is_off = wanted == AdvertiseState::Off;
        let was_off = {
            let is_known = |vip: &IpAddr| {
                self.control.look(|look| {
                    let mut services = look.distribution.services().iter();
                    services.any(|service| service.address == *vip)
                })
            };
            if let Some(vip) = vip.filter(|vip| !is_known(vip))
                && !self.state.lock().switches.vips_off.contains(&vip)
            {
                return Err(NoSuchVip(vip));
            }
            let mut state = self.state.lock();
            let switches = &mut state.switches;
            match vip {
                None => std::mem::replace(&mut switches.is_off, is_off),
                Some(vip) if is_off => !switches.vips_off.insert(vip),
                Some(vip) => switches.vips_off.remove(&vip),
            }
        };
        let state = |is_off| if is_off { "off" } else { "on" };
        self.control
            .note_advertise(by, vip, state(was_off), state(is_off));
        self.ask();
        Ok(())
    }

    /// Takes all VIPs back because the program ends, and gives routing daemons the time to say so. Packets must flow
    /// until it returns.
    pub fn withdraw(&self) {
        let had_any = {
            let mut state = self.state.lock();
            state.is_ending = true;
            state.told.values().any(|told| told.device.is_some())
        };
        if had_any {
            self.ask();
            std::thread::sleep(LAST_WORDS);
        }
    }

    /// Has the task take a turn, and waits for its end.
    fn ask(&self) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state.lock();
        state.asked += 1;
        let number = state.asked;
        self.asked.notify_all();
        while state.done < number && !self.done.wait_until(&mut state, until).timed_out() {}
    }

    /// The task: keeps the kernel's table in line until the program ends, then empties it. `tell` gets a line for each
    /// change.
    pub fn keep(&self, life: &Life, tell: &(dyn Fn(&str) + Send + Sync)) {
        let has_path = self.switch.about().exception_path != "none";
        let announced = self.state.lock().announced.clone();
        if let Some(remark) = self.state.lock().remark.take() {
            tell(&format!("advertise: {remark}; all VIPs are switched on"));
        }
        let mut announcer = match Announcer::new(has_path, announced) {
            Ok(announcer) => announcer,
            Err(error) => {
                tell(&format!(
                    "advertise: the kernel's routes cannot be read: {error}"
                ));
                // The supervisor tries again, with pauses that grow.
                return;
            }
        };
        loop {
            let is_over = life.is_over();
            let (number, switches, is_ending) = {
                let mut state = self.state.lock();
                if !is_over && state.asked == state.done {
                    self.asked.wait_for(&mut state, TURN_EVERY);
                }
                state.is_ending |= is_over;
                (state.asked, state.switches.clone(), state.is_ending)
            };
            let now = Instant::now();
            if announcer.turn(
                &self.control,
                self.switch.as_ref(),
                &switches,
                is_ending,
                now,
            ) {
                for line in self.take_over(&announcer, now) {
                    tell(&line);
                }
            }
            self.state.lock().done = number;
            self.done.notify_all();
            if is_over {
                return;
            }
        }
    }

    /// Takes over what a turn has come to, and keeps it; lines for the log.
    fn take_over(&self, announcer: &Announcer, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let mut state = self.state.lock();
        let state = &mut *state;
        state.around = announcer.around().clone();
        let mut before = std::mem::take(&mut state.told);
        for (&address, vip) in announcer.vips() {
            let mut told = before.remove(&address).unwrap_or_else(Told::new);
            told.services.clone_from(&vip.services);
            let (device, obstacle) = (announcer.device(address), announcer.obstacle(address));
            lines.extend(told.follow(address, device, obstacle, now, state));
            state.told.insert(address, told);
        }
        for (address, told) in before {
            if told.device.is_some() {
                state.withdrawals += 1;
                lines.push(format!(
                    "advertise: {address} withdrawn: no service has it any more"
                ));
            }
        }
        state.announced.clone_from(announcer.announced());
        let kept = Kept {
            switches: state.switches.clone(),
            announced: state.announced.clone(),
        };
        let not_kept = state.keeper.keep(&kept).err();
        state.not_kept = not_kept.filter(|_| state.switches != Switches::default());
        lines
    }

    /// What somebody may have switched off and forgotten.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Switches { is_off, vips_off } = self.state.lock().switches.clone();
        let off: Vec<String> = vips_off.iter().map(ToString::to_string).collect();
        match (is_off, off.is_empty()) {
            (true, _) => Some("VIPs are not announced: this box is switched off".to_owned()),
            (false, false) => Some(format!("not announced, switched off: {}", off.join(", "))),
            (false, true) => None,
        }
    }

    /// How it is, for the API.
    #[must_use]
    pub fn view(&self) -> view::Advertise {
        let state = self.state.lock();
        let of = |is_off| {
            if is_off {
                AdvertiseState::Off
            } else {
                AdvertiseState::On
            }
        };
        let is_off = |address| state.switches.vips_off.contains(address);
        let vips = state
            .told
            .iter()
            .map(|(address, told)| view::AdvertisedVip {
                address: address.to_string(),
                services: told.services.clone(),
                state: of(is_off(address)),
                is_advertised: told.device.is_some(),
                since: told.since,
                device: told.device.clone(),
                why_not: told.obstacle.as_ref().map(Obstacle::sentence),
            });
        let gone = state.switches.vips_off.iter();
        let gone = gone.filter(|address| !state.told.contains_key(address));
        view::Advertise {
            state: of(state.switches.is_off),
            table: TABLE,
            protocol: lb_core::config::PROTOCOL_ID,
            obstacle: vips::obstacle_of_all(&state.around, &state.switches)
                .map(|obstacle| obstacle.sentence()),
            not_kept: state.not_kept.clone(),
            announcements: state.announcements,
            withdrawals: state.withdrawals,
            vips: vips.collect(),
            off_elsewhere: gone.map(ToString::to_string).collect(),
        }
    }
}

impl Told {
    fn new() -> Self {
        Self {
            services: Vec::new(),
            device: None,
            since: seconds_since_1970(),
            obstacle: None,
            failing_since: None,
        }
    }

    /// Takes over how it is now, and counts what has changed; a line for the log.
    fn follow(
        &mut self,
        address: IpAddr,
        device: Option<&str>,
        obstacle: Option<&Obstacle>,
        now: Instant,
        state: &mut State,
    ) -> Option<String> {
        let was_advertised = self.device.is_some();
        self.device = device.map(str::to_owned);
        self.obstacle = obstacle.cloned();
        let why = || obstacle.map_or_else(String::new, |why| format!(": {}", why.sentence()));
        match (was_advertised, device) {
            (false, Some(device)) => {
                self.since = seconds_since_1970();
                self.failing_since = None;
                state.announcements += 1;
                Some(format!("advertise: {address} announced, over {device}"))
            }
            (true, None) => {
                self.since = seconds_since_1970();
                state.withdrawals += 1;
                Some(format!("advertise: {address} withdrawn{}", why()))
            }
            (false, None) if matches!(obstacle, Some(Obstacle::Kernel(_))) => {
                let since = *self.failing_since.get_or_insert(now);
                let is_new = now.saturating_duration_since(since) >= SAID_AFTER;
                // Once for each time that it fails.
                if is_new {
                    self.failing_since = now.checked_add(Duration::from_secs(3600));
                }
                is_new.then(|| format!("advertise: {address} is not announced{}", why()))
            }
            _ => None,
        }
    }
}

fn seconds_since_1970() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs()
}
