//! A conversation with the kernel about its network: rtnetlink(7) over a socket of our own.
//!
//! No counterpart in the patent. Three parts of the program speak with the kernel: the routing daemon (box 58) listens
//! and reads tables, the interface daemon (box 53) says what its devices are to look like, the advertiser sets routes.
//! Each has a conversation of its own, so that what one asks is not mixed up with what another hears.
//! Not here: what messages say.
//! Easy to get wrong: when changes come faster than they are read, the kernel drops some and says so once, with
//! `ENOBUFS`. What is read afterwards is right in itself and has a gap before it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice};

/// Octets of one read: the kernel fills as much of a dump into it as fits, 32 KiB at most.
const READ: usize = 64 << 10;
/// Octets of a netlink message's header.
const HEADER: usize = 16;
/// How long the kernel may be silent when it owes an answer, which it writes at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Messages.
    Some,
    /// There is nothing more.
    Nothing,
    /// Messages were lost.
    Overrun,
}

/// A socket, and room for what is read from it.
#[derive(Debug)]
pub struct Conversation {
    socket: OwnedFd,
    /// Of the last request.
    number: u32,
    buffer: Box<[u8]>,
}

impl Conversation {
    /// One that hears of nothing but what it asks.
    ///
    /// # Errors
    /// The kernel gives no socket.
    pub fn open() -> io::Result<Self> {
        // Without a protocol it is number 0, NETLINK_ROUTE.
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(Self {
            socket,
            number: 0,
            buffer: vec![0; READ].into(),
        })
    }

    /// One that listens to these groups from now on, numbers from 1 to 32; messages wait in `octets` of the kernel's
    /// memory at most, as it counts.
    ///
    /// # Errors
    /// The kernel gives no socket, or not to these groups.
    pub fn listening(groups: &[u32], octets: usize) -> io::Result<Self> {
        let conversation = Self::open()?;
        let socket = &conversation.socket;
        let groups = groups.iter().fold(0, |all, group| all | 1 << (group - 1));
        rustix::net::bind(socket, &SocketAddrNetlink::new(0, groups))?;
        // Beyond the system's limit where we may; where not, as much as it gives.
        if set_socket_recv_buffer_size_force(socket, octets).is_err() {
            set_socket_recv_buffer_size(socket, octets)?;
        }
        Ok(conversation)
    }

    /// The number of a device.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn index_of(&self, name: &str) -> io::Result<u32> {
        Ok(netdevice::name_to_index(&self.socket, name)?)
    }

    /// Has the kernel do something; `flags` say how, besides that it is to be acknowledged.
    ///
    /// # Errors
    /// The kernel's reason why not.
    pub fn tell(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(request, NLM_F_ACK | flags)?;
        self.answer(|_, _| {}, || Ok(())).map(drop)
    }

    /// Reads a table; `between` is called now and then, so that nothing that happens meanwhile is lost. False: the table
    /// has changed while it was read, and what was read may be neither the old nor the new.
    ///
    /// # Errors
    /// The kernel's reason why not, its silence, or what `between` says.
    pub fn dump(
        &mut self,
        request: RouteNetlinkMessage,
        each: impl FnMut(&NetlinkHeader, &[u8]),
        between: impl FnMut() -> io::Result<()>,
    ) -> io::Result<bool> {
        self.send(request, NLM_F_DUMP)?;
        self.answer(each, between)
    }

    fn send(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.number = self.number.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.number;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        rustix::net::send(&self.socket, &octets, SendFlags::empty())?;
        Ok(())
    }

    /// Hears the answer to the last request to its end; whether it was in one piece.
    fn answer(
        &mut self,
        mut each: impl FnMut(&NetlinkHeader, &[u8]),
        mut between: impl FnMut() -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut is_whole = true;
        loop {
            self.wait(PATIENCE);
            let len = match self.read() {
                Ok(len) => len,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for (header, body) in messages(self.buffer.get(..len).unwrap_or_default()) {
                if header.sequence_number != self.number {
                    continue;
                }
                is_whole &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.message_type {
                    NLMSG_NOOP => {}
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match code(body) {
                            0 => Ok(is_whole),
                            code => Err(io::Error::from_raw_os_error(code)),
                        };
                    }
                    _ => each(&header, body),
                }
            }
            between()?;
        }
    }

    /// Reads the messages of one datagram, if there is one.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub fn hear(&mut self, mut each: impl FnMut(&NetlinkHeader, &[u8])) -> io::Result<Heard> {
        match self.read() {
            Ok(len) => {
                for (header, body) in messages(self.buffer.get(..len).unwrap_or_default()) {
                    each(&header, body);
                }
                Ok(Heard::Some)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Heard::Nothing),
            Err(Errno::NOBUFS) => Ok(Heard::Overrun),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) -> Result<usize, Errno> {
        let read = rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT);
        read.map(|(len, _)| len)
    }

    /// Waits until there is something to read; a signal that ends it early does no harm.
    pub fn wait(&self, at_most: Duration) {
        let at_most = Timespec {
            tv_sec: at_most.as_secs().cast_signed(),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        let mut asked = [PollFd::new(&self.socket, PollFlags::IN)];
        let _ = poll(&mut asked, Some(&at_most));
    }
}

/// Messages of a datagram; what is cut off is left out.
fn messages(mut octets: &[u8]) -> impl Iterator<Item = (NetlinkHeader, &[u8])> {
    std::iter::from_fn(move || {
        let whole = NetlinkBuffer::new_checked(octets).ok()?;
        let header = NetlinkHeader::parse(&NetlinkBuffer::new(octets)).ok()?;
        let len = usize::try_from(whole.length()).ok()?;
        let body = octets.get(HEADER..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// The errno at the beginning of the end of an answer, which the kernel writes negated; 0: all went well.
fn code(body: &[u8]) -> i32 {
    let code = body
        .first_chunk()
        .map_or(0, |code| i32::from_ne_bytes(*code));
    code.saturating_neg()
}
