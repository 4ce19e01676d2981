//! What is followed of the kernel.
//!
//! No counterpart in the patent.
//! Easy to get wrong: without an exception path nothing is followed, and these families are not there.

use super::page::{Page, labels};
use crate::api::App;
use crate::routing_daemon::{Doubt, Figures};

pub(super) fn add(page: &mut Page, app: &App) {
    if let Some(figures) = app.switch.routing() {
        held(page, &figures);
        work(page, &figures);
    }
}

fn held(page: &mut Page, figures: &Figures) {
    let held = [
        (
            "lb_routing_daemon_devices",
            "Ports whose kernel device is there.",
            figures.devices,
        ),
        (
            "lb_routing_daemon_routes",
            "Routes of the kernel's main table over those devices, or to nowhere.",
            figures.routes,
        ),
        (
            "lb_routing_daemon_addresses",
            "Addresses on those devices.",
            figures.addresses,
        ),
        (
            "lb_routing_daemon_neighbors",
            "Permanent neighbors on those devices.",
            figures.neighbors,
        ),
    ];
    for (name, help, count) in held {
        page.value(name, help, count as f64);
    }
    page.value(
        "lb_routing_daemon_change_time_seconds",
        "When one of these changed last, in seconds since 1970; 0: never.",
        figures.changed_at,
    );
}

fn work(page: &mut Page, figures: &Figures) {
    page.count(
        "lb_routing_daemon_messages_total",
        "Messages of the kernel's about changes.",
        figures.messages,
    );
    page.count(
        "lb_routing_daemon_unreadable_messages_total",
        "Messages of the kernel's that could not be read.",
        figures.unreadable,
    );
    let resyncs = Doubt::ALL.into_iter().zip(figures.resyncs);
    page.counter(
        "lb_routing_daemon_resyncs_total",
        "Times that tables of the kernel's were read anew, by why.",
        resyncs.map(|(doubt, count)| (labels([("reason", doubt.name())]), count)),
    );
    page.value(
        "lb_routing_daemon_resync_seconds",
        "What the last one took.",
        figures.resync_time.as_secs_f64(),
    );
    page.count(
        "lb_routing_daemon_publications_total",
        "Times that what has changed was given to the data path.",
        figures.publications,
    );
    page.count(
        "lb_routing_daemon_busy_total",
        "Times that the data path was not ready for that, and it was tried again.",
        figures.busy,
    );
    let spent = figures.publish_time.as_secs_f64();
    page.float_counter(
        "lb_routing_daemon_publish_seconds_total",
        "Time spent on that.",
        [(Vec::new(), spent)],
    );
}
