//! Interface daemon: moves frames between the exchange and the kernel's devices, on the main lcore's CPU.
//!
//! WO 00/30294: box 53 and Figs. 8 and 9; claims 1–3, 13, 14. Each interface of the configuration has a kernel device
//! `lb-NAME` with its port's MAC address, MTU and link state and the interface's addresses, so that programs on the
//! control processor use the network as if they had the port themselves.
//! Not here: what is punted (`lb_core::filter::punt`), the rings (`exchange`), how a device is driven (`tap`,
//! `virtio_user`), what the kernel's routes say (`routing_daemon`).
//! Easy to get wrong: nobody wakes it up. A worker lcore makes no system call, so the daemon looks at the rings by
//! itself: after short pauses while there is work, then after pauses that grow with the silence, up to [`LONGEST_NAP`].
//! `rest` has the reasons.

mod device;
mod kernel;
mod netlink;
mod rest;
mod tap;
mod upkeep;
mod virtio_user;
pub mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use lb_core::config::{Cidr, KernelNetwork, Prefix};
use lb_core::id::PortId;
use lb_core::wire::MacAddr;

use crate::dpdk::burst::Burst;
use crate::dpdk::eal::Eal;
use crate::dpdk::mempool::{self, Mempool};
use crate::dpdk::tun::{self, TapError};
use crate::exchange::{DaemonEnd, Down, Exchange, KernelCounters};
use device::Device;
use kernel::Kernel;
use rest::Rest;
use tap::Tap;
use virtio_user::VirtioUser;
use way::{Choice, Driver, Here, NotHere, Way};

pub use rest::{Found, LONGEST_NAP};
pub use virtio_user::VirtioError;

/// Mbufs for frames of the kernel's, per port: a ring and a transmit queue full of them, and some in hand.
const MBUFS: u32 = 2047;
/// Octets of headers around an MTU's worth of data, and DPDK's head room.
const AROUND: u16 = 128 + 14 + 4;
/// Bursts of control traffic taken from one port and lcore before its other frames get their turn.
const CONTROL_BURSTS: usize = 4;

/// An interface as the kernel is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its port.
    pub port: PortId,
    /// Its name in the configuration; the kernel's device has `lb-` before it.
    pub name: String,
    /// The port's MAC address.
    pub mac: MacAddr,
    /// The port's MTU, in octets.
    pub mtu: u16,
    /// Whether the port has a link.
    pub is_up: bool,
    /// Addresses of the interface.
    pub addresses: Vec<Cidr>,
    /// The document's routes over it: destinations, and the router.
    pub routes: Vec<(Prefix, IpAddr)>,
}

impl Interface {
    /// Name of the kernel's device.
    #[must_use]
    pub fn device(&self) -> String {
        device_name(&self.name)
    }
}

/// Name of the kernel's device of an interface.
#[must_use]
pub fn device_name(interface: &str) -> String {
    format!("lb-{interface}")
}

/// The way to the kernel, before anything moves on it.
pub struct Path {
    /// What was chosen, and why.
    pub choice: Choice,
    devices: BTreeMap<String, Box<dyn Device>>,
}

/// Why there is no way, although one was asked for by name.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The machine lacks what it needs.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// A TAP that cannot be made.
    #[error("--exception tap: {0}")]
    Tap(#[from] TapError),
    /// A virtio-user device that cannot be made.
    #[error("--exception virtio-user: {0}")]
    Virtio(#[from] VirtioError),
}

impl Path {
    /// Chooses a driver and makes the devices of these interfaces. With `auto` whatever fails means that there is no
    /// exception path, and the choice says so.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn open(eal: &Eal, way: Way, interfaces: &[Interface]) -> Result<Self, PathError> {
        let here = Here {
            vhost_net: virtio_user::probe(),
            tun: tun::probe().map_err(|error| error.to_string()),
        };
        let choice = way.choose(&here)?;
        let Some(driver) = choice.driver else {
            return Ok(Self {
                choice,
                devices: BTreeMap::new(),
            });
        };
        let made: Result<BTreeMap<_, _>, PathError> = interfaces
            .iter()
            .map(|interface| Ok((interface.device(), make(eal, driver, interface)?)))
            .collect();
        match made {
            Ok(devices) => Ok(Self { choice, devices }),
            Err(error) if way == Way::Auto => Ok(Self {
                choice: Choice::given_up(error),
                devices: BTreeMap::new(),
            }),
            Err(error) => Err(error),
        }
    }
}

