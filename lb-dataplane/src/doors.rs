//! The doors to the control processor: where its API listens, and who may come in.
//!
//! No counterpart in the patent. What the command line says of it becomes `lb_control`'s types here, before the
//! first port opens; what a caller may do then is decided there.
//! Easy to get wrong: a door that was asked for and cannot be opened is a refusal; one that is there by default is not,
//! or a second program on the machine could not even forward.

use std::path::{Path, PathBuf};

use lb_control::api::{
    Access, Address, ListenError, Listener, NoToken, NotAnAddress, TlsFiles, Token,
};

use crate::options::{Options, STATE};

/// Why a door stays shut.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// What `--control` says is no address.
    #[error("--control {0}")]
    Address(#[from] NotAnAddress),
    /// `none` beside an address.
    #[error("--control none stands beside other addresses; expected one or the other")]
    NoneAndOthers,
    /// It cannot be opened.
    #[error("--control {0}")]
    Listen(#[from] ListenError),
    /// A token's file is of no use.
    #[error("{option} {source}")]
    Token {
        /// Which option.
        option: &'static str,
        /// Why.
        source: NoToken,
    },
}

/// Open doors.
pub struct Doors {
    /// Where the API listens.
    pub listeners: Vec<Listener>,
    /// Who may do what.
    pub access: Access,
    /// Why the default door stayed shut, if it did.
    pub remark: Option<String>,
}

impl Doors {
    /// Opens what the options ask for.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub fn open(options: &Options) -> Result<Self, DoorError> {
        let token = |option, file: Option<&PathBuf>| {
            file.map(|file| Token::from_file(file))
                .transpose()
                .map_err(|source| DoorError::Token { option, source })
        };
        let access = Access {
            admins: options.admin.clone(),
            readers: options.reader.clone(),
            agent_token: token("--agent-token-file", options.agent_token_file.as_ref())?,
            admin_token: token("--admin-token-file", options.admin_token_file.as_ref())?,
        };
        if options.control.is_empty() {
            return Ok(Self::by_default(options, access));
        }
        let tls = tls_files(options);
        let listeners = wanted(options)?
            .into_iter()
            .map(|address| {
                let listener = match (&address, tls.clone()) {
                    (&Address::Tcp(tcp), Some(files)) => {
                        Listener::bind_tls(tcp, files, access.takes_tokens())
                    }
                    _ => Listener::bind(&address),
                };
                Ok(listener?)
            })
            .collect::<Result<_, DoorError>>()?;
        Ok(Self {
            listeners,
            access,
            remark: None,
        })
    }

    /// The socket in the state directory.
    fn by_default(options: &Options, access: Access) -> Self {
        let directory = options.state.as_deref().unwrap_or(Path::new(STATE));
        let address = Address::Unix(directory.join("control.sock"));
        let (listeners, remark) = match Listener::bind(&address) {
            Ok(listener) => (vec![listener], None),
            Err(error) => (
                Vec::new(),
                Some(format!("no API: {error}; --control names another place")),
            ),
        };
        Self {
            listeners,
            access,
            remark,
        }
    }

    /// One line for each door.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let open = self.listeners.iter().filter_map(|listener| {
            let address = listener.address().ok()?;
            Some(match listener.kind() {
                "tls" => format!("API on https://{address}"),
                _ => format!("API on {address}"),
            })
        });
        open.chain(self.remark.clone()).collect()
    }
}

/// The addresses that the options name; what can be seen of them before anything is opened is refused.
///
/// # Errors
/// See [`DoorError`].
pub fn wanted(options: &Options) -> Result<Vec<Address>, DoorError> {
    let texts: &[String] = match options.control.as_slice() {
        [none] if none == "none" => &[],
        all if all.iter().any(|address| address == "none") => {
            return Err(DoorError::NoneAndOthers);
        }
        all => all,
    };
    let read = |text: &String| {
        let address: Address = text.parse()?;
        match &address {
            Address::Tcp(tcp) if options.tls_certificate.is_none() && !tcp.ip().is_loopback() => {
                let source = ListenError::Plain(address.clone());
                Err(DoorError::Listen(source))
            }
            _ => Ok(address),
        }
    };
    texts.iter().map(read).collect()
}

fn tls_files(options: &Options) -> Option<TlsFiles> {
    Some(TlsFiles {
        certificate: options.tls_certificate.clone()?,
        key: options.tls_key.clone()?,
        clients: options.tls_clients.clone()?,
    })
}
