//! How long the interface daemon waits, and what wakes it.
//!
//! No counterpart in the patent. While it works it pauses for [`BUNCH`] whenever it has moved all there was, so that
//! frames come in bunches: a pause has its price, some ten microseconds of the CPU that it shares with the programs
//! whose frames it moves, and a merged or long frame costs hardly more than a short one. When there is nothing to
//! move, pauses grow with the silence: a frame waits for a thirty-second part of the silence before it at most, and
//! never longer than [`LONGEST_NAP`]. Frames of the kernel's end those pauses. docs/operations.md has what it costs.
//! Easy to get wrong: the kernel tells of a device's frames when they come and not while they are there
//! (`EPOLLET`), so who has been told asks until there are none left.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use lb_core::id::PortId;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// Pause after a turn that has moved all there was, and shortest pause after one that found nothing.
const BUNCH: Duration = Duration::from_micros(30);
/// Longest pause: how long a frame may wait for the daemon, but for the system's own delays.
pub const LONGEST_NAP: Duration = Duration::from_millis(3);
/// Pauses that are as long as the silence before them.
const PARTS: u32 = 32;
/// Nanoseconds by which the system may lengthen a pause.
const SLACK: &str = "1000";

/// Devices that are heard of at once; the others are heard of the next time.
const AT_ONCE: usize = 32;

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Frames, and it has moved them all.
    All,
    /// Frames, and there are more.
    More,
}

/// The pauses of one thread.
#[derive(Debug)]
pub(super) struct Rest {
    devices: OwnedFd,
    silent_since: Option<Instant>,
    is_exact: bool,
}

impl Rest {
    /// Without devices.
    ///
    /// # Errors
    /// No descriptor.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            devices: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            silent_since: None,
            is_exact: false,
        })
    }

    /// From now on frames of this device end pauses, until it is closed.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn listen_to(&self, device: BorrowedFd<'_>, port: PortId) -> io::Result<()> {
        let data = epoll::EventData::new_u64(port.0.into());
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        Ok(epoll::add(&self.devices, device, data, flags)?)
    }

    /// Waits after a turn, if there is reason to; `hear` gets the ports whose devices have got frames since the last time.
    pub(super) fn after(&mut self, found: Found, hear: impl FnMut(PortId)) {
        let may_have_frames = match found {
            Found::More => {
                self.silent_since = None;
                true
            }
            Found::All => {
                self.silent_since = None;
                self.wait(BUNCH)
            }
            Found::Nothing => {
                let now = Instant::now();
                let since = *self.silent_since.get_or_insert(now);
                self.wait(nap(now - since))
            }
        };
        if may_have_frames {
            self.listen(hear);
        }
    }

    fn listen(&self, hear: impl FnMut(PortId)) {
        let mut heard = [const { MaybeUninit::uninit() }; AT_ONCE];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // Where it fails, there was nothing that could be heard.
        if let Ok((events, _)) = epoll::wait(&self.devices, &mut heard, Some(&at_once)) {
            let ports = events.iter().map(|event| event.data.u64());
            ports
                .filter_map(|port| port.try_into().ok().map(PortId))
                .for_each(hear);
        }
    }

    /// Waits so long, or until a device has got a frame; whether one has.
    fn wait(&mut self, nap: Duration) -> bool {
        if !std::mem::replace(&mut self.is_exact, true) {
            be_exact();
        }
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: nap.subsec_nanos().into(),
        };
        // Not the devices themselves: the kernel would ask each of them in each pause.
        let mut devices = [PollFd::new(&self.devices, PollFlags::IN)];
        // A signal that ends the pause early does no harm.
        poll(&mut devices, Some(&nap)).is_ok_and(|count| count > 0)
    }
}

/// The pause that is due after so long a silence.
fn nap(silence: Duration) -> Duration {
    (silence / PARTS).clamp(BUNCH, LONGEST_NAP)
}

/// Asks the system to end this thread's pauses when they are over. Where it cannot be asked, they are longer.
fn be_exact() {
    let thread = fs::read_link("/proc/thread-self").ok();
    if let Some(number) = thread.as_deref().and_then(|path| path.file_name()) {
        let file = std::path::Path::new("/proc").join(number);
        let _ = fs::write(file.join("timerslack_ns"), SLACK);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn pauses_grow_with_the_silence() {
        let micros = |silence| nap(Duration::from_micros(silence)).as_micros();
        assert_eq!([0, 960, 1_600, 6_400].map(micros), [30, 30, 50, 200]);
        assert_eq!([32_000, 64_000, 200_000].map(micros), [1000, 2000, 3000]);
        assert_eq!(nap(Duration::from_secs(3600)), LONGEST_NAP);
    }

    #[test]
    fn work_ends_a_silence() {
        let mut rest = Rest::new().unwrap();
        rest.after(Found::Nothing, |port| panic!("{port}"));
        assert!(rest.silent_since.is_some());
        for found in [Found::All, Found::More] {
            rest.after(found, |port| panic!("{port}"));
            assert_eq!(rest.silent_since, None);
        }
    }

    #[test]
    fn a_device_is_heard_of_once_for_what_came_and_again_when_more_comes() {
        let mut rest = Rest::new().unwrap();
        let (mut far, near) = UnixStream::pair().unwrap();
        rest.listen_to(near.as_fd(), PortId(7)).unwrap();
        let heard = |rest: &mut Rest| {
            let mut ports = Vec::new();
            rest.after(Found::More, |port| ports.push(port));
            ports
        };
        assert_eq!(heard(&mut rest), []);
        for _ in 0..2 {
            far.write_all(b"frame").unwrap();
            assert_eq!(heard(&mut rest), [PortId(7)]);
            assert_eq!(heard(&mut rest), []);
        }
        drop(near);
        assert_eq!(heard(&mut rest), []);
    }
}
