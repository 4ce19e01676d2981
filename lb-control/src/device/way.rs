//! The way to a box: where its API is, whom we believe there, and who we are.
//!
//! No counterpart in the patent. A Unix socket, plain TCP on this machine, TLS 1.3 to others.
//! Not here: what is said on the way (`talk`).
//! Easy to get wrong: whether a host is this machine is judged by what was written, never by what a name server says: a
//! token must not leave the machine in the clear by a forged answer.

use std::fmt::{self, Display};
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::http::HeaderValue;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};

/// Octets of a token's file at most.
const LONGEST_TOKEN: u64 = 4096;

/// How to get in, for every box the same. Without authorities nothing is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Authorities that sign the boxes' certificates, PEM.
    pub authorities: Option<PathBuf>,
    /// Our certificate with its chain, PEM; it must be an admin's there.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Holds the boxes' admin token.
    pub token: Option<PathBuf>,
}

/// Why there is no way to a box.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    /// Neither form of address.
    #[error(
        "{0}: expected unix:PATH or HOST:PORT, such as unix:/run/lb/control.sock or lb-1.example:8443"
    )]
    Address(String),
    /// In the clear, to another machine.
    #[error(
        "{0}: another machine is reached by TLS only; name the authorities of its certificate (--box-ca)"
    )]
    Plain(String),
    /// A file is missing or of no use.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The cryptography that was built in does not know TLS 1.3: a fault of ours.
    #[error("TLS 1.3: {0}")]
    Protocol(rustls::Error),
}

/// Something that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    /// Host, a name or an address without brackets, and port.
    Tcp(String, u16),
}

/// The way to one box.
pub struct Way {
    pub(super) place: Place,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) authorization: Option<HeaderValue>,
}

impl Way {
    /// The ways to boxes at these addresses.
    ///
    /// # Errors
    /// See [`NoWay`].
    pub fn to_all(addresses: &[String], trust: &Trust) -> Result<Vec<Self>, NoWay> {
        let config = trust.config()?;
        let authorization = trust.token.as_deref().map(token).transpose()?;
        let way = |text: &String| {
            let place = place(text).ok_or_else(|| NoWay::Address(text.clone()))?;
            let tls = match (&place, &config) {
                (Place::Unix(_), _) => None,
                (Place::Tcp(host, _), Some(config)) => {
                    let name = ServerName::try_from(host.clone())
                        .map_err(|_| NoWay::Address(text.clone()))?;
                    Some((Arc::clone(config), name))
                }
                (Place::Tcp(host, _), None) if is_this_machine(host) => None,
                (Place::Tcp(..), None) => return Err(NoWay::Plain(text.clone())),
            };
            Ok(Self {
                place,
                tls,
                authorization: authorization.clone(),
            })
        };
        addresses.iter().map(way).collect()
    }

    /// What stands in a request's `Host` field.
    pub(super) fn authority(&self) -> String {
        match &self.place {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Tcp(..) => self.to_string(),
        }
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl Trust {
    fn config(&self) -> Result<Option<Arc<ClientConfig>>, NoWay> {
        let Some(authorities) = &self.authorities else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots
                .add(certificate)
                .map_err(|why| wrong(authorities, &why))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(NoWay::Protocol)?
            .with_root_certificates(roots);
        let mut config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let pem = PrivateKeyDer::from_pem_file(key).map_err(|why| wrong(key, &why))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, pem)
                    .map_err(|why| wrong(certificate, &why))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    }
}

fn place(text: &str) -> Option<Place> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| Place::Unix(path.into()));
    }
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
    is_host.then(|| Place::Tcp(bare.unwrap_or(host).to_owned(), port))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NoWay> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|why| wrong(path, &why))?;
    if found.is_empty() {
        return Err(wrong(path, &"no certificate in it"));
    }
    Ok(found)
}

fn token(path: &Path) -> Result<HeaderValue, NoWay> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_TOKEN + 2).read_to_string(&mut text))
        .map_err(|why| wrong(path, &why))?;
    let token = text.trim();
    let is_visible = token.bytes().all(|octet| octet.is_ascii_graphic());
    let expected = "expected one line of 1 to 4096 visible ASCII characters";
    if token.is_empty() || token.len() as u64 > LONGEST_TOKEN || !is_visible {
        return Err(wrong(path, &expected));
    }
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong(path, &expected))?;
    value.set_sensitive(true);
    Ok(value)
}

fn wrong(path: &Path, why: &dyn Display) -> NoWay {
    NoWay::File {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> Result<String, String> {
        let ways = Way::to_all(&[text.to_owned()], &Trust::default());
        ways.map(|ways| ways[0].to_string())
            .map_err(|refused| refused.to_string())
    }

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in [
            "unix:/run/lb/control.sock",
            "127.0.0.1:9000",
            "[::1]:9000",
            "localhost:80",
        ] {
            assert_eq!(to(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_was_expected() {
        for text in [
            "/run/lb/control.sock",
            "unix:",
            "lb-1",
            "lb-1:0",
            "::1:80",
            "a b:80",
            "",
        ] {
            assert!(
                to(text).unwrap_err().contains("expected unix:PATH"),
                "{text}"
            );
        }
    }

    #[test]
    fn another_machine_is_reached_by_tls_only() {
        for text in ["10.0.0.1:80", "lb-1:8443", "localhost.example:80"] {
            assert!(to(text).unwrap_err().contains("TLS only"), "{text}");
        }
    }
}
