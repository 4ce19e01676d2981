//! One question to one agent: connect, read a line, hang up.
//!
//! No counterpart in the patent. The agent speaks first, nothing is sent. Answer and time are bounded, so that an
//! agent that trickles, floods or hangs costs its own question and no other.
//! Easy to get wrong: the time is for the whole question. A limit per read would let one octet a second hold
//! the connection for ever.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::statement::{Statement, Unfinished};

/// Longest line of an answer, in octets, its end included.
pub const LONGEST_LINE: usize = 1024;

/// Why an agent's answer is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Read(io::ErrorKind),
    /// No line within the time.
    #[error("no answer in time")]
    TimedOut,
    /// The agent closed before its line ended.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    /// No end of line within [`LONGEST_LINE`].
    #[error("the answer's first line is longer than 1024 octets")]
    TooLong,
}

impl AskError {
    /// The word under which the cause is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Read(_) => "read",
            Self::TimedOut => "timed_out",
            Self::Unfinished(_) => "unfinished",
            Self::TooLong => "too_long",
        }
    }
}

/// Asks one agent, within `limit` in all.
///
/// # Errors
/// Why there is no statement.
pub async fn ask(address: SocketAddr, limit: Duration) -> Result<Statement, AskError> {
    timeout(limit, read_line(address))
        .await
        .map_err(|_| AskError::TimedOut)?
}

async fn read_line(address: SocketAddr) -> Result<Statement, AskError> {
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(|error| AskError::Connect(error.kind()))?;
    // Not in the future itself: a hundred thousand pollers would carry it while they sleep.
    let mut answer = vec![0; LONGEST_LINE];
    let mut length = 0;
    loop {
        let Some(room) = answer.get_mut(length..).filter(|room| !room.is_empty()) else {
            return Err(AskError::TooLong);
        };
        let read = stream
            .read(room)
            .await
            .map_err(|error| AskError::Read(error.kind()))?;
        length += read;
        match Statement::parse(answer.get(..length).unwrap_or_default()) {
            Err(unfinished) if read == 0 => return Err(unfinished.into()),
            Err(_) => {}
            Ok(statement) => return Ok(statement),
        }
    }
}
