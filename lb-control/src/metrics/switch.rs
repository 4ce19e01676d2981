//! Ports, lcores, drops, pools and tables.
//!
//! No counterpart in the patent. `docs/counters.md` says which packet moves which counter.
//! Easy to get wrong: packets that a port missed were received by no lcore, and stand in none of its counters.

use lb_core::filter::Reason;

use super::page::{Labels, Page, labels};
use crate::api::App;
use crate::switch::{KernelFigures, LcoreFigures, PortFigures};

/// Upper bounds of the packets that a poll gave, in the histogram. The last is a full burst.
const POLL_BOUNDS: [usize; 8] = [0, 1, 2, 4, 8, 16, 31, 32];

pub(super) fn add(page: &mut Page, app: &App) {
    about(page, app);
    let ports = app.switch.ports();
    of_ports(page, app, &ports);
    let lcores = app.switch.lcores();
    exception_path(page, &ports, &lcores);
    loops(page, app, &lcores);
    packets(page, &lcores);
    drops(page, &lcores);
    pools(page, app);
    tables(page, app);
}

fn about(page: &mut Page, app: &App) {
    let about = app.switch.about();
    let build = labels([("program", &about.program), ("version", &about.version)]);
    page.gauge(
        "lb_build_info",
        "Program and version; always 1.",
        [(build, 1.0)],
    );
    page.value(
        "lb_start_time_seconds",
        "When the program started, in seconds since 1970.",
        about.started_at as f64,
    );
}

/// A port's counter, its name and its help.
type PortCounter = (&'static str, &'static str, fn(&PortFigures) -> u64);

const PORT_COUNTERS: [PortCounter; 9] = [
    (
        "lb_port_received_packets_total",
        "Frames received.",
        |port| port.rx_packets,
    ),
    ("lb_port_received_bytes_total", "Octets received.", |port| {
        port.rx_octets
    }),
    (
        "lb_port_receive_missed_packets_total",
        "Frames that the device dropped because its queue was full.",
        |port| port.rx_missed,
    ),
    (
        "lb_port_receive_errors_total",
        "Frames received broken.",
        |port| port.rx_errors,
    ),
    (
        "lb_port_receive_no_mbuf_total",
        "Times a frame had no mbuf to go to.",
        |port| port.rx_no_mbuf,
    ),
    ("lb_port_sent_packets_total", "Frames sent.", |port| {
        port.tx_packets
    }),
    ("lb_port_sent_bytes_total", "Octets sent.", |port| {
        port.tx_octets
    }),
    (
        "lb_port_send_errors_total",
        "Frames that the device could not send.",
        |port| port.tx_errors,
    ),
    (
        "lb_port_send_dropped_packets_total",
        "Frames that the device did not take from the lcores, its queue being full.",
        |port| port.tx_dropped,
    ),
];

fn of_ports(page: &mut Page, app: &App, ports: &[PortFigures]) {
    let current = app.control.current();
    let number = |port: &PortFigures| labels([("port", &port.port.to_string())]);
    page.gauge(
        "lb_port_info",
        "Device, driver and interface of a port; always 1.",
        ports.iter().map(|port| {
            let mut interfaces = current.config.interfaces.iter();
            let interface = interfaces.find(|one| one.port == port.port);
            let labels = labels([
                ("port", &port.port.to_string()),
                ("interface", interface.map_or("", |one| &one.name)),
                ("device", &port.device),
                ("driver", &port.driver),
            ]);
            (labels, 1.0)
        }),
    );
    let up = ports.iter().map(|port| (number(port), truth(port.is_up)));
    page.gauge("lb_port_up", "Whether frames can pass.", up);
    let speeds = ports.iter().filter_map(|port| {
        let megabits = f64::from(port.megabits?);
        Some((number(port), megabits * 125_000.0))
    });
    page.gauge(
        "lb_port_speed_bytes",
        "Speed of the link in octets per second, where it is known.",
        speeds,
    );
    for (name, help, of) in PORT_COUNTERS {
        page.counter(
            name,
            help,
            ports.iter().map(|port| (number(port), of(port))),
        );
    }
}

