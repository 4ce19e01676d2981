//! Operations of agents: load reports, what is known of them, and weights from elsewhere.
//!
//! WO 00/30294: raw load data on their way from agents to resource manager 52.
//! Easy to get wrong: reports are what comes most often. They are read and taken on the thread that serves, and
//! touch nothing but the manager's lock.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use lb_core::load::LoadReport;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::body::{Asked, BODY_MAX, DOCUMENT_MAX, Read, Text, read};
use super::caller::{Caller, Need};
use super::operation::Operation;
use super::refused::{Refused, reason};
use super::{Shared, aside};
use crate::control::ServiceWeights;
use crate::inventory::Inventory;
use crate::metrics::Meters;
use crate::resource_manager::{
    AgentView, BackendExplanation, CheckView, ExternalRefusal, Heard, ReportRefusal,
    ResourceManager, ServiceExplanation, Source,
};
use crate::view;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/load-reports",
            "list_load_reports",
            "What backends say of themselves",
            list,
        )
        .answers::<view::LoadReports>(),
        Operation::post(
            "/v1/load-reports",
            "send_load_reports",
            "Takes one load report, or an array of them",
            send,
        )
        .needs(Need::Report)
        .takes::<OneOrMany>()
        .answers::<view::Taken>()
        .refuses(&[404, 409, 422, 429]),
        Operation::put(
            "/v1/weights",
            "set_weights",
            "Weights that a resource manager elsewhere worked out",
            weights,
        )
        .takes::<view::ExternalWeights>()
        .answers::<view::Taken>()
        .refuses(&[404, 422]),
        Operation::get(
            "/v1/explain",
            "explain",
            "Why the backends of a service have their weights",
            explain,
        )
        .asks::<ExplainAsked>()
        .answers::<view::Explained>()
        .refuses(&[404]),
    ]
}

/// A load report, or an array of them: for the description. Reading by this type could not say what is wrong with a
/// report.
struct OneOrMany;

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LoadReportOrReports".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let one = schemas.subschema_for::<LoadReport>();
        json_schema!({ "oneOf": [one, { "type": "array", "items": one }] })
    }
}

async fn send(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Text(text): Text<BODY_MAX>,
) -> Result<Json<view::Taken>, Refused> {
    let take = |report: &LoadReport| app.manager.report(report, caller.identity());
    take_reports(&text, &app.meters, take)
}

/// Hands one report, or each of an array of them, to `take`.
pub(super) fn take_reports(
    text: &str,
    meters: &Meters,
    take: impl Fn(&LoadReport) -> Result<(), ReportRefusal>,
) -> Result<Json<view::Taken>, Refused> {
    if text.trim_start().starts_with('[') {
        let reports: Vec<LoadReport> = read(text).inspect_err(|_| meters.note_unreadable())?;
        return take_each(&reports, take);
    }
    let report: LoadReport = read(text).inspect_err(|_| meters.note_unreadable())?;
    take(&report).map_err(|refusal| refused(&refusal))?;
    Ok(Json(view::Taken { taken: 1 }))
}

/// Each by itself: one that is refused leaves the others taken, and the answer names it.
fn take_each(
    reports: &[LoadReport],
    take: impl Fn(&LoadReport) -> Result<(), ReportRefusal>,
) -> Result<Json<view::Taken>, Refused> {
    let mut errors = Vec::new();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    for (at, report) in reports.iter().enumerate() {
        if let Err(refusal) = take(report) {
            status = status_of(&refusal);
            errors.push(reason(format!("[{at}]"), refusal.to_string()));
        }
    }
    match errors.len() {
        0 => Ok(Json(view::Taken {
            taken: reports.len(),
        })),
        1 => Err(Refused::of(status, errors)),
        _ => Err(Refused::of(StatusCode::UNPROCESSABLE_ENTITY, errors)),
    }
}

fn refused(refusal: &ReportRefusal) -> Refused {
    let status = status_of(refusal);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Refused::later(status, refusal.to_string());
    }
    Refused::at(status, "", refusal.to_string())
}

