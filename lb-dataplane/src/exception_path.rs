//! The exception path put together: devices, rings, and the daemon as a task of the control side.
//!
//! WO 00/30294, Fig. 8: how control processor 42 gets at the network interfaces 37 of the switching processors.
//! The order is that of the start: devices before ports open, since they can be refused; rings when the lcores'
//! engines are built; the daemon when all runs. While it runs it follows configuration and links.
//! Easy to get wrong: what a port's driver says of its link it says to one thread at a time.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_control::control::Control;
use lb_control::supervisor::Task;
use lb_core::id::PortId;
use lb_core::wire::MacAddr;

use crate::dpdk::eal::Eal;
use crate::dpdk::mempool::CreateError;
use crate::dpdk::port::{Info, Port};
use crate::dpdk::ring::RingError;
use crate::interface_daemon::way::Way;
use crate::interface_daemon::{Interface, InterfaceDaemon, Path, PathError};
use crate::observed::Observed;
use crate::workers::Crew;

/// How often configuration and links are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// MTU of ports, in octets, unless their drivers say otherwise when they are open.
const MTU: u16 = 1500;

/// Why the rings or the daemon's mbufs cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The pool of the kernel's frames.
    #[error(transparent)]
    Pool(#[from] CreateError),
}

/// Makes the devices of the interfaces that are configured at the start.
///
/// # Errors
/// See [`PathError`].
pub fn open(eal: &Eal, way: Way, control: &Control, infos: &[Info]) -> Result<Path, PathError> {
    let ports = infos
        .iter()
        .map(|info| (info.id, (MacAddr(info.mac), MTU, true)));
    Path::open(eal, way, &interfaces(control, &ports.collect()))
}

/// Connects the lcores with the daemon; `None` where there is no exception path.
///
/// # Errors
/// See [`ConnectError`].
pub fn connect(
    eal: &Eal,
    path: Path,
    crew: &mut Crew,
) -> Result<Option<InterfaceDaemon>, ConnectError> {
    if path.choice.driver.is_none() {
        return Ok(None);
    }
    let longest = crew.ports.iter().filter_map(|port| port.mtu().ok()).max();
    let exchange = crew.connect(eal)?;
    let tell = |line| drop(writeln!(io::stderr(), "lb-dataplane: {line}"));
    Ok(InterfaceDaemon::new(
        eal,
        path,
        exchange,
        longest.unwrap_or(MTU),
        tell,
    )?)
}

/// The daemon's work, to be supervised.
#[must_use]
pub fn task(mut daemon: InterfaceDaemon, control: Arc<Control>, observed: Arc<Observed>) -> Task {
    let mut looked: Option<Instant> = None;
    Task::new("interface-daemon", move |life| {
        while !life.is_over() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                looked = Some(Instant::now());
                let ports = observed.ports.lock().iter().map(facts).collect();
                daemon.arrange(&interfaces(&control, &ports));
            }
            let had_work = daemon.turn();
            daemon.rest(had_work);
        }
        // The lcores have ended before us.
        daemon.finish();
    })
}

/// What a kernel device takes over from its port: MAC address, MTU, and whether there is a link.
type Facts = (MacAddr, u16, bool);

/// A driver that does not know its MTU has the usual one; one that knows no link has one.
fn facts(port: &Port) -> (PortId, Facts) {
    let is_up = port.link().map_or(true, |link| link.is_up);
    let mac = MacAddr(port.device().mac);
    (port.id(), (mac, port.mtu().unwrap_or(MTU), is_up))
}

/// The interfaces of the configuration in force whose ports are driven.
fn interfaces(control: &Control, ports: &BTreeMap<PortId, Facts>) -> Vec<Interface> {
    let revision = control.current();
    let configured = revision.config.interfaces.iter();
    configured
        .filter_map(|interface| {
            let &(mac, mtu, is_up) = ports.get(&interface.port)?;
            Some(Interface {
                port: interface.port,
                name: interface.name.clone(),
                mac,
                mtu,
                is_up,
                addresses: interface.addresses.clone(),
            })
        })
        .collect()
}
