//! DPDK's environment (EAL): comes up once per process, goes down when nothing needs it any more.
//!
//! WO 00/30294: the ground that control processor 42 and switching processors 44 stand on.
//! [`Eal`] lives on the main lcore and cannot leave it. Whatever DPDK hands out later (pools, queues,
//! rings, handles) holds a share in it.
//! Easy to get wrong: the EAL unmaps its memory when it is cleaned up, and a frame somewhere in a
//! queue of ours would then point nowhere. [`Eal::close`] therefore looks first, and refuses.
//!
//! Some arguments end the process inside the EAL: `-h`, `--help` and `--log-level help` exit with
//! status 0; a lcore thread that cannot be made or bound, or a missing `/proc/meminfo`, aborts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CString, c_char, c_int};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lb_core::id::PortId;

use super::errno::Errno;
use super::lcore::{self, LcoreId};
use super::mempool::Pool;

/// A NUMA node, as the system numbers it, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl SocketId {
    /// DPDK's number for a node, or for "any".
    pub(super) fn to_dpdk(socket: Option<Self>) -> c_int {
        socket
            .and_then(|node| c_int::try_from(node.0).ok())
            .unwrap_or(dpdk_sys::SHIM_SOCKET_ANY)
    }

    /// None where DPDK says "any", or does not know.
    pub(super) fn from_dpdk(socket: c_int) -> Option<Self> {
        u32::try_from(socket).ok().map(Self)
    }
}

/// Why DPDK did not come up. The EAL has told its side on standard error before.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A process has one EAL in its whole life.
    #[error("DPDK was started in this process before, and can be started only once")]
    Again,
    /// An argument with a NUL octet, which C cannot take.
    #[error("EAL argument {0:?} contains a NUL octet")]
    Nul(String),
    /// A word that belongs to no option.
    #[error("{0:?} is no EAL option; the program's own options go behind --")]
    Stray(String),
    /// An option that the EAL does not know, or a value it does not take.
    #[error("the EAL refuses its arguments (everything before --); its lines above name the one")]
    Arguments,
    /// No hugepages that this process may use.
    #[error(
        "no hugepages: reserve some (echo 1024 > /proc/sys/vm/nr_hugepages) and mount them \
         (mount -t hugetlbfs none /dev/hugepages), or do without (EAL options --no-huge -m 512)"
    )]
    NoHugepages,
    /// Memory could not be reserved.
    #[error(
        "the EAL cannot reserve its memory: reserve more hugepages (/proc/sys/vm/nr_hugepages) \
         or ask for less (EAL options -m, --socket-mem)"
    )]
    Memory,
    /// A device that no bus or driver knows, or its bus.
    #[error("the EAL cannot set up a device or its memory; its lines above name it (--vdev, -a)")]
    Device,
    /// The processor lacks what DPDK was built for, or no lcore was found.
    #[error("DPDK was built for another processor than this one, or finds no lcore")]
    Processor,
    /// Anything else.
    #[error(
        "the EAL does not come up: {0}; its lines above say at which step \
         (another program with the same --file-prefix is a frequent cause)"
    )]
    Other(Errno),
}

/// Why DPDK stays up although it was to go down. Its memory then lasts until the process ends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// A pool, port, queue, ring or lcore handle still exists.
    #[error("DPDK stays up: a pool, port, queue, ring or lcore handle is still held")]
    Held,
    /// A lcore still runs what was started on it.
    #[error("DPDK stays up: lcore {0} still runs")]
    Running(LcoreId),
    /// Some mbufs are in nobody's pool.
    #[error("DPDK stays up: {missing} mbufs have not come back to pool {pool}")]
    MbufsOut {
        /// Name of the pool.
        pool: String,
        /// How many are out.
        missing: u32,
    },
    /// The same, where a driver is known to keep what it has filled its device's rings with: nobody's fault, and no
    /// harm where the process ends.
    #[error("{driver} has kept {kept} mbufs of pool {pool}, as it does")]
    Kept {
        /// The driver.
        driver: String,
        /// Name of the pool.
        pool: String,
        /// How many it has kept, if nobody else has one.
        kept: u32,
    },
    /// DPDK's own clean-up failed.
    #[error("DPDK cannot clean up: {0}")]
    Refused(Errno),
}

/// DPDK is up, and this is the main lcore's thread.
#[derive(Debug)]
pub struct Eal {
    /// Shared by every owner; the only one left means that none exists.
    up: Arc<()>,
    /// Every pool ever made; pools live as long as the EAL, so that any mbuf may come home late.
    pools: RefCell<Vec<Pool>>,
    /// Ports that were opened; a port that was closed is gone for good.
    opened: RefCell<BTreeSet<PortId>>,
    /// Driver of one of them, if there is one among [`KEEPERS`].
    keeper: RefCell<Option<String>>,
    missing_devices: Vec<String>,
    is_closed: bool,
    /// The main lcore is a thread, and lcores are launched from it only.
    _main_lcore: PhantomData<*mut ()>,
}

