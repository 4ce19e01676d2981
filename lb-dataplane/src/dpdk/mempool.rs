//! Pools of mbufs: every packet buffer there is, made at start.
//!
//! WO 00/30294: the buffers that network interfaces 37 write into and switching processors 44 hand on.
//! A pool lives as long as the EAL, whoever forgets it, so that an mbuf always has a home; dropping a
//! [`Mempool`] only drops a handle.
//! Easy to get wrong: each lcore keeps some free mbufs in a cache of its own, and a receive queue
//! keeps its descriptors filled. A pool smaller than their sum starves though nothing is lost.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use super::eal::{Eal, SocketId};
use super::errno::Errno;

/// Octets of a segment that suit frames of up to 2048 octets: DPDK's head room of 128 and 2048 of data.
pub const DATA_ROOM: u16 = dpdk_sys::SHIM_DATA_ROOM;
/// Free mbufs that a lcore may keep to itself, at most.
pub const CACHE_MAX: u32 = dpdk_sys::SHIM_CACHE_MAX;

/// What a pool is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Mbufs, from 1; 2^n − 1 wastes least.
    pub count: u32,
    /// Free mbufs that each lcore keeps to itself, 0 to [`CACHE_MAX`] and to two thirds of `count`;
    /// 0 for none.
    pub cache: u32,
    /// Octets of one segment, head room of 128 included.
    pub data_room: u16,
    /// Where the memory is to lie; `None` for any node.
    pub socket: Option<SocketId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            count: 8191,
            cache: 256,
            data_room: DATA_ROOM,
            socket: None,
        }
    }
}

/// Why a pool was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A name that DPDK cannot take, or that a pool has already.
    #[error("mbuf pool {0:?}: the name is taken, longer than 25 octets, or holds a NUL octet")]
    Name(String),
    /// A cache that is too large.
    #[error(
        "mbuf pool {name}: a cache of {cache} per lcore is more than {CACHE_MAX}, \
         or more than two thirds of its {count} mbufs"
    )]
    Cache {
        /// Name of the pool.
        name: String,
        /// Free mbufs per lcore that were asked for.
        cache: u32,
        /// Mbufs that were asked for.
        count: u32,
    },
    /// Not enough memory.
    #[error(
        "mbuf pool {name}: no memory for {count} mbufs, {} MiB{}; \
         give DPDK more (hugepages, EAL option -m) or ask for fewer (--mbufs)",
        .octets.div_ceil(1 << 20), on_socket(*.socket)
    )]
    Memory {
        /// Name of the pool.
        name: String,
        /// Mbufs that were asked for.
        count: u32,
        /// Octets that they take.
        octets: u64,
        /// Where they were to lie.
        socket: Option<SocketId>,
    },
    /// Anything else.
    #[error("mbuf pool {name} cannot be made: {cause}")]
    Refused {
        /// Name of the pool.
        name: String,
        /// DPDK's cause.
        cause: Errno,
    },
}

fn on_socket(socket: Option<SocketId>) -> String {
    socket.map_or_else(String::new, |node| format!(" on NUMA node {node}"))
}

/// A pool without a share in the EAL: the EAL's own record of it.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pool: NonNull<dpdk_sys::rte_mempool>,
    name: Arc<str>,
    capacity: u32,
}

// SAFETY: DPDK's pools are for all threads at once; lcores have caches, others go to the common store.
unsafe impl Send for Pool {}
// SAFETY: as above; nothing here changes after the pool is made.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn available(&self) -> u32 {
        // SAFETY: a pool lives as long as the EAL, which holds this record or is shared by its holder.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.pool.as_ptr()) }
    }

    pub(super) fn in_use(&self) -> u32 {
        self.capacity.saturating_sub(self.available())
    }
}

/// Handle to a pool of mbufs; copies mean the same pool.
#[derive(Clone, Debug)]
pub struct Mempool {
    pool: Pool,
    _up: Arc<()>,
}

impl Mempool {
    /// Makes a pool; `name` is unlike any other pool's, at most 25 octets.
    ///
    /// # Errors
    /// No pool was made.
    pub fn create(eal: &Eal, name: &str, settings: Settings) -> Result<Self, CreateError> {
        let Settings {
            count,
            cache,
            data_room,
            socket,
        } = settings;
        let name = name.to_owned();
        // As DPDK counts: a cache may overflow by half before it is flushed.
        if cache > CACHE_MAX || u64::from(cache) * 3 > u64::from(count) * 2 {
            return Err(CreateError::Cache { name, cache, count });
        }
        let Ok(c_name) = CString::new(name.as_str()) else {
            return Err(CreateError::Name(name));
        };
        let node = SocketId::to_dpdk(socket);
        // SAFETY: the EAL is up and this is its main lcore; the name ends in NUL and is copied.
        let pool = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(c_name.as_ptr(), count, cache, 0, data_room, node)
        };
        let Some(pool) = NonNull::new(pool) else {
            let cause = Errno::last();
            return Err(match cause.number() {
                libc::EEXIST | libc::ENAMETOOLONG => CreateError::Name(name),
                libc::ENOMEM => {
                    let octets = u64::from(count) * u64::from(octets_per_mbuf(data_room));
                    CreateError::Memory {
                        name,
                        count,
                        octets,
                        socket,
                    }
                }
                _ => CreateError::Refused { name, cause },
            });
        };
        let pool = Pool {
            pool,
            name: name.into(),
            capacity: count,
        };
        eal.keep(pool.clone());
        Ok(Self {
            pool,
            _up: eal.share(),
        })
    }

    /// Name that it was made with.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pool.name()
    }

    /// Mbufs in all.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.pool.capacity
    }

    /// Mbufs that are free, caches of lcores included. Walks all caches: not for the packet loop, and
    /// not exact while lcores run.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.pool.available()
    }

    /// Mbufs that are not free: held by us, or waiting in a receive queue for a frame.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.pool.in_use()
    }

    pub(super) fn as_ptr(&self) -> *mut dpdk_sys::rte_mempool {
        self.pool.pool.as_ptr()
    }
}

/// Memory that one mbuf takes, in octets.
#[must_use]
pub fn octets_per_mbuf(data_room: u16) -> u32 {
    // SAFETY: plain arithmetic on DPDK's side.
    unsafe { dpdk_sys::shim_mbuf_octets(data_room) }
}
