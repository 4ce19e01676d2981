//! TAP devices of the kernel: made, and told what is asked of them.
//!
//! WO 00/30294, Fig. 8: what pseudo-network driver 57 has in hand where the kernel has no vhost-net. No DPDK here,
//! but this folder is where the crate's unsafe code lives, and `TUNSETIFF` has no safe wrapper.
//! Not here: frames, which are read and written like those of any file (`interface_daemon::tap`).
//! Easy to get wrong: the device goes when its descriptor is closed, and all routes over it with it. Who wants to
//! keep them makes it beforehand (`ip tuntap add lb-NAME mode tap`); it is taken over then, and left standing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use lb_core::offload::Note;

const CLONE: &str = "/dev/net/tun";
/// Octets of a name, with the NUL that ends it.
const NAME: usize = libc::IFNAMSIZ;
/// Octets in front of a frame, as the kernel is told.
static NOTE: libc::c_int = 10;
const _: () = assert!(Note::LEN == 10);
/// What the kernel may leave to us.
const OFFLOADS: libc::c_uint =
    libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
/// Frames with their Ethernet header, and in front of each a note on its segments and checksum.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel's field has 16 bits, and so have the flags"
)]
const TAP_WITH_NOTES: i16 = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;

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

/// What `TUNSETIFF` reads: `struct ifreq`.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    flags: i16,
    _rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

/// Whether TAPs can be made here at all.
///
/// # Errors
/// The driver cannot be opened.
pub fn probe() -> Result<(), TapError> {
    clone().map(drop)
}

/// Makes a device, or takes over one of this name that nobody has open. It is down. Each frame that is read or
/// written has a [`Note`] in front, and those that are read may be long TCP frames and lack their checksums. Neither
/// read nor write waits.
///
/// # Errors
/// See [`TapError`].
pub fn open(name: &str) -> Result<File, TapError> {
    let mut octets = [0; NAME];
    match octets.get_mut(..name.len()) {
        Some(place) if name.len() < NAME => place.copy_from_slice(name.as_bytes()),
        _ => return Err(TapError::Name(name.to_owned())),
    }
    let file = clone()?;
    attach(&file, octets).map_err(|cause| TapError::Attach {
        name: name.to_owned(),
        cause,
    })?;
    Ok(file)
}

fn clone() -> Result<File, TapError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(CLONE)
        .map_err(TapError::Clone)
}

fn attach(file: &File, name: [u8; NAME]) -> io::Result<()> {
    let tap = file.as_raw_fd();
    let mut request = Request {
        name,
        flags: TAP_WITH_NOTES,
        _rest: [0; 22],
    };
    // SAFETY: the descriptor is open; `TUNSETIFF` reads and writes one `struct ifreq`, whose size and leading
    // fields `Request` has.
    done(unsafe { libc::ioctl(tap, libc::TUNSETIFF, &raw mut request) })?;
    // SAFETY: the descriptor is open; `TUNSETVNETHDRSZ` reads one int.
    done(unsafe { libc::ioctl(tap, libc::TUNSETVNETHDRSZ, &raw const NOTE) })?;
    let offloads = libc::c_ulong::from(OFFLOADS);
    // SAFETY: the descriptor is open; `TUNSETOFFLOAD` takes a number and no pointer.
    done(unsafe { libc::ioctl(tap, libc::TUNSETOFFLOAD, offloads) })
}

fn done(answer: libc::c_int) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    /// A device that ends with the test; none where the test may not make one.
    fn device(name: &str) -> Option<File> {
        let made = open(name);
        if let Err(error) = &made {
            println!("skipped: {error}");
        }
        made.ok()
    }

    #[test]
    fn a_name_that_a_kernel_device_cannot_have_is_refused_before_the_kernel_is_asked() {
        let longest = "l".repeat(NAME);
        for name in [longest.as_str(), "lb-much-too-long-for-it"] {
            assert!(matches!(open(name), Err(TapError::Name(said)) if said == name));
        }
    }

    #[test]
    fn a_device_has_one_owner_and_is_free_again_when_he_lets_it_go() {
        let name = format!("lbt{}", std::process::id());
        let Some(file) = device(&name) else { return };
        let refused = open(&name).unwrap_err();
        assert!(matches!(
            &refused,
            TapError::Attach { cause, .. } if cause.raw_os_error() == Some(libc::EBUSY)
        ));
        assert!(refused.to_string().contains(&name), "{refused}");
        drop(file);
        assert!(open(&name).is_ok());
    }

    #[test]
    fn reading_does_not_wait_for_a_frame() {
        let Some(mut file) = device(&format!("lbr{}", std::process::id())) else {
            return;
        };
        // It is down, and the kernel says so at once; one that is up says that there is nothing yet.
        let answer = file.read(&mut [0; 64]).unwrap_err();
        assert!(
            matches!(answer.raw_os_error(), Some(libc::EIO | libc::EAGAIN)),
            "{answer}"
        );
        drop(OwnedFd::from(file));
    }
}
