//! TLS of a destination: whom we believe, and who we are.
//!
//! No counterpart in the patent. TLS 1.3 and nothing older; only the given authorities count, never the
//! system's; the client certificate binds the agent to its backend. Files are read anew for every
//! connection, so that short-lived certificates can be replaced under a running agent.
//! Not here: checking a certificate's name, chain and time, which rustls does.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

/// Files of a TLS client, all PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificates of the authorities that may have signed the control processor's.
    pub ca: PathBuf,
    /// Our certificate, the chain behind it, and our key.
    pub client: Option<ClientFiles>,
}

/// Files that say who we are.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// Our certificate first, then those between it and the authority.
    pub certificate: PathBuf,
    /// Its key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{path}: {why}; expected {expected}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("{certificate} and {key} cannot be used together: {why}")]
    Pair {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        why: rustls::Error,
    },
    /// The library refuses its own defaults.
    #[error("TLS 1.3 is not to be had: {0}")]
    Library(rustls::Error),
}

const CERTIFICATES: &str = "PEM with at least one certificate";
const KEY: &str = "PEM with a private key that is not encrypted";

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// The first file that is missing or wrong.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots
                .add(certificate)
                .map_err(|why| wrong(&self.ca, &why, CERTIFICATES))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(TlsError::Library)?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_file(&files.key)
                    .map_err(|why| wrong(&files.key, &why, KEY))?;
                builder
                    .with_client_auth_cert(certificates(&files.certificate)?, key)
                    .map_err(|why| TlsError::Pair {
                        certificate: files.certificate.display().to_string(),
                        key: files.key.display().to_string(),
                        why,
                    })?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Connections last; a store of tickets would only take memory.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn wrong(path: &Path, why: &dyn Display, expected: &'static str) -> TlsError {
    TlsError::File {
        path: path.display().to_string(),
        why: why.to_string(),
        expected,
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|why| wrong(path, &why, CERTIFICATES))?;
    if found.is_empty() {
        return Err(wrong(path, &"it holds no certificate", CERTIFICATES));
    }
    Ok(found)
}
