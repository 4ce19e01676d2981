//! Established connections on the service's ports: how many clients are served now.
//!
//! No counterpart in the patent. `/proc/net/tcp` and `tcp6` of the agent's own network namespace
//! (proc(5)); a connection counts if its *local* port is one of the service's.
//! Easy to get wrong: the files are as long as the machine has sockets. They are read as a stream, and how
//! often is for `pace` to say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Ask, Failure, Reading, Source};
use crate::values::Field;

/// State of an established connection, in the file's notation.
const ESTABLISHED: &[u8] = b"01";

/// Established connections with one of these local ports.
///
/// # Errors
/// Those of the reader.
pub fn count_established(mut from: impl BufRead, ports: &[u16]) -> io::Result<u64> {
    let mut line = Vec::new();
    let mut count = 0;
    while from.read_until(b'\n', &mut line)? > 0 {
        if is_established(&line, ports) == Some(true) {
            count += 1;
        }
        line.clear();
    }
    Ok(count)
}

/// `None` for the heading and what cannot be read.
fn is_established(line: &[u8], ports: &[u16]) -> Option<bool> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let local = words.nth(1)?;
    let state = words.nth(1)?;
    if state != ESTABLISHED {
        return Some(false);
    }
    let port = local.rsplit(|&octet| octet == b':').next()?;
    let port = u16::from_str_radix(std::str::from_utf8(port).ok()?, 16).ok()?;
    Some(ports.contains(&port))
}

/// The sockets of this machine.
pub struct Sockets {
    name: String,
    proc: PathBuf,
    ports: Vec<u16>,
}

impl Sockets {
    /// Connections to these ports; `proc` is where the proc file system is.
    #[must_use]
    pub fn new(proc: PathBuf, ports: Vec<u16>) -> Self {
        let list: Vec<String> = ports.iter().map(u16::to_string).collect();
        Self {
            name: format!("sockets on port {}", list.join(", ")),
            proc,
            ports,
        }
    }

    fn count(&self, path: &Path) -> io::Result<u64> {
        let file = File::open(path)?;
        count_established(BufReader::with_capacity(32 * 1024, file), &self.ports)
    }
}

impl Source for Sockets {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, _: Ask) -> Result<Reading, Failure> {
        let v4 = self.count(&self.proc.join("net/tcp"))?;
        let v6 = match self.count(&self.proc.join("net/tcp6")) {
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            counted => counted?,
        };
        let mut reading = Reading::default();
        reading.enter(&Field::Clients, Some((v4 + v6) as f64));
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    /// From Linux 6.18: two listeners, one connection with both ends, one in TIME_WAIT.
    const TCP: &str = include_str!("../../tests/samples/proc_net_tcp.txt");

    #[test]
    fn only_the_servers_end_of_an_established_connection_counts() {
        assert_eq!(count_established(TCP.as_bytes(), &[28081]).unwrap(), 1);
        assert_eq!(count_established(TCP.as_bytes(), &[28080]).unwrap(), 0);
        assert_eq!(count_established(TCP.as_bytes(), &[80]).unwrap(), 0);
    }

    #[test]
    fn addresses_of_ipv6_are_longer_and_read_alike() {
        let line = "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C1F2 01 00000000:00000000 00:00000000\n";
        assert_eq!(count_established(line.as_bytes(), &[8080]).unwrap(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        for text in [
            "",
            "\n\n",
            "x",
            "0: 1 2 01",
            "0: A:XYZ 2 01 \n",
            "0: A:10000 2 01 \n",
        ] {
            assert_eq!(
                count_established(text.as_bytes(), &[0]).unwrap(),
                0,
                "{text}"
            );
        }
    }

    #[test]
    fn a_client_of_this_very_machine_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = Sockets::new("/proc".into(), vec![address.port()]);
        let at = Instant::now();
        let mut clients = || {
            sockets
                .read(Ask { at, deadline: at })
                .unwrap()
                .values
                .clients
        };
        assert_eq!(clients(), Some(0));
        let client = TcpStream::connect(address).unwrap();
        let served = listener.accept().unwrap();
        assert_eq!(clients(), Some(1));
        drop((client, served));
        assert_eq!(clients(), Some(0));
    }
}
