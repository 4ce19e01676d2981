//! Lines of the log about backends that no route leads to.
//!
//! No counterpart in the patent. The kernel's routes come and go without asking; whoever runs the box wants to know
//! which backends that took away.
//! Not here: what becomes of their packets (`lb_core::filter`).
//! Easy to get wrong: a default route that goes may take thousands of backends with it, and the log is not for lists.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::control::Control;

/// Backends that are named at once; more are counted.
const NAMED: usize = 10;

/// The backends that no route led to when they were last looked at, by service and name.
#[derive(Default)]
pub(crate) struct Unreachable {
    generation: u64,
    backends: BTreeMap<String, IpAddr>,
}

impl Unreachable {
    /// Looks, if anything can have changed; the lines about what has.
    pub(crate) fn look(&mut self, control: &Control) -> Vec<String> {
        let found = control.look(|look| {
            (look.generation != self.generation).then(|| {
                let backends = look.distribution.unreachable();
                let backends = backends.map(|(service, backend)| {
                    let name = format!("{}/{}", service.name, backend.name);
                    (name, backend.address)
                });
                (look.generation, backends.collect())
            })
        });
        match found {
            Some((generation, now)) => {
                self.generation = generation;
                self.change(now)
            }
            None => Vec::new(),
        }
    }

    fn change(&mut self, now: BTreeMap<String, IpAddr>) -> Vec<String> {
        let before = std::mem::replace(&mut self.backends, now);
        let now = &self.backends;
        let lost = now.iter().filter(|(name, _)| !before.contains_key(*name));
        let lost = lost.map(|(name, address)| {
            format!("backend {name} is unreachable: no route leads to {address}")
        });
        let back = before.keys().filter(|name| !now.contains_key(*name));
        let back = back.map(|name| format!("backend {name} is unreachable no more"));
        let mut all = lost.chain(back);
        let mut lines: Vec<_> = all.by_ref().take(NAMED).collect();
        let more = all.count();
        if more > 0 {
            lines.push(format!("so for {more} more; `lbctl backends` lists them"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(count: u8) -> BTreeMap<String, IpAddr> {
        let backend = |number| (format!("web/b{number:03}"), [10, 9, 0, number].into());
        (1..=count).map(backend).collect()
    }

    #[test]
    fn each_backend_is_named_when_it_goes_and_when_it_returns_and_not_in_between() {
        let mut log = Unreachable::default();
        assert_eq!(
            log.change(backends(1)),
            ["backend web/b001 is unreachable: no route leads to 10.9.0.1"]
        );
        assert!(log.change(backends(1)).is_empty());
        assert_eq!(
            log.change(backends(2)),
            ["backend web/b002 is unreachable: no route leads to 10.9.0.2"]
        );
        assert_eq!(
            log.change(backends(1)),
            ["backend web/b002 is unreachable no more"]
        );
    }

    #[test]
    fn many_at_once_are_counted() {
        let lines = Unreachable::default().change(backends(100));
        assert_eq!(lines.len(), NAMED + 1);
        assert_eq!(
            lines.last().unwrap(),
            "so for 90 more; `lbctl backends` lists them"
        );
    }
}
