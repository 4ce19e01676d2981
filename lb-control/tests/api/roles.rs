//! Who may do what, on each kind of listener, and how listeners come and go.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use lb_control::api::{Access, Address, ListenError, Listener, NoToken, Token};

use crate::client::{Client, report};
use crate::dir::Dir;
use crate::rig::{DOCUMENT, Rig, Setup, plain};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Something of each kind: to look, to report, to change.
fn tries(client: &mut Client, fields: &[(&str, &str)]) -> [u16; 3] {
    [
        client.send("GET", "/v1/status", fields, b"").status,
        client
            .send(
                "POST",
                "/v1/load-reports",
                fields,
                report("nobody", "b", 1).as_bytes(),
            )
            .status,
        client
            .send("PUT", "/v1/config", fields, DOCUMENT.as_bytes())
            .status,
    ]
}

#[test]
fn the_unix_socket_may_do_everything_and_is_for_its_owner_and_group() {
    let rig = Rig::new();
    assert_eq!(tries(&mut Client::unix(&rig), &[]), [200, 404, 200]);
    let mode = std::fs::metadata(rig.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn plain_tcp_may_look_and_report_and_change_nothing() {
    let rig = Rig::with_tcp();
    let mut client = Client::tcp(&rig, 1);
    assert_eq!(client.get("/v1/status").status, 200);
    let unknown = client.post("/v1/load-reports", &report("nobody", "b", 1));
    unknown.refused(404);
    for (method, path, body) in [
        ("PUT", "/v1/config", "{}"),
        ("POST", "/v1/config/check", "{}"),
        ("POST", "/v1/config/diff", "{}"),
        ("POST", "/v1/config/rollback", r#"{"revision":1}"#),
        ("POST", "/v1/config/save", ""),
        ("POST", "/v1/config/reload", ""),
        (
            "PATCH",
            "/v1/services/web/backends/web-1",
            r#"{"weight":1}"#,
        ),
        ("PUT", "/v1/weights", r#"{"ttl_seconds":1,"services":[]}"#),
    ] {
        let answer = Client::tcp(&rig, 1).send(method, path, &[], body.as_bytes());
        let reasons = answer.refused(403);
        assert!(reasons[0].1.contains("admin"), "{method} {path}");
    }
    assert_eq!(rig.control.current().number, 1);
}

#[test]
fn plain_tcp_believes_no_host_but_this_machine() {
    let rig = Rig::with_tcp();
    let fields = [("Host", "evil.example")];
    let answer = Client::tcp(&rig, 1).send("GET", "/v1/config", &fields, b"");
    answer.refused(403);
}

#[test]
fn tokens_make_agents_and_admins_and_a_wrong_one_makes_nobody() {
    let dir = Dir::new();
    let token = |name: &str, text: &str| Token::from_file(&dir.write(name, text)).unwrap();
    let other = TOKEN.to_uppercase();
    let rig = Rig::with(Setup {
        listeners: vec![plain()],
        access: Access {
            admin_token: Some(token("admin", &format!("{TOKEN}\n"))),
            agent_token: Some(token("agent", &other)),
            ..Access::default()
        },
        ..Setup::default()
    });
    let tries = |token: &str| {
        let bearer = format!("Bearer {token}");
        let fields = [("Authorization", bearer.as_str())];
        [
            ("GET", "/v1/status", String::new()),
            ("POST", "/v1/load-reports", report("nobody", "b", 1)),
            ("PUT", "/v1/config", DOCUMENT.to_owned()),
        ]
        .map(|(method, path, body)| {
            let mut client = Client::tcp(&rig, 1);
            client.send(method, path, &fields, body.as_bytes()).status
        })
    };
    assert_eq!(tries(TOKEN), [200, 404, 200]);
    assert_eq!(tries(&other), [200, 404, 403]);
    assert_eq!(tries("0123456789abcdef0123456789abcdee"), [401, 401, 401]);
    let fields = [("Authorization", "Bearer wrong")];
    let answer = Client::tcp(&rig, 1).send("GET", "/v1/status", &fields, b"");
    assert_eq!(answer.fields["www-authenticate"], "Bearer");
}

#[test]
fn a_token_must_be_long_enough_to_be_one() {
    let dir = Dir::new();
    for text in ["", "short", "0123456789abcde f"] {
        let refused = Token::from_file(&dir.write("token", text)).unwrap_err();
        assert!(matches!(refused, NoToken::Form(_)), "{text:?}");
    }
    let missing = Token::from_file(&dir.join("missing")).unwrap_err();
    assert!(matches!(missing, NoToken::File { .. }));
}

#[test]
fn plain_tcp_that_others_could_reach_is_not_opened() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let refused = Listener::bind(&address.parse().unwrap()).err().unwrap();
        assert!(matches!(refused, ListenError::Plain(_)), "{address}");
    }
}

#[test]
fn a_socket_that_nobody_answers_is_taken_over_and_one_in_use_is_not() {
    let dir = Dir::new();
    let path = dir.join("s");
    let address = Address::Unix(path.clone());
    drop(UnixListener::bind(&path).unwrap());
    let ours = Listener::bind(&address).unwrap();
    let refused = Listener::bind(&address).err().unwrap();
    assert!(matches!(refused, ListenError::InUse(_)), "{refused}");
    drop(ours);
    assert!(!path.exists(), "its file goes with it");
    dir.write("s", "no socket");
    let refused = Listener::bind(&address).err().unwrap();
    assert!(matches!(refused, ListenError::NotASocket(_)), "{refused}");
}

#[test]
fn a_socket_that_another_program_took_over_is_left_to_it() {
    let dir = Dir::new();
    let path = dir.join("s");
    let ours = Listener::bind(&Address::Unix(path.clone())).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
}
