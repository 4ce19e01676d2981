//! Agent-check over TCP: agents of HAProxy's protocol on loopback, asked by the real poller.
//!
//! The agents here play the other side: each is a listener that answers every connection in its own way.
//! Easy to get wrong: nothing may depend on how fast a machine is; tests wait for answers, not for time.
#![expect(clippy::unwrap_used, reason = "test")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lb_control::agent_check::{
    Answer, AskError, Health, LONGEST_LINE, Statement, Target, ask, run,
};
use lb_control::resource_manager::ResourceManager;
use lb_core::config::{PortsPresent, Service, parse};
use lb_core::id::PortId;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// What an agent does with a connection.
#[derive(Clone, Copy)]
enum Manner {
    /// Says this and closes.
    Says(&'static str),
    /// Says this and keeps the connection.
    Holds(&'static str),
    /// Says one octet after the other, and never ends.
    Trickles,
    /// Says as much as it can without an end of line.
    Floods,
}

/// An agent, with the connections that it was asked over.
struct Agent {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

async fn agent(manner: Manner) -> Agent {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(behave(stream, manner));
        }
    });
    Agent { address, asked }
}

async fn behave(mut stream: TcpStream, manner: Manner) {
    match manner {
        Manner::Says(line) => {
            let _ = stream.write_all(line.as_bytes()).await;
        }
        Manner::Holds(line) => {
            let _ = stream.write_all(line.as_bytes()).await;
            std::future::pending::<()>().await;
        }
        Manner::Trickles => {
            while stream.write_all(b"u").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Manner::Floods => while stream.write_all(&[b'u'; 4096]).await.is_ok() {},
    }
}

fn target(backend: &str, address: SocketAddr) -> Target {
    Target {
        service: "web".into(),
        backend: backend.into(),
        address,
        interval: SHORT,
    }
}

/// A running poller: its answers, and the way to tell it of other agents.
struct Poller {
    targets: watch::Sender<Arc<[Target]>>,
    answers: mpsc::UnboundedReceiver<Answer>,
    task: tokio::task::JoinHandle<()>,
}

fn poller(targets: Vec<Target>) -> Poller {
    let (targets, receiver) = watch::channel(targets.into());
    let (sender, answers) = mpsc::unbounded_channel();
    let task = tokio::spawn(run(receiver, move |answer| {
        let _ = sender.send(answer);
    }));
    Poller {
        targets,
        answers,
        task,
    }
}

impl Poller {
    async fn next(&mut self) -> Answer {
        let answer = tokio::time::timeout(LONG, self.answers.recv()).await;
        answer.unwrap().unwrap()
    }

    /// The next statement about a backend. On a busy machine a question may have had no answer in time.
    async fn next_said(&mut self, backend: &str) -> Statement {
        loop {
            if let Ok(said) = self.next_of(backend).await.outcome {
                return said;
            }
        }
    }

    /// The next answer that speaks of a backend.
    async fn next_of(&mut self, backend: &str) -> Answer {
        loop {
            let answer = self.next().await;
            if &*answer.backend == backend {
                return answer;
            }
        }
    }
}

#[tokio::test]
async fn a_line_is_heard_whether_the_agent_closes_or_not() {
    for manner in [Manner::Says("75% ready\n"), Manner::Holds("75% ready\r\n")] {
        let said = ask(agent(manner).await.address, LONG).await.unwrap();
        assert_eq!(said, Statement::parse(b"75% ready\n").unwrap());
    }
}

#[tokio::test]
async fn every_way_to_give_no_answer_has_its_cause() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let refused = ask(gone, LONG).await.unwrap_err();
    assert_eq!(
        refused,
        AskError::Connect(std::io::ErrorKind::ConnectionRefused)
    );

    for (manner, limit, cause) in [
        (Manner::Says(""), LONG, "unfinished"),
        (Manner::Says("maxconn:3"), LONG, "unfinished"),
        (Manner::Floods, LONG, "too_long"),
        (Manner::Holds("75%"), SHORT, "timed_out"),
        (Manner::Trickles, SHORT, "timed_out"),
    ] {
        let error = ask(agent(manner).await.address, limit).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{error}");
    }
}

