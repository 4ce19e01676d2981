//! The document's life: what would change, what changed, who did it.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a value may be a whole service; on a terminal its line is cut, in a file it is not.

use lb_control::view::{Applied, Audit, Change, Checked, Diff, Revisions, Who};
use serde_json::Value;

use super::Room;
use super::format::{count, moment, octets, things};
use super::table::Column::{Extra, Number, Text};
use super::table::{Table, cut};

/// What a document would change.
pub(crate) fn diff(diff: &Diff, room: Room) -> String {
    if diff.changes.is_empty() {
        return format!("no changes: revision {} says the same\n", diff.revision);
    }
    changes(&diff.changes, "", room)
}

/// What a document did change.
pub(crate) fn applied(applied: &Applied, room: Room) -> String {
    let Applied {
        revision,
        generation,
        ..
    } = applied;
    if applied.changes.is_empty() {
        return format!("revision {revision} (generation {generation}): nothing changed\n");
    }
    let number = things(applied.changes.len() as u64, "change");
    format!(
        "revision {revision} (generation {generation}): {number}\n{}",
        changes(&applied.changes, "  ", room)
    )
}

fn changes(changes: &[Change], indent: &str, room: Room) -> String {
    let mut text = String::new();
    for change in changes {
        let line = format!(
            "{indent}{}: {} → {}",
            change.path,
            value(change.before.as_ref()),
            value(change.after.as_ref())
        );
        text.push_str(&cut(&line, room.unwrap_or(usize::MAX)));
        text.push('\n');
    }
    text
}

fn value(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), Value::to_string)
}

/// A document that could be applied.
pub(crate) fn checked(checked: &Checked) -> String {
    let shown = [
        (checked.interfaces, "interface"),
        (checked.routes, "route"),
        (checked.neighbors, "neighbor"),
        (checked.services, "service"),
        (checked.backends, "backend"),
    ];
    let shown = shown.map(|(number, thing)| things(number as u64, thing));
    format!("good: {}\n", shown.join(", "))
}

/// The revisions that are kept.
pub(crate) fn revisions(revisions: &Revisions, room: Room) -> String {
    if revisions.revisions.is_empty() {
        return "no revisions are kept\n".to_owned();
    }
    let mut table = Table::new(&[
        Number("REVISION"),
        Text("IN FORCE"),
        Text("APPLIED"),
        Text("BY"),
        Extra("SIZE"),
    ]);
    for revision in &revisions.revisions {
        table.row([
            revision.revision.to_string(),
            if revision.is_current { "yes" } else { "no" }.to_owned(),
            moment(revision.at),
            who(&revision.by),
            octets(revision.octets),
        ]);
    }
    table.render(room)
}

/// Who asked for something, and which way.
pub(super) fn who(who: &Who) -> String {
    format!("{} ({})", who.name, who.via)
}

/// Who changed what; oldest first, so that the newest stands last on the screen.
pub(crate) fn audit(audit: &Audit, room: Room) -> String {
    if audit.records.is_empty() {
        return "nobody has asked for a change yet\n".to_owned();
    }
    let mut text = String::new();
    for record in audit.records.iter().rev() {
        let made = match record.revision {
            Some(revision) => format!(", revision {}", count(revision)),
            None => String::new(),
        };
        text.push_str(&format!(
            "{}  {}  {}: {}{made}\n",
            moment(record.at),
            who(&record.by),
            record.what,
            record.outcome
        ));
        text.push_str(&changes(&record.changes, "    ", room));
    }
    text
}
