//! A talk with a box: one connection, requests in turn, whole answers.
//!
//! No counterpart in the patent.
//! Not here: how long it may take; whoever talks bounds the whole of it.
//! Easy to get wrong: an answer is bounded too, or a stranger at the box's address could fill our memory.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::way::{Place, Way};
use crate::api::DOCUMENT_MAX;
use crate::view::Errors;

/// Octets of an answer at most: a document, and some room.
const LONGEST_ANSWER: usize = DOCUMENT_MAX + (1 << 20);

/// Why a talk came to nothing, in words for an operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("cannot be reached: {0}")]
    Connect(std::io::Error),
    #[error("ended the talk: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is too long, or broke off: {0}")]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    #[error("{path} is refused with {status}: {why}")]
    Refused {
        path: String,
        status: StatusCode,
        why: String,
    },
    #[error("{path} answers what cannot be read: {why}; are both of one version?")]
    Unreadable { path: String, why: String },
    #[error("did not answer in time")]
    Slow,
}

/// A connection to a box.
pub(super) struct Talk {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    authorization: Option<hyper::http::HeaderValue>,
    connection: AbortHandle,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Talk {
    /// Connects.
    pub(super) async fn begin(way: &Way) -> Result<Self, Trouble> {
        match &way.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(Trouble::Connect)?;
                Self::over(stream, way).await
            }
            Place::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(Trouble::Connect)?;
                let _ = stream.set_nodelay(true);
                let Some((config, name)) = &way.tls else {
                    return Self::over(stream, way).await;
                };
                let connector = TlsConnector::from(config.clone());
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(Trouble::Connect)?;
                Self::over(stream, way).await
            }
        }
    }

    async fn over<S>(stream: S, way: &Way) -> Result<Self, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move {
            // What ends it is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            authority: way.authority(),
            authorization: way.authorization.clone(),
            connection: connection.abort_handle(),
        })
    }

    /// Asks and reads the answer.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Trouble> {
        let octets = self.get_octets(path).await?;
        serde_json::from_slice(&octets).map_err(|error| unreadable(path, &error))
    }

    /// Asks for a text.
    pub(super) async fn get_text(&mut self, path: &str) -> Result<String, Trouble> {
        let octets = self.get_octets(path).await?;
        String::from_utf8(octets.into()).map_err(|error| unreadable(path, &error))
    }

    async fn get_octets(&mut self, path: &str) -> Result<Bytes, Trouble> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Sends JSON.
    pub(super) async fn put(&mut self, path: &str, body: Vec<u8>) -> Result<(), Trouble> {
        self.ask(Method::PUT, path, body.into()).await.map(drop)
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Trouble> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(authority) = self.authority.parse() {
            headers.insert(HOST, authority);
        }
        headers.insert(
            CONTENT_TYPE,
            hyper::http::HeaderValue::from_static("application/json"),
        );
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(Trouble::Answer)?.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        let why = serde_json::from_slice(&body)
            .ok()
            .and_then(|Errors { errors }| errors.into_iter().next());
        Err(Trouble::Refused {
            path: path.to_owned(),
            status: head.status,
            why: why.map_or_else(|| "no reason is given".to_owned(), |first| first.message),
        })
    }
}

fn unreadable(path: &str, why: &dyn std::fmt::Display) -> Trouble {
    Trouble::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
