//! Announcer: brings the kernel's table in line with what is to be announced, again and again.
//!
//! No counterpart in the patent. It looks at generation, lcores and switches at every turn, and at the kernel when one
//! of them has changed, when something did not succeed, and once a second anyway.
//! Not here: what is to be announced (`vips`), what is said about it (`mod`).
//! Easy to get wrong: a route that the kernel dropped with its device was never taken back, as far as a routing daemon
//! knows that waits to be told. One that nobody wants any more is therefore set and removed once, to be heard.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::table::{HostRoute, Table};
use super::vips::{self, Circumstances, Obstacle, Switches, Vip};
use super::wellness::{LOOK_EVERY, Wellness};
use crate::control::{Control, Look};
use crate::switch::Switch;

/// How often the kernel is asked whether it has what was set.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A kernel device that a route may lead over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    name: String,
    has_v4: bool,
    has_v6: bool,
}

/// A route that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    device: u32,
    name: String,
}

/// What a turn works from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    generation: u64,
    around: Circumstances,
    switches: Switches,
}

/// The task's own knowledge.
pub(super) struct Announcer {
    table: Table,
    has_path: bool,
    wellness: Wellness,
    looked_at: Option<Instant>,
    checked_at: Option<Instant>,
    /// What the last turn worked from.
    wish: Wish,
    vips: BTreeMap<IpAddr, Vip>,
    devices: Vec<Device>,
    /// Of an earlier life; looked through in the first turn.
    leftovers: Vec<HostRoute>,
    placed: BTreeMap<IpAddr, Placed>,
    /// VIPs that routing daemons were told of and that were not taken back.
    announced: BTreeSet<IpAddr>,
    /// What keeps VIPs from being announced.
    obstacles: BTreeMap<IpAddr, Obstacle>,
    /// Whether the kernel has not taken all that it was told.
    is_pending: bool,
}

impl Announcer {
    /// `has_path`: whether there are kernel devices; `announced`: VIPs that routing daemons may have been told of.
    ///
    /// # Errors
    /// The kernel does not talk to us.
    pub(super) fn new(has_path: bool, announced: BTreeSet<IpAddr>) -> io::Result<Self> {
        let mut table = Table::open()?;
        Ok(Self {
            leftovers: table.routes()?,
            table,
            has_path,
            wellness: Wellness::default(),
            looked_at: None,
            checked_at: None,
            wish: Wish::default(),
            vips: BTreeMap::new(),
            devices: Vec::new(),
            placed: BTreeMap::new(),
            announced,
            obstacles: BTreeMap::new(),
            is_pending: false,
        })
    }

    /// The VIPs of the document.
    pub(super) fn vips(&self) -> &BTreeMap<IpAddr, Vip> {
        &self.vips
    }

    /// What concerned all VIPs in the last turn.
    pub(super) fn around(&self) -> &Circumstances {
        &self.wish.around
    }

    /// The kernel device that a VIP is announced over, if it is announced.
    pub(super) fn device(&self, address: IpAddr) -> Option<&str> {
        self.placed.get(&address).map(|placed| placed.name.as_str())
    }

    /// What keeps a VIP from being announced.
    pub(super) fn obstacle(&self, address: IpAddr) -> Option<&Obstacle> {
        self.obstacles.get(&address)
    }

    /// VIPs that routing daemons were told of and that were not taken back.
    pub(super) const fn announced(&self) -> &BTreeSet<IpAddr> {
        &self.announced
    }

    /// Looks, and does what there is to do; whether there was a reason to.
    pub(super) fn turn(
        &mut self,
        control: &Control,
        switch: &dyn Switch,
        switches: &Switches,
        is_ending: bool,
        now: Instant,
    ) -> bool {
        let mut wish = Wish {
            generation: control.look(|look| look.generation),
            around: self.wish.around.clone(),
            switches: switches.clone(),
        };
        wish.around.has_path = self.has_path;
        wish.around.is_ending = is_ending;
        if is_due(self.looked_at, LOOK_EVERY, now) {
            self.looked_at = Some(now);
            wish.around.silent = self.wellness.look(&switch.lcores(), now);
        }
        let is_new = wish != self.wish;
        if !is_new && !self.is_pending && !is_due(self.checked_at, CHECK_EVERY, now) {
            return false;
        }
        self.checked_at = Some(now);
        if wish.generation != self.wish.generation {
            control.look(|look| {
                wish.generation = look.generation;
                self.vips = vips::of(look);
                self.devices = devices(look);
            });
        }
        self.wish = wish;
        self.is_pending = false;
        self.obstacles = self
            .vips
            .iter()
            .filter_map(|(&address, vip)| {
                let Wish {
                    around, switches, ..
                } = &self.wish;
                Some((address, vips::obstacle(address, vip, around, switches)?))
            })
            .collect();
        if self.has_path {
            self.bring_in_line();
        }
        true
    }