fn status_of(refusal: &ReportRefusal) -> StatusCode {
    match refusal.cause() {
        "wrong_identity" => StatusCode::FORBIDDEN,
        "unknown_backend" => StatusCode::NOT_FOUND,
        "replayed" | "from_the_past" | "sequence_restart" | "earlier_boot" => StatusCode::CONFLICT,
        "too_many" => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

async fn list(State(app): State<Shared>) -> Result<Json<view::LoadReports>, Refused> {
    aside(&app, |app| {
        let inventory = Inventory::of(&app.control);
        let named: Vec<(&str, &str)> = inventory
            .services()
            .flat_map(|stock| {
                let name = stock.service.name.as_str();
                stock
                    .backends()
                    .map(move |(backend, _)| (name, backend.name.as_str()))
            })
            .collect();
        let unreadable = app.meters.unreadable();
        Ok(Json(app.manager.ask(|manager, now| {
            said(manager, &named, unreadable, now)
        })))
    })
    .await
}

/// What backends, named with their services, say of themselves.
pub(super) fn said(
    manager: &ResourceManager,
    named: &[(&str, &str)],
    unreadable: u64,
    now: f64,
) -> view::LoadReports {
    let mut agents = Vec::new();
    for &(service, backend) in named {
        let values = manager.agent(backend, now).and_then(|agent| values(&agent));
        let check = manager.check(service, backend, now);
        let agent_check = check.and_then(|check| statement(&check));
        if values.is_some() || agent_check.is_some() {
            agents.push(view::Agent {
                service: service.to_owned(),
                backend: backend.to_owned(),
                values,
                agent_check,
            });
        }
    }
    let mut answer = view::LoadReports {
        agents,
        taken: 0,
        refused: std::iter::once(("unreadable".to_owned(), unreadable)).collect(),
    };
    for (_, counts) in manager.counts() {
        answer.taken += counts.taken();
        for (cause, count) in counts.refused() {
            *answer.refused.entry(cause.to_owned()).or_default() += count;
        }
    }
    answer
}

/// Smoothed values of a backend's reports; `None` where none was ever heard.
pub(crate) fn values(agent: &AgentView<'_>) -> Option<view::AgentValues> {
    let smoothed = agent.smoothed?;
    Some(view::AgentValues {
        age_seconds: agent.heard.age_seconds()?,
        is_expired: matches!(agent.heard, Heard::Silent { .. }),
        reports: agent.counts.taken(),
        clients: smoothed.clients,
        cpu_utilization: smoothed.cpu_utilization,
        mem_utilization: smoothed.mem_utilization,
        execution_time_seconds: smoothed.execution_time_seconds,
        rps_fractional: smoothed.rps,
        eps: smoothed.eps,
        named_metrics: smoothed.named_metrics.clone(),
    })
}

/// What stands of an agent-check's words; `None` where nothing does.
pub(super) fn statement(check: &CheckView<'_>) -> Option<view::CheckStatement> {
    let age_seconds = check.age_seconds?;
    let words = &check.standing.words;
    let said = [
        words.percent.map(|percent| format!("{percent}%")),
        words.admin.map(|admin| admin.name().to_owned()),
        words.health.map(|health| health.name().to_owned()),
        words.most_connections.map(|most| format!("maxconn:{most}")),
        words.description.as_ref().map(|text| format!("#{text}")),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    Some(view::CheckStatement {
        said: if said.is_empty() {
            "neutral".to_owned()
        } else {
            said.join(" ")
        },
        age_seconds,
    })
}

async fn weights(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Read(sent): Read<view::ExternalWeights, DOCUMENT_MAX>,
) -> Result<Json<view::Taken>, Refused> {
    aside(&app, move |app| {
        let services: Vec<ServiceWeights> = sent
            .services
            .into_iter()
            .map(|of| ServiceWeights {
                service: of.service,
                weights: of
                    .backends
                    .into_iter()
                    .map(|one| (one.backend, one.weight))
                    .collect(),
            })
            .collect();
        let outcome = app
            .manager
            .external_weights(&services, &caller.who.name, sent.ttl_seconds);
        outcome.map_err(|refusal| {
            let status = match refusal {
                ExternalRefusal::UnknownService { .. } | ExternalRefusal::UnknownBackend { .. } => {
                    StatusCode::NOT_FOUND
                }
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Refused::new(status, refusal.to_string())
        })?;
        Ok(Json(view::Taken {
            taken: services.len(),
        }))
    })
    .await
}

/// Whose weights are to be explained.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainAsked {
    /// Name of the service.
    pub(super) service: String,
}

async fn explain(
    State(app): State<Shared>,
    Asked(asked): Asked<ExplainAsked>,
) -> Result<Json<view::Explained>, Refused> {
    aside(&app, move |app| {
        let inventory = Inventory::of_one(&app.control, &asked.service);
        let missing = || Refused::not_found(format!("there is no service `{}`", asked.service));
        let stock = inventory.services().next().ok_or_else(missing)?;
        app.manager.ask(|manager, now| {
            let why = manager
                .explanations(&asked.service, now)
                .ok_or_else(missing)?;
            Ok(Json(explained(&asked.service, &why, |name| {
                let mut all = stock.backends();
                all.find(|(backend, _)| backend.name == name)
                    .map_or(0, |(_, place)| place.weight)
            })))
        })
    })
    .await
}

/// A service's weights, explained; `in_force` answers a backend's.
pub(super) fn explained(
    service: &str,
    why: &ServiceExplanation<'_>,
    in_force: impl Fn(&str) -> u32,
) -> view::Explained {
    let backends = why.backends.iter();
    view::Explained {
        service: service.to_owned(),
        weights: why.algorithm.name().to_owned(),
        source: source(why.source),
        backends: backends
            .map(|backend| one_explained(backend, in_force(backend.backend)))
            .collect(),
    }
}

fn source(source: Source<'_>) -> String {
    match source {
        Source::Configured => "configured".to_owned(),
        Source::Master => "master".to_owned(),
        Source::External { by, left_seconds } => {
            format!("sent by {by}, for {left_seconds:.0} s more")
        }
    }
}

fn one_explained(
    backend: &BackendExplanation<'_>,
    effective_weight: u32,
) -> view::BackendExplained {
    let rules = backend.master.rules.iter();
    view::BackendExplained {
        backend: backend.backend.to_owned(),
        configured_weight: backend.configured,
        effective_weight,
        factor: backend.master.factor,
        target: backend.master.target,
        utilization: backend.master.utilization,
        strength: backend.master.strength,
        agent_check_percent: backend.percent,
        is_kept_out: backend.is_kept_out,
        rules: rules
            .map(|rule| view::RuleExplained {
                rule: rule.name().to_owned(),
                sentence: super::rules::sentence(*rule).to_owned(),
            })
            .collect(),
    }
}