/// A counter of the way between a port and the kernel, its name and its help.
type KernelCounter = (&'static str, &'static str, fn(&KernelFigures) -> u64);

const KERNEL_COUNTERS: [KernelCounter; 4] = [
    (
        "lb_exception_up_packets_total",
        "Frames that the kernel took.",
        |kernel| kernel.up,
    ),
    (
        "lb_exception_up_dropped_packets_total",
        "Frames that the kernel did not take: its device was down, or there was none.",
        |kernel| kernel.up_dropped,
    ),
    (
        "lb_exception_down_packets_total",
        "Frames of the kernel's that went on their way to the port.",
        |kernel| kernel.down,
    ),
    (
        "lb_exception_down_dropped_packets_total",
        "Frames of the kernel's that were lost: longer than the port's frames, or of a kind that cannot be sent.",
        |kernel| kernel.down_dropped,
    ),
];

fn exception_path(page: &mut Page, ports: &[PortFigures], lcores: &[LcoreFigures]) {
    for (name, help, of) in KERNEL_COUNTERS {
        let each = ports.iter().filter_map(|port| {
            let labels = labels([("port", &port.port.to_string())]);
            Some((labels, of(port.kernel.as_ref()?)))
        });
        page.counter(name, help, each);
    }
    page.counter(
        "lb_exception_injected_packets_total",
        "Frames of the kernel's that a lcore handed to their port.",
        lcores.iter().map(|lcore| (number(lcore), lcore.injected)),
    );
}

fn number(lcore: &LcoreFigures) -> Labels {
    labels([("lcore", &lcore.lcore.to_string())])
}

/// The lcores' loops.
fn loops(page: &mut Page, app: &App, lcores: &[LcoreFigures]) {
    let pulses = || {
        lcores
            .iter()
            .map(|lcore| (number(lcore), app.heartbeats.pulse(lcore.lcore)))
    };
    let up = pulses().map(|(lcore, pulse)| (lcore, truth(pulse.is_beating)));
    page.gauge("lb_lcore_up", "Whether the loop turns.", up);
    let ages = pulses().map(|(lcore, pulse)| (lcore, pulse.age.as_secs_f64()));
    page.gauge(
        "lb_lcore_heartbeat_age_seconds",
        "Time since the loop was last seen to turn.",
        ages,
    );
    let ratios = pulses().map(|(lcore, pulse)| (lcore, pulse.busy_ratio));
    page.gauge(
        "lb_lcore_busy_ratio",
        "Part of the last half second that was spent in turns with packets.",
        ratios,
    );
    let busy = lcores
        .iter()
        .map(|lcore| (number(lcore), lcore.busy_seconds()));
    page.float_counter(
        "lb_lcore_busy_seconds_total",
        "Time spent in turns with packets.",
        busy,
    );
    let turns = lcores.iter().map(|lcore| (number(lcore), lcore.turns));
    page.counter("lb_lcore_turns_total", "Turns of the loop.", turns);
    let idle = lcores.iter().map(|lcore| (number(lcore), lcore.idle_turns));
    page.counter(
        "lb_lcore_idle_turns_total",
        "Turns in which no queue had a packet.",
        idle,
    );
    let empty = lcores.iter().map(|lcore| {
        let [empty, ..] = lcore.polls;
        (number(lcore), empty)
    });
    page.counter(
        "lb_lcore_empty_polls_total",
        "Polls of a queue that gave no packet.",
        empty,
    );
    let bursts = lcores
        .iter()
        .map(|lcore| (number(lcore), lcore.received, poll_buckets(lcore)));
    page.histogram(
        "lb_lcore_burst_packets",
        "Packets that a poll of a queue gave.",
        bursts,
    );
}

fn poll_buckets(lcore: &LcoreFigures) -> Vec<(f64, u64)> {
    let mut first = 0;
    let buckets = POLL_BOUNDS.into_iter().map(|bound| {
        let polls = lcore.polls.get(first..=bound).unwrap_or_default();
        first = bound + 1;
        (bound as f64, polls.iter().sum())
    });
    buckets.collect()
}

