//! The state of the switch on one page.
//!
//! No counterpart in the patent.
//! Easy to get wrong: warnings come last, where the eye is after the command has run.

use lb_control::view::{Fill, RoutingDaemon, Status, TaskState};

use super::Room;
use super::document::who;
use super::format::{count, duration, moment, percent, things};
use super::table::cut;

/// The page.
pub(crate) fn status(status: &Status, room: Room) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let line = format!("{name:<12} {value}");
        text.push_str(&cut(line.trim_end(), room.unwrap_or(usize::MAX)));
        text.push('\n');
    };
    line(
        &status.program,
        &format!(
            "{}, up {}, since {}",
            status.version,
            duration(status.uptime_seconds),
            moment(status.started_at)
        ),
    );
    line("revision", &revision(status));
    line("generation", &generation(status));
    line("ports", &of(status.ports_up, status.ports, "up"));
    line("lcores", &of(status.lcores_beating, status.lcores, "beat"));
    line(
        "services",
        &format!(
            "{}, with {}",
            status.services,
            things(status.backends as u64, "backend")
        ),
    );
    line(
        "connections",
        &format!("IPv4 {}", fill(status.connections_ipv4)),
    );
    line("", &format!("IPv6 {}", fill(status.connections_ipv6)));
    for pool in &status.pools {
        line("mbufs", &format!("{} {}", pool.name, fill(pool.fill)));
    }
    line("packets", &packets(status));
    line("exception", &status.exception_path);
    if let Some(followed) = &status.routing_daemon {
        line("kernel", &kernel(followed));
    }
    let state = status.state_directory.as_deref();
    line(
        "state",
        state.unwrap_or("none: tables end with the process"),
    );
    line("tasks", &tasks(status));
    // A warning is worth more than a straight edge.
    for warning in &status.warnings {
        text.push_str(&format!("{:<12} {warning}\n", "warning"));
    }
    text
}

fn revision(status: &Status) -> String {
    format!(
        "{}, by {}, {}",
        status.revision,
        who(&status.revision_by),
        moment(status.revision_at)
    )
}

fn generation(status: &Status) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole seconds since 1970; saturates"
    )]
    let flipped_at = moment(status.flipped_at as u64);
    format!(
        "{} in buffer {} since {flipped_at}; {}, {} refused",
        status.generation,
        status.buffer,
        things(status.flips, "flip"),
        things(status.refusals, "change")
    )
}

fn of(part: usize, whole: usize, word: &str) -> String {
    if part == whole {
        format!("{whole}, all {word}")
    } else {
        format!("{part} of {whole} {word}")
    }
}

fn fill(fill: Fill) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let share = fill.used as f64 / (fill.capacity as f64).max(1.0);
    format!(
        "{} of {} ({})",
        count(fill.used),
        count(fill.capacity),
        percent(share)
    )
}

fn packets(status: &Status) -> String {
    let verdicts = &status.verdicts;
    format!(
        "{} received: {} forwarded, {} replied, {} punted, {} to apps, {} dropped",
        count(status.received),
        count(verdicts.forwarded),
        count(verdicts.replied),
        count(verdicts.punted),
        count(verdicts.apps),
        count(verdicts.dropped)
    )
}

fn kernel(followed: &RoutingDaemon) -> String {
    let overruns = match followed.overruns {
        0 => String::new(),
        times => format!("; read anew {} after an overrun", things(times, "time")),
    };
    format!(
        "{} followed; addresses {}, routes {}, permanent neighbors {}{overruns}",
        things(followed.devices, "device"),
        count(followed.addresses),
        count(followed.routes),
        count(followed.neighbors),
    )
}

fn tasks(status: &Status) -> String {
    let tasks = status.tasks.iter().map(|task| {
        let state = match task.state {
            TaskState::Running => "runs",
            TaskState::Restarting => "is restarted",
            TaskState::Ended => "ended",
        };
        match (task.panics, &task.last_panic) {
            (0, _) => format!("{} {state}", task.name),
            (panics, None) => format!("{} {state} (panics: {panics})", task.name),
            (panics, Some(last)) => {
                format!("{} {state} (panics: {panics}, last: {last})", task.name)
            }
        }
    });
    tasks.collect::<Vec<_>>().join(", ")
}