#[tokio::test]
async fn a_line_of_the_longest_length_is_heard() {
    let line: &'static str = format!("75% {}\n", " ".repeat(LONGEST_LINE - 5)).leak();
    assert_eq!(line.len(), LONGEST_LINE);
    assert!(
        ask(agent(Manner::Says(line)).await.address, LONG)
            .await
            .is_ok()
    );
    let longer: &'static str = format!(" {line}").leak();
    let error = ask(agent(Manner::Says(longer)).await.address, LONG).await;
    assert_eq!(error, Err(AskError::TooLong));
}

#[tokio::test]
async fn agents_that_hang_do_not_silence_the_others() {
    let honest = agent(Manner::Says("75%\n")).await;
    let hanging = agent(Manner::Holds("")).await;
    let trickling = agent(Manner::Trickles).await;
    let mut poller = poller(vec![
        target("hanging", hanging.address),
        target("trickling", trickling.address),
        target("honest", honest.address),
    ]);
    for _ in 0..5 {
        let said = poller.next_said("honest").await;
        assert_eq!(said.percent, Some(75));
    }
    for backend in ["hanging", "trickling"] {
        assert_eq!(
            poller.next_of(backend).await.outcome,
            Err(AskError::TimedOut)
        );
    }
}

#[tokio::test]
async fn two_hundred_agents_are_asked_again_and_again() {
    let mut targets = Vec::new();
    for number in 0..200 {
        let agent = agent(Manner::Says("up\n")).await;
        targets.push(target(&number.to_string(), agent.address));
    }
    let mut poller = poller(targets);
    let mut heard = vec![0; 200];
    while heard.iter().any(|&times| times < 3) {
        let answer = poller.next().await;
        if answer.outcome.is_err() {
            continue;
        }
        *heard
            .get_mut(answer.backend.parse::<usize>().unwrap())
            .unwrap() += 1;
    }
}

#[tokio::test]
async fn one_agent_for_two_services_is_asked_once_and_heard_for_both() {
    let shared = agent(Manner::Says("drain\n")).await;
    let mut api = target("web-1", shared.address);
    api.service = "api".into();
    let mut poller = poller(vec![target("web-1", shared.address), api]);
    for asked in 1..=3 {
        let services = [poller.next().await.service, poller.next().await.service];
        assert_eq!(services, ["web".into(), "api".into()]);
        let connections = shared.asked.load(Ordering::Relaxed);
        assert!(
            connections >= asked && connections <= asked + 1,
            "{connections}"
        );
    }
}

#[tokio::test]
async fn agents_come_and_go_with_the_configuration() {
    let first = agent(Manner::Says("10%\n")).await;
    let second = agent(Manner::Says("20%\n")).await;
    let mut poller = poller(vec![target("first", first.address)]);
    poller.next_of("first").await;
    let both = [
        target("first", first.address),
        target("second", second.address),
    ];
    poller.targets.send(both.into()).unwrap();
    poller.next_of("second").await;
    poller.next_of("first").await;

    poller
        .targets
        .send([target("second", second.address)].into())
        .unwrap();
    // What was under way may still come; then only the second is heard.
    let mut in_a_row = 0;
    while in_a_row < 10 {
        let answer = poller.next().await;
        in_a_row = if &*answer.backend == "second" {
            in_a_row + 1
        } else {
            0
        };
    }
    poller.targets.send(Arc::default()).unwrap();
    poller
        .targets
        .send([target("first", first.address)].into())
        .unwrap();
    poller.next_of("first").await;
}

#[tokio::test]
async fn an_agent_that_failed_for_long_is_heard_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut poller = poller(vec![target("web-1", listener.local_addr().unwrap())]);
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let line = if number < 8 { "" } else { "up\n" };
            behave(stream, Manner::Says(line)).await;
        }
    });
    for _ in 0..8 {
        assert!(poller.next().await.outcome.is_err());
    }
    assert_eq!(poller.next_said("web-1").await.health, Some(Health::Up));
}

#[tokio::test]
async fn the_poller_ends_with_the_other_end_of_its_channel() {
    let agent = agent(Manner::Says("up\n")).await;
    let mut poller = poller(vec![target("web-1", agent.address)]);
    poller.next().await;
    drop(poller.targets);
    tokio::time::timeout(LONG, poller.task)
        .await
        .unwrap()
        .unwrap();
    // Its tasks end as well: the callback, and with it the sender, is dropped.
    while tokio::time::timeout(LONG, poller.answers.recv())
        .await
        .unwrap()
        .is_some()
    {}
}

