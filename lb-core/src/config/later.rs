//! Keys and values that are spoken for, but whose part is not built yet.
//!
//! No counterpart in the patent. Whoever writes one gets a sentence and not a riddle.
//! Easy to get wrong: when a part is built, its rows here go away with the same change.

use super::document::Forwarding;

/// Keys, and what they will belong to.
const KEYS: [(&str, &str); 11] = [
    ("apps", "network apps"),
    ("capture", "packet capture"),
    ("cluster", "several boxes sharing configuration"),
    ("drain", "draining backends with a deadline"),
    ("etcd", "several boxes sharing configuration"),
    ("limits", "limits"),
    ("lists", "lists of clients"),
    ("local_addresses", "the forwarding `full-nat`"),
    ("quic", "QUIC connection ids"),
    ("syn_cookies", "SYN cookies"),
    ("vlan", "VLANs"),
];

/// What a key that is not read yet will belong to.
pub(super) fn key(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .find(|(key, _)| *key == name)
        .map(|(_, part)| *part)
}

/// The value's name, if that way of forwarding is not built yet.
pub(super) const fn forwarding(value: Forwarding) -> Option<&'static str> {
    match value {
        Forwarding::Direct | Forwarding::Nat => None,
        Forwarding::FullNat => Some("full-nat"),
        Forwarding::Tunnel => Some("tunnel"),
    }
}

/// Takes values that are not built yet out of a list of those expected.
pub(super) fn without_later_values(message: &str) -> String {
    let Some((what, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let mut expected = expected.to_owned();
    for value in ["full-nat", "tunnel"] {
        expected = expected.replace(&format!(", `{value}`"), "");
    }
    // One word alone is not "one of".
    if expected.matches('`').count() == 2 {
        expected = expected.replace("one of ", "");
    }
    format!("{what}, expected {expected}")
}
