//! The change of one backend: weight, state, or both.
//!
//! No counterpart in the patent. The document's text is edited through its JSON value: keys keep their order,
//! its layout becomes two spaces a level.
//! Easy to get wrong: a patch changes the *document*; it is a revision like any other and can be rolled back.

use lb_core::config::BackendState;
use serde_json::{Value, json};

/// What to change of a backend; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Share of new flows, 0 to 65535; 0: none.
    pub weight: Option<u32>,
    /// Whether it takes part.
    pub state: Option<BackendState>,
}

/// What a patch looked for and did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Service,
    Backend,
}

impl Patch {
    /// The document's text with this change. A text that is no JSON has no services.
    pub(crate) fn edit(&self, text: &str, service: &str, backend: &str) -> Result<String, Missing> {
        let mut document: Value = serde_json::from_str(text).map_err(|_| Missing::Service)?;
        let service = named(&mut document, "services", service).ok_or(Missing::Service)?;
        let backend = named(service, "backends", backend).ok_or(Missing::Backend)?;
        let backend = backend.as_object_mut().ok_or(Missing::Backend)?;
        if let Some(weight) = self.weight {
            backend.insert("weight".to_owned(), json!(weight));
        }
        if let Some(state) = self.state {
            backend.insert("state".to_owned(), json!(state));
        }
        let mut text = format!("{document:#}");
        text.push('\n');
        Ok(text)
    }
}

/// The member called `name` of a list.
fn named<'v>(within: &'v mut Value, list: &str, name: &str) -> Option<&'v mut Value> {
    let members = within.get_mut(list)?.as_array_mut()?;
    members
        .iter_mut()
        .find(|member| member.get("name").and_then(Value::as_str) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"services":[{"port":80,"name":"web","backends":[
        {"weight":5,"name":"web-1","address":"10.0.0.1"},{"name":"web-2"}]},{"name":"dns"}]}"#;

    fn edit(service: &str, backend: &str, patch: Patch) -> Result<String, Missing> {
        patch.edit(TEXT, service, backend)
    }

    #[test]
    fn a_patch_changes_one_backend_and_keeps_the_order_of_keys() {
        let patch = Patch {
            weight: Some(7),
            state: Some(BackendState::Draining),
        };
        let text = edit("web", "web-1", patch).unwrap();
        let compact: String = text.split_whitespace().collect();
        assert_eq!(
            compact,
            r#"{"services":[{"port":80,"name":"web","backends":[{"weight":7,"name":"web-1","address":"10.0.0.1","state":"draining"},{"name":"web-2"}]},{"name":"dns"}]}"#
        );
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let patch = Patch::default();
        assert_eq!(edit("mail", "web-1", patch), Err(Missing::Service));
        assert_eq!(edit("web", "web-3", patch), Err(Missing::Backend));
        assert_eq!(edit("dns", "web-1", patch), Err(Missing::Backend));
    }
}
