//! Capture files, as libpcap writes them.
//!
//! No counterpart in the patent. The classic format, in this machine's octet order, with a clock that stands:
//! nobody who replays a file looks at its times.
//! Easy to get wrong: DPDK's `net_pcap` takes a file's packets as they come, so their order here is the
//! order on the wire.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use lb_core::packet::Packet;

use crate::buffer::Buffer;

const MAGIC: u32 = 0xa1b2_c3d4;
const SNAPSHOT: u32 = 65_535;
const ETHERNET: u32 = 1;
/// Octets in front of the first packet.
const HEADER: usize = 24;

/// Writes one packet for each that `fill` gives: it puts packet number n into the buffer, and ends with false.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, mut fill: impl FnMut(u32, &mut Buffer) -> bool) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&MAGIC.to_ne_bytes())?;
    file.write_all(&2u16.to_ne_bytes())?;
    file.write_all(&4u16.to_ne_bytes())?;
    for word in [0, 0, SNAPSHOT, ETHERNET] {
        file.write_all(&word.to_ne_bytes())?;
    }
    let mut buffer = Buffer::default();
    let mut number = 0;
    while fill(number, &mut buffer) {
        let octets = buffer.head();
        let len = u32::try_from(octets.len()).unwrap_or(0);
        for word in [0, 0, len, len] {
            file.write_all(&word.to_ne_bytes())?;
        }
        file.write_all(octets)?;
        number += 1;
    }
    file.flush()
}

/// The packets of a file that was written here.
///
/// # Errors
/// It cannot be read, or is another kind of file.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let octets = fs::read(path)?;
    packets(&octets).ok_or_else(|| {
        let said = "not a capture file of the classic format in this machine's octet order";
        io::Error::new(io::ErrorKind::InvalidData, said)
    })
}

/// The packets of a whole file; `None` where it is no such file, or ends in the middle of a packet.
fn packets(octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (magic, rest) = octets.split_first_chunk()?;
    let mut rest = rest.get(HEADER - magic.len()..)?;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (len, behind) = rest.get(8..)?.split_first_chunk()?;
        let len = usize::try_from(u32::from_ne_bytes(*len)).ok()?;
        let packet = behind.get(4..)?.split_at_checked(len)?;
        packets.push(packet.0.to_vec());
        rest = packet.1;
    }
    (u32::from_ne_bytes(*magic) == MAGIC).then_some(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_file_that_is_cut_off_is_refused() {
        let path = std::env::temp_dir().join(format!("lb-bench-{}.pcap", std::process::id()));
        let lengths = [60, 61, 190];
        write(&path, |number, buffer| {
            let len = lengths.get(number as usize).copied();
            len.is_some_and(|len| buffer.set_len(len))
        })
        .unwrap();
        let read = read(&path).unwrap();
        let octets = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert_eq!(packets(&octets[..octets.len() - 1]), None);
        assert_eq!(packets(b"no capture, but long enough to be one"), None);
    }
}
