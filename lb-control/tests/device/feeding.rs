//! What boxes get of the device, and what becomes of it when one of them, or the device, goes away.

use std::time::Instant;

use lb_control::api::{Access, Listener, TlsFiles};
use lb_control::view;
use rcgen::ExtendedKeyUsagePurpose;

use crate::authority::{authority, write_pair};
use crate::client::{Client, PATIENCE};
use crate::dir::Dir;
use crate::kit::{Device, unix, until};
use crate::rig::{DOCUMENT, Rig, Setup};

/// Reports of both of `web`'s backends, from the number on: the first is nearly full, the second nearly idle.
struct Agents {
    client: Client,
    sequence: u32,
}

impl Agents {
    fn of(device: &Device) -> Self {
        Self {
            client: device.client(),
            sequence: 0,
        }
    }

    fn report(&mut self) {
        self.sequence += 1;
        for (backend, cpu) in [("web-1", 0.9), ("web-2", 0.1)] {
            let sequence = self.sequence;
            let body = format!(
                r#"{{"backend":"{backend}","boot_id":"b","sequence":{sequence},"monotonic_seconds":{sequence},"cpu_utilization":{cpu},"rps_fractional":200.0}}"#
            );
            let status = self.client.post("/v1/load-reports", &body).status;
            // Before it has seen a box it knows no backend; and it does not want more than 20 a second.
            assert!(matches!(status, 200 | 404 | 429), "{status}");
        }
    }
}

/// Weights in force of `web`'s two backends.
fn weights(client: &mut Client) -> [u32; 2] {
    let service: view::Service = client.get("/v1/services/web").done();
    [0, 1].map(|at| service.backends[at].effective_weight)
}

/// Where a service's weights come from.
fn source(client: &mut Client) -> String {
    let explained: view::Explained = client.get("/v1/explain?service=web").done();
    explained.source
}

/// Reports until the box has weights that the reports ask for: less for the first than the configured quarter.
fn moves(agents: &mut Agents, client: &mut Client) {
    until("weights of the device", Instant::now() + PATIENCE, || {
        agents.report();
        let [one, two] = weights(client);
        (source(client).starts_with("sent by") && one * 4 < two).then_some(())
    });
}

#[test]
fn reports_to_the_device_become_weights_of_every_box() {
    let rigs = [Rig::new(), Rig::new()];
    let boxes = rigs.each_ref().map(|rig| unix(&rig.socket()));
    let device = Device::start(&["--box", &boxes[0], "--box", &boxes[1]]);
    let mut agents = Agents::of(&device);
    for rig in &rigs {
        moves(&mut agents, &mut Client::unix(rig));
    }
    let mut client = device.client();
    let known: view::Boxes = client.get("/v1/boxes").done();
    let seen: Vec<_> = known
        .boxes
        .iter()
        .map(|one| {
            (
                one.address.as_str(),
                one.services,
                one.revision,
                one.failures,
            )
        })
        .collect();
    let wanted = boxes
        .each_ref()
        .map(|address| (address.as_str(), 3, Some(1), 0));
    assert_eq!(seen, wanted);
    let heard: view::LoadReports = client.get("/v1/load-reports").done();
    assert_eq!(heard.agents.len(), 2);
    assert!(heard.taken > 0);
    let explained: view::Explained = client.get("/v1/explain?service=web").done();
    assert_eq!(explained.weights, "even");
    assert_eq!(explained.backends.len(), 2);
    device.end();
}

