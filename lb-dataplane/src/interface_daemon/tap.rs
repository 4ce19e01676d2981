//! A TAP device: the kernel's end of one port.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57, where the kernel has no vhost-net.
//! Ours, and not DPDK's net_tap: that one wants flow rules and a netlink session of its own, hands frames over on
//! the polling thread with no way to sleep until the kernel has one, and cannot be told of a new interface
//! while the program runs. What is needed of it is an `open`, an `ioctl`, `read` and `write`.
//! It asks the kernel for long TCP frames and frames without checksums, and cuts and completes them itself
//! (`lb_core::offload`); upwards it merges what came in one burst. Each frame that is read or written spares the kernel
//! a way through its stack for 45 others, which is most of what the exception path costs.
//! The only unsafe code outside of `dpdk`.
//! Easy to get wrong: the device goes when its descriptor is closed, and all routes over it with it. Who wants to
//! keep them makes it beforehand (`ip tuntap add lb-NAME mode tap`); it is taken over then, and left standing.
#![expect(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use lb_core::filter::BURST;
use lb_core::offload::{Cut, Merger, Note, Run};

use super::device::Device;
use crate::dpdk::burst::Burst;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::Mempool;

const CLONE: &str = "/dev/net/tun";
/// Octets of a name, with the NUL that ends it.
const NAME: usize = libc::IFNAMSIZ;
/// Octets in front of a frame, as the kernel is told.
static NOTE: libc::c_int = 10;
const _: () = assert!(Note::LEN == 10);
/// No frame is longer: the greatest packet, Ethernet header and two VLAN tags.
const LONGEST: usize = 65_536 + 22;
/// What the kernel may leave to us.
const OFFLOADS: libc::c_uint =
    libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
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
    /// The kernel's frame that was read last, and how far it is cut.
    frame: Box<[u8]>,
    cut: Option<(usize, Cut)>,
    /// An mbuf for the next frame: see `exchange` for why it is not given back.
    spare: Option<Mbuf>,
    merger: Merger,
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
            flags: TAP_WITH_NOTES,
            _rest: [0; 22],
        };
        // SAFETY: the descriptor is open; `TUNSETIFF` reads and writes one `struct ifreq`, whose size and leading
        // fields `Request` has.
        let answer = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        let attached = |answer| match answer {
            0 => Ok(()),
            _ => Err(TapError::Attach {
                name: name.to_owned(),
                cause: io::Error::last_os_error(),
            }),
        };
        attached(answer)?;
        // SAFETY: the descriptor is open; `TUNSETVNETHDRSZ` reads one int.
        attached(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const NOTE) })?;
        // SAFETY: the descriptor is open; `TUNSETOFFLOAD` takes a number and no pointer.
        attached(unsafe {
            libc::ioctl(
                file.as_raw_fd(),
                libc::TUNSETOFFLOAD,
                libc::c_ulong::from(OFFLOADS),
            )
        })?;
        Ok(Self {
            file,
            frame: vec![0; LONGEST].into(),
            cut: None,
            spare: None,
            merger: Merger::default(),
        })
    }

    /// Reads the kernel's next frame; `None` when it has none, `Some(false)` when it had one that cannot be used.
    fn read(&mut self) -> Option<bool> {
        let mut note = [0; Note::LEN];
        let mut parts = [IoSliceMut::new(&mut note), IoSliceMut::new(&mut self.frame)];
        let read = self.file.read_vectored(&mut parts).ok()?;
        let len = read.saturating_sub(Note::LEN);
        let frame = self.frame.get(..len).unwrap_or_default();
        let cut = Cut::new(Note::read(&note), frame).ok();
        self.cut = cut.map(|cut| (len, cut));
        Some(len > 0 && self.cut.is_some())
    }
}

/// Writes frames in one piece, or one as it is; whether the kernel took them.
fn write(mut file: &File, run: &Run, frames: &[Mbuf]) -> bool {
    let Some(first) = run.frames().next().and_then(|at| frames.get(at)) else {
        return false;
    };
    let head = run.head(first.head());
    let mut parts = Vec::with_capacity(BURST + 1);
    if let Some(head) = &head {
        parts.push(IoSlice::new(head.octets()));
        for (nth, at) in run.frames().enumerate() {
            let frame = frames.get(at).map(Mbuf::head).unwrap_or_default();
            parts.push(IoSlice::new(frame.get(run.data(nth)).unwrap_or_default()));
        }
    } else {
        parts.push(IoSlice::new(&[0; Note::LEN]));
        parts.extend(first.segments().map(IoSlice::new));
    }
    let len: usize = parts.iter().map(|part| part.len()).sum();
    file.write_vectored(&parts)
        .is_ok_and(|octets| octets == len)
}

/// Frames with their Ethernet header, and in front of each a note on its segments and checksum.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel's field has 16 bits, and so have the flags"
)]
const TAP_WITH_NOTES: i16 = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

impl Device for Tap {
    fn deliver(&mut self, frames: &[Mbuf]) -> usize {
        let mut at_hand = [None; BURST];
        for (place, frame) in at_hand.iter_mut().zip(frames) {
            *place = (frame.segment_count() == 1).then(|| frame.head());
        }
        let at_hand = at_hand.get(..frames.len()).unwrap_or(&at_hand);
        let runs = self.merger.arrange(at_hand).iter();
        runs.filter(|run| write(&self.file, run, frames))
            .map(|run| run.frames().len())
            .sum()
    }

    fn collect(&mut self, pool: &Mempool, burst: &mut Burst) -> usize {
        let mut lost = 0;
        while !burst.is_full() {
            let Some(mut mbuf) = self.spare.take().or_else(|| Mbuf::alloc(pool)) else {
                // What the kernel has waits with the kernel.
                return lost;
            };
            let Some((len, cut)) = &mut self.cut else {
                self.spare = Some(mbuf);
                match self.read() {
                    Some(is_good) => lost += usize::from(!is_good),
                    None => return lost,
                }
                continue;
            };
            let frame = self.frame.get(..*len).unwrap_or_default();
            let next = cut.next_len();
            if let Some(next) = next
                && empty(&mut mbuf, next)
            {
                cut.write(frame, mbuf.head_mut().get_mut(..next).unwrap_or_default());
                drop(burst.push(mbuf));
                continue;
            }
            // All is cut, or no mbuf is long enough.
            lost += usize::from(next.is_some());
            self.spare = Some(mbuf);
            self.cut = None;
        }
        lost
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        // What is being cut goes on without the kernel.
        self.cut.is_none().then(|| self.file.as_fd())
    }
}

/// Makes the frame these octets, padded; false where they do not fit.
pub(super) fn fill(mbuf: &mut Mbuf, octets: &[u8]) -> bool {
    if !empty(mbuf, octets.len()) {
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

/// Makes room for so many octets, and zeros behind them up to the shortest frame; false where they do not fit.
fn empty(mbuf: &mut Mbuf, len: usize) -> bool {
    // Empty first: what padding is new is zero.
    mbuf.set_len(0) && mbuf.set_len(len.max(SHORTEST))
}
