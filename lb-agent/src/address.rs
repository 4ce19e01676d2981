//! Where reports go and where sources are: addresses as people write them.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a plain destination must be this very machine. `http://` with any name or address
//! that is not loopback is refused here, before a token could travel in the clear.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// Path that reports are posted to.
pub const REPORTS_PATH: &str = "/v1/load-reports";

/// Something that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host, a name or an address without brackets, and port.
    Tcp(String, u16),
}

/// Where reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whom to connect to.
    pub place: Place,
    /// Whether to speak TLS.
    pub is_tls: bool,
}

/// A page to be read over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whom to connect to.
    pub place: Place,
    /// Path and query, with the leading slash.
    pub target: String,
}

/// Why a text is no address for its purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not one of the known forms.
    #[error(
        "{0:?} is no destination; expected unix:PATH, https://HOST:PORT or http://127.0.0.1:PORT"
    )]
    NoDestination(String),
    /// Plain, and not on this machine.
    #[error(
        "{0:?} would send reports in the clear to another machine; expected https://, \
         or http:// with a loopback address, or unix:PATH"
    )]
    PlainToOthers(String),
    /// Reports have one path.
    #[error("{0:?} names a path; reports always go to {REPORTS_PATH}, so leave it out")]
    HasPath(String),
    /// Not a page over plain HTTP.
    #[error("{0:?} is no page; expected http://HOST:PORT/PATH")]
    NoPage(String),
    /// Not a socket.
    #[error("{0:?} is no socket; expected unix:PATH or HOST:PORT")]
    NoSocket(String),
}

impl FromStr for Destination {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let no = || BadAddress::NoDestination(text.to_owned());
        if let Some(place) = unix(text) {
            return Ok(Self {
                place: place.ok_or_else(no)?,
                is_tls: false,
            });
        }
        let (is_tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(no()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/" | REPORTS_PATH) {
            return Err(BadAddress::HasPath(text.to_owned()));
        }
        let default_port = if is_tls { 443 } else { 80 };
        let place = host_and_port(authority, Some(default_port)).ok_or_else(no)?;
        if !is_tls && !place.is_local() {
            return Err(BadAddress::PlainToOthers(text.to_owned()));
        }
        Ok(Self { place, is_tls })
    }
}

impl FromStr for Page {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let no = || BadAddress::NoPage(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(no)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let is_visible = target.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_visible || target.contains('#') || target.starts_with('?') {
            return Err(no());
        }
        Ok(Self {
            place: host_and_port(authority, Some(80)).ok_or_else(no)?,
            target: if target.is_empty() { "/" } else { target }.to_owned(),
        })
    }
}

impl FromStr for Place {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        unix(text)
            .unwrap_or_else(|| host_and_port(text, None))
            .ok_or_else(|| BadAddress::NoSocket(text.to_owned()))
    }
}

impl Place {
    /// Whether it is on this machine whatever a name server says.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(host, _) => {
                host == "localhost"
                    || host
                        .parse()
                        .is_ok_and(|address: IpAddr| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Place {
    /// As it stands in a URL or a `Host` field; a Unix socket as `unix:PATH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.is_tls) {
            (Place::Unix(_), _) => self.place.fmt(f),
            (place, true) => write!(f, "https://{place}"),
            (place, false) => write!(f, "http://{place}"),
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.place, self.target)
    }
}

/// `None` if the text does not begin with `unix:`; inside, `None` if no path follows.
fn unix(text: &str) -> Option<Option<Place>> {
    let path = text.strip_prefix("unix:")?;
    Some((!path.is_empty()).then(|| Place::Unix(PathBuf::from(path))))
}

fn host_and_port(authority: &str, default_port: Option<u16>) -> Option<Place> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if host.is_empty() || host.len() > 253 || !host.chars().all(is_plain) {
                return None;
            }
            (host, port)
        }
    };
    let port = match (port.strip_prefix(':'), default_port) {
        (Some(port), _) => port.parse().ok().filter(|&port| port != 0)?,
        (None, Some(default)) if port.is_empty() => default,
        (None, _) => return None,
    };
    Some(Place::Tcp(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_print_as_they_were_written() {
        for text in [
            "unix:/run/lb/control.sock",
            "https://lb.example:8443",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "http://localhost:9000",
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        let long: Destination = "https://lb.example/v1/load-reports".parse().unwrap();
        assert_eq!(long.to_string(), "https://lb.example:443");
    }

    #[test]
    fn plain_to_another_machine_is_refused() {
        for text in [
            "http://192.0.2.1:80",
            "http://0.0.0.0:80",
            "http://lb.example:80",
            "http://127.0.0.1.example:80",
            "http://localhost.example:80",
            "http://[2001:db8::1]:80",
            "http://[::ffff:192.0.2.1]:80",
        ] {
            let told = text.parse::<Destination>().unwrap_err().to_string();
            assert!(told.contains("in the clear"), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "unix:",
            "/run/lb/control.sock",
            "127.0.0.1:80",
            "http://user@127.0.0.1:80",
            "https://:80",
            "https://lb.example:0",
            "https://lb.example:65536",
            "https://lb.example:80:80",
            "https://[::1",
            "https://lb.example/other",
            "https://lb.example?x",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_has_a_host_and_a_target() {
        let page: Page = "http://127.0.0.1:8080/stub_status?x=1".parse().unwrap();
        assert_eq!(page.target, "/stub_status?x=1");
        assert_eq!(page.place, Place::Tcp("127.0.0.1".to_owned(), 8080));
        assert_eq!(
            "http://[::1]".parse::<Page>().unwrap().to_string(),
            "http://[::1]:80/"
        );
        for text in [
            "https://127.0.0.1/",
            "127.0.0.1/x",
            "http://h/a b",
            "http://h/a\r\nX:",
        ] {
            assert!(text.parse::<Page>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_socket_is_a_path_or_host_and_port() {
        assert_eq!(
            "unix:/run/haproxy/admin.sock".parse::<Place>().unwrap(),
            Place::Unix("/run/haproxy/admin.sock".into())
        );
        assert_eq!("[::1]:9".parse::<Place>().unwrap().to_string(), "[::1]:9");
        for text in ["unix:", "127.0.0.1", "/run/x.sock", ":9"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
