//! The switch from start to end: EAL, ports, tables, lcores, and the wait for the end.
//!
//! WO 00/30294: what the control processor 42 does before and after the switching processors run.
//! Everything that can be refused is refused before the first port opens: nothing is left half started.
//! Easy to get wrong: the order of the end. Lcores first, then ports, whose drivers still hold mbufs, then
//! the count of the pools, which must be full again.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use lb_control::Running;
use lb_control::control::{self, ApplyError, Control};
use lb_control::publisher::Publisher;
use lb_control::switch::Switch;
use lb_core::config::{self, Config, Distribution, PortsPresent, Refusal};
use lb_core::id::PortId;
use lb_core::shared::{Reader, double_buffer};
use lb_core::wire::MacAddr;
use parking_lot::Mutex;

use crate::doors::Doors;
use crate::dpdk::eal::{CloseError, Eal, InitError};
use crate::dpdk::port::{self, Info, Port};
use crate::engine::Time;
use crate::exception_path;
use crate::interface_daemon::way::{Choice, Driver};
use crate::interface_daemon::{Counters, InterfaceDaemon};
use crate::memory::{MakeError, SharedTables, wall_seconds};
use crate::observed::Observed;
use crate::options::{CommandLine, Options};
use crate::placement::{self, Misplaced, Plan, PortFacts};
use crate::report::{Figures, LcoreFigures, Report};
use crate::watch::wait;
use crate::workers::{self, Crew, Launched};

