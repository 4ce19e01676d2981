//! `lb-bench-source`: captures replayed at an even rate into ports of a switch that runs elsewhere.
//!
//! No counterpart in the patent. The other end of `net_memif` ports: `net_pcap` with `infinite_rx=1` gives a lcore all
//! that it can take, and no system test could say of it what a million packets a second suffer.
//! It ends after a time or with SIGTERM, and prints one line, JSON, with what it sent to each port. With `--stay` it then
//! keeps the ports until the next SIGTERM: the driver of DPDK 22.11 unmaps the rings of an end that goes away under the
//! lcore that polls them, which ends the switch with SIGSEGV once in a while.
//! Easy to get wrong: packets are due by the clock. A source that is kept from its CPU, or a ring that is full,
//! must show in the counts and not as a lower rate; who measures gives it a priority of its own (`chrt --fifo`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lb_bench::capture;
use lb_bench::latency::pace::Pace;
use lb_core::id::PortId;
use lb_dataplane::dpdk::burst::Burst;
use lb_dataplane::dpdk::clock::Clock;
use lb_dataplane::dpdk::port::{Port, Settings};
use lb_dataplane::dpdk::{Eal, Mempool, TxQueue, mempool};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Mbufs: the driver copies each frame, so there are as many as are in hand.
const MBUFS: u32 = 255;
/// MiB for DPDK.
const MIB: u32 = 64;
/// Binary logarithm of the frames in a ring.
const RING_LOG: u32 = 12;
/// Pause between two looks at the clock: a hundred packets at a rate of a million, few enough for no ring to mind.
const NAP: Duration = Duration::from_micros(64);
/// Time in which the switch has to open its ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// Replays captures at an even rate into net_memif ports of a switch; prints what it sent as JSON.
#[derive(Debug, Parser)]
#[command(name = "lb-bench-source", version)]
struct Options {
    /// A port: the socket of the switch's end (role=server), a capture, million packets per second
    #[arg(long = "to", value_name = "SOCKET,FILE,MPPS", required = true)]
    targets: Vec<Target>,
    /// Seconds that it sends
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Its CPU
    #[arg(long, default_value_t = 0)]
    cpu: u32,
    /// Keep the ports after that, until another SIGTERM
    #[arg(long)]
    stay: bool,
}

/// What goes where.
#[derive(Clone, Debug)]
struct Target {
    socket: String,
    file: PathBuf,
    mpps: f64,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [socket, file, mpps] = text
            .split(',')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| "expected a socket, a file and a rate, with commas between".to_owned())?;
        let mpps = mpps.parse().ok().filter(|mpps| *mpps > 0.0 && *mpps < 1e3);
        Ok(Self {
            socket: socket.to_owned(),
            file: file.into(),
            mpps: mpps.ok_or("expected more than 0 million packets per second, less than 1000")?,
        })
    }
}

/// What one port was sent.
#[derive(Debug, Default, Serialize)]
struct Sent {
    /// Frames that found room in the ring.
    sent: u64,
    /// Frames that did not.
    refused: u64,
    /// Frames that were due while the source was held up.
    skipped: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-bench-source: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut words = vec!["lb-bench-source".to_owned(), "--no-telemetry".to_owned()];
    words.push(format!("--lcores=0@{}", options.cpu));
    words.extend(["--no-pci", "--no-huge", "-m"].map(str::to_owned));
    words.push(MIB.to_string());
    words.push(format!(
        "--file-prefix=lb-bench-source-{}",
        std::process::id()
    ));
    words.extend(options.targets.iter().enumerate().map(|(number, target)| {
        format!(
            "--vdev=net_memif{number},role=client,socket={},socket-abstract=no,rsize={RING_LOG}",
            target.socket
        )
    }));
    let (eal, _) = Eal::init(words)?;
    send(&eal, options)?;
    eal.close()?;
    Ok(())
}

/// One target while it is sent to.
struct Flow {
    out: TxQueue,
    frames: Vec<Vec<u8>>,
    /// The frame that is sent next.
    at: usize,
    pace: Pace,
    sent: Sent,
}

/// Sends, and prints what it sent.
fn send(eal: &Eal, options: &Options) -> Result<()> {
    let settings = mempool::Settings {
        count: MBUFS,
        cache: 0,
        ..mempool::Settings::default()
    };
    let pool = Mempool::create(eal, "mbufs", settings)?;
    let mut ends = Vec::new();
    for id in (0..).take(options.targets.len()) {
        let settings = Settings {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1 << RING_LOG,
            tx_descriptors: 1 << RING_LOG,
            mtu: None,
            mempool: pool.clone(),
        };
        let (port, rx, mut tx) = Port::open(eal, PortId(id), &settings)?;
        port.start()?;
        ends.push((port, rx, tx.pop().context("a port has no queue")?));
    }
    let begin = Instant::now();
    while !ends
        .iter()
        .all(|(port, ..)| port.link().is_ok_and(|link| link.is_up))
    {
        ensure!(
            begin.elapsed() < PATIENCE,
            "nobody has opened the other ends of the sockets"
        );
        sleep(Duration::from_millis(10));
    }
    let clock = Clock::new(eal);
    let mut flows = Vec::new();
    // The receive queues stay: a port stops with the last of its queues.
    let (_ports, outs): (Vec<_>, Vec<_>) = ends
        .into_iter()
        .map(|(port, rx, out)| ((port, rx), out))
        .unzip();
    for (target, out) in options.targets.iter().zip(outs) {
        let frames =
            capture::read(&target.file).with_context(|| format!("{}", target.file.display()))?;
        ensure!(!frames.is_empty(), "{}: no frames", target.file.display());
        flows.push(Flow {
            out,
            frames,
            at: 0,
            pace: Pace::new(clock.now(), target.mpps),
            sent: Sent::default(),
        });
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < options.seconds && !ended.load(Ordering::Relaxed) {
        for flow in &mut flows {
            flow.catch_up(&clock, &pool)?;
        }
        sleep(NAP);
    }
    ended.store(!options.stay, Ordering::Relaxed);
    let sent: Vec<Sent> = flows.into_iter().map(Flow::finish).collect();
    println!("{}", serde_json::to_string(&sent)?);
    while !ended.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

impl Flow {
    /// Sends what is due.
    fn catch_up(&mut self, clock: &Clock, pool: &Mempool) -> Result<()> {
        let now = clock.now();
        let mut burst = Burst::new();
        loop {
            let due = self.pace.due(now);
            if due == 0 {
                return Ok(());
            }
            ensure!(burst.fill(pool, due), "the driver kept mbufs");
            for mbuf in burst.as_mut_slice() {
                let frame = self.frames.get(self.at).map_or(&[][..], Vec::as_slice);
                ensure!(mbuf.set_len(frame.len()), "a frame is too long for an mbuf");
                mbuf.head_mut().copy_from_slice(frame);
                self.at = (self.at + 1) % self.frames.len();
            }
            self.sent.sent += self.out.send(&mut burst) as u64;
            self.sent.refused += burst.len() as u64;
            burst.clear();
        }
    }

    fn finish(self) -> Sent {
        Sent {
            skipped: self.pace.skipped(),
            ..self.sent
        }
    }
}
