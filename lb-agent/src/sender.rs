//! Sends reports to one destination, over one connection that is kept.
//!
//! No counterpart in the patent. All waiting reports go out in one write and are answered in turn
//! (pipelining, RFC 9112, 9.3.2), so many backends cost one round trip. A refused report is told and
//! forgotten; a connection that fails, and answers that say "not now", are followed by a growing pause.
//! Easy to get wrong: a kept connection may have been closed by the other side meanwhile; that is no
//! failure yet, and is tried once more at once.

use std::io::{self, BufReader, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Destination;
use crate::backoff::Backoff;
use crate::http::{self, Body};
use crate::mailbox::{Mailbox, Octets};
use crate::notice::{Trouble, printable, tell};
use crate::random::Jitter;
use crate::stream::Line;
use crate::tls::{TlsError, TlsFiles};
use crate::token::{NoToken, Token, TokenFrom};

/// Longest time for one turn: to connect, to agree on keys, to send, to be answered.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Octets of an answer's body at most.
const ANSWER_MAX: u64 = 64 * 1024;

/// What proves to a destination who we are.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// For `https` destinations.
    pub tls: Option<TlsFiles>,
    /// For all destinations.
    pub token: TokenFrom,
}

/// Why reports did not get through.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Token(#[from] NoToken),
    #[error("answered {0}: {1}")]
    NotNow(u16, String),
}

struct Connection {
    line: BufReader<Line>,
    token: Option<Token>,
}

/// One destination's sender.
pub struct Sender {
    destination: Destination,
    credentials: Arc<Credentials>,
    mailbox: Arc<Mailbox>,
    connection: Option<Connection>,
    backoff: Backoff,
    jitter: Jitter,
    trouble: Trouble,
}

impl Sender {
    /// A sender that is not connected yet.
    #[must_use]
    pub fn new(
        destination: Destination,
        credentials: Arc<Credentials>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            destination,
            credentials,
            mailbox,
            connection: None,
            backoff: Backoff::default(),
            jitter: Jitter::new(),
            trouble: Trouble::default(),
        }
    }

    /// Sends whatever comes, for ever.
    pub fn run(&mut self) {
        loop {
            let reports = self.mailbox.take();
            match self.send(&reports) {
                Ok(refusal) => {
                    self.backoff.succeeded();
                    self.tell(refusal.as_deref());
                }
                Err(error) => {
                    self.tell(Some(&printable(&error.to_string())));
                    std::thread::sleep(self.backoff.failed(self.jitter.unit()));
                }
            }
        }
    }

    fn tell(&mut self, trouble: Option<&str>) {
        let what = self.destination.to_string();
        if let Some(line) = self.trouble.now(Instant::now(), trouble, &what) {
            tell(&line);
        }
    }

    /// Sends reports; one of the refusals, if there were any. What was not answered goes back.
    fn send(&mut self, reports: &[(usize, Octets)]) -> Result<Option<String>, SendError> {
        let was_kept = self.connection.is_some();
        let mut turn = Turn::default();
        let mut result = self.attempt(reports, &mut turn);
        if was_kept
            && turn.answered == 0
            && matches!(&result, Err(SendError::Io(error)) if is_gone(error))
        {
            result = self.attempt(reports, &mut turn);
        }
        for (backend, report) in reports.iter().skip(turn.answered) {
            self.mailbox.put_back(*backend, Arc::clone(report));
        }
        result.map(|()| turn.refusal)
    }

    /// One attempt; a connection survives it only if it can be used again.
    fn attempt(&mut self, reports: &[(usize, Octets)], turn: &mut Turn) -> Result<(), SendError> {
        let deadline = Instant::now() + PATIENCE;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect(deadline)?,
        };
        connection.line.get_mut().set_deadline(deadline);
        let mut requests = Vec::new();
        for (_, report) in reports {
            http::post_report(
                &mut requests,
                &self.destination.place,
                connection.token.as_ref(),
                report,
            );
        }
        connection.line.get_mut().write_all(&requests)?;
        connection.line.get_mut().flush()?;
        for _ in reports {
            if turn.read_answer(&mut connection.line)? {
                return Ok(());
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn connect(&self, deadline: Instant) -> Result<Connection, SendError> {
        let tls = match &self.credentials.tls {
            Some(files) if self.destination.is_tls => Some(files.load()?),
            _ => None,
        };
        let token = self.credentials.token.token()?;
        let line = Line::connect(&self.destination.place, tls, deadline)?;
        Ok(Connection {
            line: BufReader::new(line),
            token,
        })
    }
}

/// How far one batch of reports got.
#[derive(Debug, Default)]
struct Turn {
    answered: usize,
    refusal: Option<String>,
}

impl Turn {
    /// Reads one answer; whether it was the connection's last.
    fn read_answer(&mut self, from: &mut BufReader<Line>) -> Result<bool, SendError> {
        let head = http::read_head(from)?;
        let body = Body::new(from, &head).all(ANSWER_MAX)?;
        let reason = || printable(&String::from_utf8_lossy(&body));
        match head.status {
            200..=299 => {}
            // Another token, another time or another server may do better.
            300..=399 | 401 | 408 | 429 | 500.. => {
                return Err(SendError::NotNow(head.status, reason()));
            }
            status => {
                let refusal = || format!("refused a report with {status}: {}", reason());
                self.refusal.get_or_insert_with(refusal);
            }
        }
        self.answered += 1;
        Ok(head.is_last)
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::UnexpectedEof
    )
}
