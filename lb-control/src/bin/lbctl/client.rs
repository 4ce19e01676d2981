//! As much of an HTTP client as `lbctl` needs: one request, one whole answer, in bounded time.
//!
//! No counterpart in the patent. Unix socket, plain TCP on this machine, TLS to others. A connection is
//! made for every request: the API lets nobody wait for somebody else, and neither do we.
//! Easy to get wrong: the time-out covers name, connection, request and the last octet of the answer; a
//! server that sends one octet a second must not hold us longer than one that sends none.

mod tls;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH, USER_AGENT};
use hyper::http::HeaderValue;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::failure::Failure;
use crate::options::ApiOptions;
use crate::refused::Refused;

/// Longest answer that is taken, in octets: four documents of the largest size.
const LONGEST_ANSWER: usize = 64 << 20;
/// Longest token, in octets.
const LONGEST_TOKEN: u64 = 4096;

const ADVICE_ASKED: &str =
    "The control processor may be busy or stuck: look at its log, or try --timeout";
const ADVICE_CHANGED: &str =
    "The change may have been made or not: lbctl revisions shows what is in force";

/// The way to the API.
pub(crate) struct Client {
    address: Address,
    timeout: Duration,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
}

/// What is asked.
pub(crate) struct Question<'a> {
    /// GET, PUT, POST or PATCH.
    pub method: Method,
    /// Whether something may be changed by it, even if no answer comes.
    pub is_change: bool,
    /// Path and query, every segment and value [`encoded`].
    pub path: &'a str,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// Revision that must still be in force.
    pub if_revision: Option<u64>,
}

/// An answer of the API that is not an error.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The path that was asked, for messages.
    path: String,
    /// Its body, as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads the body as one of the API's views.
    ///
    /// # Errors
    /// [`Failure::Unreadable`].
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|why| Failure::Unreadable {
            path: self.path.clone(),
            why: why.to_string(),
        })
    }
}

impl Client {
    /// A client; files that the options name are read, nothing is connected yet.
    ///
    /// # Errors
    /// Options that do not fit together, files that are missing or wrong.
    pub(crate) fn new(options: &ApiOptions) -> Result<Self, Failure> {
        let tls = tls::config(options)?;
        match (&options.control, &tls) {
            (Address::Unix(_), Some(_)) => {
                let refused = "--ca is for HOST:PORT; a Unix socket needs no TLS";
                return Err(Failure::Usage(refused.to_owned()));
            }
            (address, None) if !address.is_this_machine() => {
                return Err(Failure::Usage(format!(
                    "{address} is another machine, and nothing travels there in the clear: give --ca, and --certificate with --key or --token-file"
                )));
            }
            _ => {}
        }
        Ok(Self {
            address: options.control.clone(),
            timeout: Duration::from_secs_f64(options.timeout),
            tls,
            authorization: options.token_file.as_deref().map(token).transpose()?,
        })
    }

