//! A TAP device: the kernel's end of one port.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57, where the kernel has no vhost-net.
//! Ours, and not DPDK's net_tap: that one wants flow rules and a netlink session of its own, hands frames over on
//! the polling thread with no way to sleep until the kernel has one, and cannot be told of a new interface
//! while the program runs. What is needed of it is an `open`, an `ioctl`, `read` and `write`.
//! It asks the kernel for long TCP frames and frames without checksums, and cuts and completes them itself
//! (`lb_core::offload`); upwards it merges what came in one burst. Each frame that is read or written spares the kernel
//! a way through its stack for 45 others, which is most of what the exception path costs.
//! Not here: how it is made (`dpdk::tun`).
//! Easy to get wrong: what is left of a long frame waits in here and not with the kernel, which then has nothing to
//! tell although there is work.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use lb_core::filter::BURST;
use lb_core::offload::{Cut, Merger, Note, Run};

use super::device::{Collected, Device};
use crate::dpdk::burst::Burst;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::Mempool;
use crate::dpdk::tun::{self, TapError};

/// No frame is longer: the greatest packet, Ethernet header and two VLAN tags.
const LONGEST: usize = 65_536 + 22;
/// Ethernet's shortest frame, without its checksum sequence: shorter ones are padded (IEEE 802.3, 4.2.3.3).
pub(super) const SHORTEST: usize = 60;

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

impl Tap {
    /// Makes a device, or takes over one of this name that nobody has open. It is down.
    ///
    /// # Errors
    /// See [`TapError`].
    pub(super) fn open(name: &str) -> Result<Self, TapError> {
        let file = tun::open(name)?;
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

    fn collect(&mut self, pool: &Mempool, burst: &mut Burst) -> Collected {
        let mut lost = 0;
        while !burst.is_full() {
            let Some(mut mbuf) = self.spare.take().or_else(|| Mbuf::alloc(pool)) else {
                // What the kernel has waits with the kernel.
                break;
            };
            let Some((len, cut)) = &mut self.cut else {
                self.spare = Some(mbuf);
                match self.read() {
                    Some(is_good) => lost += usize::from(!is_good),
                    None => return Collected { lost, is_all: true },
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
        Collected {
            lost,
            is_all: false,
        }
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
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
