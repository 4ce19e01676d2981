//! Checks in TLS: what name is asked for, and whose certificate is believed.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use lb_control::health::outcome::Cause;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream, SupportedProtocolVersion, version};

use crate::kit::PATIENCE;
use crate::probes::{fails, passes};
use crate::servers::tcp;

const HTTPS: &str = r#""type": "https", "interval": 60, "timeout": 30"#;

/// A server with a certificate of its own making; which name each client asked for.
fn server(
    versions: &[&'static SupportedProtocolVersion],
) -> (SocketAddr, Receiver<Option<String>>) {
    let made = rcgen::generate_simple_self_signed(["web.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let (sender, names) = channel();
    let at = tcp(move |mut socket| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = Stream::new(&mut tls, &mut socket);
        let mut head = [0; 2000];
        if stream.read(&mut head).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let name = tls.server_name().map(str::to_owned);
            sender.send(name).unwrap();
            tls.send_close_notify();
            let _ = tls.complete_io(&mut socket);
        }
    });
    (at, names)
}

#[test]
fn a_certificate_of_ones_own_making_is_good_enough_for_a_check() {
    for versions in [&[&version::TLS13], &[&version::TLS12]] {
        let (at, names) = server(versions);
        assert_eq!(passes(HTTPS, at), "answered 200 OK");
        assert_eq!(names.recv_timeout(PATIENCE).unwrap(), None);
    }
}

#[test]
fn the_name_that_is_asked_for_is_sni_or_the_host() {
    let (at, names) = server(&[&version::TLS13]);
    passes(
        &format!(r#"{HTTPS}, "sni": "a.example", "host": "b.example""#),
        at,
    );
    assert_eq!(names.recv_timeout(PATIENCE).unwrap().unwrap(), "a.example");
    passes(&format!(r#"{HTTPS}, "host": "b.example:8443""#), at);
    assert_eq!(names.recv_timeout(PATIENCE).unwrap().unwrap(), "b.example");
}

#[test]
fn where_the_document_wants_it_a_certificate_must_be_one_that_this_system_trusts() {
    let (at, _names) = server(&[&version::TLS13]);
    let strict = format!(r#"{HTTPS}, "sni": "web.example", "verify": true"#);
    let (cause, detail) = fails(&strict, at);
    assert_eq!(cause, Cause::Tls);
    assert!(detail.contains("certificate"), "{detail}");
}

#[test]
fn who_speaks_no_tls_fails_the_handshake() {
    let plain = crate::servers::http("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(fails(HTTPS, plain).0, Cause::Tls);
}
