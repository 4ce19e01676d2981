//! Did you mean: names that are close to one that does not exist.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a suggestion that is far off is worse than none; the distance that is still taken for
//! a slip grows with the name's length.

/// The name of `names` that `asked` was most probably meant to be.
pub(crate) fn closest<'a>(
    asked: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let slips = (asked.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (distance(&asked.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Names that are listed at most where none is close.
const LISTED: usize = 10;

/// What to say about a name that is none of `names`; `what` says what the names are of.
pub(crate) fn sentence(what: &str, asked: &str, names: &[&str]) -> String {
    if let Some(name) = closest(asked, names.iter().copied()) {
        return format!("did you mean {name}?");
    }
    match names {
        [] => "none is configured".to_owned(),
        names if names.len() <= LISTED => format!("{what} are {}", names.join(", ")),
        names => format!(
            "{what} are {} in number; lbctl services and lbctl backends list them",
            names.len()
        ),
    }
}

/// Characters to insert, delete, replace, or swap with their neighbor, to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, c) in from.chars().enumerate() {
        let mut this = vec![row + 1];
        for (column, &d) in to.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut least = at(&last, column) + usize::from(c != d);
            least = least.min(at(&last, column + 1) + 1);
            least = least.min(at(&this, column) + 1);
            let is_swapped = column > 0 && previous == Some(d) && to.get(column - 1) == Some(&c);
            if is_swapped {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            this.push(least);
        }
        before_last = std::mem::replace(&mut last, this);
        previous = Some(c);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name() {
        let names = ["web", "web-1", "web-2", "dns", "mail-relay"];
        for (asked, wanted) in [
            ("wbe", Some("web")),
            ("WEB-1", Some("web-1")),
            ("web-3", Some("web-1")),
            ("dsn", Some("dns")),
            ("mailrelai", Some("mail-relay")),
            ("ftp", None),
            ("", None),
        ] {
            assert_eq!(closest(asked, names), wanted, "{asked}");
        }
        assert_eq!(closest("web", []), None);
    }

    #[test]
    fn a_swap_is_one_slip() {
        assert_eq!(distance("wbe", "web"), 1);
        assert_eq!(distance("web", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