fn make(eal: &Eal, driver: Driver, interface: &Interface) -> Result<Box<dyn Device>, PathError> {
    let name = interface.device();
    Ok(match driver {
        Driver::Tap => Box::new(Tap::open(&name)?),
        Driver::VirtioUser => Box::new(VirtioUser::open(
            eal,
            interface.port.0,
            &name,
            interface.mac,
            data_room(interface.mtu),
        )?),
    })
}

/// Octets of an mbuf that holds the longest frame of an MTU in one segment.
fn data_room(mtu: u16) -> u16 {
    mempool::DATA_ROOM.max(mtu.saturating_add(AROUND))
}

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No mbufs for the kernel's frames.
    #[error(transparent)]
    Pool(#[from] mempool::CreateError),
    /// No descriptor to listen to devices with.
    #[error("the interface daemon cannot wait for the kernel: {0}")]
    Rest(io::Error),
}

/// Counters of each port's way to the kernel.
pub type Counters = BTreeMap<PortId, Arc<KernelCounters>>;

/// The daemon: one thread's.
pub struct InterfaceDaemon {
    driver: Driver,
    ups: Vec<DaemonEnd>,
    downs: Vec<DownSide>,
    kernels: BTreeMap<PortId, Kernel>,
    /// Made at the start, not in use yet.
    spare: BTreeMap<String, Box<dyn Device>>,
    /// Devices that could not be made: said once.
    missing: BTreeSet<String>,
    counters: Counters,
    pool: Mempool,
    rest: Rest,
    tell: Box<dyn FnMut(String) + Send>,
}

/// The way down to one port, and frames that found it full.
struct DownSide {
    down: Down,
    waiting: Burst,
    /// Whether the device may have frames: asking one that has none is a system call.
    may_have_frames: bool,
}

impl InterfaceDaemon {
    /// A daemon over the rings of an exchange; `None` where the path leads nowhere. Frames of the kernel's are at
    /// most as long as `longest_mtu` allows. `tell` gets a line when something fails.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(
        eal: &Eal,
        path: Path,
        exchange: Exchange,
        longest_mtu: u16,
        tell: impl FnMut(String) + Send + 'static,
    ) -> Result<Option<Self>, StartError> {
        let Some(driver) = path.choice.driver else {
            return Ok(None);
        };
        let ports = u32::try_from(exchange.downs.len())
            .unwrap_or(u32::MAX)
            .max(1);
        let settings = mempool::Settings {
            count: MBUFS.saturating_mul(ports),
            // Its mbufs are freed by drivers on worker lcores; one that keeps some to itself starves the daemon.
            cache: 0,
            data_room: data_room(longest_mtu),
            socket: None,
        };
        let counters = exchange
            .downs
            .iter()
            .map(|down| (down.port, Arc::default()));
        Ok(Some(Self {
            driver,
            counters: counters.collect(),
            pool: Mempool::create(eal, "kernel", settings)?,
            ups: exchange.ups,
            downs: exchange
                .downs
                .into_iter()
                .map(|down| DownSide {
                    down,
                    waiting: Burst::new(),
                    may_have_frames: true,
                })
                .collect(),
            kernels: BTreeMap::new(),
            spare: path.devices,
            missing: BTreeSet::new(),
            rest: Rest::new().map_err(StartError::Rest)?,
            tell: Box::new(tell),
        }))
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Makes the kernel's devices look like this: called again whenever something has changed, and cheap where
    /// nothing has.
    pub fn arrange(&mut self, interfaces: &[Interface]) {
        // Before new ones: a name may have moved to another port.
        self.kernels.retain(|&port, kernel| {
            interfaces
                .iter()
                .any(|interface| interface.port == port && interface.device() == kernel.name())
        });
        for interface in interfaces {
            if !self.kernels.contains_key(&interface.port) {
                self.make(interface);
            }
            if let Some(kernel) = self.kernels.get_mut(&interface.port) {
                for failure in kernel.arrange(interface) {
                    (self.tell)(format!("warning: {failure}"));
                }
            }
        }
    }

    /// Puts back what the document says and somebody has taken away, going by what the kernel has.
    pub fn keep_up(&mut self, interfaces: &[Interface], network: &KernelNetwork) {
        for interface in interfaces {
            if let Some(kernel) = self.kernels.get_mut(&interface.port) {
                for line in kernel.keep_up(interface, network) {
                    (self.tell)(format!("warning: {line}"));
                }
            }
        }
    }

    fn make(&mut self, interface: &Interface) {
        let name = interface.device();
        let device = match (self.spare.remove(&name), self.driver) {
            (Some(device), _) => Ok(device),
            (None, Driver::Tap) => Tap::open(&name)
                .map(|tap| Box::new(tap) as Box<dyn Device>)
                .map_err(|error| error.to_string()),
            (None, Driver::VirtioUser) => Err(format!(
                "kernel device {name} cannot be made: virtio-user makes devices at the start only"
            )),
        };
        let kernel = device.and_then(|device| {
            let refused = |error| format!("kernel device {name}: {error}");
            let kernel = Kernel::new(name.clone(), device).map_err(refused)?;
            if let Some(readable) = kernel.device().readable() {
                let listening = self.rest.listen_to(readable, interface.port);
                listening.map_err(refused)?;
            }
            Ok(kernel)
        });
        match kernel {
            Ok(kernel) => {
                self.missing.remove(&name);
                ask(&mut self.downs, interface.port);
                self.kernels.insert(interface.port, kernel);
            }
            Err(error) => {
                if self.missing.insert(name) {
                    (self.tell)(format!("warning: {error}; its packets are dropped"));
                }
            }
        }
    }

    /// Moves what there is, in bounded steps.
    pub fn turn(&mut self) -> Found {
        let mut found = Found::Nothing;
        let mut burst = Burst::new();
        for up in &mut self.ups {
            for _ in 0..CONTROL_BURSTS {
                if up.take_control(&mut burst) == 0 {
                    break;
                }
                found = found.max(amount(&burst));
                deliver(&mut self.kernels, &self.counters, up, &mut burst);
            }
        }
        for up in &mut self.ups {
            if up.take_bulk(&mut burst) > 0 {
                found = found.max(amount(&burst));
                deliver(&mut self.kernels, &self.counters, up, &mut burst);
            }
        }
        for side in &mut self.downs {
            if side.may_have_frames || !side.waiting.is_empty() {
                let its = collect(&mut self.kernels, &self.counters, &self.pool, side);
                found = found.max(its);
            }
        }
        found
    }

    /// Gives the kernel what the lcores sent up before they ended, so that the counters add up.
    pub fn finish(&mut self) {
        let mut burst = Burst::new();
        for up in &mut self.ups {
            while up.take_control(&mut burst) + up.take_bulk(&mut burst) > 0 {
                deliver(&mut self.kernels, &self.counters, up, &mut burst);
            }
        }
    }

    /// Waits after a turn, if there is reason to.
    pub fn rest(&mut self, found: Found) {
        let downs = &mut self.downs;
        self.rest.after(found, |port| ask(downs, port));
    }
}

