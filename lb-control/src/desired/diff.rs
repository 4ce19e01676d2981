//! What differs between two documents.
//!
//! No counterpart in the patent. A default that is written out is no difference to one that is left out: what is
//! compared is what the documents mean, key by key.
//! Not here: whether a document is right.
//! Easy to get wrong: the order of lists means nothing, so their members are matched by what identifies them and not
//! by position; who is renamed goes away and comes.

use std::collections::HashMap;

use lb_core::config::Document;
use lb_core::config::document::Service;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Where, with members of lists by name, prefix or address: `services[web].backends[web-1].weight`.
    pub path: String,
    /// What it was; absent: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it becomes; absent: it goes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// All that differs, in the order of `after`; in each list, what goes away comes last.
#[must_use]
pub fn between(before: &Document, after: &Document) -> Vec<Change> {
    // Taken apart, so that a new key cannot be forgotten here.
    let Document {
        transit,
        hash_seed,
        interfaces,
        routes,
        neighbors,
        services,
    } = before;
    let mut changes = Changes(Vec::new());
    changes.values("transit", Some(transit), Some(&after.transit));
    changes.values("hash_seed", hash_seed.as_ref(), after.hash_seed.as_ref());
    changes.members(
        "interfaces",
        interfaces,
        &after.interfaces,
        |i| &i.name,
        Changes::keys,
    );
    changes.members(
        "routes",
        routes,
        &after.routes,
        |r| &r.prefix,
        Changes::keys,
    );
    changes.members(
        "neighbors",
        neighbors,
        &after.neighbors,
        |n| &n.address,
        Changes::keys,
    );
    changes.members(
        "services",
        services,
        &after.services,
        |s| &s.name,
        Changes::service,
    );
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, path: &str, before: Option<Value>, after: Option<Value>) {
        self.0.push(Change {
            path: path.to_owned(),
            before,
            after,
        });
    }

    fn values<T: PartialEq + Serialize>(&mut self, path: &str, was: Option<&T>, is: Option<&T>) {
        if was != is {
            self.add(path, was.map(value), is.map(value));
        }
    }

    /// Two lists whose members are called by `name`; `pair` compares two of one name that differ.
    fn members<T: PartialEq + Serialize>(
        &mut self,
        list: &str,
        before: &[T],
        after: &[T],
        name: fn(&T) -> &String,
        pair: impl Fn(&mut Self, &str, &T, &T),
    ) {
        let mut gone: HashMap<&String, &T> = before.iter().map(|was| (name(was), was)).collect();
        for is in after {
            let path = || format!("{list}[{}]", name(is));
            match gone.remove(name(is)) {
                None => self.add(&path(), None, Some(value(is))),
                Some(was) if was != is => pair(self, &path(), was, is),
                Some(_) => {}
            }
        }
        for was in before {
            if gone.remove(name(was)).is_some() {
                let path = format!("{list}[{}]", name(was));
                self.add(&path, Some(value(was)), None);
            }
        }
    }

    /// Backends are compared as members of a list, everything else as any value.
    fn service(&mut self, path: &str, was: &Service, is: &Service) {
        let bare = |service: &Service| {
            let mut bare = value(service);
            if let Some(keys) = bare.as_object_mut() {
                keys.shift_remove("backends");
            }
            bare
        };
        self.any(path, Some(bare(was)), Some(bare(is)));
        let list = format!("{path}.backends");
        self.members(&list, &was.backends, &is.backends, |b| &b.name, Self::keys);
    }

    /// Two objects, key by key.
    fn keys<T: Serialize>(&mut self, path: &str, was: &T, is: &T) {
        self.any(path, Some(value(was)), Some(value(is)));
    }

    /// Two values: objects key by key, everything else whole.
    fn any(&mut self, path: &str, was: Option<Value>, is: Option<Value>) {
        match (was, is) {
            (Some(Value::Object(was)), Some(Value::Object(is))) => self.objects(path, was, is),
            (was, is) if was != is => self.add(path, was, is),
            _ => {}
        }
    }

    fn objects(&mut self, path: &str, mut was: Map<String, Value>, is: Map<String, Value>) {
        for (key, is) in is {
            self.any(&format!("{path}.{key}"), was.shift_remove(&key), Some(is));
        }
        for (key, was) in was {
            self.any(&format!("{path}.{key}"), Some(was), None);
        }
    }
}

/// A part of a document as JSON, which it was read from.
fn value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lb_core::config::read;

    use super::*;

    const BEFORE: &str = r#"{ "services": [
        { "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp", "forwarding": "nat",
          "backends": [ { "name": "web-1", "address": "10.0.0.11" }, { "name": "web-2", "address": "10.0.0.12" } ] },
        { "name": "dns", "address": "192.0.2.10", "port": 53, "protocol": "udp", "forwarding": "nat" } ] }"#;

    fn changed(edits: &[(&str, &str)]) -> Vec<(String, String, String)> {
        let mut text = BEFORE.to_owned();
        for (old, new) in edits {
            assert_eq!(text.matches(old).count(), 1, "{old}");
            text = text.replace(old, new);
        }
        let shown = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        between(&read(BEFORE).unwrap(), &read(&text).unwrap())
            .into_iter()
            .map(|change| (change.path, shown(change.before), shown(change.after)))
            .collect()
    }

    fn change(path: &str, before: &str, after: &str) -> (String, String, String) {
        (path.to_owned(), before.to_owned(), after.to_owned())
    }

    #[test]
    fn a_default_that_is_written_out_is_no_change() {
        let edit = (
            "\"10.0.0.11\"",
            "\"10.0.0.11\", \"weight\": 100, \"state\": \"enabled\"",
        );
        assert_eq!(changed(&[edit]), []);
    }

    #[test]
    fn the_order_of_a_list_is_no_change() {
        let edits = [
            (
                "\"web-1\", \"address\": \"10.0.0.11\"",
                "\"web-0\", \"address\": \"10.0.0.12\"",
            ),
            (
                "\"web-2\", \"address\": \"10.0.0.12\"",
                "\"web-1\", \"address\": \"10.0.0.11\"",
            ),
            ("\"web-0\"", "\"web-2\""),
        ];
        assert_eq!(changed(&edits), []);
    }

    #[test]
    fn a_changed_key_is_named_by_the_members_around_it() {
        let edits = [
            ("\"10.0.0.12\"", "\"10.0.0.12\", \"weight\": 0"),
            (
                "\"udp\", \"forwarding\"",
                "\"udp\", \"timeouts\": { \"udp\": 5 }, \"max_connections\": 7, \"forwarding\"",
            ),
        ];
        assert_eq!(
            changed(&edits),
            [
                change("services[web].backends[web-2].weight", "100", "0"),
                change("services[dns].timeouts.udp", "120", "5"),
                change("services[dns].max_connections", "-", "7"),
            ]
        );
    }

    #[test]
    fn who_is_renamed_goes_away_and_comes() {
        let changes = changed(&[("\"name\": \"web-1\"", "\"name\": \"web-9\"")]);
        let paths: Vec<_> = changes
            .iter()
            .map(|(path, before, after)| (path.as_str(), before == "-", after == "-"))
            .collect();
        assert_eq!(
            paths,
            [
                ("services[web].backends[web-9]", true, false),
                ("services[web].backends[web-1]", false, true),
            ]
        );
    }
}
