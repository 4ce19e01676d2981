//! Real sources: this machine's kernel, nginx and HAProxy where they are installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::kit::{Agent, Scratch, command, run};

fn once(words: &str) -> Value {
    let interval = if words.contains("--interval") {
        ""
    } else {
        "--interval 1"
    };
    let output = run(&format!("--once --backend web-1 {interval} {words}"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"))
}

/// A program that a test started. It ends with the test.
struct Daemon(Child);

impl Daemon {
    /// Starts it, if it is installed, and waits until it takes connections.
    fn start(program: &str, arguments: &[&str], address: SocketAddr) -> Option<Self> {
        let mut command = Command::new(program);
        let quiet = command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = quiet.spawn();
        let Ok(child) = child else {
            println!("skipped: {program} is not installed");
            return None;
        };
        let daemon = Self(child);
        for _ in 0..400 {
            if TcpStream::connect(address).is_ok() {
                return Some(daemon);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{program} does not take connections");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to end rather than killed: a master takes its workers along.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

/// A loopback address of this run's own, so that no port on it is anybody else's.
fn own_address(port: u16) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 100, high, low], port))
}

/// One request over a connection that stays open.
fn ask(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    client.read_exact(&mut [0; 12]).unwrap();
    client
}

fn nginx(scratch: &Scratch, address: SocketAddr) -> Option<Daemon> {
    let dir = scratch.path("");
    let dir = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {dir}{what}; "))
        .concat();
    let text = format!(
        "daemon off; pid {dir}nginx.pid; error_log {dir}error.log; worker_processes 1;
         events {{ worker_connections 64; }}
         http {{ access_log off; {temporary}
           server {{ listen {address};
             location /stub_status {{ stub_status; }}
             location / {{ return 200 hello; }} }} }}"
    );
    let config = scratch.write("nginx.conf", &text);
    let program = ["/usr/sbin/nginx", "nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    Daemon::start(
        program.unwrap_or("nginx"),
        &["-e", "stderr", "-c", config.to_str().unwrap()],
        address,
    )
}

#[test]
fn a_real_nginx_tells_its_clients_and_requests() {
    let (scratch, port) = (Scratch::new("nginx"), 8861);
    let address = own_address(port);
    let Some(_nginx) = nginx(&scratch, address) else {
        return;
    };
    let page = format!("http://{address}/stub_status");
    let clients: Vec<_> = (0..3).map(|_| ask(address)).collect();
    let report = once(&format!("--nginx {page} --port {port}"));
    assert_eq!(report["clients"], 3, "{report}");
    assert_eq!(
        report["rps_fractional"], 0.0,
        "our own looks do not count: {report}"
    );
    assert_eq!(report["named_metrics"]["nginx_waiting"], 3.0, "{report}");
    // The kernel counts the same clients.
    assert_eq!(once(&format!("--no-proc --port {port}"))["clients"], 3);
    drop(clients);

    let mut agent = Agent::spawn(&mut command(&format!(
        "--dry-run --interval 0.1 --backend web-1 --no-proc --nginx {page}"
    )));
    let mut lines = BufReader::new(agent.child.stdout.take().unwrap()).lines();
    let mut seen = 0.0;
    while seen == 0.0 {
        ask(address);
        let report: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        seen = report["rps_fractional"].as_f64().unwrap_or(0.0);
    }
    assert!(
        seen > 1.0,
        "at least one request in about a tenth of a second: {seen}"
    );
}

#[test]
fn a_real_haproxy_tells_its_sessions_over_socket_and_exporter() {
    let scratch = Scratch::new("haproxy");
    let (web, metrics) = (own_address(8862), own_address(8863));
    let socket = scratch.path("stats");
    let text = format!(
        "global\n stats socket {} mode 600 level user\n\
         defaults\n mode http\n timeout connect 1s\n timeout client 30s\n timeout server 30s\n\
         frontend web\n bind {web}\n http-request return status 200\n\
         frontend metrics\n bind {metrics}\n http-request use-service prometheus-exporter\n",
        socket.display()
    );
    let config = scratch.write("haproxy.cfg", &text);
    let program = std::env::var("HAPROXY").unwrap_or("haproxy".to_owned());
    let Some(_haproxy) = Daemon::start(&program, &["-db", "-f", config.to_str().unwrap()], web)
    else {
        return;
    };
    let _clients: Vec<_> = (0..2).map(|_| ask(web)).collect();
    let socket = socket.display();
    let report = once(&format!(
        "--no-proc --haproxy unix:{socket} --haproxy-proxy web"
    ));
    assert_eq!(report["clients"], 2, "{report}");
    assert_eq!(report["eps"], 0.0, "{report}");
    let series = [
        r#"clients=haproxy_frontend_current_sessions{proxy="web"}"#,
        r#"rps_fractional=rate(haproxy_frontend_http_requests_total{proxy="web"})"#,
        "named_metrics.half=haproxy_frontend_current_sessions{proxy=\"web\"}/4",
    ]
    .map(|text| format!("--series {text} "));
    let page = format!("--prometheus http://{metrics}/metrics");
    let report = once(&format!("--no-proc {page} {}", series.concat()));
    assert_eq!(report["clients"], 2, "{report}");
    assert_eq!(report["rps_fractional"], 0.0, "{report}");
    assert_eq!(report["named_metrics"]["half"], 0.5, "{report}");
}

#[test]
fn sources_that_fail_are_told_and_left_out() {
    let scratch = Scratch::new("failing");
    let nobody = own_address(8864);
    let file = scratch.write("values.json", r#"{"execution_time_seconds": 0.004}"#);
    let output = run(&format!(
        "--once --interval 1 --backend web-1 --nginx http://{nobody}/ --file {} \
         --command /nonexistent/program",
        file.display()
    ));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success());
    assert!(told.contains(&format!(
        "web-1: nginx http://{nobody}/: Connection refused"
    )));
    assert!(
        told.contains("web-1: command /nonexistent/program: No such file"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 2, "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["execution_time_seconds"], 0.004);
    assert!(report["mem_utilization"].as_f64().unwrap() > 0.0);
    assert!(report.get("clients").is_none() && report.get("eps").is_none());
}

/// A control group with a tenth of a CPU, and a process in it that wants more.
struct Limited {
    dirs: Vec<PathBuf>,
    busy: Child,
}

impl Limited {
    /// With either version of the kernel's interface; `None` where we may not.
    fn new(name: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let is_new = root.join("cgroup.controllers").exists();
        let parents: &[&str] = if is_new { &[""] } else { &["cpu", "cpuacct"] };
        let dirs: Vec<PathBuf> = parents
            .iter()
            .map(|parent| root.join(parent).join(name))
            .collect();
        let busy = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let limited = Self { dirs, busy };
        let pid = limited.busy.id().to_string();
        let set = |path: PathBuf, text: &str| std::fs::write(path, text);
        for dir in &limited.dirs {
            std::fs::create_dir(dir).ok()?;
            set(dir.join("cgroup.procs"), &pid).ok()?;
        }
        let dir = limited.dirs.first().unwrap();
        match is_new {
            true => set(dir.join("cpu.max"), "10000 100000").ok()?,
            false => set(dir.join("cpu.cfs_quota_us"), "10000").ok()?,
        }
        Some(limited)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.busy.kill();
        let _ = self.busy.wait();
        for dir in &self.dirs {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

#[test]
fn a_service_at_its_quota_is_full_however_idle_the_machine_is() {
    let name = format!("lb-agent-test-{}", std::process::id());
    let Some(limited) = Limited::new(&name) else {
        println!("skipped: control groups may not be made here");
        return;
    };
    let scratch = Scratch::new("quota");
    let pid = scratch.write("pid", &limited.busy.id().to_string());
    for words in [
        format!("--cgroup {name}"),
        format!("--pid-file {}", pid.display()),
    ] {
        let report = once(&format!("{words} --interval 3"));
        let cpu = report["cpu_utilization"].as_f64().unwrap();
        assert!((0.7..1.3).contains(&cpu), "{words}: {report}");
    }
}
