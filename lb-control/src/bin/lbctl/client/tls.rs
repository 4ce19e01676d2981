//! TLS towards the API: whom we believe, and who we are.
//!
//! No counterpart in the patent. TLS 1.3 and nothing older; only the authorities of `--ca` count, never the
//! system's.
//! Easy to get wrong: without `--ca` nothing is encrypted, so certificate and key alone are refused.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use crate::failure::Failure;
use crate::options::ApiOptions;

/// The client's side of TLS; `None` without `--ca`.
///
/// # Errors
/// Options that do not fit together, or a file that is missing or wrong.
pub(super) fn config(options: &ApiOptions) -> Result<Option<Arc<ClientConfig>>, Failure> {
    let pair = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err(usage("--certificate needs --key, the file with its key")),
        (None, Some(_)) => return Err(usage("--key needs --certificate, the file it belongs to")),
    };
    let Some(ca) = &options.ca else {
        let refused = "--certificate and --key need --ca, the authorities that signed the server's certificate";
        return match pair {
            Some(_) => Err(usage(refused)),
            None => Ok(None),
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|why| wrong(ca, &why))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|why| usage(&format!("TLS 1.3 is not to be had: {why}")))?
        .with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                certificates(certificate)?,
                PrivateKeyDer::from_pem_file(key).map_err(|why| wrong(key, &why))?,
            )
            .map_err(|why| wrong(key, &why))?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|why| wrong(path, &why))?;
    if found.is_empty() {
        return Err(wrong(path, &"it holds no certificate"));
    }
    Ok(found)
}

fn wrong(path: &Path, why: &dyn Display) -> Failure {
    usage(&format!(
        "{}: {why}; expected PEM, certificates for --ca and --certificate, a key that is not encrypted for --key",
        path.display()
    ))
}

fn usage(sentence: &str) -> Failure {
    Failure::Usage(sentence.to_owned())
}
