//! Checks names and tags: words that stand in addresses of the API and in labels.
//!
//! No counterpart in the patent. A tag is written like a name, so that both can be quoted alike.
//! Not here: interface names, which the kernel limits (`interfaces`).
//! Easy to get wrong: a name is unique in its list, a tag only within one service or backend.

use std::collections::{HashMap, HashSet};

use super::locate::KeyPath;
use super::refusal::{Refusals, printable};

/// Characters of a name or tag.
const NAME_MAX: usize = 63;

/// Checks the name of a service or backend, and that no earlier one of the list has it.
pub(super) fn unique_name(
    name: &str,
    position: usize,
    list: &str,
    seen: &mut HashMap<String, usize>,
) -> Result<String, String> {
    word(name, "name")?;
    match seen.insert(name.to_owned(), position) {
        Some(first) => Err(format!(
            "the name `{name}` is taken by {list}[{first}]; expected one of its own"
        )),
        None => Ok(name.to_owned()),
    }
}

/// Checks the tags of a service or backend; `None` if one was refused.
pub(super) fn tags(tags: &[String], at: &KeyPath, refusals: &mut Refusals) -> Option<Vec<String>> {
    let mut seen = HashSet::with_capacity(tags.len());
    let mut checked = Vec::with_capacity(tags.len());
    for (position, tag) in tags.iter().enumerate() {
        let once = word(tag, "tag").and_then(|()| {
            if seen.insert(tag) {
                Ok(tag.clone())
            } else {
                Err(format!(
                    "the tag `{tag}` stands here twice; expected it once"
                ))
            }
        });
        checked.extend(refusals.keep(at.index(position), once));
    }
    (checked.len() == tags.len()).then_some(checked)
}

/// `what` is the kind of word, for the sentence.
fn word(text: &str, what: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_word = (1..=NAME_MAX).contains(&text.len())
        && text.chars().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_word {
        return Ok(());
    }
    Err(format!(
        "`{}` is no {what}; expected 1 to {NAME_MAX} letters, digits, `.`, `_` and `-`, the first a letter or digit",
        printable(text)
    ))
}
