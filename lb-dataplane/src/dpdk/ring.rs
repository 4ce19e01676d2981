//! Bounded rings that carry frames between lcores and threads.
//!
//! WO 00/30294: what storage area 68 is made of. A ring has one receiver, and one sender ([`single`])
//! or many ([`multi`]). Frames still in a ring when both ends are gone are freed.
//! Not here: who talks to whom (`exchange`).
//! Easy to get wrong: a sender that is preempted in the middle of [`Sender::send`] makes the other
//! senders of the ring wait. Threads that share a processor take a ring each.

use std::cell::Cell;
use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::burst::Burst;
use super::eal::{Eal, SocketId};
use super::errno::Errno;

/// Why a ring was not made.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// A name that DPDK cannot take, or that a ring has already.
    #[error("ring {0:?}: the name is taken, longer than 28 octets, or holds a NUL octet")]
    Name(String),
    /// A size that is none.
    #[error("ring {name}: {capacity} is no size; it may be 1 to {MAX_CAPACITY}")]
    Capacity {
        /// Name of the ring.
        name: String,
        /// Frames that it was to hold.
        capacity: u32,
    },
    /// Not enough memory.
    #[error(
        "ring {name}: no memory for {capacity} frames; give DPDK more (hugepages, EAL option -m)"
    )]
    Memory {
        /// Name of the ring.
        name: String,
        /// Frames that it was to hold.
        capacity: u32,
    },
    /// Anything else.
    #[error("ring {name} cannot be made: {cause}")]
    Refused {
        /// Name of the ring.
        name: String,
        /// DPDK's cause.
        cause: Errno,
    },
}

/// Frames that a ring can hold at most.
pub const MAX_CAPACITY: u32 = 1 << 24;

/// The ring itself, held by its ends.
#[derive(Debug)]
struct Ring {
    ring: NonNull<dpdk_sys::rte_ring>,
    capacity: u32,
    _up: Arc<()>,
}

// SAFETY: a ring is shared memory made for several threads; who may do what is for the ends to keep.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

/// Sending end of a ring with many senders.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Ring>);

/// Sending end of a ring with one sender.
#[derive(Debug)]
pub struct SoleSender {
    ring: Arc<Ring>,
    _one_user: PhantomData<Cell<()>>,
}

/// Receiving end of a ring.
#[derive(Debug)]
pub struct Receiver {
    ring: Arc<Ring>,
    _one_user: PhantomData<Cell<()>>,
}

/// A ring with many senders; `capacity` frames fit, 1 to [`MAX_CAPACITY`].
///
/// # Errors
/// No ring was made.
pub fn multi(
    eal: &Eal,
    name: &str,
    capacity: u32,
    socket: Option<SocketId>,
) -> Result<(Sender, Receiver), RingError> {
    let ring = create(eal, name, capacity, socket, 0)?;
    Ok((
        Sender(Arc::clone(&ring)),
        Receiver {
            ring,
            _one_user: PhantomData,
        },
    ))
}

/// A ring with one sender; `capacity` frames fit, 1 to [`MAX_CAPACITY`].
///
/// # Errors
/// No ring was made.
pub fn single(
    eal: &Eal,
    name: &str,
    capacity: u32,
    socket: Option<SocketId>,
) -> Result<(SoleSender, Receiver), RingError> {
    let ring = create(eal, name, capacity, socket, dpdk_sys::SHIM_RING_SP_ENQ)?;
    let sender = SoleSender {
        ring: Arc::clone(&ring),
        _one_user: PhantomData,
    };
    Ok((
        sender,
        Receiver {
            ring,
            _one_user: PhantomData,
        },
    ))
}

