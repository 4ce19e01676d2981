//! Text in, checked configuration or refusals out.
//!
//! No counterpart in the patent. A text that is no such document is refused for its first fault alone;
//! a document is looked at whole, and all that is wrong with it is said at once.
//! Not here: files, and what becomes of the result.
//! Easy to get wrong: the JSON reader blames a key it does not know on the object around it; people look
//! for the key, so the path goes on to it.

use serde_path_to_error::Segment;

use super::document::Document;
use super::later;
use super::locate::{self, KeyPath};
use super::model::Config;
use super::network::Network;
use super::object::Object;
use super::ports::PortsPresent;
use super::refusal::{Refusal, Refusals, printable, tidy};
use super::{interfaces, next_hops, services};
use crate::flow::HashSeed;

/// Reads and checks a whole configuration. `ports` are those that the program drives.
///
/// # Errors
/// What is wrong with it, in the order of lines: one refusal if the text is no such document, else at
/// least one and at most [`super::REFUSALS_MAX`].
pub fn parse(text: &str, ports: &PortsPresent) -> Result<Config, Vec<Refusal>> {
    let document = read(text).map_err(|refusal| vec![refusal])?;
    check(&document, text, ports)
}

/// Reads a document, without checking what its values mean.
///
/// # Errors
/// The first fault: of syntax, of a key's name or of a value's type.
pub fn read(text: &str) -> Result<Document, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let Object(document) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| read_refusal(text, error.path(), error.inner()))?;
    reader
        .end()
        .map_err(|error| syntax_refusal(&KeyPath::default(), &error))?;
    Ok(document)
}

/// Checks a document that has been [read](read()) from `text`. `ports` are those that the program drives.
///
/// # Errors
/// What is wrong with it, in the order of lines: at least one and at most [`super::REFUSALS_MAX`].
pub fn check(
    document: &Document,
    text: &str,
    ports: &PortsPresent,
) -> Result<Config, Vec<Refusal>> {
    check_keys(document, ports).map_err(|refusals| refusals.locate(text))
}

fn check_keys(document: &Document, ports: &PortsPresent) -> Result<Config, Refusals> {
    let mut refusals = Refusals::default();
    let seed = match &document.hash_seed {
        Some(text) => {
            let path = KeyPath::default().key("hash_seed");
            refusals.keep(path, hash_seed(text))
        }
        None => None,
    };
    let mut network = Network::new(ports.follows_kernel());
    interfaces::check(&document.interfaces, ports, &mut network, &mut refusals);
    next_hops::check_routes(&document.routes, &mut network, &mut refusals);
    let neighbors = next_hops::check_neighbors(&document.neighbors, &network, &mut refusals);
    let services = services::check(&document.services, &network, &mut refusals);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Config {
        transit: document.transit,
        hash_seed: seed,
        interfaces: network.interfaces,
        routes: network.routes,
        neighbors,
        services,
    })
}

/// Reads 32 hexadecimal digits as 16 octets, first octet first.
fn hash_seed(text: &str) -> Result<HashSeed, String> {
    let is_seed = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    match u128::from_str_radix(text, 16) {
        Ok(number) if is_seed => Ok(HashSeed(number.to_be_bytes())),
        _ => Err(format!(
            "`{}` is no seed; expected 32 hexadecimal digits",
            printable(text)
        )),
    }
}

/// Turns a fault of the JSON reader into a refusal.
fn read_refusal(
    text: &str,
    path: &serde_path_to_error::Path,
    error: &serde_json::Error,
) -> Refusal {
    let path = path
        .iter()
        .fold(KeyPath::default(), |path, segment| match segment {
            Segment::Map { key } => path.key(key),
            Segment::Seq { index } => path.index(*index),
            Segment::Enum { .. } | Segment::Unknown => path,
        });
    if !error.is_data() {
        return syntax_refusal(&path, error);
    }
    let message = without_position(error);
    let line = error.line().max(1);
    if let Some(key) = quoted_after(&message, "missing field ") {
        // The reader has passed the whole object before it misses a key.
        return Refusal {
            line: locate::line_of(text, &path).unwrap_or(line),
            path: path.key(key).to_string(),
            message: "this key is missing; it has no default".to_owned(),
        };
    }
    if let Some(key) = quoted_after(&message, "duplicate field ") {
        let message = "this key stands twice in one object; expected it once".to_owned();
        return Refusal {
            path: path.key(key).to_string(),
            line,
            message,
        };
    }
    let message = match message.strip_prefix("unknown field ") {
        Some(rest) => unknown_key(&path, rest),
        None => tidy(&later::without_later_values(&message.replacen(
            "unknown variant",
            "unknown value",
            1,
        ))),
    };
    Refusal {
        path: path.to_string(),
        line,
        message,
    }
}

/// The sentence for a key that is not read; `rest` is the reader's, from the quoted key on.
fn unknown_key(path: &KeyPath, rest: &str) -> String {
    let key = path.last_key().unwrap_or_default();
    if let Some(part) = later::key(key) {
        return format!("this key belongs to {part}, a part that is not built yet; leave it out");
    }
    // The key may hold anything, even this separator; the list of keys does not.
    let expected = rest
        .rsplit_once(", expected ")
        .map_or("another", |(_, expected)| expected);
    format!("unknown key; expected {expected}")
}

fn syntax_refusal(path: &KeyPath, error: &serde_json::Error) -> Refusal {
    Refusal {
        path: path.to_string(),
        line: error.line().max(1),
        message: format!(
            "not valid JSON at column {}: {}",
            error.column(),
            tidy(&without_position(error))
        ),
    }
}

/// The reader's message without the position, which a refusal says in its own way.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    message
        .strip_suffix(&position)
        .unwrap_or(&message)
        .to_owned()
}

/// The first word in backquotes, if the message begins with `start`.
fn quoted_after<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    message
        .strip_prefix(start)?
        .strip_prefix('`')?
        .split('`')
        .next()
}
