//! Serving: connections are taken from the listeners, each on a task of its own, and requests answered in turn.
//!
//! No counterpart in the patent. One runtime on one thread. Every listener has its own number of connections, so that
//! a crowd on one leaves the others open; every connection has time limits, so that a silent one goes away.
//! Easy to get wrong: a panic while a request is handled ends that connection and no other; it is counted all
//! the same. A panic in the loops themselves is the task's, and the supervisor's to see to.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::caller::Peer;
use super::listener::{Listener, Socket};
use super::patience::{Patient, WRITE_PATIENCE};
use super::tls::{Tls, names};
use super::{Shared, TASK, note, router};
use crate::metrics::Meters;
use crate::supervisor::{Board, Life, words};

/// Connections at once on a Unix socket.
pub const UNIX_CONNECTIONS_MAX: usize = 128;
/// Connections at once on each TCP listener.
pub const TCP_CONNECTIONS_MAX: usize = 1024;
/// Longest time for a request's head to come: also the time that a connection may rest between two requests. An agent
/// reports once a minute at least.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(65);
/// Longest time for a TLS handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Octets of a request's head at most.
const HEAD_MAX: usize = 16 << 10;
/// Threads for work beside the one that serves.
const ASIDE_MAX: usize = 4;
/// Between two looks whether the program ends: also the API's sign of life.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pause after the system refused to hand out a connection, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and where it is counted.
pub(crate) struct Hall {
    /// Whoever answers requests; each carries its [`Peer`].
    pub(crate) router: Router,
    /// Requests and connections.
    pub(crate) meters: Arc<Meters>,
    /// Panics.
    pub(crate) board: Board,
}

/// Serves the API until the program ends.
///
/// # Panics
/// When the loops do, or the system has no event queue: the supervisor sees to it.
pub(crate) fn serve(app: &Shared, listeners: &[Listener], life: &Life) {
    let hall = Hall {
        router: router(app),
        meters: Arc::clone(&app.meters),
        board: app.board.clone(),
    };
    serve_hall(&hall, listeners, life);
}

/// Serves whatever is in the hall until the program ends.
///
/// # Panics
/// As [`serve`].
pub(crate) fn serve_hall(hall: &Hall, listeners: &[Listener], life: &Life) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(ASIDE_MAX)
        .thread_name("lb-api-aside")
        .build();
    let outcome = runtime.and_then(|runtime| {
        let outcome = runtime.block_on(all(hall, listeners, life));
        runtime.shutdown_timeout(Duration::from_secs(1));
        outcome
    });
    if let Err(error) = outcome {
        resume_unwind(Box::new(format!("the API cannot listen: {error}")));
    }
}

async fn all(hall: &Hall, listeners: &[Listener], life: &Life) -> io::Result<()> {
    let mut loops = JoinSet::new();
    for listener in listeners {
        let door = Door {
            meters: Arc::clone(&hall.meters),
            board: hall.board.clone(),
            router: hall.router.clone(),
            kind: listener.kind(),
        };
        match &listener.socket {
            Socket::Unix(unix) => {
                let listener = UnixListener::from_std(unix.listener.try_clone()?)?;
                loops.spawn(door.accept(UNIX_CONNECTIONS_MAX, Way::Unix(listener)));
            }
            Socket::Plain(plain) => {
                let listener = TcpListener::from_std(plain.try_clone()?)?;
                loops.spawn(door.accept(TCP_CONNECTIONS_MAX, Way::Plain(listener)));
            }
            Socket::Tls(plain, tls) => {
                let listener = TcpListener::from_std(plain.try_clone()?)?;
                let way = Way::Tls(listener, Arc::clone(tls));
                loops.spawn(door.accept(TCP_CONNECTIONS_MAX, way));
            }
        }
    }
    while !life.is_over() {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            Some(ended) = loops.join_next() => pass_on(ended),
        }
    }
    Ok(())
}

/// The loops end only by a panic, which is the whole task's.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

/// How connections come in.
enum Way {
    Unix(UnixListener),
    Plain(TcpListener),
    Tls(TcpListener, Arc<Tls>),
}

/// Somebody who came in.
enum Guest {
    Unix(UnixStream),
    Plain(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr, Arc<Tls>),
}

impl Way {
    async fn next(&self) -> io::Result<Guest> {
        Ok(match self {
            Self::Unix(listener) => Guest::Unix(listener.accept().await?.0),
            Self::Plain(listener) => {
                let (stream, address) = listener.accept().await?;
                Guest::Plain(stream, address)
            }
            Self::Tls(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                Guest::Tls(stream, address, Arc::clone(tls))
            }
        })
    }
}

/// What a listener's connections work with.
#[derive(Clone)]
struct Door {
    meters: Arc<Meters>,
    board: Board,
    router: Router,
    kind: &'static str,
}

impl Door {
    /// Takes connections for ever, as many at once as there are places.
    async fn accept(self, places: usize, way: Way) {
        let places = Arc::new(Semaphore::new(places));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                next = next(&places, &way) => match next {
                    Ok((guest, place)) => {
                        self.meters.note_connection(self.kind);
                        let door = self.clone();
                        connections.spawn(async move {
                            door.receive(guest).await;
                            drop(place);
                        });
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(ended) = connections.join_next() => self.count_panic(ended),
            }
        }
    }

    fn count_panic(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            self.board.note_panic(TASK, words(panic.as_ref()));
        }
    }

    /// Finds out who came, and serves them.
    async fn receive(self, guest: Guest) {
        match guest {
            Guest::Unix(stream) => {
                let Ok(credentials) = stream.peer_cred() else {
                    return;
                };
                let peer = Peer::Unix {
                    uid: credentials.uid(),
                    pid: credentials.pid(),
                };
                self.converse(stream, peer).await;
            }
            Guest::Plain(stream, address) => {
                let _ = stream.set_nodelay(true);
                self.converse(stream, Peer::Plain(address)).await;
            }
            Guest::Tls(stream, address, tls) => {
                let _ = stream.set_nodelay(true);
                let handshake = TlsAcceptor::from(tls.config()).accept(stream);
                let Ok(Ok(stream)) = timeout(HANDSHAKE_PATIENCE, handshake).await else {
                    self.meters.note_handshake_failure();
                    return;
                };
                let certificate = stream.get_ref().1.peer_certificates();
                let certificate = certificate.and_then(<[_]>::first);
                let peer = Peer::Tls {
                    address,
                    names: certificate.map(names).unwrap_or_default().into(),
                };
                self.converse(stream, peer).await;
            }
        }
    }

    /// Answers requests in the order in which they come, until the connection ends.
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let service = service_fn(|request: Request<Incoming>| {
            let meters = Arc::clone(&self.meters);
            let (router, peer) = (self.router.clone(), peer.clone());
            async move {
                let began = Instant::now();
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer);
                let answered = router.oneshot(request).await;
                if let Ok(response) = &answered {
                    note(&meters, response.status(), began);
                }
                answered.map_err(|never: Infallible| never)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(HEAD_MAX)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_PATIENCE)), service);
        // Who broke the connection, or sent what is not HTTP, has been answered as far as possible.
        let _ = connection.await;
    }
}

async fn next(
    places: &Arc<Semaphore>,
    way: &Way,
) -> io::Result<(Guest, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    Ok((way.next().await?, place))
}