    fn bring_in_line(&mut self) {
        let indices: BTreeMap<String, u32> = self
            .devices
            .iter()
            .filter_map(|device| {
                let index = self.table.index_of(&device.name).ok()?;
                Some((device.name.clone(), index))
            })
            .collect();
        self.look_through_leftovers(&indices);
        let wanted: BTreeSet<IpAddr> = self
            .vips
            .keys()
            .filter(|address| !self.obstacles.contains_key(address))
            .copied()
            .collect();
        self.withdraw(&wanted);
        for address in &wanted {
            self.place(*address, &indices);
        }
        self.take_back(&wanted, &indices);
    }

    /// Adopts routes over devices of ours, removes others.
    fn look_through_leftovers(&mut self, indices: &BTreeMap<String, u32>) {
        for route in std::mem::take(&mut self.leftovers) {
            let found = indices.iter().find(|&(_, &index)| index == route.device);
            match found {
                Some((name, _)) => {
                    let placed = Placed {
                        device: route.device,
                        name: name.clone(),
                    };
                    self.placed.insert(route.address, placed);
                    self.announced.insert(route.address);
                }
                None => drop(self.table.take(route)),
            }
        }
    }

    fn withdraw(&mut self, wanted: &BTreeSet<IpAddr>) {
        let unwanted = self.placed.iter().filter(|(at, _)| !wanted.contains(at));
        let unwanted: Vec<HostRoute> = unwanted
            .map(|(&address, placed)| HostRoute {
                address,
                device: placed.device,
            })
            .collect();
        for route in unwanted {
            match self.table.take(route) {
                Ok(was_there) => {
                    self.placed.remove(&route.address);
                    if was_there {
                        self.announced.remove(&route.address);
                    }
                }
                Err(error) => {
                    self.is_pending = true;
                    let said = Obstacle::Kernel(format!("and does not let go of it: {error}"));
                    self.obstacles.insert(route.address, said);
                }
            }
        }
    }

    /// Sets a route that may stand already: over the device that it has, else over the first that takes it.
    fn place(&mut self, address: IpAddr, indices: &BTreeMap<String, u32>) {
        let before = self.placed.remove(&address);
        let mut refusal = None;
        for name in self.candidates(address, before.as_ref()) {
            let Some(&device) = indices.get(&name) else {
                continue;
            };
            match self.table.put(HostRoute { address, device }) {
                Ok(_) => {
                    self.placed.insert(address, Placed { device, name });
                    self.announced.insert(address);
                    return;
                }
                Err(error) => refusal = Some(format!("{name}: {error}")),
            }
        }
        self.is_pending = true;
        let said = refusal.unwrap_or_else(|| "there is no device lb-NAME yet".to_owned());
        self.obstacles.insert(address, Obstacle::Kernel(said));
    }

    /// Devices for a route, best first: where it is, then those with addresses of its family.
    fn candidates(&self, address: IpAddr, before: Option<&Placed>) -> Vec<String> {
        let suits = |device: &&Device| match address {
            IpAddr::V4(_) => device.has_v4,
            IpAddr::V6(_) => device.has_v6,
        };
        let (good, other): (Vec<&Device>, Vec<&Device>) = self.devices.iter().partition(suits);
        let mut names: Vec<String> = before
            .map(|placed| placed.name.clone())
            .into_iter()
            .collect();
        let rest = good.into_iter().chain(other).map(|device| &device.name);
        for name in rest {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Lets routing daemons hear that what vanished with its device is not announced any more.
    fn take_back(&mut self, wanted: &BTreeSet<IpAddr>, indices: &BTreeMap<String, u32>) {
        let forgotten: Vec<IpAddr> = self
            .announced
            .iter()
            .filter(|address| !wanted.contains(address) && !self.placed.contains_key(address))
            .copied()
            .collect();
        for address in forgotten {
            for name in self.candidates(address, None) {
                let Some(&device) = indices.get(&name) else {
                    continue;
                };
                let route = HostRoute { address, device };
                let heard = self.table.put(route).and_then(|_| self.table.take(route));
                if heard.is_ok() {
                    self.announced.remove(&address);
                    break;
                }
            }
        }
    }
}

fn is_due(last: Option<Instant>, every: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= every)
}

/// Kernel devices of the interfaces of the document.
fn devices(look: &Look<'_>) -> Vec<Device> {
    let interfaces = &look.revision.config.interfaces;
    let device = interfaces.iter().map(|interface| {
        let has = |is: fn(&IpAddr) -> bool| interface.addresses.iter().any(|a| is(&a.address()));
        Device {
            name: format!("lb-{}", interface.name),
            has_v4: has(IpAddr::is_ipv4),
            has_v6: has(IpAddr::is_ipv6),
        }
    });
    device.collect()
}