#[test]
fn a_box_that_goes_away_leaves_the_others_fed_and_is_fed_again_when_it_is_back() {
    let steady = Rig::new();
    let mut shaky = Rig::new();
    let boxes = [unix(&steady.socket()), unix(&shaky.socket())];
    let mut device = Device::start(&["--box", &boxes[0], "--box", &boxes[1]]);
    let mut agents = Agents::of(&device);
    moves(&mut agents, &mut Client::unix(&shaky));
    shaky.stop();
    device.until(&format!("box {} takes none: cannot be reached", boxes[1]));
    let before: view::Boxes = device.client().get("/v1/boxes").done();
    until("more feedings", Instant::now() + PATIENCE, || {
        agents.report();
        let now: view::Boxes = device.client().get("/v1/boxes").done();
        assert!(now.boxes[1].trouble.is_some());
        (now.boxes[0].feedings > before.boxes[0].feedings + 3).then_some(())
    });
    // Another program at the same place, whose revisions begin anew, with other services.
    let listener = Listener::bind(&boxes[1].parse().unwrap()).unwrap();
    let other = Rig::with(Setup {
        document: DOCUMENT.replace("\"web-2\"", "\"web-9\""),
        listeners: vec![listener],
        ..Setup::default()
    });
    device.until(&format!("box {} takes weights", boxes[1]));
    let mut client = Client::unix(&other);
    until("weights of the device", Instant::now() + PATIENCE, || {
        source(&mut client).starts_with("sent by").then_some(())
    });
    device.end();
}

#[test]
fn a_box_goes_on_by_itself_when_the_device_is_gone() {
    let rig = Rig::new();
    let device = Device::start(&["--box", &unix(&rig.socket()), "--ttl", "0.5"]);
    let mut client = Client::unix(&rig);
    moves(&mut Agents::of(&device), &mut client);
    drop(device);
    until("its own master", Instant::now() + PATIENCE, || {
        (source(&mut client) == "master" && weights(&mut client)[0] * 3 == weights(&mut client)[1])
            .then_some(())
    });
}

#[test]
fn a_changed_document_is_read_again() {
    let rig = Rig::new();
    let device = Device::start(&["--box", &unix(&rig.socket())]);
    let mut client = Client::unix(&rig);
    moves(&mut Agents::of(&device), &mut client);
    let longer = DOCUMENT.replace(
        r#"{ "name": "web-1","#,
        r#"{ "name": "web-3", "address": "10.0.0.13", "port": 8080 }, { "name": "web-1","#,
    );
    assert_eq!(client.put("/v1/config", &longer).status, 200);
    until("weights for three", Instant::now() + PATIENCE, || {
        source(&mut client).starts_with("sent by").then_some(())
    });
    let known: view::Boxes = device.client().get("/v1/boxes").done();
    assert_eq!(known.boxes[0].revision, Some(2));
    device.end();
}

#[test]
fn over_tls_a_box_is_fed_by_whom_it_calls_an_admin() {
    let (dir, ours) = (Dir::new(), authority());
    dir.write("ca.pem", &ours.pem());
    write_pair(
        &dir,
        &ours,
        "localhost",
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    for name in ["manager", "web-1"] {
        write_pair(&dir, &ours, name, ExtendedKeyUsagePurpose::ClientAuth);
    }
    let files = TlsFiles {
        certificate: dir.join("localhost.pem"),
        key: dir.join("localhost.key"),
        clients: dir.join("ca.pem"),
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let rig = Rig::with(Setup {
        listeners: vec![Listener::bind_tls(address, files, false).unwrap()],
        access: Access {
            admins: vec!["manager".to_owned()],
            ..Access::default()
        },
        ..Setup::default()
    });
    let address = format!("localhost:{}", rig.port(1));
    let path = |name: &str| dir.join(name).display().to_string();
    let start = |name: &str| {
        let (certificate, key) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
        let ca = path("ca.pem");
        let trust = [
            "--box-ca",
            &ca,
            "--box-certificate",
            &certificate,
            "--box-key",
            &key,
        ];
        Device::start(&[&["--box", &address], &trust[..]].concat())
    };
    let mut stranger = start("web-1");
    let line = stranger.until("takes none");
    assert!(
        line.contains("403") && line.contains("an agent may send load reports"),
        "{line}"
    );
    drop(stranger);
    let mut device = start("manager");
    device.until("takes weights");
    let mut client = Client::unix(&rig);
    assert!(source(&mut client).starts_with("sent by manager"));
    device.end();
}

#[test]
fn the_device_s_own_api_changes_nothing() {
    let rig = Rig::new();
    let device = Device::start(&["--box", &unix(&rig.socket())]);
    let mut client = device.client();
    client.get("/v1/status").refused(404);
    client.put("/v1/load-reports", "{}").refused(405);
    client.get("/v1/explain?service=nobody").refused(404);
    client.post("/v1/load-reports", "{}").refused(422);
    device.end();
}
