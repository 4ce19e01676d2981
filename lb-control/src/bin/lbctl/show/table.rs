//! Tables of plain text that fit the terminal: headings, columns, numbers to the right.
//!
//! No counterpart in the patent. On too narrow a terminal columns that can be missed are left out, then
//! texts are cut with `…`; numbers are never cut.
//! Easy to get wrong: into a file or a pipe nothing is cut, whatever the terminal's width is.

use super::Room;

/// Blanks between two columns.
const GAP: usize = 2;
/// A text is cut to this many characters before a column is left out for it.
const COMFORTABLE: usize = 24;
/// A text is never cut below this many characters.
const NARROWEST: usize = 8;

/// How a column is set, and what may be done to it where room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// A text; may be cut.
    Text(&'static str),
    /// A number or another short thing, to the right.
    Number(&'static str),
    /// A text that may be left out where room is short.
    Extra(&'static str),
    /// A number that may be left out where room is short.
    ExtraNumber(&'static str),
}

use Column::{Extra, ExtraNumber, Number, Text};

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Text(heading) | Number(heading) | Extra(heading) | ExtraNumber(heading) => heading,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Number(_) | ExtraNumber(_))
    }

    fn is_extra(self) -> bool {
        matches!(self, Extra(_) | ExtraNumber(_))
    }
}

/// Widest cell of each column so far, of a table that comes in pages.
#[derive(Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Appends a row, one cell a column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line a row; as many characters a line at most as there is room for, if that is possible.
    pub(crate) fn render(&self, room: Room) -> String {
        self.render_on(room, &mut Widths::default())
    }

    /// The same for a table that comes in pages: only the first has headings, and columns do not shrink.
    pub(crate) fn render_on(&self, room: Room, seen: &mut Widths) -> String {
        let mut text = String::new();
        let is_first = seen.0.is_empty();
        seen.0.resize(self.columns.len(), 0);
        for (place, width) in seen.0.iter_mut().enumerate() {
            *width = self.natural(place).max(*width);
        }
        let widths = self.fitted(&seen.0, room.unwrap_or(usize::MAX));
        if is_first {
            let headings: Vec<_> = self.columns.iter().map(|column| column.heading()).collect();
            text.push_str(&self.line(&headings, &widths));
        }
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(String::as_str).collect();
            text.push_str(&self.line(&cells, &widths));
        }
        text
    }

    fn natural(&self, place: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(place));
        let heading = self.columns.get(place).map(|column| column.heading());
        let cells = cells.map(String::as_str).chain(heading);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    /// Characters of each column; `None` is left out.
    fn fitted(&self, natural: &[usize], room: usize) -> Vec<Option<usize>> {
        let columns = self.columns.iter().zip(natural);
        let mut widths: Vec<_> = columns
            .map(|(column, &natural)| match column {
                Text(heading) => Some(natural.min(COMFORTABLE.max(heading.len()))),
                _ => Some(natural),
            })
            .collect();
        while total(&widths) > room && self.leave_out(&mut widths) {}
        for (width, &natural) in widths.iter_mut().zip(natural) {
            *width = width.and(Some(natural));
        }
        while total(&widths) > room && self.cut_widest_text(&mut widths) {}
        widths
    }

    /// Leaves out the last column that can be missed.
    fn leave_out(&self, widths: &mut [Option<usize>]) -> bool {
        let mut columns = self.columns.iter().zip(widths).rev();
        let last = columns.find(|(column, width)| column.is_extra() && width.is_some());
        let Some((_, width)) = last else {
            return false;
        };
        *width = None;
        true
    }

    /// Takes a character from the widest text that can bear it.
    fn cut_widest_text(&self, widths: &mut [Option<usize>]) -> bool {
        let texts = self.columns.iter().zip(widths);
        let widest = texts
            .filter(|(column, _)| matches!(column, Text(_)))
            .filter_map(|(column, width)| {
                let least = NARROWEST.max(column.heading().len());
                width.as_mut().filter(|width| **width > least)
            })
            .max_by_key(|width| **width);
        let Some(width) = widest else {
            return false;
        };
        *width -= 1;
        true
    }

    fn line(&self, cells: &[&str], widths: &[Option<usize>]) -> String {
        let mut line = String::new();
        for ((column, cell), width) in self.columns.iter().zip(cells).zip(widths) {
            let Some(width) = *width else { continue };
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let cell = cut(cell, width);
            if column.is_number() {
                line.push_str(&format!("{cell:>width$}"));
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

fn total(widths: &[Option<usize>]) -> usize {
    let there: Vec<_> = widths.iter().flatten().collect();
    there.iter().copied().sum::<usize>() + GAP * there.len().saturating_sub(1)
}

/// A text of `width` characters at most; what is cut off shows as `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[Text("NAME"), Number("WEIGHT"), Extra("ADDRESS")]);
        table.row(["web-1".into(), "100".into(), "10.0.0.11:8080".into()]);
        table.row([
            "a-name-of-some-length".into(),
            "65,535".into(),
            "[2001:db8::11]:8080".into(),
        ]);
        table
    }

    #[test]
    fn numbers_stand_to_the_right() {
        assert_eq!(
            table().render(None),
            "NAME                   WEIGHT  ADDRESS\n\
             web-1                     100  10.0.0.11:8080\n\
             a-name-of-some-length  65,535  [2001:db8::11]:8080\n"
        );
    }

    #[test]
    fn what_can_be_missed_is_left_out_first() {
        assert_eq!(
            table().render(Some(40)),
            "NAME                   WEIGHT\n\
             web-1                     100\n\
             a-name-of-some-length  65,535\n"
        );
    }

    #[test]
    fn then_texts_are_cut_and_numbers_never() {
        assert_eq!(
            table().render(Some(20)),
            "NAME          WEIGHT\n\
             web-1            100\n\
             a-name-of-s…  65,535\n"
        );
        assert_eq!(table().render(Some(1)), table().render(Some(16)));
    }

    #[test]
    fn a_long_text_is_cut_before_a_column_is_left_out() {
        let mut table = Table::new(&[Text("REASON"), Extra("WAY")]);
        table.row(["x".repeat(60), "in".into()]);
        assert_eq!(
            table.render(Some(30)),
            format!("REASON{}  WAY\n{}…  in\n", " ".repeat(19), "x".repeat(24))
        );
    }

    #[test]
    fn pages_stand_under_one_heading() {
        let mut widths = Widths::default();
        let page = |name: &str, widths: &mut Widths| {
            let mut table = Table::new(&[Text("NAME"), Number("N")]);
            table.row([name.into(), "1".into()]);
            table.render_on(None, widths)
        };
        assert_eq!(page("web-1", &mut widths), "NAME   N\nweb-1  1\n");
        assert_eq!(page("web-10", &mut widths), "web-10  1\n");
        assert_eq!(page("a", &mut widths), "a       1\n");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in 16..60 {
            for line in table().render(Some(width)).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}
