//! The control side itself: configuration, tasks, the API.
//!
//! No counterpart in the patent.
//! Easy to get wrong: revisions count documents, flips count generations; weights flip without a revision.

use super::page::{Page, labels};
use super::switch::truth;
use crate::api::App;
use crate::view::TaskState;

pub(super) fn add(page: &mut Page, app: &App) {
    configuration(page, app);
    tasks(page, app);
    api(page, app);
}

fn configuration(page: &mut Page, app: &App) {
    let (revision, generation, flips, refusals, flipped_at, waiting) = app.control.look(|look| {
        (
            look.revision.number,
            look.generation,
            look.flips,
            look.refusals,
            look.flipped_at,
            look.weights_waiting,
        )
    });
    page.value(
        "lb_configuration_revision",
        "Revision of the document in force.",
        revision as f64,
    );
    page.value(
        "lb_configuration_generation",
        "Generation of the configuration table.",
        generation as f64,
    );
    page.count(
        "lb_configuration_flips_total",
        "Flips of the configuration table.",
        flips,
    );
    page.count(
        "lb_configuration_refusals_total",
        "Changes that were refused.",
        refusals,
    );
    page.value(
        "lb_configuration_flip_time_seconds",
        "When the configuration table was last flipped, in seconds since 1970.",
        flipped_at,
    );
    page.value(
        "lb_configuration_waiting_services",
        "Services whose weights wait for the next flip.",
        waiting as f64,
    );
    page.count(
        "lb_configuration_lost_audit_records_total",
        "Audit records that could not be written to the file.",
        app.control.audit_lost(),
    );
    page.count(
        "lb_weights_busy_total",
        "Weights that waited for a second, for a worker lcore had not taken over those before.",
        app.meters.busy(),
    );
    page.summary(
        "lb_weights_step_seconds",
        "Time to work out all weights, over the last minute or two.",
        &app.meters.step.seen(),
    );
    page.summary(
        "lb_weights_publish_seconds",
        "Time to put weights in force, over the last minute or two.",
        &app.meters.weights.seen(),
    );
}

fn tasks(page: &mut Page, app: &App) {
    let tasks = app.board.tasks();
    let up = tasks.iter().map(|task| {
        let is_up = task.state == TaskState::Running;
        (labels([("task", &task.name)]), truth(is_up))
    });
    page.gauge("lb_task_up", "Whether a task of the control side runs.", up);
    let panics = tasks
        .iter()
        .map(|task| (labels([("task", &task.name)]), task.panics));
    page.counter(
        "lb_task_panics_total",
        "Panics of a task that were caught.",
        panics,
    );
    let ages = tasks
        .iter()
        .map(|task| (labels([("task", &task.name)]), task.heartbeat_age_seconds));
    page.gauge(
        "lb_task_heartbeat_age_seconds",
        "Time since a task last gave a sign of life.",
        ages,
    );
}

fn api(page: &mut Page, app: &App) {
    let meters = &app.meters;
    let requests = meters.requests().into_iter();
    page.counter(
        "lb_api_requests_total",
        "Requests answered, by status.",
        requests.map(|(status, count)| (labels([("code", &status.to_string())]), count)),
    );
    let connections = meters.connections().into_iter();
    page.counter(
        "lb_api_connections_total",
        "Connections taken, by the kind of listener.",
        connections.map(|(listener, count)| (labels([("listener", listener)]), count)),
    );
    page.count(
        "lb_api_handshake_failures_total",
        "TLS handshakes that failed, for want of a certificate that is believed mostly.",
        meters.handshake_failures(),
    );
    page.summary(
        "lb_api_request_seconds",
        "Time from a request's head to its answer, over the last minute or two.",
        &meters.request.seen(),
    );
}