/// Drivers that, when closed, do not give back the mbufs in their devices' rings: net_af_xdp, up to DPDK 22.11 at least,
/// those that it lent to the kernel to receive into.
const KEEPERS: [&str; 1] = ["net_af_xdp"];

/// True from the first attempt on: the EAL cannot be tried again after every failure.
static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts DPDK with the program's name and the EAL options in front of `--`; says how many of the
    /// arguments that were, `--` among them. The rest is the program's own.
    ///
    /// The calling thread becomes the main lcore, bound to its processor; threads that it starts
    /// afterwards inherit that.
    ///
    /// # Errors
    /// DPDK is not up, and cannot be started in this process again.
    pub fn init(arguments: impl IntoIterator<Item = String>) -> Result<(Self, usize), InitError> {
        if STARTED.swap(true, Ordering::Relaxed) {
            return Err(InitError::Again);
        }
        let mut consumed = 0;
        let mut words = Vec::new();
        for argument in arguments {
            consumed += 1;
            if argument == "--" {
                break;
            }
            words.push(argument);
        }
        let position = start(&words)?;
        let eal = Self {
            up: Arc::new(()),
            pools: RefCell::default(),
            opened: RefCell::default(),
            keeper: RefCell::default(),
            missing_devices: vdevs(&words)
                .filter(|name| !has_port(name))
                .map(str::to_owned)
                .collect(),
            is_closed: false,
            _main_lcore: PhantomData,
        };
        match words.get(position..) {
            Some([stray, ..]) => Err(InitError::Stray(stray.clone())),
            _ => Ok((eal, consumed)),
        }
    }

    /// Virtual network devices (`--vdev net_...`) that were asked for and have no port. The EAL comes up
    /// without them and says so only in its log.
    #[must_use]
    pub fn missing_devices(&self) -> &[String] {
        &self.missing_devices
    }

    /// The lcore of this thread: the control processor.
    #[must_use]
    pub fn main_lcore(&self) -> LcoreId {
        // SAFETY: the EAL is up.
        LcoreId(unsafe { dpdk_sys::rte_get_main_lcore() })
    }

    /// The lcores that work can be launched on, in ascending order.
    #[must_use]
    pub fn worker_lcores(&self) -> Vec<LcoreId> {
        let mut found = Vec::new();
        let mut at = u32::MAX;
        loop {
            // SAFETY: the EAL is up; the numbers above the last lcore end the list.
            at = unsafe { dpdk_sys::rte_get_next_lcore(at, 1, 0) };
            if at >= MAX_LCORE {
                return found;
            }
            found.push(LcoreId(at));
        }
    }

    /// NUMA node of an lcore; none for a number that the EAL cannot have.
    #[must_use]
    pub fn socket_of(&self, lcore: LcoreId) -> Option<SocketId> {
        if lcore.0 >= MAX_LCORE {
            return None;
        }
        // SAFETY: the EAL is up and the number below its limit.
        Some(SocketId(unsafe {
            dpdk_sys::rte_lcore_to_socket_id(lcore.0)
        }))
    }

    /// Processors that an lcore may run on, as the system numbers them, from 0; usually one.
    #[must_use]
    pub fn cpus_of(&self, lcore: LcoreId) -> Vec<u16> {
        if lcore.0 >= MAX_LCORE {
            return Vec::new();
        }
        let mut cpus = vec![0; MAX_CPUS as usize];
        // SAFETY: the EAL is up, the number below its limit, and the vector as long as said.
        let count = unsafe { dpdk_sys::shim_lcore_cpus(lcore.0, cpus.as_mut_ptr(), MAX_CPUS) };
        cpus.truncate(count as usize);
        cpus
    }

    /// Takes DPDK down, which gives its memory back and closes ports that were never opened.
    ///
    /// Dropping does the same and keeps quiet.
    ///
    /// # Errors
    /// Something still needs DPDK. It stays up, unreachable, until the process ends; nothing breaks,
    /// but files of the EAL may remain in its runtime directory.
    pub fn close(mut self) -> Result<(), CloseError> {
        self.shut()
    }

    fn shut(&mut self) -> Result<(), CloseError> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        if Arc::get_mut(&mut self.up).is_none() {
            return Err(CloseError::Held);
        }
        if let Some(lcore) = self
            .worker_lcores()
            .into_iter()
            .find(|&id| !lcore::is_waiting(id))
        {
            return Err(CloseError::Running(lcore));
        }
        for pool in self.pools.borrow().iter() {
            let missing = pool.in_use();
            if missing > 0 {
                let pool = pool.name().to_owned();
                return Err(match self.keeper.take() {
                    Some(driver) => CloseError::Kept {
                        driver,
                        pool,
                        kept: missing,
                    },
                    None => CloseError::MbufsOut { pool, missing },
                });
            }
        }
        // No owner is left and none can be made; every lcore waits, so no cache of a pool is being
        // written; every mbuf is home, so no other thread can still hold one.
        // SAFETY: the EAL is up, and by the above nothing refers to its memory any more.
        let answer = unsafe { dpdk_sys::rte_eal_cleanup() };
        Errno::check(answer).map_err(CloseError::Refused)
    }

    /// A share for an owner: while it lasts, DPDK's memory does.
    pub(super) fn share(&self) -> Arc<()> {
        Arc::clone(&self.up)
    }

    /// Keeps a new pool in the books.
    pub(super) fn keep(&self, pool: Pool) {
        self.pools.borrow_mut().push(pool);
    }

    /// True where a port has been opened before.
    pub(super) fn was_opened(&self, port: PortId) -> bool {
        self.opened.borrow().contains(&port)
    }

    /// Notes that a port has been opened, and its driver.
    pub(super) fn note_opened(&self, port: PortId, driver: &str) {
        self.opened.borrow_mut().insert(port);
        if KEEPERS.contains(&driver) {
            self.keeper.replace(Some(driver.to_owned()));
        }
    }
}

