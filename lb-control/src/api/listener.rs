//! Listeners: sockets that are open before the first request, and stay so while the API is started again.
//!
//! No counterpart in the patent. What cannot be listened on is refused here, before any thread runs.
//! Plain TCP is for this machine alone; from elsewhere it takes TLS.
//! Easy to get wrong: a Unix socket's file outlives its process. It is taken over when nobody answers there, and
//! it has its mode before anybody can find it.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::address::Address;
use super::tls::{Tls, TlsError, TlsFiles};

/// Mode of a Unix socket: its owner and its group may connect.
pub const SOCKET_MODE: u32 = 0o660;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system says no.
    #[error("{address}: {source}")]
    Bind {
        /// Which address.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// Another program answers there.
    #[error("{0}: another program answers there; stop it, or choose another address")]
    InUse(Address),
    /// Something else lies at the path.
    #[error("{0}: there is a file that is no socket; remove it, or choose another path")]
    NotASocket(Address),
    /// Plain TCP that others could reach.
    #[error(
        "{0}: without TLS only an address of this machine alone is possible, such as 127.0.0.1:8080; give a \
         certificate, a key and the clients' authorities for any other"
    )]
    Plain(Address),
    /// The TLS files are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An open listener.
pub struct Listener {
    pub(super) socket: Socket,
}

pub(super) enum Socket {
    Unix(UnixSocket),
    Plain(TcpListener),
    Tls(TcpListener, Arc<Tls>),
}

/// A Unix socket, whose file goes when it is dropped.
pub(super) struct UnixSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, to tell it from one that took its place.
    file: (u64, u64),
}

impl Listener {
    /// Opens a Unix socket, or plain TCP on a loopback address.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(address: &Address) -> Result<Self, ListenError> {
        let socket = match address {
            Address::Unix(path) => Socket::Unix(UnixSocket::bind(path, address)?),
            Address::Tcp(tcp) if tcp.ip().is_loopback() => Socket::Plain(listen(*tcp, address)?),
            Address::Tcp(_) => return Err(ListenError::Plain(address.clone())),
        };
        Ok(Self { socket })
    }

    /// Opens TLS over TCP. `takes_tokens`: clients without a certificate are let in, to show a token with each
    /// request.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind_tls(
        address: SocketAddr,
        files: TlsFiles,
        takes_tokens: bool,
    ) -> Result<Self, ListenError> {
        let tls = Tls::load(files, takes_tokens)?;
        let listener = listen(address, &Address::Tcp(address))?;
        Ok(Self {
            socket: Socket::Tls(listener, Arc::new(tls)),
        })
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// That of the system.
    pub fn address(&self) -> io::Result<Address> {
        match &self.socket {
            Socket::Unix(unix) => Ok(Address::Unix(unix.path.clone())),
            Socket::Plain(listener) | Socket::Tls(listener, _) => {
                Ok(Address::Tcp(listener.local_addr()?))
            }
        }
    }

    /// Its word in counters: `unix`, `tcp` or `tls`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.socket {
            Socket::Unix(_) => "unix",
            Socket::Plain(_) => "tcp",
            Socket::Tls(..) => "tls",
        }
    }
}

fn listen(address: SocketAddr, named: &Address) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => ListenError::InUse(named.clone()),
        _ => ListenError::Bind {
            address: named.clone(),
            source,
        },
    })
}

impl UnixSocket {
    fn bind(path: &Path, address: &Address) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind {
            address: address.clone(),
            source,
        };
        match fs::symlink_metadata(path) {
            Ok(facts) if !facts.file_type().is_socket() => {
                return Err(ListenError::NotASocket(address.clone()));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(ListenError::InUse(address.clone()));
            }
            _ => {}
        }
        // Made under another name and moved, so that nobody finds it before it has its mode.
        let mut unready = path.as_os_str().to_owned();
        unready.push(".new");
        let unready = PathBuf::from(unready);
        match fs::remove_file(&unready) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&unready).map_err(failed)?;
        let file = ready(&listener, &unready, path)
            .inspect_err(|_| drop(fs::remove_file(&unready)))
            .map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file,
        })
    }
}

fn ready(listener: &UnixListener, unready: &Path, path: &Path) -> io::Result<(u64, u64)> {
    listener.set_nonblocking(true)?;
    fs::set_permissions(unready, fs::Permissions::from_mode(SOCKET_MODE))?;
    fs::rename(unready, path)?;
    identity(path)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // Nothing is lost if it stays: the next process takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}