    /// Asks for a resource.
    ///
    /// # Errors
    /// Everything that keeps a whole answer from coming, and the API's refusals.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Question {
            method: Method::GET,
            is_change: false,
            path,
            body: None,
            if_revision: None,
        })
    }

    /// Asks about a body of JSON, which changes nothing.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn ask_about(&self, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.ask(Question {
            method: Method::POST,
            is_change: false,
            path,
            body: Some(body),
            if_revision: None,
        })
    }

    /// Demands a change, with a body of JSON or none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post(&self, path: &str, body: Option<Vec<u8>>) -> Result<Answer, Failure> {
        self.ask(Question {
            method: Method::POST,
            is_change: true,
            path,
            body,
            if_revision: None,
        })
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn ask(&self, question: Question<'_>) -> Result<Answer, Failure> {
        let advice = if question.is_change {
            ADVICE_CHANGED
        } else {
            ADVICE_ASKED
        };
        let path = question.path.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::Machine)?;
        let ended = runtime.block_on(async {
            tokio::time::timeout(self.timeout, self.exchange(question, advice)).await
        });
        // A name server that does not answer holds a thread of the runtime; nobody waits for it.
        runtime.shutdown_background();
        let (status, body) = ended.unwrap_or_else(|_| {
            Err(Failure::Hung {
                address: self.address.to_string(),
                seconds: self.timeout.as_secs_f64(),
                advice,
            })
        })?;
        if status.is_success() {
            return Ok(Answer { path, body });
        }
        match Refused::read(status.as_u16(), body) {
            Some(refused) => Err(refused.into()),
            None => {
                Err(self.stranger(&format!("it answered {status} without a word of the API's")))
            }
        }
    }

    fn stranger(&self, why: &str) -> Failure {
        Failure::Stranger {
            address: self.address.to_string(),
            why: why.to_owned(),
        }
    }

    async fn exchange(
        &self,
        question: Question<'_>,
        advice: &'static str,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let request = self.request(question)?;
        match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                self.talk(
                    stream.map_err(|error| self.unreached(error))?,
                    request,
                    advice,
                )
                .await
            }
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(|error| self.unreached(error))?;
                let Some(config) = &self.tls else {
                    return self.talk(stream, request, advice).await;
                };
                let name = ServerName::try_from(host.clone())
                    .map_err(|why| Failure::Usage(format!("--control {host}: {why}")))?;
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await;
                let stream = stream.map_err(|error| self.no_tls(&error))?;
                self.talk(stream, request, advice).await
            }
        }
    }

    fn request(&self, question: Question<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(question.method)
            .uri(question.path)
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("lbctl/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if question.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(revision) = question.if_revision {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        request
            .body(Full::from(question.body.unwrap_or_default()))
            .map_err(|why| Failure::Usage(format!("{}: {why}", question.path)))
    }

    async fn talk<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
        advice: &'static str,
    ) -> Result<(StatusCode, Vec<u8>), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| self.broken(&error, advice);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // What ends the connection also ends the request, which tells about it.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        match Limited::new(body, LONGEST_ANSWER).collect().await {
            Ok(body) => Ok((head.status, body.to_bytes().to_vec())),
            Err(error) => Err(match error.downcast::<hyper::Error>() {
                Ok(error) => self.broken(&error, advice),
                Err(_) => self.stranger("its answer is longer than 64 MiB"),
            }),
        }
    }

    fn broken(&self, error: &hyper::Error, advice: &'static str) -> Failure {
        if error.is_parse() {
            return self.stranger("it does not speak HTTP/1.1");
        }
        if let Some(error) = tls_error(error) {
            return self.no_tls(error);
        }
        Failure::Closed {
            address: self.address.to_string(),
            advice,
        }
    }

    fn no_tls(&self, error: &io::Error) -> Failure {
        Failure::Tls {
            address: self.address.to_string(),
            why: error.to_string(),
        }
    }

    fn unreached(&self, error: io::Error) -> Failure {
        let address = self.address.to_string();
        let is_unix = matches!(self.address, Address::Unix(_));
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => return Failure::Forbidden { address, error },
            io::ErrorKind::NotFound if is_unix => "there is no such socket".to_owned(),
            io::ErrorKind::ConnectionRefused if is_unix => {
                "the socket is left over, nobody listens on it".to_owned()
            }
            io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            _ => error.to_string(),
        };
        Failure::Absent { address, why }
    }
}

/// A refused certificate comes to light only when the first answer is read: TLS 1.3 lets the client speak
/// before the server has looked at what it sent.
fn tls_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let inner = error.get_ref();
            return inner
                .is_some_and(|inner| inner.is::<rustls::Error>())
                .then_some(error);
        }
        cause = error.source();
    }
    None
}

fn token(path: &Path) -> Result<HeaderValue, Failure> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_TOKEN + 64).read_to_string(&mut text))
        .map_err(|error| Failure::File {
            path: path.display().to_string(),
            error,
        })?;
    let token = text.trim();
    let is_visible = token.bytes().all(|octet| octet.is_ascii_graphic());
    let refused = || {
        Failure::Usage(format!(
            "--token-file {}: expected 1 to {LONGEST_TOKEN} visible ASCII characters",
            path.display()
        ))
    };
    if token.is_empty() || token.len() as u64 > LONGEST_TOKEN || !is_visible {
        return Err(refused());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text as one segment of a path, or one value of a query (RFC 3986, 2.1).
pub(crate) fn encoded(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            shown.push(char::from(octet));
        } else {
            shown.push_str(&format!("%{octet:02X}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment_of_the_path() {
        assert_eq!(encoded("web-1._~"), "web-1._~");
        assert_eq!(encoded("../a b?c=ü"), "..%2Fa%20b%3Fc%3D%C3%BC");
    }
}