fn create(
    eal: &Eal,
    name: &str,
    capacity: u32,
    socket: Option<SocketId>,
    senders: u32,
) -> Result<Arc<Ring>, RingError> {
    let name = name.to_owned();
    if !(1..=MAX_CAPACITY).contains(&capacity) {
        return Err(RingError::Capacity { name, capacity });
    }
    let Ok(c_name) = CString::new(name.as_str()) else {
        return Err(RingError::Name(name));
    };
    let one_receiver = dpdk_sys::SHIM_RING_SC_DEQ;
    let as_many_as_asked = dpdk_sys::SHIM_RING_EXACT_SZ;
    let flags = senders | one_receiver | as_many_as_asked;
    let node = SocketId::to_dpdk(socket);
    // SAFETY: the EAL is up; the name ends in NUL and is copied.
    let ring = unsafe { dpdk_sys::rte_ring_create(c_name.as_ptr(), capacity, node, flags) };
    match NonNull::new(ring) {
        Some(ring) => Ok(Arc::new(Ring {
            ring,
            capacity,
            _up: eal.share(),
        })),
        None => {
            let cause = Errno::last();
            Err(match cause.number() {
                libc::EEXIST | libc::ENAMETOOLONG => RingError::Name(name),
                libc::ENOMEM => RingError::Memory { name, capacity },
                _ => RingError::Refused { name, cause },
            })
        }
    }
}

impl Ring {
    /// # Safety
    /// One thread at a time, unless the ring was made for many senders.
    #[inline]
    unsafe fn enqueue(&self, burst: &mut Burst) -> usize {
        let (first, count) = burst.frames();
        // SAFETY: the ring lives as long as `self`; `count` frames of ours are at `first`; one sender
        // or a ring for many, by the caller.
        let taken = unsafe { dpdk_sys::shim_ring_enqueue(self.ring.as_ptr(), first, count.into()) };
        let taken = u16::try_from(taken).map_or(count, |taken| taken.min(count));
        // SAFETY: the ring owns the first `taken` frames now.
        unsafe { burst.forget_front(taken) };
        usize::from(taken)
    }

    /// # Safety
    /// One thread at a time.
    #[inline]
    unsafe fn dequeue(&self, burst: &mut Burst) -> usize {
        let (first, room) = burst.spare();
        // SAFETY: the ring lives as long as `self`; `room` slots are free from `first` on; one
        // receiver, by the caller.
        let count = unsafe { dpdk_sys::shim_ring_dequeue(self.ring.as_ptr(), first, room.into()) };
        let count = u16::try_from(count).map_or(room, |count| count.min(room));
        // SAFETY: the ring has written `count` frames and given them up.
        unsafe { burst.add(count) };
        usize::from(count)
    }

    fn len(&self) -> usize {
        // SAFETY: the ring lives as long as `self`; any thread may count.
        unsafe { dpdk_sys::shim_ring_count(self.ring.as_ptr()) as usize }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut burst = Burst::new();
        loop {
            // SAFETY: both ends are gone.
            if unsafe { self.dequeue(&mut burst) } == 0 {
                break;
            }
            burst.clear();
        }
        // SAFETY: both ends are gone, the ring is empty, and `rte_ring_create` made it.
        unsafe { dpdk_sys::rte_ring_free(self.ring.as_ptr()) };
    }
}

impl Sender {
    /// Puts the burst's first frames in, as many as fit, and answers how many; the others stay in the
    /// burst, in order. Frames of one burst stay together.
    #[inline]
    pub fn send(&self, burst: &mut Burst) -> usize {
        // SAFETY: the ring was made for many senders.
        unsafe { self.0.enqueue(burst) }
    }

    /// Frames that fit in the ring.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity as usize
    }
}

impl SoleSender {
    /// As [`Sender::send`].
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        // SAFETY: this end is not copied, and borrowed mutably.
        unsafe { self.ring.enqueue(burst) }
    }

    /// Frames that fit in the ring.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity as usize
    }
}

impl Receiver {
    /// Puts the oldest frames behind those in the burst, as many as it has room for; answers how many.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        // SAFETY: this end is not copied, and borrowed mutably.
        unsafe { self.ring.dequeue(burst) }
    }

    /// Frames that wait in the ring; while senders are at work, only about.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// True where no frame waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
