//! Whether a TCP connection can be had.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a server that hangs still completes handshakes, for its kernel does, until its backlog is full.
//! Who wants to know more asks over HTTP.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::Answer;

/// Connects, and closes again.
pub(super) async fn ask(to: SocketAddr) -> Answer {
    TcpStream::connect(to).await?;
    Ok("connected".to_owned())
}
