//! The exception path put together: devices, rings, and the daemon as a task of the control side.
//!
//! WO 00/30294, Fig. 8: how control processor 42 gets at the network interfaces 37 of the switching processors.
//! The order is that of the start: devices before ports open, since they can be refused; rings when the lcores'
//! engines are built; the daemons when all runs. While they run the interface daemon follows configuration and links,
//! and the routing daemon the kernel; what the one sees the other puts right.
//! Easy to get wrong: what a port's driver says of its link it says to one thread at a time.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_control::control::Control;
use lb_control::routing_daemon::{self, News, RECEIVE_BUFFER, Status};
use lb_control::supervisor::Task;
use lb_core::config::{Config, KernelNetwork};
use lb_core::id::PortId;
use lb_core::wire::MacAddr;
use parking_lot::Mutex;

use crate::dpdk::eal::Eal;
use crate::dpdk::port::{Info, Port};
use crate::dpdk::ring::RingError;
use crate::interface_daemon::way::Way;
use crate::interface_daemon::{
    Interface, InterfaceDaemon, Path, PathError, StartError, device_name,
};
use crate::observed::Observed;
use crate::workers::Crew;

/// How often configuration and links are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// MTU of ports, in octets, unless their drivers say otherwise when they are open.
const MTU: u16 = 1500;

/// Why the rings or the daemon cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The daemon.
    #[error(transparent)]
    Daemon(#[from] StartError),
}

/// How often the document is compared with the kernel while neither changes.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

/// Makes the devices of the interfaces that are configured at the start.
///
/// # Errors
/// See [`PathError`].
pub fn open(eal: &Eal, way: Way, config: &Config, infos: &[Info]) -> Result<Path, PathError> {
    let ports = infos
        .iter()
        .map(|info| (info.id, (MacAddr(info.mac), MTU, true)));
    Path::open(eal, way, &interfaces(config, &ports.collect()))
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

/// What the kernel has, as the routing daemon saw it last.
type Seen = Arc<Mutex<Option<Arc<KernelNetwork>>>>;

/// The work of both daemons, to be supervised.
#[must_use]
pub fn tasks(
    daemon: InterfaceDaemon,
    control: &Arc<Control>,
    observed: &Arc<Observed>,
    status: Arc<Status>,
) -> Vec<Task> {
    let seen = Seen::default();
    vec![
        interface_daemon(
            daemon,
            Arc::clone(control),
            Arc::clone(observed),
            Arc::clone(&seen),
        ),
        routing_daemon(control, observed, status, seen),
    ]
}

fn interface_daemon(
    mut daemon: InterfaceDaemon,
    control: Arc<Control>,
    observed: Arc<Observed>,
    seen: Seen,
) -> Task {
    let mut looked: Option<Instant> = None;
    let mut compared: Option<(Instant, Arc<KernelNetwork>)> = None;
    Task::new("interface-daemon", move |life| {
        while !life.is_over() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                looked = Some(Instant::now());
                let ports = observed.ports.lock().iter().map(facts).collect();
                let interfaces = interfaces(&control.current().config, &ports);
                daemon.arrange(&interfaces);
                let network = seen.lock().clone();
                if let Some(network) = network.filter(|network| is_due(compared.as_ref(), network))
                {
                    daemon.keep_up(&interfaces, &network);
                    compared = Some((Instant::now(), network));
                }
            }
            let found = daemon.turn();
            daemon.rest(found);
        }
        // The lcores have ended before us.
        daemon.finish();
    })
}

/// Whether the document is to be compared with this view of the kernel.
fn is_due(compared: Option<&(Instant, Arc<KernelNetwork>)>, network: &Arc<KernelNetwork>) -> bool {
    compared.is_none_or(|(at, last)| !Arc::ptr_eq(last, network) || at.elapsed() >= COMPARE_EVERY)
}

fn routing_daemon(
    control: &Arc<Control>,
    observed: &Arc<Observed>,
    status: Arc<Status>,
    seen: Seen,
) -> Task {
    let [documents, networks] = [control, control].map(Arc::clone);
    let observed = Arc::clone(observed);
    routing_daemon::task(routing_daemon::Parts {
        devices: Box::new(move || {
            let current = documents.current();
            let interfaces = current.config.interfaces.iter();
            interfaces
                .map(|interface| (interface.port, device_name(&interface.name)))
                .collect()
        }),
        publish: Box::new(move |network| {
            *seen.lock() = Some(Arc::clone(network));
            networks.set_network(Arc::clone(network)).map(drop)
        }),
        hear: Box::new(move |news| {
            let neighbors = &observed.tables.neighbors;
            match news {
                News::Known { address, port, mac } => {
                    neighbors.tell(address, port, mac, observed.time.now());
                }
                News::Gone { address, port } => neighbors.doubt(address, port),
            }
        }),
        tell: Box::new(|line| drop(writeln!(io::stderr(), "lb-dataplane: {line}"))),
        status,
        receive_buffer: RECEIVE_BUFFER,
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

/// The interfaces of a configuration whose ports are driven.
fn interfaces(config: &Config, ports: &BTreeMap<PortId, Facts>) -> Vec<Interface> {
    let configured = config.interfaces.iter();
    configured
        .filter_map(|interface| {
            let &(mac, mtu, is_up) = ports.get(&interface.port)?;
            let routes = config.routes.iter();
            let routes = routes.filter(|route| route.port == interface.port);
            Some(Interface {
                port: interface.port,
                name: interface.name.clone(),
                mac,
                mtu,
                is_up,
                addresses: interface.addresses.clone(),
                routes: routes.map(|route| (route.prefix, route.via)).collect(),
            })
        })
        .collect()
}