/// Asks this device for frames in the next turn.
fn ask(downs: &mut [DownSide], port: PortId) {
    if let Some(side) = downs.iter_mut().find(|side| side.down.port == port) {
        side.may_have_frames = true;
    }
}

/// Whether there are more behind those of a burst.
fn amount(burst: &Burst) -> Found {
    if burst.is_full() {
        Found::More
    } else {
        Found::All
    }
}

/// Gives frames of one port to its kernel device, and sends them home.
fn deliver(
    kernels: &mut BTreeMap<PortId, Kernel>,
    counters: &Counters,
    up: &mut DaemonEnd,
    burst: &mut Burst,
) {
    let taken = match kernels.get_mut(&up.port) {
        Some(kernel) => kernel.device_mut().deliver(burst.as_slice()),
        None => 0,
    };
    if let Some(counters) = counters.get(&up.port) {
        counters.up.add(taken as u64);
        counters.up_dropped.add((burst.len() - taken) as u64);
    }
    up.send_home(burst);
}

/// Takes frames of one kernel device and sends them down.
fn collect(
    kernels: &mut BTreeMap<PortId, Kernel>,
    counters: &Counters,
    pool: &Mempool,
    side: &mut DownSide,
) -> Found {
    let port = side.down.port;
    let mut lost = 0;
    if let Some(kernel) = kernels.get_mut(&port) {
        let collected = kernel.device_mut().collect(pool, &mut side.waiting);
        lost = collected.lost;
        side.may_have_frames = !collected.is_all;
    }
    let amount = amount(&side.waiting);
    let sent = side.down.send(&mut side.waiting);
    if let Some(counters) = counters.get(&port) {
        counters.down.add(sent as u64);
        counters.down_dropped.add(lost as u64);
    }
    // Where nothing goes down, haste is of no use.
    if sent == 0 { Found::Nothing } else { amount }
}