impl Drop for Eal {
    fn drop(&mut self) {
        // What keeps it up is told by `close`; here the process ends anyway.
        let _ = self.shut();
    }
}

const MAX_LCORE: u32 = dpdk_sys::SHIM_MAX_LCORE;
/// Processors in a `cpu_set_t`.
const MAX_CPUS: u32 = 1024;

/// Starts the EAL; answers the position of the first word that it left over, if any.
fn start(words: &[String]) -> Result<usize, InitError> {
    let mut owned = words
        .iter()
        .map(|word| CString::new(word.as_str()).map_err(|_| InitError::Nul(word.clone())))
        .map(|word| word.map(CString::into_bytes_with_nul))
        .collect::<Result<Vec<Vec<u8>>, InitError>>()?;
    let mut pointers: Vec<*mut c_char> = owned
        .iter_mut()
        .map(|word| word.as_mut_ptr().cast::<c_char>())
        .collect();
    // C ends the list with a null pointer, and getopt may look for it.
    pointers.push(std::ptr::null_mut());
    let count = c_int::try_from(words.len()).map_err(|_| InitError::Arguments)?;
    // SAFETY: the strings and the list are ours alone and outlive the call; the EAL may write to both,
    // and keeps neither.
    let answer = unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr()) };
    match usize::try_from(answer) {
        // The answer is the position of the last word that it took.
        Ok(last) => Ok(last.saturating_add(1)),
        Err(_) => Err(cause_of_failure(Errno::last())),
    }
}

fn cause_of_failure(cause: Errno) -> InitError {
    match cause.number() {
        libc::EINVAL => InitError::Arguments,
        libc::EACCES => InitError::NoHugepages,
        libc::ENOMEM => InitError::Memory,
        libc::ENODEV => InitError::Device,
        libc::ENOTSUP => InitError::Processor,
        libc::EALREADY => InitError::Again,
        _ => InitError::Other(cause),
    }
}

/// Names of the virtual network devices among EAL options, those that become ports under their name.
fn vdevs(words: &[String]) -> impl Iterator<Item = &str> {
    let values = words.iter().enumerate().filter_map(|(position, word)| {
        if word == "--vdev" {
            return words.get(position.checked_add(1)?).map(String::as_str);
        }
        word.strip_prefix("--vdev=")
    });
    values
        .map(|value| value.split_once(',').map_or(value, |(name, _)| name))
        .filter(|name| name.starts_with("net_") && !name.starts_with("net_vdev_netvsc"))
}

/// True where a port has this device name.
fn has_port(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    let mut port = 0;
    // SAFETY: the EAL is up; the name ends in NUL, and the answer goes to our variable.
    let answer = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
    answer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn virtual_network_devices_are_found_in_both_spellings() {
        let line = words(
            "lb --vdev net_null0 -l 0 --vdev=net_pcap1,rx_pcap=/tmp/a.pcap --vdev=crypto_null",
        );
        assert_eq!(vdevs(&line).collect::<Vec<_>>(), ["net_null0", "net_pcap1"]);
    }

    #[test]
    fn an_option_without_its_value_names_no_device() {
        assert_eq!(vdevs(&words("lb --vdev")).count(), 0);
    }

    #[test]
    fn no_hugepages_is_told_with_the_cure() {
        let told = cause_of_failure(Errno::check(-libc::EACCES).unwrap_err()).to_string();
        assert!(
            told.contains("echo 1024 > /proc/sys/vm/nr_hugepages"),
            "{told}"
        );
        assert!(told.contains("--no-huge -m 512"), "{told}");
    }
}
