//! Ports: opening, starting, counting.
//!
//! WO 00/30294: a network interface 37. [`Port::open`] sets one up for so many queues and hands each
//! queue out once. Nothing but plain sending and receiving is asked of a driver: receive-side scaling,
//! scattered receiving and segmented sending are used where they exist, so every driver will do.
//! Easy to get wrong: DPDK closes a port for good. It can be opened once in the life of the process,
//! and it closes when its [`Port`] and its last queue are gone, in any order.

mod error;
mod info;
mod setup;

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lb_core::id::{PortId, QueueId};

use super::eal::Eal;
use super::mempool::Mempool;
use super::queue::{RxQueue, TxQueue};
use error::refused;

pub use error::{Call, OpenError, Refused, StopError};
pub use info::{Info, all, count};

/// How a port is to be opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Receive queues, from 1.
    pub rx_queues: u16,
    /// Transmit queues, from 1.
    pub tx_queues: u16,
    /// Receive descriptors per queue; moved to the nearest number that the device takes.
    pub rx_descriptors: u16,
    /// Transmit descriptors per queue; likewise.
    pub tx_descriptors: u16,
    /// MTU in octets; `None` for Ethernet's 1500.
    pub mtu: Option<u16>,
    /// Where received frames go.
    pub mempool: Mempool,
}

/// Counters of a port since it was started, as its driver keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames received.
    pub rx_packets: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Frames the device dropped because its queue was full.
    pub rx_missed: u64,
    /// Frames received broken.
    pub rx_errors: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Times a frame had no mbuf to go to.
    pub rx_no_mbuf: u64,
}

/// State of a port's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Frames can pass.
    pub is_up: bool,
    /// Both directions at once.
    pub is_full_duplex: bool,
    /// Speed in Mbit/s, where the driver knows it and the link is up.
    pub megabits: Option<u32>,
}

/// A port that is set up. Its queues share in it; the last of them all closes it.
#[derive(Debug)]
pub(super) struct Device {
    id: PortId,
    name: String,
    is_started: AtomicBool,
    /// The driver fills its receive queues from it.
    _mempool: Mempool,
    _up: Arc<()>,
}

impl Device {
    #[inline]
    pub(super) fn id(&self) -> PortId {
        self.id
    }

    fn stop(&self) -> Result<(), Refused> {
        if !self.is_started.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        // SAFETY: the port is open, and callers see to it that no queue of it is left.
        let answer = unsafe { dpdk_sys::rte_eth_dev_stop(self.id.0) };
        refused(self.id, &self.name, Call::Stop, answer)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The port and all queues are gone. A driver that cannot stop or close cannot be helped here;
        // it has logged why, and mbufs it keeps make `Eal::close` refuse.
        let _ = self.stop();
        // SAFETY: the port is open and stopped, nobody uses it, and it is closed once.
        let _ = unsafe { dpdk_sys::rte_eth_dev_close(self.id.0) };
    }
}

/// An open port, for the control side. Frames go through its queues.
#[derive(Debug)]
pub struct Port {
    device: Arc<Device>,
    info: Info,
    /// DPDK's calls about one port take turns.
    _one_user: PhantomData<Cell<()>>,
}

/// An open port with its queues, in the order of their numbers.
pub type Opened = (Port, Vec<RxQueue>, Vec<TxQueue>);

impl Port {
    /// What the device of a port can do; the port need not be open.
    ///
    /// # Errors
    /// There is no such port, or its driver does not say.
    pub fn info(eal: &Eal, id: PortId) -> Result<Info, Refused> {
        Info::of(id, eal)
    }

