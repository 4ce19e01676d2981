//! The other side: a control processor of a few lines, and the agent as a child.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// Longest wait for anything; no test needs it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Two ways to talk.
pub(crate) trait Talk: Read + Write + Send {}
impl<T: Read + Write + Send> Talk for T {}

/// A report that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) report: Value,
    /// Counts connections from 0.
    pub(crate) connection: usize,
}

impl Heard {
    pub(crate) fn sequence(&self) -> u64 {
        self.report["sequence"].as_u64().unwrap()
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.report[key].as_str().unwrap()
    }
}

/// What to answer: the status line's end, and the body.
type Answer = dyn Fn(&Heard) -> (&'static str, &'static str) + Send + Sync;

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, Option<Arc<ServerConfig>>),
}

/// A control processor that takes reports. It dies when it is dropped.
pub(crate) struct Server {
    heard: Receiver<Heard>,
    is_over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<Closer>>>,
    wake: Box<dyn Fn()>,
    thread: Option<thread::JoinHandle<()>>,
}

enum Closer {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Server {
    pub(crate) fn unix(path: &Path) -> Self {
        Self::unix_answering(path, |_| ("202 Accepted", ""))
    }

    pub(crate) fn unix_answering(
        path: &Path,
        answer: impl Fn(&Heard) -> (&'static str, &'static str) + Send + Sync + 'static,
    ) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let wake = path.to_owned();
        let wake = move || drop(UnixStream::connect(&wake));
        Self::start(
            Listener::Unix(listener, path.to_owned()),
            Arc::new(answer),
            Box::new(wake),
        )
    }

    /// On a loopback port that is free; its number too.
    pub(crate) fn tcp(tls: Option<ServerConfig>) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let wake = move || drop(TcpStream::connect(address));
        let listener = Listener::Tcp(listener, tls.map(Arc::new));
        let server = Self::start(
            listener,
            Arc::new(|_: &Heard| ("200 OK", "{}")),
            Box::new(wake),
        );
        (server, address.port())
    }

    fn start(listener: Listener, answer: Arc<Answer>, wake: Box<dyn Fn()>) -> Self {
        let (sender, heard) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let thread = thread::spawn({
            let (is_over, open) = (Arc::clone(&is_over), Arc::clone(&open));
            move || accept(&listener, &answer, &sender, &is_over, &open)
        });
        Self {
            heard,
            is_over,
            open,
            wake,
            thread: Some(thread),
        }
    }

    pub(crate) fn next(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("a report")
    }

    /// Whether nothing has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.heard.try_recv().is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        (self.wake)();
        self.thread.take().unwrap().join().unwrap();
        for closer in self.open.lock().unwrap().drain(..) {
            let _ = match closer {
                Closer::Unix(socket) => socket.shutdown(std::net::Shutdown::Both),
                Closer::Tcp(socket) => socket.shutdown(std::net::Shutdown::Both),
            };
        }
    }
}

fn accept(
    listener: &Listener,
    answer: &Arc<Answer>,
    heard: &Sender<Heard>,
    is_over: &AtomicBool,
    open: &Mutex<Vec<Closer>>,
) {
    let count = AtomicUsize::new(0);
    loop {
        let (talk, closer): (Box<dyn Talk>, Closer) = match listener {
            Listener::Unix(listener, _) => {
                let socket = listener.accept().unwrap().0;
                (Box::new(socket.try_clone().unwrap()), Closer::Unix(socket))
            }
            Listener::Tcp(listener, tls) => {
                let socket = listener.accept().unwrap().0;
                let talk = socket.try_clone().unwrap();
                let talk: Box<dyn Talk> = match tls {
                    None => Box::new(talk),
                    Some(config) => {
                        let session = ServerConnection::new(Arc::clone(config)).unwrap();
                        Box::new(StreamOwned::new(session, talk))
                    }
                };
                (talk, Closer::Tcp(socket))
            }
        };
        if is_over.load(Ordering::SeqCst) {
            if let Listener::Unix(_, path) = listener {
                let _ = std::fs::remove_file(path);
            }
            return;
        }
        open.lock().unwrap().push(closer);
        let connection = count.fetch_add(1, Ordering::SeqCst);
        let (answer, heard) = (Arc::clone(answer), heard.clone());
        thread::spawn(move || serve(talk, connection, &*answer, &heard));
    }
}

/// Until the connection ends.
fn serve(
    talk: Box<dyn Talk>,
    connection: usize,
    answer: &Answer,
    heard: &Sender<Heard>,
) -> Option<()> {
    let mut talk = BufReader::new(talk);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (talk.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        talk.read_exact(&mut body).ok()?;
        let report = Heard {
            head,
            report: serde_json::from_slice(&body).unwrap(),
            connection,
        };
        let (status, text) = answer(&report);
        heard.send(report).ok()?;
        let length = text.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{text}");
        talk.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// A directory of one test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-agent-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An agent that runs until it is dropped.
pub(crate) struct Agent {
    pub(crate) child: Child,
    told: Receiver<String>,
}

pub(crate) fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-agent"));
    command
        .args(words.split_whitespace())
        .env_remove("LB_AGENT_TOKEN");
    command
}

/// Runs an agent that ends by itself.
pub(crate) fn run(words: &str) -> Output {
    command(words).output().unwrap()
}

impl Agent {
    pub(crate) fn start(words: &str) -> Self {
        Self::spawn(&mut command(words))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, told) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, told }
    }

    /// The next line on standard error that has this in it.
    pub(crate) fn told(&self, part: &str) -> String {
        loop {
            let line = self.told.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("nothing was told of {part}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
