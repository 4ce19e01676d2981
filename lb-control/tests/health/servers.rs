//! Servers that behave and servers that do not, each on a port of loopback that the system chose.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A port on which nobody listens: one that was just given back.
pub(crate) fn closed() -> SocketAddr {
    TcpListener::bind(ANY).unwrap().local_addr().unwrap()
}

/// A server whose backlog is full, so that nobody gets a connection; and who keeps it so.
pub(crate) fn hung() -> (SocketAddr, Vec<TcpStream>) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let at = listener.local_addr().unwrap().as_socket().unwrap();
    let filling = std::iter::from_fn(|| {
        TcpStream::connect_timeout(&at, std::time::Duration::from_millis(300)).ok()
    });
    let streams: Vec<TcpStream> = filling.take(64).collect();
    // It goes on being full for as long as the process lives.
    std::mem::forget(listener);
    (at, streams)
}

/// A server that calls `serve` with every connection.
pub(crate) fn tcp(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(ANY).unwrap();
    let at = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    at
}

/// The head of a request, line by line.
pub(crate) fn request(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(stream).lines();
    lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect()
}

/// A server over HTTP that always answers this, once it has heard a request.
pub(crate) fn http(answer: &'static str) -> SocketAddr {
    tcp(move |mut stream| {
        request(&stream);
        let _ = stream.write_all(answer.as_bytes());
    })
}

/// A server over HTTP whose status can be changed; what it heard is kept.
pub(crate) struct Switchable {
    pub(crate) at: SocketAddr,
    pub(crate) status: Arc<Mutex<&'static str>>,
    pub(crate) heard: Arc<AtomicUsize>,
}

impl Switchable {
    pub(crate) fn new(status: &'static str) -> Self {
        let status = Arc::new(Mutex::new(status));
        let heard = Arc::new(AtomicUsize::new(0));
        let (says, counts) = (Arc::clone(&status), Arc::clone(&heard));
        let at = tcp(move |mut stream| {
            if request(&stream).is_empty() {
                return;
            }
            counts.fetch_add(1, Ordering::Relaxed);
            let answer = format!("HTTP/1.1 {}\r\nContent-Length: 2\r\n\r\nok", says.lock());
            let _ = stream.write_all(answer.as_bytes());
        });
        Self { at, status, heard }
    }
}

/// A server over UDP that answers every datagram with what `serve` makes of it.
pub(crate) fn udp(serve: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind(ANY).unwrap();
    let at = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            if let Some(answer) = serve(&packet[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    at
}

/// A UDP port on which nobody listens.
pub(crate) fn closed_udp() -> SocketAddr {
    UdpSocket::bind(ANY).unwrap().local_addr().unwrap()
}
