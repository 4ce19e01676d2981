//! Numbers out of the text files that the kernel and others write.
//!
//! No counterpart in the patent.

/// The number behind a key at the begin of a line: `MemTotal:  16 kB`, `usage_usec 17`.
#[must_use]
pub fn number_behind(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(key)).then(|| words.next()?.parse().ok())?
    })
}

/// The only number of a text.
#[must_use]
pub fn only_number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_be_the_whole_first_word() {
        let text = "MemTotalX: 1 kB\nMemTotal:       24684084 kB\n";
        assert_eq!(number_behind(text, "MemTotal:"), Some(24_684_084.0));
        assert_eq!(number_behind(text, "MemTot"), None);
        assert_eq!(number_behind("a", "a"), None);
    }
}
