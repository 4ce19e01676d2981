//! Any text as a configuration: no panic, and a refusal names a line that there is.
//!
//! No counterpart in the patent. The input is the text itself, or changes to a good one. A text that is
//! accepted is built into a distribution as well, unless it asks for tables that would take their time.
#![no_main]

use std::sync::LazyLock;

use lb_core::config::{PortsPresent, parse};
use lb_core::id::PortId;
use lb_core::testkit::World;
use lb_core::testkit::net::{Family, asking, farmed};
use lb_core::testkit::world::Size;
use libfuzzer_sys::fuzz_target;

/// Good texts to begin with; short, so that a change hits something.
static GOOD: LazyLock<[String; 2]> = LazyLock::new(|| {
    let keys = r#""forwarding": "nat", "scheduler": "maglev", "maglev_table_size": 251, "max_connections": 9,
      "timeouts": { "established": 60, "udp": 5 }, "weights": "static", "on_miss": "drop""#;
    [asking(Family::V6), farmed(Family::V4, keys, &[1, 100])]
});

/// Slots of a Maglev table that may be filled for one input.
const MOST_SLOTS: u32 = 70_000;

/// Small, so that building takes no time.
const SIZE: Size = Size {
    connections: 16,
    neighbors: 64,
};

/// The text that an input means.
fn text(octets: &[u8]) -> String {
    let Some((&kind, rest)) = octets.split_first() else {
        return String::new();
    };
    let Some(good) = GOOD.get(usize::from(kind)) else {
        return String::from_utf8_lossy(octets).into_owned();
    };
    let mut text = good.clone().into_bytes();
    let mut rest = rest;
    // Each change: where, how many octets go, how many come, and these.
    while let Some((&[high, low, out, count], after)) = rest.split_first_chunk() {
        let (new, after) = after.split_at(usize::from(count % 32).min(after.len()));
        let start = usize::from(u16::from_be_bytes([high, low])) % (text.len() + 1);
        let end = (start + usize::from(out % 64)).min(text.len());
        text.splice(start..end, new.iter().copied());
        rest = after;
    }
    String::from_utf8_lossy(&text).into_owned()
}

fuzz_target!(|octets: &[u8]| {
    let text = text(octets);
    let ports: PortsPresent = [PortId(0), PortId(1)].into_iter().collect();
    match parse(&text, &ports) {
        Ok(config) => {
            let slots: u32 = config
                .services
                .iter()
                .map(|service| service.maglev_table_size)
                .sum();
            if slots <= MOST_SLOTS {
                // It may still be refused, for want of room.
                let _built = World::with_size(&text, 2, SIZE);
            }
        }
        Err(refusals) => {
            assert!(!refusals.is_empty());
            let lines = text.split('\n').count();
            for refusal in refusals {
                assert!(
                    (1..=lines).contains(&refusal.line),
                    "{refusal} of {lines} lines"
                );
                assert!(!refusal.to_string().is_empty());
            }
        }
    }
});
