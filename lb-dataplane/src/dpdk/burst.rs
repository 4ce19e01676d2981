//! Up to 32 frames on their way together.
//!
//! WO 00/30294, Fig. 5: what steps 102–112 take from one interface at a time. A burst is what crosses
//! into C, never a frame; inside it is an array of pointers, and handing it on copies pointers.
//! Easy to get wrong: [`Burst::pop`] takes the last frame. Where order matters (and within a flow it
//! does) use [`Burst::drain`] or [`Burst::split_front`].

use std::fmt;
use std::iter::FusedIterator;
use std::mem::MaybeUninit;

use super::mbuf::Mbuf;
use super::mempool::Mempool;

/// Frames that a burst can hold.
pub const CAPACITY: usize = SLOTS as usize;
const SLOTS: u16 = 32;

/// Frames in the order of their arrival; those left in it are freed with it.
pub struct Burst {
    /// The first `len` are frames of ours.
    slots: [MaybeUninit<Mbuf>; CAPACITY],
    /// At most [`CAPACITY`].
    len: u16,
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Burst {
    /// No frames.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { MaybeUninit::uninit() }; CAPACITY],
            len: 0,
        }
    }

    /// Frames in it, 0 to [`CAPACITY`].
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// True where no frame is in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True where no further frame goes in.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= SLOTS
    }

    /// Puts a frame behind the others.
    ///
    /// # Errors
    /// The burst is full; the frame comes back.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.slots.get_mut(usize::from(self.len)) {
            Some(slot) => {
                slot.write(mbuf);
                self.len += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Takes the last frame out.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        let last = self.len.checked_sub(1)?;
        let slot = self.slots.get(usize::from(last))?;
        self.len = last;
        // SAFETY: it was one of the first `len`, and no longer is.
        Some(unsafe { slot.assume_init_read() })
    }

    /// The frames, to be looked at.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: the first `len` slots are frames.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().cast::<Mbuf>(), self.len()) }
    }

    /// The frames, to be rewritten or put in another order.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        let length = self.len();
        // SAFETY: as above, and the burst is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast::<Mbuf>(), length) }
    }

    /// Takes all frames out, first to last; what the iterator is not asked for is freed.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_> {
        let end = std::mem::take(&mut self.len);
        Drain {
            burst: self,
            next: 0,
            end,
        }
    }

    /// Takes the first `count` frames out, in order, or all where there are fewer.
    #[inline]
    #[must_use]
    pub fn split_front(&mut self, count: usize) -> Self {
        let mut front = Self::new();
        let count = u16::try_from(count).map_or(self.len, |count| count.min(self.len));
        // SAFETY: both arrays hold `CAPACITY` slots and `count` is no more; they are two arrays.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.slots.as_ptr(),
                front.slots.as_mut_ptr(),
                usize::from(count),
            );
        }
        front.len = count;
        // SAFETY: the first `count` frames belong to `front` now.
        unsafe { self.forget_front(count) };
        front
    }

    /// Frees all frames, with one call.
    #[inline]
    pub fn clear(&mut self) {
        let count = std::mem::take(&mut self.len);
        if count > 0 {
            let first = self.slots.as_mut_ptr().cast::<*mut dpdk_sys::rte_mbuf>();
            // SAFETY: the first `count` slots were frames of ours, and no longer count as such.
            unsafe { dpdk_sys::rte_pktmbuf_free_bulk(first, count.into()) };
        }
    }

    /// Adds `count` empty frames of one segment each, all or none. False where the pool has not so
    /// many, or the burst not the room.
    #[inline]
    #[must_use]
    pub fn fill(&mut self, pool: &Mempool, count: usize) -> bool {
        let (first, room) = self.spare();
        let count = match u16::try_from(count) {
            Ok(count) if count <= room => count,
            _ => return false,
        };
        // SAFETY: the pool lives as long as its handle; `count` slots are free from `first` on.
        let answer = unsafe { dpdk_sys::shim_mbuf_alloc_bulk(pool.as_ptr(), first, count.into()) };
        if answer != 0 {
            return false;
        }
        // SAFETY: the call has written `count` frames, which are ours.
        unsafe { self.add(count) };
        true
    }

    /// Where C may write further frames, and how many.
    #[inline]
    pub(super) fn spare(&mut self) -> (*mut *mut dpdk_sys::rte_mbuf, u16) {
        let room = SLOTS.saturating_sub(self.len);
        let first = self.slots.as_mut_ptr().cast::<*mut dpdk_sys::rte_mbuf>();
        // SAFETY: at most one past the last slot.
        (unsafe { first.add(self.len()) }, room)
    }

    /// Counts frames in that C has written to the spare slots.
    ///
    /// # Safety
    /// The first `count` spare slots hold mbufs that nobody else has.
    #[inline]
    pub(super) unsafe fn add(&mut self, count: u16) {
        self.len = self.len.saturating_add(count).min(SLOTS);
    }

    /// The frames as C wants them.
    #[inline]
    pub(super) fn frames(&mut self) -> (*mut *mut dpdk_sys::rte_mbuf, u16) {
        (
            self.slots.as_mut_ptr().cast::<*mut dpdk_sys::rte_mbuf>(),
            self.len,
        )
    }

    /// Lets go of the first `count` frames, and moves the others up.
    ///
    /// # Safety
    /// Somebody else has those frames now. `count` is at most the number of frames.
    #[inline]
    pub(super) unsafe fn forget_front(&mut self, count: u16) {
        let rest = self.len.saturating_sub(count);
        self.len = rest;
        if rest == 0 || count == 0 {
            return;
        }
        let first = self.slots.as_mut_ptr();
        // SAFETY: `count` is at most the number of frames, by the caller.
        let from = unsafe { first.add(usize::from(count)) };
        // SAFETY: `rest` frames follow `from`; the two ranges may overlap.
        unsafe { std::ptr::copy(from, first, usize::from(rest)) };
    }
}

impl Drop for Burst {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Frames on their way out of a burst, first to last.
#[derive(Debug)]
pub struct Drain<'a> {
    burst: &'a mut Burst,
    /// Slots from here on, and below `end`, are frames of this iterator.
    next: u16,
    end: u16,
}

impl Iterator for Drain<'_> {
    type Item = Mbuf;

    #[inline]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next >= self.end {
            return None;
        }
        let slot = self.burst.slots.get(usize::from(self.next))?;
        self.next += 1;
        // SAFETY: a frame of this iterator's, which it has just let go.
        Some(unsafe { slot.assume_init_read() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = usize::from(self.end.saturating_sub(self.next));
        (rest, Some(rest))
    }
}

impl ExactSizeIterator for Drain<'_> {}
impl FusedIterator for Drain<'_> {}

impl Drop for Drain<'_> {
    #[inline]
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
