//! A TAP device: the kernel's end of one port.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57, where the kernel has no vhost-net.
//! Ours, and not DPDK's net_tap: that one wants flow rules and a netlink session of its own, hands frames over on
//! the polling thread with no way to sleep until the kernel has one, and cannot be told of a new interface
//! while the program runs. What is needed of it is an `open`, an `ioctl`, `read` and `write`.
//! The device has no offloads: the kernel hands over frames of at most the MTU with whole checksums, and
//! verifies those of what it gets. It needs no virtio-net header for that.
//! The only unsafe code outside of `dpdk`.
//! Easy to get wrong: the device goes when its descriptor is closed, and all routes over it with it. Who wants to
//! keep them makes it beforehand (`ip tuntap add lb-NAME mode tap`); it is taken over then, and left standing.
#![expect(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::device::Device;
use crate::dpdk::burst::Burst;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::Mempool;

const CLONE: &str = "/dev/net/tun";
/// Octets of a name, with the NUL that ends it.
const NAME: usize = libc::IFNAMSIZ;
/// No frame is longer: the greatest MTU, Ethernet header and a VLAN tag.
const LONGEST: usize = 65_535 + 18;
/// Ethernet's shortest frame, without its checksum sequence: shorter ones are padded (IEEE 802.3, 4.2.3.3).
pub(super) const SHORTEST: usize = 60;

/// Why there is no TAP.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The kernel lacks the driver, or we may not use it.
    #[error("{CLONE} cannot be opened: {0}")]
    Clone(io::Error),
    /// A name that the kernel does not take.
    #[error("{0:?} is too long for the name of a kernel device")]
    Name(String),
    /// Another program has it, or we lack `CAP_NET_ADMIN`.
    #[error("kernel device {name} cannot be made: {cause}")]
    Attach {
        /// Name of the device.
        name: String,
        /// The kernel's cause.
        cause: io::Error,
    },
}

/// A TAP, closed when dropped.
pub(super) struct Tap {
    file: File,
    frame: Box<[u8]>,
    /// An mbuf for the next frame: see `exchange` for why it is not given back.
    spare: Option<Mbuf>,
}

/// What `TUNSETIFF` reads: `struct ifreq`.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    flags: i16,
    _rest: [u8; 22],
}

/// Whether TAPs can be made here at all.
///
/// # Errors
/// The driver cannot be opened.
pub(super) fn probe() -> Result<(), TapError> {
    open().map(drop)
}

fn open() -> Result<File, TapError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(CLONE)
        .map_err(TapError::Clone)
}

impl Tap {
    /// Makes a device, or takes over one of this name that nobody has open. It is down.
    ///
    /// # Errors
    /// See [`TapError`].
    pub(super) fn open(name: &str) -> Result<Self, TapError> {
        let mut octets = [0; NAME];
        match octets.get_mut(..name.len()) {
            Some(place) if name.len() < NAME => place.copy_from_slice(name.as_bytes()),
            _ => return Err(TapError::Name(name.to_owned())),
        }
        let file = open()?;
        let mut request = Request {
            name: octets,
            flags: TAP_WITHOUT_HEADERS,
            _rest: [0; 22],
        };
        // SAFETY: the descriptor is open; `TUNSETIFF` reads and writes one `struct ifreq`, whose size and leading
        // fields `Request` has.
        let answer = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if answer != 0 {
            return Err(TapError::Attach {
                name: name.to_owned(),
                cause: io::Error::last_os_error(),
            });
        }
        Ok(Self {
            file,
            frame: vec![0; LONGEST].into(),
            spare: None,
        })
    }

    fn write(&mut self, mbuf: &Mbuf) -> bool {
        let written = if mbuf.segment_count() == 1 {
            self.file.write(mbuf.head())
        } else {
            let segments: Vec<_> = mbuf.segments().map(IoSlice::new).collect();
            self.file.write_vectored(&segments)
        };
        written.is_ok_and(|octets| octets == mbuf.len())
    }
}

/// Frames with their Ethernet header, and nothing before it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel's field has 16 bits, and so have the flags"
)]
const TAP_WITHOUT_HEADERS: i16 = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

impl Device for Tap {
    fn deliver(&mut self, frames: &[Mbuf]) -> usize {
        frames.iter().filter(|frame| self.write(frame)).count()
    }

    fn collect(&mut self, pool: &Mempool, burst: &mut Burst) -> usize {
        let mut lost = 0;
        while !burst.is_full() {
            let Some(mut mbuf) = self.spare.take().or_else(|| Mbuf::alloc(pool)) else {
                // What the kernel has waits with the kernel.
                return lost;
            };
            let read = self.file.read(&mut self.frame);
            let Some(octets) = read.ok().and_then(|count| self.frame.get(..count)) else {
                self.spare = Some(mbuf);
                return lost;
            };
            if octets.is_empty() || !fill(&mut mbuf, octets) {
                self.spare = Some(mbuf);
                lost += 1;
                continue;
            }
            drop(burst.push(mbuf));
        }
        lost
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// Makes the frame these octets, padded; false where they do not fit.
pub(super) fn fill(mbuf: &mut Mbuf, octets: &[u8]) -> bool {
    // Empty first: what padding is new is zero.
    if !mbuf.set_len(0) || !mbuf.set_len(octets.len().max(SHORTEST)) {
        return false;
    }
    match mbuf.head_mut().get_mut(..octets.len()) {
        Some(place) => {
            place.copy_from_slice(octets);
            true
        }
        None => false,
    }
}