fn packets(page: &mut Page, lcores: &[LcoreFigures]) {
    let each =
        |of: fn(&LcoreFigures) -> u64| lcores.iter().map(move |lcore| (number(lcore), of(lcore)));
    page.counter(
        "lb_lcore_received_packets_total",
        "Packets received.",
        each(|lcore| lcore.received),
    );
    page.counter(
        "lb_lcore_received_bytes_total",
        "Octets received.",
        each(|lcore| lcore.received_octets),
    );
    let verdicts = lcores.iter().flat_map(|lcore| {
        let of = |verdict: &str, count: u64| {
            let labels = labels([("lcore", &lcore.lcore.to_string()), ("verdict", verdict)]);
            (labels, count)
        };
        [
            of("forwarded", lcore.forwarded),
            of("replied", lcore.replied),
            of("punted", lcore.punted),
            of("apps", lcore.apps),
            of("dropped", lcore.dropped()),
        ]
    });
    page.counter(
        "lb_lcore_verdicts_total",
        "Packets by what became of them; with those held they add up to all received.",
        verdicts,
    );
    let held = lcores
        .iter()
        .map(|lcore| (number(lcore), lcore.held as f64));
    page.gauge(
        "lb_lcore_held_packets",
        "Packets that wait for a neighbor now.",
        held,
    );
    page.counter(
        "lb_lcore_solicitations_total",
        "Questions for neighbors that were sent.",
        each(|lcore| lcore.solicitations),
    );
    page.counter(
        "lb_lcore_no_mbuf_total",
        "Questions for neighbors that found no mbuf.",
        each(|lcore| lcore.no_mbuf),
    );
}

fn drops(page: &mut Page, lcores: &[LcoreFigures]) {
    let reasons = Reason::ALL.iter().enumerate().map(|(at, reason)| {
        let counts = lcores.iter().filter_map(|lcore| lcore.drops.get(at));
        (labels([("reason", reason.name())]), counts.sum())
    });
    page.counter(
        "lb_filter_dropped_packets_total",
        "Packets dropped by the filter, by reason.",
        reasons,
    );
}

fn pools(page: &mut Page, app: &App) {
    let pools = app.switch.pools();
    let capacity = pools.iter().map(|pool| {
        let labels = labels([("pool", &pool.name)]);
        (labels, f64::from(pool.capacity))
    });
    page.gauge("lb_pool_mbufs", "Mbufs that a pool has.", capacity);
    let in_use = pools.iter().map(|pool| {
        let labels = labels([("pool", &pool.name)]);
        (labels, f64::from(pool.in_use))
    });
    page.gauge("lb_pool_used_mbufs", "Mbufs of a pool in use.", in_use);
}

fn tables(page: &mut Page, app: &App) {
    let tables = app.switch.tables();
    let family = |name| labels([("family", name)]);
    page.gauge(
        "lb_connection_table_entries",
        "Connections in the table.",
        [
            (family("ipv4"), tables.v4.len() as f64),
            (family("ipv6"), tables.v6.len() as f64),
        ],
    );
    page.gauge(
        "lb_connection_table_capacity_entries",
        "Connections that the table can hold.",
        [
            (family("ipv4"), f64::from(tables.v4.capacity())),
            (family("ipv6"), f64::from(tables.v6.capacity())),
        ],
    );
    let (mut known, mut unknown) = (0_u32, 0_u32);
    for row in tables.neighbors.iter() {
        *(if row.mac.is_some() {
            &mut known
        } else {
            &mut unknown
        }) += 1;
    }
    page.gauge(
        "lb_neighbor_table_entries",
        "Neighbors, by whether their MAC address is known.",
        [
            (labels([("state", "resolved")]), f64::from(known)),
            (labels([("state", "unresolved")]), f64::from(unknown)),
        ],
    );
}

/// 1 for true.
pub(super) fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}