/// How a run can go wrong.
#[derive(Debug)]
pub enum Failure {
    /// Arguments or configuration; one or more sentences.
    Refused(String),
    /// Anything else.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the switch until it is told to stop.
///
/// # Errors
/// See [`Failure`].
pub fn run(line: CommandLine) -> Result<(), Failure> {
    let options = line.options;
    let text = options
        .config
        .as_deref()
        .map(read_configuration)
        .transpose()?;
    let signals = Signals::heard()?;
    let wants_huge = !line.eal.iter().any(|word| word == "--no-huge");
    let (eal, _) = Eal::init(line.eal).map_err(|error| match error {
        InitError::Arguments | InitError::Stray(_) | InitError::Nul(_) | InitError::Device => {
            Failure::Refused(error.to_string())
        }
        other => Failure::Failed(other.into()),
    })?;
    if let Some(device) = eal.missing_devices().first() {
        return Err(Failure::Refused(format!(
            "device {device:?} could not be set up; the EAL's lines above say why"
        )));
    }
    let outcome = run_with(&eal, &options, text, wants_huge, signals);
    // The pools are counted even when the run failed; the first failure is the one to tell.
    let closed = match eal.close() {
        Err(kept @ CloseError::Kept { .. }) => {
            let _ = writeln!(io::stdout(), "note: {kept}");
            Ok(())
        }
        other => other.map_err(Failure::from),
    };
    outcome.and(closed)
}

fn run_with(
    eal: &Eal,
    options: &Options,
    text: Option<String>,
    wants_huge: bool,
    signals: Signals,
) -> Result<(), Failure> {
    let stop = &signals.stop;
    let infos = choose_ports(eal, options)?;
    let present: PortsPresent = infos.iter().map(|info| info.id).collect();
    let name = options.config.as_deref().map(Path::display);
    let name = name.map_or_else(String::new, |path| path.to_string());
    // Where there is a way to the kernel, it may know ways that the document does not show.
    let lenient = present.clone().with_kernel_routes();
    let config = match &text {
        Some(text) => {
            config::parse(text, &lenient).map_err(|refusals| refused(&name, &refusals))?
        }
        None => Config::default(),
    };
    let plan = plan(eal, options, &infos)?;
    let shared = open_tables(options, &plan, wants_huge)?;
    let time = shared.time(eal);
    let path = exception_path::open(eal, options.exception, &config, &infos)
        .map_err(|error| Failure::Refused(error.to_string()))?;
    let choice = path.choice.clone();
    let present = if choice.driver.is_some() {
        lenient
    } else {
        present
    };
    let (control, readers) = control(
        options,
        &infos,
        present,
        &plan,
        &shared,
        time,
        text.as_deref(),
    )
    .map_err(|error| match error {
        ApplyError::Refused(refusals) => refused(&name, &refusals),
        other => Failure::Failed(other.into()),
    })?;
    let doors = Doors::open(options).map_err(|error| Failure::Refused(error.to_string()))?;
    let mut crew = Crew::gather(eal, options, &infos, &plan, &shared, time, readers)?;
    let daemon = exception_path::connect(eal, path, &mut crew)?;
    // The last thing that can be refused; a report that cannot be written would be missed at the end only.
    let report_file = options.report.as_deref().map(open_report).transpose()?;
    announce(
        &infos,
        &plan,
        &shared,
        &doors,
        &choice,
        &mut io::stdout().lock(),
    );

    for port in &crew.ports {
        port.start()?;
        hear_multicast(port);
    }
    let began = Instant::now();
    // Not the signals' flag: lcores turn on while routers are told of the end.
    let halt = Arc::new(AtomicBool::new(false));
    let Launched {
        ports,
        workers,
        pools,
        handles,
    } = crew.launch(eal, &halt)?;
    let observed = Arc::new(Observed {
        ports: Mutex::new(ports),
        workers,
        pools,
        tables: Arc::clone(&shared.tables),
        time,
        started_at: wall_seconds(),
        exception_path: choice.driver.map_or("none", Driver::name),
        kernel: daemon
            .as_ref()
            .map_or_else(Counters::new, InterfaceDaemon::counters),
        routing: daemon.as_ref().map(|_| Arc::default()),
        state_directory: shared.directory().map(Path::to_owned),
    });
    let running = run_control(&control, &observed, daemon, doors, signals.reload);
    if running.is_ok() {
        wait(options, &shared, &observed.workers, &handles, stop, began);
    }
    if let Ok(running) = &running {
        running.withdraw();
    }
    halt.store(true, Ordering::Relaxed);
    let mut failed = None;
    for handle in handles {
        if let Err(panicked) = handle.join() {
            failed = Some(panicked);
        }
    }
    running?.stop();
    let seconds = began.elapsed().as_secs_f64();
    let report = report(seconds, &observed, &control)?;
    if let Some(mut file) = report_file {
        let json = serde_json::to_string_pretty(&report)?;
        writeln!(file, "{json}").context("--report: writing fails")?;
    }
    if let Some(panicked) = failed {
        return Err(Failure::Failed(panicked.into()));
    }
    shared.note_clean_end();
    if !report.adds_up() {
        return Err(Failure::Failed(anyhow::anyhow!(
            "the counters do not add up: some packets have no verdict"
        )));
    }
    Ok(())
}

/// Refusals of a document as one text.
fn refused(name: &str, refusals: &[Refusal]) -> Failure {
    let lines: Vec<_> = refusals
        .iter()
        .map(|refusal| format!("{name}: {refusal}"))
        .collect();
    Failure::Refused(lines.join("\nlb-dataplane: "))
}

/// The heart of the control side, with the first distribution published, and what the lcores read it with.
fn control(
    options: &Options,
    infos: &[Info],
    present: PortsPresent,
    plan: &Plan,
    shared: &SharedTables,
    time: Time,
    text: Option<&str>,
) -> Result<(Arc<Control>, Vec<Reader<Distribution>>), ApplyError> {
    let ports: Vec<_> = infos
        .iter()
        .map(|info| (info.id, MacAddr(info.mac)))
        .collect();
    let (writer, readers) = double_buffer(Distribution::empty(&ports), plan.lcores().len());
    let tables = Arc::clone(&shared.tables);
    let mtus = infos.iter();
    let mtus = mtus.filter_map(|info| Some((info.id, info.own_mtu()?.into())));
    let publisher = Publisher::new(writer, shared.registry(), tables, ports, shared.seed)
        .with_mtus(mtus.collect());
    let beside = |directory: &Path| directory.join("audit.log");
    let audit = options.audit.clone();
    let parts = control::Parts {
        publisher,
        ports: present,
        file: options.config.clone(),
        audit: audit.or_else(|| shared.directory().map(beside)),
        now: Box::new(move || time.now()),
    };
    Ok((Arc::new(Control::new(parts, text)?), readers))
}

/// Starts the control side on the main lcore's CPU, where this thread is confined to.
fn run_control(
    control: &Arc<Control>,
    observed: &Arc<Observed>,
    daemon: Option<InterfaceDaemon>,
    doors: Doors,
    reload: Arc<AtomicBool>,
) -> Result<Running, Failure> {
    let switch: Arc<dyn Switch> = Arc::clone(observed) as Arc<dyn Switch>;
    let running = lb_control::run(lb_control::Parts {
        control: Arc::clone(control),
        switch,
        listeners: doors.listeners,
        access: doors.access,
        reload,
        tell: Box::new(|line| {
            let _ = writeln!(io::stdout(), "{line}");
        }),
        tasks: match (daemon, &observed.routing) {
            (Some(daemon), Some(status)) => {
                exception_path::tasks(daemon, control, observed, Arc::clone(status))
            }
            _ => Vec::new(),
        },
    })
    .context("threads of the control side")?;
    Ok(running)
}

/// Flags that signals set, from the very start: one that comes early is not lost, and does not kill the program.
struct Signals {
    /// SIGINT and SIGTERM: a start that is interrupted ends as cleanly as a run.
    stop: Arc<AtomicBool>,
    /// SIGHUP: the document's file is to be read again.
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn heard() -> Result<Self, Failure> {
        let flag = |signals: &[i32]| {
            let flag = Arc::new(AtomicBool::new(false));
            for &signal in signals {
                signal_hook::flag::register(signal, Arc::clone(&flag))
                    .context("signal handlers")?;
            }
            Ok::<_, anyhow::Error>(flag)
        };
        Ok(Self {
            stop: flag(&[signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?,
            reload: flag(&[signal_hook::consts::SIGHUP])?,
        })
    }
}

/// The file that the report goes to, empty: an earlier run's report must not pass for this one's.
fn open_report(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| {
        Failure::Refused(format!(
            "--report {}: cannot be written: {error}",
            path.display()
        ))
    })
}

/// Neighbor solicitations come to multicast MAC addresses (RFC 4861, 4.3), which devices filter.
fn hear_multicast(port: &Port) {
    if let Err(error) = port.set_all_multicast(true) {
        let _ = writeln!(
            io::stderr(),
            "lb-dataplane: warning: {error}; IPv6 hosts may not find this port"
        );
    }
}

fn read_configuration(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::Refused(format!(
            "--config {}: cannot be read: {error}",
            path.display()
        ))
    })
}

