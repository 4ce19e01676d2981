//! Whether a request over HTTP is answered as it should be.
//!
//! No counterpart in the patent. One GET over HTTP/1.1 on a connection of its own; redirects are not followed, for
//! they lead elsewhere.
//! Easy to get wrong: closing a connection with something unread resets it, so a page is read to its end, though not
//! beyond [`LONGEST`] and never longer than the check may take.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lb_core::config::HttpProbe;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::outcome::{Cause, Failure, Outcome};
use super::{Trust, failed};

/// Octets of a page that are read.
const LONGEST: usize = 64 << 10;
/// For how long a page is read that nothing is asked of.
const LONGEST_FAREWELL: Duration = Duration::from_millis(100);

/// What was heard, and how long it took.
type Heard = Result<(String, Duration), Outcome>;

/// Asks for a page.
pub(super) async fn ask(
    to: SocketAddr,
    probe: &HttpProbe,
    trust: &Trust,
    limit: Duration,
) -> Heard {
    let began = Instant::now();
    let stream = TcpStream::connect(to).await?;
    match &probe.tls {
        None => talk(TokioIo::new(stream), probe, began, limit).await,
        Some(tls) => {
            let stream = trust.shake_hands(tls, stream).await?;
            talk(TokioIo::new(stream), probe, began, limit).await
        }
    }
}

async fn talk<S: Read + Write + Unpin>(
    stream: S,
    probe: &HttpProbe,
    began: Instant,
    limit: Duration,
) -> Heard {
    let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
    let request = Request::get(&probe.path)
        .header(HOST, &probe.host)
        .header(USER_AGENT, "lb-health")
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else {
        return failed(Cause::Unexpected, "the request cannot be written");
    };
    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        judge(response, probe, began, limit).await
    });
    let connection = pin!(connection);
    tokio::select! {
        heard = &mut exchange => heard,
        // Whatever ended it, the exchange knows better what came of it.
        _ = connection => exchange.await,
    }
}

async fn judge(
    response: Response<Incoming>,
    probe: &HttpProbe,
    began: Instant,
    limit: Duration,
) -> Heard {
    let status = response.status();
    let number = status.as_u16();
    let is_wanted = probe
        .statuses
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&number));
    if !is_wanted {
        return failed(Cause::Unexpected, format!("answered {status}"));
    }
    let answered = began.elapsed();
    let what = format!("answered {status}");
    let page = response.into_body();
    let Some(wanted) = &probe.body else {
        // Nothing was asked of the page; what it costs to read it is not to fail the check.
        let patience = limit.saturating_sub(answered) / 2;
        let _ = timeout(patience.min(LONGEST_FAREWELL), read(page, |_| false)).await;
        return Ok((what, answered));
    };
    match read(page, |text| holds(text, wanted)).await {
        Ok(true) => Ok((what, began.elapsed())),
        Ok(false) => failed(Cause::Unexpected, format!("{what} without `{wanted}`")),
        Err(error) => Err(broken(error)),
    }
}

/// Reads a page until it is as wanted, and no further than [`LONGEST`]; whether it was.
async fn read(mut page: Incoming, is_wanted: impl Fn(&[u8]) -> bool) -> Result<bool, hyper::Error> {
    let mut text = Vec::new();
    while text.len() < LONGEST
        && let Some(frame) = page.frame().await
    {
        text.extend(frame?.data_ref().into_iter().flatten());
        if is_wanted(&text) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds(text: &[u8], wanted: &str) -> bool {
    text.windows(wanted.len())
        .any(|part| part == wanted.as_bytes())
}

fn broken(error: hyper::Error) -> Outcome {
    let cause = if error.is_parse() {
        Cause::Unexpected
    } else {
        Cause::Closed
    };
    Outcome::Failed(Failure::new(cause, error.to_string()))
}
