//! virtio-user over vhost-net: the kernel's end of one port, as a port of DPDK's.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57, where the kernel has vhost-net. vhost-net makes a TAP of the
//! name that it is told and moves frames between it and the rings in our memory.
//! No offload is asked of the device, so none is negotiated: checksums are whole, frames at most an MTU long.
//! Easy to get wrong: it is plugged in on the main lcore's thread, so interfaces that come after the start have none.

use std::os::fd::BorrowedFd;
use std::path::Path;

use lb_core::wire::MacAddr;

use super::device::{Collected, Device};
use super::tap::{SHORTEST, fill};
use crate::dpdk::burst::Burst;
use crate::dpdk::eal::Eal;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::mempool::{self, Mempool};
use crate::dpdk::port::{OpenError, Port, Refused, Settings};
use crate::dpdk::queue::{RxQueue, TxQueue};
use crate::dpdk::vdev::PlugError;

/// The kernel's vhost-net.
const VHOST_NET: &str = "/dev/vhost-net";
/// Descriptors of each ring.
const DESCRIPTORS: u16 = 1024;

/// Why there is no such device.
#[derive(Debug, thiserror::Error)]
pub enum VirtioError {
    /// No device.
    #[error(transparent)]
    Plug(#[from] PlugError),
    /// No mbufs for it.
    #[error(transparent)]
    Pool(#[from] mempool::CreateError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It does not start.
    #[error(transparent)]
    Start(#[from] Refused),
}

/// Whether the kernel has it.
///
/// # Errors
/// Why not, as a sentence.
pub(super) fn probe() -> Result<(), String> {
    if Path::new(VHOST_NET).exists() {
        Ok(())
    } else {
        Err(format!("there is no {VHOST_NET}"))
    }
}

/// Options of the DPDK device, as `--vdev` would have them.
fn options(name: &str, mac: MacAddr) -> String {
    format!("path={VHOST_NET},queues=1,queue_size={DESCRIPTORS},iface={name},mac={mac}")
}

/// A device, closed when dropped. Fields are dropped in their order: queues, then port.
pub(super) struct VirtioUser {
    rx: RxQueue,
    tx: TxQueue,
    /// Where copies for the kernel come from; the driver gives them back on the daemon's thread, so nobody else
    /// uses it.
    pool: Mempool,
    going: Burst,
    _port: Port,
}

impl VirtioUser {
    /// Plugs a device in and starts it: device number `number`, kernel device `name`.
    ///
    /// # Errors
    /// See [`VirtioError`].
    pub(super) fn open(
        eal: &Eal,
        number: u16,
        name: &str,
        mac: MacAddr,
        data_room: u16,
    ) -> Result<Self, VirtioError> {
        let id = eal.plug(&format!("net_virtio_user{number}"), &options(name, mac))?;
        let settings = |count| mempool::Settings {
            count,
            cache: 0,
            data_room,
            socket: None,
        };
        let descriptors = u32::from(DESCRIPTORS);
        let pool = Mempool::create(
            eal,
            &format!("virtio_up_{number}"),
            settings(2 * descriptors),
        )?;
        let mempool = Mempool::create(
            eal,
            &format!("virtio_down_{number}"),
            settings(2 * descriptors),
        )?;
        let settings = Settings {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: DESCRIPTORS,
            tx_descriptors: DESCRIPTORS,
            mtu: None,
            mempool,
        };
        let (port, mut rx, mut tx) = Port::open(eal, id, &settings)?;
        port.start()?;
        let (Some(rx), Some(tx)) = (rx.pop(), tx.pop()) else {
            return Err(PlugError::NoPort(name.to_owned()).into());
        };
        Ok(Self {
            rx,
            tx,
            pool,
            going: Burst::new(),
            _port: port,
        })
    }
}

impl Device for VirtioUser {
    fn deliver(&mut self, frames: &[Mbuf]) -> usize {
        for frame in frames {
            let Some(mut copy) = Mbuf::alloc(&self.pool) else {
                break;
            };
            let octets: Vec<u8> = frame.segments().flatten().copied().collect();
            if fill(&mut copy, &octets) {
                drop(self.going.push(copy));
            }
        }
        let taken = self.tx.send(&mut self.going);
        self.going.clear();
        taken
    }

    fn collect(&mut self, _: &Mempool, burst: &mut Burst) -> Collected {
        let before = burst.len();
        self.rx.receive(burst);
        for mbuf in burst.as_mut_slice().iter_mut().skip(before) {
            if mbuf.len() < SHORTEST {
                // One segment has room for so few.
                let _ = mbuf.set_len(SHORTEST);
            }
        }
        Collected {
            lost: 0,
            is_all: false,
        }
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_told_the_kernels_name_and_the_ports_mac_address() {
        assert_eq!(
            options("lb-client", MacAddr([2, 0, 0, 0, 0, 1])),
            "path=/dev/vhost-net,queues=1,queue_size=1024,iface=lb-client,mac=02:00:00:00:00:01"
        );
    }
}
