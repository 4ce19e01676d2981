//! TLS around a check: what certificate is believed.
//!
//! No counterpart in the patent. Backends have certificates of their own making as a rule, so by default any is
//! taken: a check asks whether a server works, not who it is. Where the document wants more, it must be one that
//! this system trusts.
//! Easy to get wrong: what is sent in a check is not secret, and the answer decides nothing but whether flows go to a
//! server that the document names anyway. So nothing is lost by believing anyone.

use std::sync::{Arc, OnceLock};

use lb_core::config::TlsProbe;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::outcome::{Cause, Outcome};
use super::failed;

/// Whom checks believe; made once, with the first check that needs it.
#[derive(Debug, Default)]
pub struct Trust {
    anybody: OnceLock<Arc<ClientConfig>>,
    system: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// A handshake over a connection.
    pub(super) async fn shake_hands(
        &self,
        probe: &TlsProbe,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        let config = if probe.verify {
            self.system.get_or_init(|| config(Some(system_roots())))
        } else {
            self.anybody.get_or_init(|| config(None))
        };
        let Ok(name) = ServerName::try_from(probe.name.clone()) else {
            return failed(Cause::Tls, format!("`{}` is no name", probe.name));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(stream),
            Err(error) => failed(Cause::Tls, error.to_string()),
        }
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// `roots`: whom to believe; `None`: anybody.
fn config(roots: Option<RootCertStore>) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    // The provider has suites for every version that rustls speaks.
    let Ok(builder) = builder.with_protocol_versions(rustls::ALL_VERSIONS) else {
        unreachable!("the provider fits the versions that it was built with");
    };
    let config = match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
    };
    Arc::new(config)
}

/// Believes any certificate, but that its key is the peer's.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
