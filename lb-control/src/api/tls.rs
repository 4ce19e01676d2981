//! TLS 1.3 for the API: our certificate, and whose certificates we believe.
//!
//! No counterpart in the patent. Files are looked at again when somebody connects, so that a renewed certificate
//! is taken up without a restart; one that cannot be read leaves the old one in use.
//! Not here: what a name may do (`caller`).
//! Easy to get wrong: a client certificate says who somebody is only because an authority signed it that signs
//! for *this* purpose. The authorities of the public web are none of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, version};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, with its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authorities that may have signed a client's certificate.
    pub clients: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file without a certificate.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// Certificate and key do not go together, or are not fit for use.
    #[error("{}: {source}", .path.display())]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The authorities are not fit for use.
    #[error("{}: {source}", .path.display())]
    Clients {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// The cryptography that was built in does not know TLS 1.3: a fault of ours.
    #[error("TLS 1.3: {0}")]
    Protocol(rustls::Error),
}

/// TLS as it is offered now.
pub(super) struct Tls {
    files: TlsFiles,
    /// Whether somebody without a certificate may come in, to show a token.
    takes_tokens: bool,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    stamps: [Option<SystemTime>; 3],
    looked_at: Instant,
}

impl Tls {
    /// Reads the files.
    pub(super) fn load(files: TlsFiles, takes_tokens: bool) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let config = Arc::new(read(&files, takes_tokens)?);
        Ok(Self {
            files,
            takes_tokens,
            loaded: Mutex::new(Loaded {
                config,
                stamps,
                looked_at: Instant::now(),
            }),
        })
    }

    /// What to offer to somebody who connects now.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock();
        if loaded.looked_at.elapsed() >= LOOK_EVERY {
            loaded.looked_at = Instant::now();
            let now = stamps(&self.files);
            if now != loaded.stamps
                && let Ok(config) = read(&self.files, self.takes_tokens)
            {
                loaded.config = Arc::new(config);
                loaded.stamps = now;
            }
        }
        Arc::clone(&loaded.config)
    }
}

fn stamps(files: &TlsFiles) -> [Option<SystemTime>; 3] {
    [&files.certificate, &files.key, &files.clients]
        .map(|path| fs::metadata(path).and_then(|facts| facts.modified()).ok())
}

fn read(files: &TlsFiles, takes_tokens: bool) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.clients)? {
        roots.add(authority).map_err(|source| TlsError::Unfit {
            path: files.clients.clone(),
            source,
        })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = if takes_tokens {
        verifier.allow_unauthenticated()
    } else {
        verifier
    };
    let verifier = verifier.build().map_err(|source| TlsError::Clients {
        path: files.clients.clone(),
        source,
    })?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        path: files.key.clone(),
        source,
    })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(TlsError::Protocol)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(|source| TlsError::Unfit {
            path: files.certificate.clone(),
            source,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(file)?
        .collect::<Result<_, _>>()
        .map_err(file)?;
    if found.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(found)
}

/// The names in a client's certificate: DNS names if it has any (RFC 9525, 2), else its common name. Empty where it
/// cannot be read.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let dns: Vec<String> = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if !dns.is_empty() {
        return dns;
    }
    let common = certificate.subject().iter_common_name();
    common
        .filter_map(|name| name.as_str().ok().map(str::to_owned))
        .collect()
}
