//! Capture files, as libpcap writes them.
//!
//! No counterpart in the patent. The classic format, in this machine's octet order, with a clock that stands:
//! nobody who replays a file looks at its times.
//! Easy to get wrong: DPDK's `net_pcap` takes a file's packets as they come, so their order here is the
//! order on the wire.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use lb_core::packet::Packet;

use crate::buffer::Buffer;

const MAGIC: u32 = 0xa1b2_c3d4;
const SNAPSHOT: u32 = 65_535;
const ETHERNET: u32 = 1;

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
