//! Options of IPv4 and TCP headers: kind, length, data.
//!
//! No counterpart in the patent. RFC 791 3.1 and RFC 9293 3.1 use the same form: kind 0 ends the
//! list, kind 1 is one octet of padding, every other kind has a length that counts kind and length
//! too. The walk is bounded by the header (at most 40 octets) because each step consumes at least
//! one.
//! Easy to get wrong: a length of 0 or 1 would never advance; it is an error and ends the walk.

/// An option's length is below 2 or reaches past the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option length below 2 or past the header")]
pub struct BadOption;

/// One option that is neither the end of the list nor padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderOption<'a> {
    /// Kind, 2 to 255.
    pub kind: u8,
    /// What stands behind kind and length, 0 to 38 octets.
    pub data: &'a [u8],
}

/// Walks the options of one header; after an error it yields nothing more.
#[derive(Clone, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Options in `octets`: what stands between the fixed header and its end.
    #[inline]
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<HeaderOption<'a>, BadOption>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *std::mem::take(&mut self.0) {
                [] | [0, ..] => return None,
                [1, ref rest @ ..] => self.0 = rest,
                [kind, length, ref rest @ ..] => {
                    let split = usize::from(length)
                        .checked_sub(2)
                        .and_then(|n| rest.split_at_checked(n));
                    let Some((data, rest)) = split else {
                        return Some(Err(BadOption));
                    };
                    self.0 = rest;
                    return Some(Ok(HeaderOption { kind, data }));
                }
                [_] => return Some(Err(BadOption)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_skipped_and_nothing_is_read_behind_the_end_of_the_list() {
        // MSS 1460, two NOPs, window scale 7, end of list, and octets that must not be read.
        let octets = [2, 4, 0x05, 0xb4, 1, 1, 3, 3, 7, 0, 9, 9];
        let options: Vec<_> = Options::new(&octets).map(Result::unwrap).collect();
        assert_eq!(
            options,
            [
                HeaderOption {
                    kind: 2,
                    data: &[0x05, 0xb4]
                },
                HeaderOption {
                    kind: 3,
                    data: &[7]
                },
            ]
        );
    }

    #[test]
    fn a_length_that_cannot_be_right_is_an_error_and_ends_the_walk() {
        for octets in [&[5, 0, 1, 1][..], &[5, 1, 1, 1], &[5, 5, 1, 1], &[1, 1, 5]] {
            let mut options = Options::new(octets);
            assert_eq!(options.next(), Some(Err(BadOption)), "{octets:?}");
            assert_eq!(options.next(), None, "{octets:?}");
        }
    }

    #[test]
    fn an_option_without_data_is_an_option() {
        let mut options = Options::new(&[4, 2]);
        assert_eq!(
            options.next(),
            Some(Ok(HeaderOption { kind: 4, data: &[] }))
        );
        assert_eq!(options.next(), None);
    }
}