/// The shared tables; a wish that cannot be fulfilled is the user's, the rest ours.
fn open_tables(options: &Options, plan: &Plan, wants_huge: bool) -> Result<SharedTables, Failure> {
    SharedTables::open(options, plan.lcores().len(), wants_huge).map_err(|error| match error {
        MakeError::Capacity(_) | MakeError::State(_) => Failure::Refused(error.to_string()),
        other => Failure::Failed(other.into()),
    })
}

fn choose_ports(eal: &Eal, options: &Options) -> Result<Vec<Info>, Failure> {
    let found = port::all(eal);
    let wanted = match &options.ports {
        Some(numbers) => numbers.iter().copied().map(PortId).collect(),
        None => found.clone(),
    };
    let names = found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    if found.is_empty() {
        return Err(Failure::Refused(
            "no port: DPDK found no device; bind a NIC to vfio-pci (dpdk-devbind.py), or try a software one \
             (EAL option --vdev=net_null0)"
                .to_owned(),
        ));
    }
    for (at, id) in wanted.iter().enumerate() {
        if !found.contains(id) {
            return Err(Failure::Refused(format!(
                "--ports: there is no port {id}; DPDK found {names}"
            )));
        }
        if wanted.iter().take(at).any(|before| before == id) {
            return Err(Failure::Refused(format!(
                "--ports: port {id} stands there twice"
            )));
        }
    }
    wanted
        .into_iter()
        .map(|id| Ok(Port::info(eal, id)?))
        .collect()
}

fn plan(eal: &Eal, options: &Options, infos: &[Info]) -> Result<Plan, Failure> {
    let facts: Vec<_> = infos
        .iter()
        .map(|info| PortFacts {
            id: info.id,
            driver: info.driver.clone(),
            max_rx_queues: info.max_rx_queues,
            max_tx_queues: info.max_tx_queues,
            spreads: info.rss_of_flows() != 0,
        })
        .collect();
    let workers = eal.worker_lcores();
    let plan = match &options.rx {
        Some(wanted) => placement::check(wanted, &facts, &workers),
        None => placement::deal(&facts, &workers),
    };
    plan.map_err(|misplaced: Misplaced| Failure::Refused(misplaced.to_string()))
}

/// One line per lcore and port at the start: who polls what. Who closed the other end of `out` misses
/// the lines, not the switch.
fn announce(
    infos: &[Info],
    plan: &Plan,
    shared: &SharedTables,
    doors: &Doors,
    exception: &Choice,
    out: &mut impl Write,
) {
    let ports = infos.iter().map(|info| {
        let mac = MacAddr(info.mac);
        let queues = plan.rx_queues(info.id);
        format!(
            "port {}: {} ({}), MAC {mac}, {queues} receive queue(s)",
            info.id, info.device, info.driver,
        )
    });
    let polling = plan.lcores().into_iter().map(|lcore| {
        let queues = workers::queues_of(plan, lcore)
            .into_iter()
            .map(|poll| format!("port {} queue {}", poll.port, poll.queue));
        let queues = queues.collect::<Vec<_>>().join(", ");
        format!("lcore {lcore} polls {queues}")
    });
    let asleep = plan
        .asleep
        .iter()
        .map(|lcore| format!("lcore {lcore} has no queue and sleeps"));
    let remarks = shared.remarks.iter().cloned();
    let lines: Vec<_> = remarks
        .chain(ports)
        .chain(polling)
        .chain(asleep)
        .chain(plan.remark.clone())
        .chain([exception.to_string()])
        .chain(doors.remarks())
        .collect();
    let _ = writeln!(out, "{}", lines.join("\n"));
}

fn report(seconds: f64, observed: &Observed, control: &Control) -> Result<Report, Failure> {
    let ports = observed
        .ports
        .lock()
        .iter()
        .map(|port| Ok((port.id().0, port.stats()?)))
        .collect::<Result<_, Failure>>()?;
    let lcores = observed
        .workers
        .iter()
        .map(|worker| LcoreFigures {
            lcore: worker.lcore,
            queues: worker.queues.clone(),
            filter: &worker.filter,
            engine: &worker.engine,
        })
        .collect();
    Ok(control.look(|look| {
        Report::of(&Figures {
            seconds,
            ports,
            lcores,
            distribution: look.distribution,
            tables: &observed.tables,
            kernel: &observed.kernel,
        })
    }))
}
