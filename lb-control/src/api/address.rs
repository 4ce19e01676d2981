//! Where the API listens: a Unix socket, or a host and a port.
//!
//! No counterpart in the patent.
//! Easy to get wrong: `[::1]:8080` has its brackets for a reason; without them the port cannot be told from the
//! address.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// Longest path of a Unix socket, in octets: `sun_path` has 108, one of them ends it, and the socket is first
/// made under a name that is longer by four.
pub const LONGEST_PATH: usize = 103;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// IP address and port; port 0 is any that is free.
    Tcp(SocketAddr),
}

/// Not an address; what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// A path that no socket can have.
    #[error("{0}: expected unix: and a path of 1 to {LONGEST_PATH} octets")]
    Path(String),
    /// Neither form.
    #[error(
        "{0}: expected unix:PATH, such as unix:/run/lb/control.sock, or HOST:PORT, such as 127.0.0.1:8080"
    )]
    Form(String),
    /// A host that has no address.
    #[error("{0}: the host is not known")]
    Host(String),
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = (1..=LONGEST_PATH).contains(&path.len()) && !path.contains('\0');
            return if fits {
                Ok(Self::Unix(path.into()))
            } else {
                Err(NotAnAddress::Path(text.to_owned()))
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| NotAnAddress::Form(text.to_owned()))?;
        let port: u16 = port
            .parse()
            .map_err(|_| NotAnAddress::Form(text.to_owned()))?;
        if host.is_empty() || host.contains(':') {
            return Err(NotAnAddress::Form(text.to_owned()));
        }
        let mut found = (host, port).to_socket_addrs().ok().into_iter().flatten();
        let address = found
            .next()
            .ok_or_else(|| NotAnAddress::Host(text.to_owned()))?;
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written_back() {
        for text in ["unix:/run/lb/control.sock", "127.0.0.1:8080", "[::1]:0"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        assert!(matches!("localhost:80".parse(), Ok(Address::Tcp(a)) if a.ip().is_loopback()));
    }

    #[test]
    fn what_is_neither_is_refused_with_what_was_expected() {
        for text in [
            "",
            "8080",
            "unix:",
            "host:",
            ":80",
            "::1:80x",
            "a:b:80",
            "127.0.0.1:65536",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("expected"), "{text}: {error}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        assert!(matches!(
            long.parse::<Address>(),
            Err(NotAnAddress::Path(_))
        ));
    }
}
