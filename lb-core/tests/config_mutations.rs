//! Ten thousand damaged documents: each gets an answer, none a panic.
//!
//! No counterpart in the patent. Configurations come from people and programs; what they send is
//! refused with words whatever it is (design section 7).
//! Easy to get wrong: the sequence must be the same in every run, so the generator is our own.

#![expect(clippy::indexing_slicing, reason = "a test that misses has failed")]

use lb_core::config::{PortsPresent, REFUSALS_MAX, parse};
use lb_core::id::PortId;

const GOOD: &str = include_str!("data/config/good.json");
const ROUNDS: u32 = 10_000;

/// Values that numbers, words and objects are replaced with.
const VALUES: [&str; 24] = [
    "0",
    "-1",
    "1",
    "65535",
    "65536",
    "4294967296",
    "18446744073709551616",
    "1e400",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "\"\"",
    "\"::\"",
    "\"0.0.0.0/0\"",
    "\"10.0.0.1\"",
    "\"255.255.255.255\"",
    "\"fe80::1/128\"",
    "\"tunnel\"",
    "\"\\u0000\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"web\"",
];

/// xorshift64* (Vigna 2016): the next of a fixed sequence.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        let high = usize::try_from(self.next() >> 33).unwrap_or_default();
        high % bound.max(1)
    }

    /// A part of a text of `length` octets, up to 200 long.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        start..(start + self.below(200)).min(length)
    }
}

/// Where the text's values and keys are: words in quotes, and runs of what numbers are made of.
fn tokens(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.iter().position(|c| *c == b'"' || c.is_ascii_digit()) {
        let (_, token) = rest.split_at(start);
        let length = match token {
            [b'"', word @ ..] => word
                .iter()
                .position(|c| *c == b'"')
                .map_or(token.len(), |end| end + 2),
            _ => token
                .iter()
                .position(|c| !c.is_ascii_digit())
                .unwrap_or(token.len()),
        };
        let at = text.len() - token.len();
        tokens.push(at..at + length);
        (_, rest) = token.split_at(length);
    }
    tokens
}

/// One damage to the text.
fn damage(text: &mut Vec<u8>, sequence: &mut Sequence) {
    match sequence.below(12) {
        0 => {
            let at = sequence.below(text.len());
            let flip = 1_u8 << sequence.below(8);
            if let Some(octet) = text.get_mut(at) {
                *octet ^= flip;
            }
        }
        1 => drop(text.drain(sequence.part(text.len()))),
        2 => {
            let chunk: Vec<u8> = text
                .get(sequence.part(text.len()))
                .unwrap_or_default()
                .to_vec();
            let at = sequence.below(text.len());
            text.splice(at..at, chunk);
        }
        3 => text.truncate(sequence.below(text.len())),
        4 => {
            let at = sequence.below(text.len());
            let octet = b"{}[]:,\"\\ \n019ax"[sequence.below(15)];
            text.insert(at, octet);
        }
        5..=8 => {
            let tokens = tokens(text);
            let value = VALUES[sequence.below(VALUES.len())];
            if let Some(token) = tokens.get(sequence.below(tokens.len())) {
                text.splice(token.clone(), value.bytes());
            }
        }
        _ => {
            let tokens = tokens(text);
            let [one, other] = [sequence.below(tokens.len()), sequence.below(tokens.len())];
            if let (Some(one), Some(other)) =
                (tokens.get(one.min(other)), tokens.get(one.max(other)))
            {
                let [first, second] = [text[one.clone()].to_vec(), text[other.clone()].to_vec()];
                // The later one first, so that the earlier stays where it is.
                text.splice(other.clone(), first);
                text.splice(one.clone(), second);
            }
        }
    }
}

#[test]
fn every_damaged_document_is_accepted_or_refused_with_words() {
    let ports: PortsPresent = [PortId(0), PortId(1)].into_iter().collect();
    let mut sequence = Sequence(0x9e37_79b9_7f4a_7c15);
    let [mut accepted, mut unreadable, mut unfit] = [0_u32; 3];
    for round in 0..ROUNDS {
        let mut text = GOOD.as_bytes().to_vec();
        for _ in 0..=sequence.below(4) / 2 {
            damage(&mut text, &mut sequence);
        }
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().count().max(1) + 1;
        match parse(&text, &ports) {
            Ok(_) => accepted += 1,
            Err(refusals) => {
                assert!(
                    (1..=REFUSALS_MAX).contains(&refusals.len()),
                    "round {round}"
                );
                for refusal in &refusals {
                    assert!(!refusal.message.is_empty(), "round {round}: {refusal:?}");
                    assert!(
                        (1..=lines).contains(&refusal.line),
                        "round {round}: {refusal:?}"
                    );
                    assert!(
                        !refusal.to_string().contains(char::is_control),
                        "round {round}: {refusal:?}"
                    );
                    assert!(
                        refusal.to_string().len() < 4096,
                        "round {round}: {refusal:?}"
                    );
                }
                let is_syntax = refusals
                    .iter()
                    .any(|refusal| refusal.message.contains("not valid JSON"));
                *(if is_syntax {
                    &mut unreadable
                } else {
                    &mut unfit
                }) += 1;
            }
        }
    }
    // Damage that only ever broke the syntax would test the JSON reader and not the checks.
    assert!(accepted > ROUNDS / 100, "{accepted} accepted");
    assert!(
        unfit > ROUNDS / 10,
        "{unfit} refused by the checks or the types"
    );
    assert!(
        unreadable > ROUNDS / 10,
        "{unreadable} refused by the JSON reader"
    );
}
