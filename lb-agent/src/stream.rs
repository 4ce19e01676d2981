//! Octet streams that end in time: Unix, TCP, and TLS over TCP.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a time limit on each read is no limit on the whole; the other side may send an octet
//! just before each one ends. So a stream has a *deadline*, and every call gets what is left of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::address::Place;

/// A connected socket with a deadline.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    deadline: Instant,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Connects before `deadline`, which then holds for reading and writing too.
    ///
    /// # Errors
    /// The last address's error; [`ErrorKind::TimedOut`] after the deadline. Looking a name up has the
    /// resolver's own time limit.
    pub fn connect(place: &Place, deadline: Instant) -> io::Result<Self> {
        let socket = match place {
            Place::Unix(path) => Socket::Unix(connect_unix(path)?),
            Place::Tcp(host, port) => Socket::Tcp(connect_tcp(host, *port, deadline)?),
        };
        Ok(Self { socket, deadline })
    }

    /// Gives the stream more time.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let left = Some(time_left(self.deadline)?);
        match &mut self.socket {
            Socket::Unix(socket) => {
                socket.set_read_timeout(left)?;
                socket.read(octets)
            }
            Socket::Tcp(socket) => {
                socket.set_read_timeout(left)?;
                socket.read(octets)
            }
        }
        .map_err(in_time)
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let left = Some(time_left(self.deadline)?);
        match &mut self.socket {
            Socket::Unix(socket) => {
                socket.set_write_timeout(left)?;
                socket.write(octets)
            }
            Socket::Tcp(socket) => {
                socket.set_write_timeout(left)?;
                socket.write(octets)
            }
        }
        .map_err(in_time)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream to a destination, plain or under TLS.
pub enum Line {
    /// To this very machine.
    Plain(Stream),
    /// To any machine.
    Tls(Box<StreamOwned<ClientConnection, Stream>>),
}

impl Line {
    /// Connects; with a TLS configuration, the handshake comes with the first octets.
    ///
    /// # Errors
    /// Those of [`Stream::connect`], and a host that no certificate can name.
    pub fn connect(
        place: &Place,
        tls: Option<Arc<ClientConfig>>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let (Some(tls), Place::Tcp(host, _)) = (tls, place) else {
            return Stream::connect(place, deadline).map(Self::Plain);
        };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let session = ClientConnection::new(tls, name).map_err(io::Error::other)?;
        let stream = Stream::connect(place, deadline)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// Gives the line more time.
    pub fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Plain(stream) => stream.set_deadline(deadline),
            Self::Tls(tls) => tls.sock.set_deadline(deadline),
        }
    }
}

impl Read for Line {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(octets),
            Self::Tls(tls) => tls.read(octets),
        }
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Tls(tls) => tls.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    // The kernel takes zero for "for ever", and cuts off below a microsecond.
    if left < Duration::from_micros(1) {
        return Err(timed_out());
    }
    Ok(left)
}

/// The kernel says `EAGAIN` when a socket's time is over.
fn in_time(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock {
        return timed_out();
    }
    error
}

/// A blocking `connect` would wait without limit while the listener's backlog is full; this one fails.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses = resolve(host, port)?;
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, time_left(deadline)? / share) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// `localhost` is this machine and not what a name server makes of it: plain reports may go there.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host == "localhost" {
        let loopback = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ];
        return Ok(loopback
            .map(|address| SocketAddr::new(address, port))
            .into());
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    /// For what does not wait, on a machine that may be slow.
    fn late() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_silent_peer_costs_no_more_than_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut stream =
            Stream::connect(&Place::Tcp("localhost".to_owned(), port), late()).unwrap();
        stream.set_deadline(soon());
        let error = stream.read(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(
            stream.write(b"x").unwrap_err().kind(),
            ErrorKind::TimedOut,
            "the deadline is over for writing too"
        );
    }

    #[test]
    fn a_unix_socket_that_nobody_serves_fails_at_once() {
        let path = std::env::temp_dir().join("lb-agent-there-is-no-such-socket");
        let error = Stream::connect(&Place::Unix(path), late()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
