//! The document as it is written, in a file or on the command line.
//!
//! No counterpart in the patent. Keys and options have the same words.
//! Not here: whether the values make sense (`check`).
//! Easy to get wrong: a key that nobody knows is refused, or a slip of the pen would go unnoticed.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::notice::printable;

/// Octets of a file with a document at most.
const FILE_MAX: usize = 1 << 20;

/// A document, not yet checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Addresses of control processors.
    #[serde(default)]
    pub to: Vec<String>,
    /// Seconds between two reports.
    #[serde(default)]
    pub interval: Option<f64>,
    /// File with the shared token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// File with the authorities of control processors.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// File with the agent's own certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// File with its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Backends that the agent stands for.
    pub backends: Vec<BackendDocument>,
}

/// One backend, not yet checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendDocument {
    /// Its name in the control processor's configuration.
    pub name: String,
    /// Whether to look at this machine's CPU and memory.
    #[serde(default = "yes")]
    pub proc: bool,
    /// Ports whose connections are clients.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Path of the control group that the service is in.
    #[serde(default)]
    pub cgroup: Option<String>,
    /// File with the number of a process of the service.
    #[serde(default)]
    pub pid_file: Option<PathBuf>,
    /// Address of a `stub_status` page.
    #[serde(default)]
    pub nginx: Option<String>,
    /// Address of a statistics socket.
    #[serde(default)]
    pub haproxy: Option<String>,
    /// Proxies that count; none means all.
    #[serde(default)]
    pub haproxy_proxies: Vec<String>,
    /// Endpoints that Prometheus could scrape.
    #[serde(default)]
    pub prometheus: Vec<PrometheusDocument>,
    /// Files with values.
    #[serde(default)]
    pub files: Vec<FileDocument>,
    /// Programs that print values.
    #[serde(default)]
    pub commands: Vec<CommandDocument>,
}

/// One endpoint, not yet checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrometheusDocument {
    /// Address of the page.
    pub url: String,
    /// `FIELD=EXPRESSION` each.
    pub series: Vec<String>,
}

/// One file, not yet checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDocument {
    /// Where it is.
    pub path: PathBuf,
    /// Where its number goes; without one it holds an object.
    #[serde(default)]
    pub field: Option<String>,
    /// Seconds after which it says nothing any more; 0 for never.
    #[serde(default)]
    pub age: Option<f64>,
}

/// One program, not yet checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandDocument {
    /// Program and arguments.
    pub run: Vec<String>,
    /// Where its number goes; without one it prints an object.
    #[serde(default)]
    pub field: Option<String>,
}

fn yes() -> bool {
    true
}

impl Document {
    /// Reads a document's text.
    ///
    /// # Errors
    /// A sentence with the key's path and the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > FILE_MAX {
            return Err(format!("longer than {FILE_MAX} octets"));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let document: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            match path.as_str() {
                "." => printable(&error.inner().to_string()),
                path => format!("{path}: {}", printable(&error.inner().to_string())),
            }
        })?;
        reader.end().map_err(|error| error.to_string())?;
        Ok(document)
    }
}

/// Reads a file's document.
///
/// # Errors
/// A sentence with the file's name.
pub fn read(path: &Path) -> Result<Document, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    Document::parse(&text).map_err(|message| format!("{shown}: {message}"))
}
