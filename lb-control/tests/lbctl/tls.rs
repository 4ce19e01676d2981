//! Over TLS: who gets in, who is believed, and what is said to the others. Certificates are made here.

use lb_control::api::{Access, Listener, TlsFiles, Token};
use rcgen::ExtendedKeyUsagePurpose;

use crate::authority::{authority, write_pair};
use crate::dir::Dir;
use crate::kit::{Ended, lbctl};
use crate::rig::{DOCUMENT, Rig};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A control side that `operator` may change and `web-1` may not, and a token for admins.
fn rig() -> Rig {
    let tokens = Dir::new();
    let token = Token::from_file(&tokens.write("token", TOKEN)).unwrap();
    let access = Access {
        admins: vec!["operator".to_owned()],
        admin_token: Some(token),
        ..Access::default()
    };
    let listeners = |dir: &Dir| {
        let (ours, other) = (authority(), authority());
        dir.write("ca.pem", &ours.pem());
        dir.write("other.pem", &other.pem());
        write_pair(dir, &ours, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
        for name in ["operator", "web-1"] {
            write_pair(dir, &ours, name, ExtendedKeyUsagePurpose::ClientAuth);
        }
        write_pair(dir, &other, "stranger", ExtendedKeyUsagePurpose::ClientAuth);
        let files = TlsFiles {
            certificate: dir.join("localhost.pem"),
            key: dir.join("localhost.key"),
            clients: dir.join("ca.pem"),
        };
        let address = "127.0.0.1:0".parse().unwrap();
        vec![Listener::bind_tls(address, files, true).unwrap()]
    };
    let rig = Rig::with(DOCUMENT, listeners, access);
    rig.dir.write("token", TOKEN);
    rig.dir
        .write("wrong-token", "fedcba9876543210fedcba9876543210");
    rig
}

/// Runs `lbctl` by the server's name, with these files of the rig's directory.
fn ask(rig: &Rig, files: &[(&str, &str)], words: &[&str]) -> Ended {
    let address = rig.address(1).replace("127.0.0.1", "localhost");
    let mut all = vec!["--control".to_owned(), address];
    for (option, file) in files {
        all.push((*option).to_owned());
        all.push(rig.dir.join(file).display().to_string());
    }
    let mut all: Vec<_> = all.iter().map(String::as_str).collect();
    all.extend(words);
    lbctl(&all)
}

#[test]
fn an_admin_s_certificate_may_change() {
    let rig = rig();
    let files = [
        ("--ca", "ca.pem"),
        ("--certificate", "operator.pem"),
        ("--key", "operator.key"),
    ];
    let changed = ask(&rig, &files, &["weight", "web/web-1", "7"]).done();
    assert!(changed.contains("weight: 100 → 7"), "{changed}");
    let audit = ask(&rig, &files, &["audit", "--limit", "1"]).done();
    assert!(
        audit.contains("operator") && audit.contains("(tls)"),
        "{audit}"
    );
}

#[test]
fn an_admin_s_token_may_change() {
    let rig = rig();
    let files = [("--ca", "ca.pem"), ("--token-file", "token")];
    let changed = ask(&rig, &files, &["weight", "web/web-1", "7"]).done();
    assert!(changed.contains("weight: 100 → 7"), "{changed}");
}

#[test]
fn others_hear_why_not() {
    let rig = rig();
    let words = ["drain", "web/web-1"];
    let files = [
        ("--ca", "ca.pem"),
        ("--certificate", "web-1.pem"),
        ("--key", "web-1.key"),
    ];
    ask(&rig, &files, &words).failed(1, &["only an admin may change"]);
    let files = [("--ca", "ca.pem"), ("--token-file", "wrong-token")];
    ask(&rig, &files, &words).failed(1, &["token"]);
    ask(&rig, &[("--ca", "ca.pem")], &words).failed(1, &["--token-file, or --certificate"]);
}

#[test]
fn without_trust_nothing_is_said() {
    let rig = rig();
    let files = [("--ca", "other.pem"), ("--token-file", "token")];
    ask(&rig, &files, &["status"])
        .failed(1, &["no TLS with localhost", "invalid peer certificate"]);
    let files = [
        ("--ca", "ca.pem"),
        ("--certificate", "stranger.pem"),
        ("--key", "stranger.key"),
    ];
    ask(&rig, &files, &["status"]).failed(1, &["no TLS with localhost", "--certificate"]);
}

#[test]
fn a_plain_port_does_not_speak_tls() {
    let bind = |_: &Dir| vec![Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap()];
    let rig = Rig::with(DOCUMENT, bind, Access::default());
    rig.dir.write("ca.pem", &authority().pem());
    ask(&rig, &[("--ca", "ca.pem")], &["status"]).failed(1, &["no TLS with", "speaks TLS at all"]);
}

#[test]
fn a_tls_port_is_no_plain_one() {
    let rig = rig();
    ask(&rig, &[], &["status"]).failed(1, &["localhost:"]);
}
