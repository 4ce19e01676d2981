//! Where the API answers: `unix:PATH` or `HOST:PORT`.
//!
//! No counterpart in the patent.
//! Easy to get wrong: whether a host is this machine is judged by what was written, never by what a name
//! server says; a change that travels in the clear must not leave the machine by a forged answer.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Something that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host, a name or an IP address without brackets, and port.
    Tcp(String, u16),
}

impl Address {
    /// Whether nothing that is sent there leaves this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(host, _) => {
                let address = host.parse::<IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// What stands in a request's `Host` field.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp(..) => self.to_string(),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected unix:PATH or HOST:PORT, as in unix:/run/lb/control.sock";
        if text.contains("://") {
            return Err(format!(
                "{expected}; TLS is spoken as soon as --ca is given"
            ));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = (!path.is_empty()).then(|| Self::Unix(path.into()));
            return path.ok_or_else(|| expected.to_owned());
        }
        if text.starts_with(['/', '.']) {
            return Err(format!("{expected}; a path needs unix: in front"));
        }
        tcp(text).ok_or_else(|| expected.to_owned())
    }
}

fn tcp(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_ours = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
            !host.is_empty() && host.bytes().all(is_ours)
        }
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_host.then(|| Address::Tcp(bare.unwrap_or(host).to_owned(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in [
            "unix:/run/lb/control.sock",
            "unix:relative.sock",
            "127.0.0.1:9000",
            "[::1]:9000",
            "lb-1.example:8443",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_was_expected() {
        for (text, wanted) in [
            ("/run/lb/control.sock", "unix: in front"),
            ("unix:", "expected unix:PATH"),
            ("https://lb-1:8443", "--ca"),
            ("lb-1", "HOST:PORT"),
            ("lb-1:0", "HOST:PORT"),
            ("lb-1:65536", "HOST:PORT"),
            ("::1:80", "HOST:PORT"),
            ("[lb-1]:80", "HOST:PORT"),
            ("a b:80", "HOST:PORT"),
            ("", "HOST:PORT"),
        ] {
            let refused = text.parse::<Address>().unwrap_err();
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
    }

    #[test]
    fn only_loopback_and_sockets_are_this_machine() {
        for (text, is_this_machine) in [
            ("unix:/x", true),
            ("127.1.2.3:80", true),
            ("[::1]:80", true),
            ("localhost:80", true),
            ("localhost.example:80", false),
            ("10.0.0.1:80", false),
            ("[2001:db8::1]:80", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.is_this_machine(), is_this_machine, "{text}");
        }
    }
}