#[tokio::test]
async fn a_panic_of_the_callback_is_not_swallowed() {
    let agent = agent(Manner::Says("up\n")).await;
    let (_targets, receiver) = watch::channel([target("web-1", agent.address)].into());
    let task = tokio::spawn(run(receiver, |_| panic!("on purpose")));
    let ended = tokio::time::timeout(LONG, task).await.unwrap();
    assert!(ended.unwrap_err().is_panic());
}

/// A service on loopback whose agents listen on `port`.
fn services(port: u16) -> Vec<Service> {
    let document = json!({
        "interfaces": [{"port": 0, "name": "server", "addresses": ["10.0.0.1/24"]}],
        "services": [{
            "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp",
            "forwarding": "nat", "scheduler": "maglev", "agent_check": {"port": port, "interval": 1},
            "backends": [
                {"name": "web-1", "address": "10.0.0.11", "port": 8080, "agent_address": "127.0.0.1"},
                {"name": "web-2", "address": "10.0.0.12", "port": 8080, "agent_address": "127.0.0.1", "state": "disabled"},
                {"name": "web-3", "address": "10.0.0.13", "port": 8080},
            ],
        }],
    });
    let ports: PortsPresent = [PortId(0)].into_iter().collect();
    parse(&document.to_string(), &ports).unwrap().services
}

#[test]
fn targets_are_all_backends_that_have_an_agent_and_are_not_disabled() {
    let targets = Target::of(&services(9000));
    let told: Vec<String> = targets
        .iter()
        .map(|target| format!("{} {} {}", target.service, target.backend, target.address))
        .collect();
    assert_eq!(
        told,
        ["web web-1 127.0.0.1:9000", "web web-3 10.0.0.13:9000"]
    );
    assert!(
        targets
            .iter()
            .all(|target| target.interval == Duration::from_secs(1))
    );
}

/// Weights of the service after what the agent of web-1 says.
async fn weights_after(manager: &mut ResourceManager, poller: &mut Poller, now: f64) -> Vec<u32> {
    let said = poller.next_said("web-1").await;
    manager.agent_said("web", "web-1", &said, now);
    weights(manager, now)
}

fn weights(manager: &mut ResourceManager, now: f64) -> Vec<u32> {
    let stepped = manager.step(now).remove(0);
    stepped
        .weights
        .into_iter()
        .map(|(_, weight)| weight)
        .collect()
}

#[tokio::test]
async fn an_agents_words_reach_the_weights_and_go_with_it() {
    let agent = agent(Manner::Says("25% maxconn:10\n")).await;
    let services = services(agent.address.port());
    let mut manager = ResourceManager::new();
    manager.configure(&services, |_, _| None);
    let mut targets = Target::of(&services).to_vec();
    targets.retain(|target| target.address.ip().is_loopback());
    let mut poller = poller(targets);
    let neutral = weights(&mut manager, 0.0);
    let told = weights_after(&mut manager, &mut poller, 1.0).await;
    assert_eq!(
        told.first(),
        neutral.first().map(|weight| weight / 4).as_ref()
    );
    assert_eq!(
        weights(&mut manager, 12.0),
        neutral,
        "ten seconds of silence"
    );
}

/// Stopped when dropped.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent as operators write them: a line of socat, on a port that the system chooses.
fn socat(line: &str) -> Option<(Stopped, SocketAddr)> {
    let answer = format!("EXEC:echo {line}");
    let mut child = Command::new("socat")
        .args(["-d", "-d", "TCP4-LISTEN:0,bind=127.0.0.1,fork", &answer])
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let agent = Stopped(child);
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "socat ended early");
    }
    // Whatever it says later must find a reader.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let address = line.split_whitespace().last().unwrap().parse().unwrap();
    Some((agent, address))
}

#[tokio::test]
async fn an_agent_written_in_socat_works_unchanged() {
    let Some((_agent, address)) = socat("75% ready up") else {
        println!("skipped: socat is not installed");
        return;
    };
    let mut slow = target("web-1", address);
    slow.interval = Duration::from_secs(1);
    let mut poller = poller(vec![slow]);
    let expected = Statement::parse(b"75% ready up\n");
    assert_eq!(Ok(poller.next_said("web-1").await), expected);
}
