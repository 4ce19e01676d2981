//! Entries of the connection table, page after page under one heading.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a million entries are not gathered first; columns grow as pages come and never shrink.

use lb_control::view::Connection;

use super::Room;
use super::format::{or_dash, whole_seconds};
use super::table::Column::{Extra, Number, Text};
use super::table::{Table, Widths};

/// A listing as it goes on.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    widths: Widths,
}

impl Listing {
    /// The next page's lines, the first page's with headings; nothing for no connections.
    pub(crate) fn page(&mut self, connections: &[Connection], room: Room) -> String {
        let mut table = Table::new(&[
            Text("PROTOCOL"),
            Text("CLIENT"),
            Text("BACKEND"),
            Text("STATE"),
            Number("IDLE"),
            Extra("BACKEND ADDRESS"),
            Extra("VIP"),
        ]);
        for connection in connections {
            table.row([
                connection.protocol.clone(),
                connection.client.clone(),
                backend(connection),
                state(connection),
                whole_seconds(connection.idle_seconds),
                or_dash(connection.backend_address.clone(), |address| address),
                connection.vip.clone(),
            ]);
        }
        if table.is_empty() {
            return String::new();
        }
        table.render_on(room, &mut self.widths)
    }
}

fn backend(connection: &Connection) -> String {
    match (&connection.service, &connection.backend) {
        (Some(service), Some(backend)) => format!("{service}/{backend}"),
        (Some(service), None) => format!("{service}/-"),
        (None, _) => "-".to_owned(),
    }
}

fn state(connection: &Connection) -> String {
    if connection.is_one_way {
        format!("{}, one way", connection.state)
    } else {
        connection.state.clone()
    }
}
