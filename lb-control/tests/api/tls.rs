//! TLS: whose certificates are believed, and whom they may speak for. Certificates are made here.

use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use lb_control::api::{Access, Listener, TlsFiles, Token};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};

use crate::authority::{Authority, authority};
use crate::client::{Client, PATIENCE, connect, report};
use crate::dir::Dir;
use crate::rig::{Rig, Setup};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Certificate and key, PEM.
struct Pair(String, String);

/// For whom and for what a certificate is.
enum For<'a> {
    Server,
    Client(&'a [&'a str]),
    /// Named by its common name alone.
    Common(&'a str),
    Expired(&'a str),
}

fn pair(by: &Authority, whom: &For<'_>) -> Pair {
    let names = match whom {
        For::Server => vec!["localhost".to_owned()],
        For::Client(names) => names.iter().map(|&name| name.to_owned()).collect(),
        For::Common(_) => Vec::new(),
        For::Expired(name) => vec![(*name).to_owned()],
    };
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![match whom {
        For::Server => ExtendedKeyUsagePurpose::ServerAuth,
        _ => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    if let For::Common(name) = whom {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    if let For::Expired(_) = whom {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    Pair(certificate.pem(), key.serialize_pem())
}

/// A control side that speaks TLS, and the authority that it believes.
struct Tls {
    rig: Rig,
    ca: Authority,
    files: Dir,
}

impl Tls {
    fn new(takes_tokens: bool) -> Self {
        let ca = authority();
        let files = Dir::new();
        let token = Token::from_file(&files.write("token", TOKEN)).unwrap();
        let Pair(certificate, key) = pair(&ca, &For::Server);
        let tls = TlsFiles {
            certificate: files.write("server.pem", &certificate),
            key: files.write("server.key", &key),
            clients: files.write("ca.pem", &ca.pem()),
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let rig = Rig::with(Setup {
            listeners: vec![Listener::bind_tls(address, tls, takes_tokens).unwrap()],
            access: Access {
                admins: vec!["operator".to_owned()],
                readers: vec!["collector".to_owned()],
                agent_token: takes_tokens.then_some(token),
                admin_token: None,
            },
            ..Setup::default()
        });
        Self { rig, ca, files }
    }

    fn client(&self, whom: &For<'_>) -> Client {
        let pair = pair(&self.ca, whom);
        self.connect(Some(&pair), &version::TLS13)
    }

    fn connect(&self, pair: Option<&Pair>, version: &'static SupportedProtocolVersion) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(Pair(certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        Client::over(StreamOwned::new(session, connect(self.rig.port(1))))
    }

    /// Whether somebody with this certificate is turned away before the first request is answered.
    fn turns_away(&self, pair: Option<&Pair>, version: &'static SupportedProtocolVersion) -> bool {
        let mut client = self.connect(pair, version);
        let said = client.say(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
        said.is_err() || client.answer().is_none()
    }

    fn metric(&self, start: &str) -> String {
        let page = Client::unix(&self.rig).get("/metrics");
        let mut lines = page.text().lines();
        let line = lines.find(|line| line.starts_with(start));
        line.unwrap_or_default().to_owned()
    }
}

#[test]
fn a_name_in_a_certificate_says_what_its_holder_may_do() {
    let tls = Tls::new(false);
    let patch = |client: &mut Client| {
        client
            .patch("/v1/services/web/backends/web-1", r#"{"weight":7}"#)
            .status
    };
    let look = |client: &mut Client| client.get("/v1/status").status;
    let operator = || tls.client(&For::Client(&["operator"]));
    assert_eq!((look(&mut operator()), patch(&mut operator())), (200, 200));
    let collector = || tls.client(&For::Client(&["collector"]));
    assert_eq!(
        (look(&mut collector()), patch(&mut collector())),
        (200, 403)
    );
    let agent = || tls.client(&For::Client(&["web-1"]));
    assert_eq!((look(&mut agent()), patch(&mut agent())), (403, 403));
    assert_eq!(rig_by(&tls), "operator", "the audit log knows who it was");
}

/// Who changed something last, without address.
fn rig_by(tls: &Tls) -> String {
    let record = tls.rig.control.audit(1).remove(0);
    record.by.split(' ').next().unwrap().to_owned()
}

#[test]
fn an_agent_speaks_for_the_backends_that_its_certificate_names_and_no_other() {
    let tls = Tls::new(false);
    let mut agent = tls.client(&For::Client(&["web-1", "dns-1"]));
    for (backend, status) in [("web-1", 200), ("dns-1", 200), ("web-2", 403)] {
        let answer = agent.post("/v1/load-reports", &report(backend, "b", 1));
        assert_eq!(answer.status, status, "{backend}: {}", answer.text());
    }
    let counted = "lb_agent_refused_reports_total{sender=\"named\",cause=\"wrong_identity\"}";
    assert_eq!(tls.metric(counted), format!("{counted} 1"));
    let mut old = tls.client(&For::Common("web-2"));
    let answer = old.post("/v1/load-reports", &report("web-2", "b", 1));
    assert_eq!(
        answer.status,
        200,
        "a common name will do: {}",
        answer.text()
    );
}

#[test]
fn a_certificate_of_another_authority_an_expired_one_and_none_are_turned_away() {
    let tls = Tls::new(false);
    let stranger = pair(&authority(), &For::Client(&["operator"]));
    assert!(tls.turns_away(Some(&stranger), &version::TLS13));
    let expired = pair(&tls.ca, &For::Expired("operator"));
    assert!(tls.turns_away(Some(&expired), &version::TLS13));
    let servers = pair(&tls.ca, &For::Server);
    assert!(tls.turns_away(Some(&servers), &version::TLS13));
    assert!(tls.turns_away(None, &version::TLS13));
    let counted = "lb_api_handshake_failures_total";
    assert_eq!(tls.metric(counted), format!("{counted} 4"));
    let good = pair(&tls.ca, &For::Client(&["operator"]));
    assert!(!tls.turns_away(Some(&good), &version::TLS13));
}

#[test]
fn who_does_not_speak_tls_is_turned_away() {
    let tls = Tls::new(false);
    let mut stream = connect(tls.rig.port(1));
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[test]
fn without_a_certificate_a_token_is_needed_for_each_request() {
    let tls = Tls::new(true);
    let post = |fields: &[(&str, &str)]| {
        let mut client = tls.connect(None, &version::TLS13);
        let report = report("web-1", "b", 1);
        client.send("POST", "/v1/load-reports", fields, report.as_bytes())
    };
    post(&[]).refused(401);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(post(&[("Authorization", &bearer)]).status, 200);
    let mut client = tls.connect(None, &version::TLS13);
    let fields = [("Authorization", bearer.as_str())];
    client.send("GET", "/v1/config", &fields, b"").refused(403);
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let tls = Tls::new(false);
    let operator = pair(&tls.ca, &For::Client(&["operator"]));
    let Pair(certificate, key) = pair(&tls.ca, &For::Server);
    let renewed = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    tls.files.write("server.key", &key);
    tls.files.write("server.pem", &certificate);
    let began = Instant::now();
    while shown(&tls, &operator) != renewed {
        assert!(began.elapsed() < PATIENCE);
    }
}

/// The certificate that the server shows.
fn shown(tls: &Tls, pair: &Pair) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots.add(tls.ca.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.1.as_bytes()).unwrap(),
        )
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = connect(tls.rig.port(1));
    while session.is_handshaking() {
        session.complete_io(&mut stream).unwrap();
    }
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn files_that_do_not_go_together_are_refused_before_anything_listens() {
    let dir = Dir::new();
    let ca = authority();
    let Pair(certificate, _) = pair(&ca, &For::Server);
    let Pair(_, other_key) = pair(&ca, &For::Server);
    let files = |certificate: &str, key: &str, clients: &str| TlsFiles {
        certificate: dir.write("a.pem", certificate),
        key: dir.write("a.key", key),
        clients: dir.write("ca.pem", clients),
    };
    let bind = |files| {
        let refused = Listener::bind_tls("127.0.0.1:0".parse().unwrap(), files, false).err();
        refused.unwrap().to_string()
    };
    let told = bind(files(&certificate, &other_key, &ca.pem()));
    assert!(told.contains("a.pem"), "{told}");
    let told = bind(files(&certificate, "no key", &ca.pem()));
    assert!(told.contains("a.key"), "{told}");
    let told = bind(files(&certificate, &other_key, ""));
    assert!(told.contains("ca.pem"), "{told}");
}