    /// Sets a port up. It receives and sends nothing before [`Port::start`].
    ///
    /// # Errors
    /// The port is not open, and may be tried again with other settings unless it was open before.
    pub fn open(eal: &Eal, id: PortId, settings: &Settings) -> Result<Opened, OpenError> {
        if eal.was_opened(id) {
            return Err(OpenError::Again(id));
        }
        if !all(eal).contains(&id) {
            return Err(OpenError::NotThere {
                port: id,
                found: count(eal),
            });
        }
        let info = Self::info(eal, id)?;
        setup::check(&info, settings)?;
        setup::configure(&info, settings)?;
        setup::set_up_queues(&info, settings)?;
        setup::set_mtu(&info, settings)?;
        eal.note_opened(id, &info.driver);
        let device = Arc::new(Device {
            id,
            name: info.device.clone(),
            is_started: AtomicBool::new(false),
            _mempool: settings.mempool.clone(),
            _up: eal.share(),
        });
        let rx = (0..settings.rx_queues).map(|n| RxQueue::new(Arc::clone(&device), QueueId(n)));
        let rx = rx.collect();
        let tx = (0..settings.tx_queues).map(|n| TxQueue::new(Arc::clone(&device), QueueId(n)));
        let tx = tx.collect();
        Ok((
            Self {
                device,
                info,
                _one_user: PhantomData,
            },
            rx,
            tx,
        ))
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> PortId {
        self.device.id
    }

    /// What its device can do, as it was when the port was opened.
    #[must_use]
    pub fn device(&self) -> &Info {
        &self.info
    }

    /// Lets frames in and out. A port that runs already goes on.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn start(&self) -> Result<(), Refused> {
        // SAFETY: the port is open, all its queues are set up.
        let answer = unsafe { dpdk_sys::rte_eth_dev_start(self.device.id.0) };
        self.refused(Call::Start, answer)?;
        self.device.is_started.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Stops the port, once all its queues are dropped. Dropping everything does that too; this says
    /// what the driver thinks of it.
    ///
    /// # Errors
    /// A queue is left and nothing has changed, or the driver refuses.
    pub fn stop(&mut self) -> Result<(), StopError> {
        match Arc::get_mut(&mut self.device) {
            Some(device) => Ok(device.stop()?),
            None => Err(StopError::Held(self.device.id)),
        }
    }

    /// Receives what is for other addresses too, or no longer. A driver without the choice is left as
    /// it is.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), Refused> {
        let port = self.device.id.0;
        let answer = if on {
            // SAFETY: the port is open.
            unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) }
        } else {
            // SAFETY: the port is open.
            unsafe { dpdk_sys::rte_eth_promiscuous_disable(port) }
        };
        self.refused(Call::Promiscuous, if_offered(answer))
    }

    /// Receives all multicast, as neighbor discovery needs it, or no longer. A driver without the choice
    /// is left as it is.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn set_all_multicast(&self, on: bool) -> Result<(), Refused> {
        let port = self.device.id.0;
        let answer = if on {
            // SAFETY: the port is open.
            unsafe { dpdk_sys::rte_eth_allmulticast_enable(port) }
        } else {
            // SAFETY: the port is open.
            unsafe { dpdk_sys::rte_eth_allmulticast_disable(port) }
        };
        self.refused(Call::AllMulticast, if_offered(answer))
    }

    /// MTU in octets.
    ///
    /// # Errors
    /// The driver does not say.
    pub fn mtu(&self) -> Result<u16, Refused> {
        let mut mtu = 0;
        // SAFETY: the port is open; the answer goes to our variable.
        let answer = unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.device.id.0, &raw mut mtu) };
        self.refused(Call::Mtu, answer).map(|()| mtu)
    }

    /// Counters, as the driver keeps them.
    ///
    /// # Errors
    /// The driver keeps none.
    pub fn stats(&self) -> Result<Stats, Refused> {
        let mut raw = dpdk_sys::shim_port_stats::default();
        // SAFETY: the port is open; the answer goes to our variable.
        let answer = unsafe { dpdk_sys::shim_port_stats(self.device.id.0, &raw mut raw) };
        self.refused(Call::Stats, answer)?;
        Ok(Stats {
            rx_packets: raw.rx_packets,
            tx_packets: raw.tx_packets,
            rx_bytes: raw.rx_octets,
            tx_bytes: raw.tx_octets,
            rx_missed: raw.rx_missed,
            rx_errors: raw.rx_errors,
            tx_errors: raw.tx_errors,
            rx_no_mbuf: raw.rx_no_mbuf,
        })
    }

    /// State of the link, as last known: does not wait for it to come up.
    ///
    /// # Errors
    /// The driver does not say.
    pub fn link(&self) -> Result<Link, Refused> {
        let mut raw = dpdk_sys::shim_port_link::default();
        // SAFETY: the port is open; the answer goes to our variable.
        let answer = unsafe { dpdk_sys::shim_port_link(self.device.id.0, &raw mut raw) };
        self.refused(Call::Link, answer)?;
        Ok(Link {
            is_up: raw.up,
            is_full_duplex: raw.full_duplex,
            megabits: (raw.megabits != 0 && raw.megabits != u32::MAX).then_some(raw.megabits),
        })
    }

    fn refused(&self, call: Call, answer: c_int) -> Result<(), Refused> {
        refused(self.device.id, &self.info.device, call, answer)
    }
}

/// A call that a driver does not offer counts as done.
fn if_offered(answer: c_int) -> c_int {
    if answer == -libc::ENOTSUP { 0 } else { answer }
}
