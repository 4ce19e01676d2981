//! The API: desired state, figures and load reports, as JSON over HTTP.
//!
//! No counterpart in the patent, which leaves open how the administrator speaks to control processor 42; load
//! reports are its raw load data on their way from agents to resource manager 52.
//! Handlers are thin: what is answered is a `view`, what is changed is changed by `Control`. What may take longer
//! than a moment runs beside the thread that serves, so that a large document holds up no report.
//! Not here: what a document means (`lb_core::config`), who is restarted when (`supervisor`).
//! Easy to get wrong: all connections share one thread. A handler that waits there, waits for everybody.

mod address;
mod advertise;
mod agents;
mod audit;
mod body;
mod caller;
mod config;
mod connections;
mod device;
mod listener;
mod network;
mod openapi;
mod operation;
mod patience;
mod refused;
mod rules;
mod serve;
mod services;
mod status;
mod tls;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;

pub use address::{Address, LONGEST_PATH, NotAnAddress};
pub(crate) use agents::values;
pub use body::{BODY_MAX, BODY_PATIENCE, DOCUMENT_MAX};
pub use caller::{Access, NoToken, Token};
pub(crate) use device::router as device_router;
pub use listener::{ListenError, Listener, SOCKET_MODE};
pub use openapi::document as openapi;
pub use serve::{HEAD_PATIENCE, TCP_CONNECTIONS_MAX, UNIX_CONNECTIONS_MAX};
pub(crate) use serve::{Hall, serve, serve_hall};
pub use tls::{TlsError, TlsFiles};

use crate::advertiser::Advertiser;
use crate::control::Control;
use crate::health::Checks;
use crate::heartbeat::Heartbeats;
use crate::manager::Manager;
use crate::metrics::Meters;
use crate::supervisor::{Board, words};
use crate::switch::Switch;
use operation::Operation;
use refused::Refused;

/// Name of the API's task.
pub(crate) const TASK: &str = "api";

/// What all handlers work with.
pub(crate) struct App {
    pub(crate) control: Arc<Control>,
    pub(crate) switch: Arc<dyn Switch>,
    pub(crate) manager: Arc<Manager>,
    pub(crate) advertiser: Arc<Advertiser>,
    pub(crate) checks: Arc<Checks>,
    pub(crate) heartbeats: Arc<Heartbeats>,
    pub(crate) board: Board,
    pub(crate) access: Access,
    pub(crate) meters: Arc<Meters>,
}

type Shared = Arc<App>;

/// Every operation there is.
fn operations() -> Vec<Operation> {
    let mut all = config::operations();
    all.extend(audit::operations());
    all.extend(status::operations());
    all.extend(services::operations());
    all.extend(connections::operations());
    all.extend(network::operations());
    all.extend(agents::operations());
    all.extend(advertise::operations());
    all
}

fn router(app: &Shared) -> Router {
    let routes = operations()
        .into_iter()
        .map(|operation| operation.route(app));
    let router = routes.fold(Router::new(), |router, (path, route)| {
        router.route(path, route)
    });
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::clone(app))
}

async fn nothing_here(uri: Uri) -> impl IntoResponse {
    let path: String = uri.path().chars().take(100).collect();
    Refused::not_found(format!(
        "there is nothing at {path}; GET /v1/openapi.json says what there is"
    ))
}

async fn no_such_method() -> impl IntoResponse {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not known here; the Allow header names those that are",
    )
}

/// Runs work that may take longer than a moment beside the thread that serves. A panic in it is counted and
/// becomes an answer.
async fn aside<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce(&App) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let shared = Arc::clone(app);
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let said = match error.try_into_panic() {
                Ok(panic) => words(panic.as_ref()),
                Err(_) => "the work was abandoned".to_owned(),
            };
            app.board.note_panic(TASK, said);
            Err(Refused::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a fault of the program, which has been counted; nothing has changed",
            ))
        }
    }
}

/// Seconds of the API's work, from the head of a request to its answer.
fn note(meters: &Meters, status: StatusCode, began: Instant) {
    meters.note_request(status.as_u16(), began.elapsed());
}
