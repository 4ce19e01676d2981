//! Who asks, and what they may do.
//!
//! No counterpart in the patent. How a connection came says who is at its other end; a bearer token, sent with a
//! request, may say more. From that follows a role:
//!
//! | role | who | may |
//! |---|---|---|
//! | admin | the Unix socket; a certificate named in `admins`; the admin token | everything |
//! | reader | plain TCP, which only this machine can reach; a certificate named in `readers` | look; send reports |
//! | agent | any other certificate; the agents' token | send reports, with a certificate for its names only |
//!
//! Easy to get wrong: the socket file's mode is what guards the Unix socket; there a token is not looked at.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode};

use super::refused::Refused;
use crate::control::Who;
use crate::resource_manager::Identity;

/// Octets of a token's file at most.
const TOKEN_MAX: u64 = 4096;

/// Who may do what, besides what the kind of listener says.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Names in certificates whose holders are admins.
    pub admins: Vec<String>,
    /// Names in certificates whose holders may look at everything and change nothing.
    pub readers: Vec<String>,
    /// Who has it may send reports for every backend.
    pub agent_token: Option<Token>,
    /// Who has it is an admin.
    pub admin_token: Option<Token>,
}

impl Access {
    /// Whether somebody without a certificate has a way to say who they are.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.agent_token.is_some() || self.admin_token.is_some()
    }
}

/// A shared secret.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a file has no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it holds cannot be sent in a header.
    #[error("{}: expected one line of 16 to 4096 visible ASCII characters", .0.display())]
    Form(PathBuf),
}

impl Token {
    /// Reads a token from a file; blanks around it do not count.
    ///
    /// # Errors
    /// See [`NoToken`].
    pub fn from_file(path: &Path) -> Result<Self, NoToken> {
        let read = fs::metadata(path).and_then(|facts| {
            if facts.len() > TOKEN_MAX + 2 {
                return Ok(String::new());
            }
            fs::read_to_string(path)
        });
        let text = read.map_err(|source| NoToken::File {
            path: path.to_owned(),
            source,
        })?;
        let token = text.trim();
        let fits = token.len() >= 16 && token.bytes().all(|octet| octet.is_ascii_graphic());
        fits.then(|| Self(token.to_owned()))
            .ok_or_else(|| NoToken::Form(path.to_owned()))
    }

    /// Compares in the same time wherever the first difference is.
    fn is(&self, said: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), said.as_bytes());
        let pairs = ours.iter().zip(theirs);
        let differing = pairs.fold(0, |differing, (a, b)| differing | (a ^ b));
        ours.len() == theirs.len() && std::hint::black_box(differing) == 0
    }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Unix {
        uid: u32,
        pid: Option<i32>,
    },
    Plain(SocketAddr),
    Tls {
        address: SocketAddr,
        names: Arc<[String]>,
    },
}

/// What an operation needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// To look.
    Read,
    /// To send load reports.
    Report,
    /// To change something.
    Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Admin,
    Reader,
    /// For every backend.
    TokenAgent,
    /// For the backends of these names.
    NamedAgent(Arc<[String]>),
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    role: Role,
    pub(super) who: Who,
}

impl Caller {
    /// Who sends a request with these headers over a connection of this peer.
    pub(super) fn of(peer: &Peer, headers: &HeaderMap, access: &Access) -> Result<Self, Refused> {
        let who = peer.who();
        let (by_connection, may_show_token) = match peer {
            Peer::Unix { .. } => (Some(Role::Admin), false),
            Peer::Plain(_) => {
                check_host(headers)?;
                (Some(Role::Reader), true)
            }
            Peer::Tls { names, .. } => (role_of(names, access), true),
        };
        let role = match bearer(headers).filter(|_| may_show_token) {
            None => by_connection,
            Some(token) => Some(role_by_token(token, by_connection, access)?),
        };
        let role = role.ok_or_else(|| {
            Refused::unauthorized("nobody is known by this request: show a certificate or a token")
        })?;
        Ok(Self { role, who })
    }

