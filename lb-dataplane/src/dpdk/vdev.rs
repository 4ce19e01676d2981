//! Virtual devices that are plugged in while DPDK is up.
//!
//! WO 00/30294: one way to pseudo-network driver 57. What `--vdev` does at the start, for devices whose
//! options are known only later: virtio-user takes the name of an interface of the configuration.
//! Easy to get wrong: the EAL plugs a device in whether it becomes a port or not, and says so only in its
//! log; it is unplugged when DPDK goes down.

use std::ffi::CString;

use lb_core::id::PortId;

use super::eal::Eal;
use super::errno::Errno;

/// Why there is no such device.
#[derive(Debug, thiserror::Error)]
pub enum PlugError {
    /// A word with a NUL octet, which C cannot take.
    #[error("device {0:?}: its name or options contain a NUL octet")]
    Nul(String),
    /// No driver takes it.
    #[error("device {device} ({options}) cannot be set up: {cause}; the EAL's lines above say why")]
    Refused {
        /// Name of the device.
        device: String,
        /// Its options.
        options: String,
        /// DPDK's cause.
        cause: Errno,
    },
    /// It was set up, and is no port.
    #[error("device {0} has no port")]
    NoPort(String),
}

impl Eal {
    /// Plugs a virtual device in, as `--vdev NAME,OPTIONS` would have, and says which port it is. It is not
    /// among the ports that were there at the start.
    ///
    /// # Errors
    /// See [`PlugError`].
    pub fn plug(&self, device: &str, options: &str) -> Result<PortId, PlugError> {
        let c_string = |word: &str| CString::new(word).map_err(|_| PlugError::Nul(word.to_owned()));
        let (name, words) = (c_string(device)?, c_string(options)?);
        // SAFETY: the EAL is up and this is its main lcore; the three words end in NUL and are copied.
        let answer = unsafe {
            dpdk_sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), words.as_ptr())
        };
        Errno::check(answer).map_err(|cause| PlugError::Refused {
            device: device.to_owned(),
            options: options.to_owned(),
            cause,
        })?;
        let mut port = 0;
        // SAFETY: the EAL is up; the name ends in NUL, and the answer goes to our variable.
        let answer =
            unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
        if answer == 0 {
            Ok(PortId(port))
        } else {
            Err(PlugError::NoPort(device.to_owned()))
        }
    }
}
