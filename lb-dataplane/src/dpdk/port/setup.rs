//! Setting a port up: queues, offloads, descriptors, MTU.
//!
//! No counterpart in the patent. The order is DPDK's: configure, queues, MTU, and only then start.
//! Easy to get wrong: an offload that the device does not offer makes the whole call fail, so each is
//! asked for only where it is offered; and an MTU has to be told twice, because drivers that borrow a
//! kernel device (TAP, af_packet, mlx5) listen to the second call only.

use lb_core::id::QueueId;

use super::Settings;
use super::error::{Call, OpenError, Refused, refused};
use super::info::Info;
use crate::dpdk::eal::SocketId;

/// Refuses what the device says it cannot do, in words better than its driver's.
pub(super) fn check(info: &Info, settings: &Settings) -> Result<(), OpenError> {
    let (rx, tx) = (settings.rx_queues, settings.tx_queues);
    if !(1..=info.max_rx_queues).contains(&rx) || !(1..=info.max_tx_queues).contains(&tx) {
        return Err(OpenError::Queues {
            port: info.id,
            device: info.device.clone(),
            driver: info.driver.clone(),
            rx,
            tx,
            max_rx: info.max_rx_queues,
            max_tx: info.max_tx_queues,
        });
    }
    match settings.mtu {
        Some(mtu) if !(info.min_mtu..=info.max_mtu).contains(&mtu) => Err(OpenError::Mtu {
            port: info.id,
            device: info.device.clone(),
            mtu,
            min: info.min_mtu,
            max: info.max_mtu,
        }),
        _ => Ok(()),
    }
}

/// Number of queues and offloads.
pub(super) fn configure(info: &Info, settings: &Settings) -> Result<(), Refused> {
    let conf = dpdk_sys::shim_port_conf {
        rx_offloads: info.rx_offloads & dpdk_sys::SHIM_RX_SCATTER,
        tx_offloads: info.tx_offloads & dpdk_sys::SHIM_TX_MULTI_SEGS,
        rss: if settings.rx_queues > 1 {
            info.rss_of_flows()
        } else {
            0
        },
        rx_queues: settings.rx_queues,
        tx_queues: settings.tx_queues,
        mtu: settings.mtu.unwrap_or(0),
    };
    // SAFETY: the port exists and is not open, so nobody polls it; the settings are read only.
    let answer = unsafe { dpdk_sys::shim_port_configure(info.id.0, &raw const conf) };
    refused(info.id, &info.device, Call::Configure, answer)
}

/// Every queue, near the device's NUMA node.
pub(super) fn set_up_queues(info: &Info, settings: &Settings) -> Result<(), Refused> {
    let (mut rx, mut tx) = (settings.rx_descriptors, settings.tx_descriptors);
    let port = info.id.0;
    // SAFETY: the port is configured; both answers go to our variables.
    let answer =
        unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port, &raw mut rx, &raw mut tx) };
    refused(info.id, &info.device, Call::Descriptors, answer)?;
    let node = SocketId::to_dpdk(info.socket);
    let pool = settings.mempool.as_ptr();
    for queue in 0..settings.rx_queues {
        // SAFETY: the port is configured for so many queues and not started; pools last as the EAL.
        let answer = unsafe { dpdk_sys::shim_rx_queue_setup(port, queue, rx, node, pool) };
        refused(info.id, &info.device, Call::RxQueue(QueueId(queue)), answer)?;
    }
    for queue in 0..settings.tx_queues {
        // SAFETY: as above.
        let answer = unsafe { dpdk_sys::shim_tx_queue_setup(port, queue, tx, node) };
        refused(info.id, &info.device, Call::TxQueue(QueueId(queue)), answer)?;
    }
    Ok(())
}

/// Tells the device its MTU; one that has none of its own keeps what [`configure`] noted.
pub(super) fn set_mtu(info: &Info, settings: &Settings) -> Result<(), Refused> {
    let Some(mtu) = settings.mtu else {
        return Ok(());
    };
    // SAFETY: the port is configured and not started.
    let answer = unsafe { dpdk_sys::rte_eth_dev_set_mtu(info.id.0, mtu) };
    if answer == -libc::ENOTSUP {
        return Ok(());
    }
    refused(info.id, &info.device, Call::Mtu, answer)
}