    /// Whether the caller may.
    pub(super) fn require(&self, need: Need) -> Result<(), Refused> {
        let may = match (&self.role, need) {
            (Role::Admin, _) | (_, Need::Report) => true,
            (Role::Reader, Need::Read) => true,
            (_, Need::Read | Need::Change) => false,
        };
        if may {
            return Ok(());
        }
        let message = match need {
            Need::Change => {
                "only an admin may change anything: use the Unix socket, an admin's certificate or the \
                             admin token"
            }
            Need::Read | Need::Report => "an agent may send load reports and nothing else",
        };
        Err(Refused::new(StatusCode::FORBIDDEN, message))
    }

    /// Whom the caller may speak for.
    pub(super) fn identity(&self) -> Identity<'_> {
        match &self.role {
            Role::Admin | Role::Reader => Identity::Local,
            Role::TokenAgent => Identity::Token,
            Role::NamedAgent(names) => Identity::Named(names),
        }
    }
}

impl Peer {
    fn who(&self) -> Who {
        match self {
            Self::Unix { uid, pid } => Who {
                name: match pid {
                    Some(pid) => format!("uid {uid} (pid {pid})"),
                    None => format!("uid {uid}"),
                },
                via: "unix",
            },
            Self::Plain(address) => Who {
                name: address.to_string(),
                via: "tcp",
            },
            Self::Tls { address, names } => Who {
                name: match names.first() {
                    Some(name) => format!("{name} ({address})"),
                    None => address.to_string(),
                },
                via: "tls",
            },
        }
    }
}

fn role_of(names: &Arc<[String]>, access: &Access) -> Option<Role> {
    let has_one_of = |list: &[String]| names.iter().any(|name| list.contains(name));
    if names.is_empty() {
        None
    } else if has_one_of(&access.admins) {
        Some(Role::Admin)
    } else if has_one_of(&access.readers) {
        Some(Role::Reader)
    } else {
        Some(Role::NamedAgent(Arc::clone(names)))
    }
}

/// A token that we do not know is refused even where the connection alone would do: somebody believes to be more
/// than they are.
fn role_by_token(
    said: &str,
    by_connection: Option<Role>,
    access: &Access,
) -> Result<Role, Refused> {
    let is = |token: &Option<Token>| token.as_ref().is_some_and(|token| token.is(said));
    if is(&access.admin_token) {
        Ok(Role::Admin)
    } else if is(&access.agent_token) {
        match by_connection {
            Some(role @ (Role::Admin | Role::Reader)) => Ok(role),
            _ => Ok(Role::TokenAgent),
        }
    } else {
        Err(Refused::unauthorized("the token is not known here"))
    }
}

/// The bearer token; a scheme that we do not know is a token that we do not know.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?;
    let text = value.to_str().unwrap_or_default();
    Some(match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    })
}

/// Plain TCP is open to every program of this machine, browsers among them. A page from elsewhere whose name leads
/// here (DNS rebinding) is told by the name.
fn check_host(headers: &HeaderMap) -> Result<(), Refused> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let is_ours = name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    if is_ours {
        Ok(())
    } else {
        Err(Refused::new(
            StatusCode::FORBIDDEN,
            "the Host header must name this machine: localhost, 127.0.0.1 or [::1]",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn plain() -> Peer {
        Peer::Plain("127.0.0.1:9".parse().unwrap())
    }

    #[test]
    fn a_page_from_elsewhere_whose_name_leads_here_is_refused() {
        for host in [
            "localhost",
            "localhost:80",
            "127.0.0.1:80",
            "[::1]:80",
            "127.9.9.9",
        ] {
            let caller = Caller::of(&plain(), &headers(&[("host", host)]), &Access::default());
            assert!(caller.is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ] {
            let caller = Caller::of(&plain(), &headers(&[("host", host)]), &Access::default());
            assert!(caller.is_err(), "{host}");
        }
    }

    #[test]
    fn a_token_is_compared_whole() {
        let token = Token("0123456789abcdef".to_owned());
        assert!(token.is("0123456789abcdef"));
        for said in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            assert!(!token.is(said), "{said}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_scheme_that_is_not_bearer_is_refused() {
        let said = headers(&[
            ("host", "localhost"),
            ("authorization", "Basic cm9vdDpyb290"),
        ]);
        assert!(Caller::of(&plain(), &said, &Access::default()).is_err());
    }
}
