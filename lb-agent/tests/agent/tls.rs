//! TLS: who is believed and who is not. Certificates are made here.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::kit::{Agent, Scratch, Server};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, PEM.
struct Pair(String, String);

fn pair(by: &Authority, name: &str, purpose: ExtendedKeyUsagePurpose, is_expired: bool) -> Pair {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![purpose];
    if is_expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    Pair(certificate.pem(), key.serialize_pem())
}

fn server_pair(by: &Authority) -> Pair {
    pair(by, "localhost", ExtendedKeyUsagePurpose::ServerAuth, false)
}

fn client_pair(by: &Authority, is_expired: bool) -> Pair {
    pair(by, "web-1", ExtendedKeyUsagePurpose::ClientAuth, is_expired)
}

/// A server that wants certificates of `clients`, if that is given.
fn config(
    pair: &Pair,
    clients: Option<&Authority>,
    version: &'static SupportedProtocolVersion,
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.1.as_bytes()).unwrap();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// The files of an agent, and its command line.
struct Files(Scratch);

impl Files {
    fn new(test: &str, ca: &Authority, client: Option<&Pair>) -> Self {
        let scratch = Scratch::new(test);
        scratch.write("ca.pem", &ca.pem());
        if let Some(Pair(certificate, key)) = client {
            scratch.write("agent.pem", certificate);
            scratch.write("agent.key", key);
        }
        Self(scratch)
    }

    fn words(&self, host: &str, port: u16) -> String {
        let file = |name: &str| -> PathBuf { self.0.path(name) };
        let mut words = format!(
            "--interval 0.1 --backend web-1 --to https://{host}:{port} --ca {}",
            file("ca.pem").display()
        );
        if file("agent.pem").exists() {
            let (certificate, key) = (file("agent.pem"), file("agent.key"));
            words += &format!(
                " --certificate {} --key {}",
                certificate.display(),
                key.display()
            );
        }
        words
    }
}

/// What an agent says about a server that it should not talk to, or that does not talk to it.
fn refusal(files: &Files, host: &str, server: ServerConfig) -> String {
    let (server, port) = Server::tcp(Some(server));
    let agent = Agent::start(&files.words(host, port));
    let told = agent.told("https://");
    assert!(server.is_empty(), "no report went out");
    told
}

#[test]
fn reports_travel_under_tls_with_a_client_certificate() {
    let ca = authority();
    let client = client_pair(&ca, false);
    let files = Files::new("tls", &ca, Some(&client));
    let (server, port) = Server::tcp(Some(config(&server_pair(&ca), Some(&ca), &version::TLS13)));
    let _agent = Agent::start(&files.words("localhost", port));
    let (first, second) = (server.next(), server.next());
    assert!(second.sequence() > first.sequence());
    assert_eq!(second.connection, first.connection);
}

#[test]
fn a_server_of_another_authority_is_not_believed() {
    let files = Files::new("wrong-ca", &authority(), None);
    let stranger = authority();
    let told = refusal(
        &files,
        "localhost",
        config(&server_pair(&stranger), None, &version::TLS13),
    );
    assert!(told.contains("invalid peer certificate"), "{told}");
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let ca = authority();
    let files = Files::new("expired", &ca, None);
    let old = pair(&ca, "localhost", ExtendedKeyUsagePurpose::ServerAuth, true);
    let told = refusal(&files, "localhost", config(&old, None, &version::TLS13));
    assert!(told.contains("expired"), "{told}");
}

#[test]
fn a_certificate_for_another_name_is_not_believed() {
    let ca = authority();
    let files = Files::new("name", &ca, None);
    let told = refusal(
        &files,
        "127.0.0.1",
        config(&server_pair(&ca), None, &version::TLS13),
    );
    assert!(told.contains("not valid for name"), "{told}");
}

#[test]
fn a_clients_certificate_is_no_servers() {
    let ca = authority();
    let files = Files::new("purpose", &ca, None);
    let client = pair(&ca, "localhost", ExtendedKeyUsagePurpose::ClientAuth, false);
    let told = refusal(&files, "localhost", config(&client, None, &version::TLS13));
    assert!(told.contains("invalid peer certificate"), "{told}");
}

#[test]
fn an_agent_without_or_with_a_bad_certificate_is_told_by_the_server() {
    let ca = authority();
    let server = || config(&server_pair(&ca), Some(&ca), &version::TLS13);
    let nobody = Files::new("nobody", &ca, None);
    let told = refusal(&nobody, "localhost", server());
    assert!(told.contains("CertificateRequired"), "{told}");
    let old = client_pair(&ca, true);
    let expired = Files::new("client-expired", &ca, Some(&old));
    let told = refusal(&expired, "localhost", server());
    assert!(told.contains("CertificateExpired"), "{told}");
    let stranger = client_pair(&authority(), false);
    let stranger = Files::new("client-stranger", &ca, Some(&stranger));
    let told = refusal(&stranger, "localhost", server());
    assert!(told.contains("alert"), "{told}");
}

#[test]
fn a_renewed_certificate_is_taken_up_without_a_restart() {
    let ca = authority();
    let old = client_pair(&ca, true);
    let files = Files::new("renewed", &ca, Some(&old));
    let (server, port) = Server::tcp(Some(config(&server_pair(&ca), Some(&ca), &version::TLS13)));
    let agent = Agent::start(&files.words("localhost", port));
    agent.told("CertificateExpired");
    let Pair(certificate, key) = client_pair(&ca, false);
    files.0.write("agent.key", &key);
    files.0.write("agent.pem", &certificate);
    server.next();
}
