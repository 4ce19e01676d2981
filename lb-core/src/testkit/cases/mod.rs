//! The packet cases: one sentence each, by subject.
//!
//! No counterpart in the patent. Rows are those of the project's table of edge cases; what stays the same in
//! both families or both forwardings is written once and runs as several cases.
//! Easy to get wrong: every case has client ports of its own, so that cases of one configuration can run
//! through the program together without meeting each other's connections.

mod discovery;
mod flow;
mod hops;
mod icmp;
mod ipv4;
mod ipv6;
mod kernel;
mod link;
mod martians;
mod neighbors;
mod punted;
mod routed;
mod sizes;
mod states;
mod strangers;
mod tcp;
mod udp;

use super::case::{Case, Step};
use super::net::Family;
use crate::config::KernelNetwork;
pub use flow::{Flow, Scene};

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut list = List {
        cases: Vec::new(),
        configuration: String::new(),
        has_exception_path: false,
        kernel: None,
        port: FIRST_PORT,
    };
    for add in [
        tcp::add,
        strangers::add,
        udp::add,
        ipv4::add,
        ipv6::add,
        hops::add,
        martians::add,
        routed::add,
        icmp::add,
        link::add,
        discovery::add,
        neighbors::add,
        states::add,
        punted::add,
        sizes::add,
        kernel::add,
    ] {
        add(&mut list);
    }
    list.cases
}

/// First client port that a case uses.
const FIRST_PORT: u16 = 10_000;
/// Client ports that one case may use.
const PORTS_EACH: u16 = 8;

/// Takes up cases.
struct List {
    cases: Vec<Case>,
    configuration: String,
    has_exception_path: bool,
    kernel: Option<KernelNetwork>,
    port: u16,
}

impl List {
    /// The configuration of the cases that follow.
    fn with(&mut self, configuration: String) -> &mut Self {
        self.configuration = configuration;
        self
    }

    /// A case of one family.
    fn one(
        &mut self,
        row: u8,
        family: Family,
        name: impl Into<String>,
        steps: impl FnOnce(Scene) -> Vec<Step>,
    ) -> Added<'_> {
        let before = self.cases.len();
        self.push(
            row,
            name.into(),
            steps(Scene {
                family,
                port: self.port,
            }),
        );
        Added(self.cases.get_mut(before..).unwrap_or_default())
    }

    /// The same case in both families.
    fn both(&mut self, row: u8, name: &str, steps: impl Fn(Scene) -> Vec<Step>) -> Added<'_> {
        let before = self.cases.len();
        for family in Family::BOTH {
            let steps = steps(Scene {
                family,
                port: self.port,
            });
            self.push(row, format!("{name}, {family}"), steps);
        }
        Added(self.cases.get_mut(before..).unwrap_or_default())
    }

    fn push(&mut self, row: u8, name: String, steps: Vec<Step>) {
        self.port += PORTS_EACH;
        let needs_a_kernel = self.has_exception_path || self.kernel.is_some();
        self.cases.push(Case {
            name,
            row,
            configuration: self.configuration.clone(),
            has_exception_path: self.has_exception_path,
            kernel: self.kernel.clone(),
            steps,
            in_memory_only: needs_a_kernel.then_some(NEEDS_A_KERNEL),
            one_segment: None,
        });
    }
}

/// Cases just added, to be marked.
struct Added<'a>(&'a mut [Case]);

impl Added<'_> {
    /// See [`Case::in_memory_only`].
    fn in_memory_only(self, why: &'static str) -> Self {
        self.0
            .iter_mut()
            .for_each(|case| case.in_memory_only = Some(why));
        self
    }

    /// See [`Case::one_segment`].
    fn one_segment(self, why: &'static str) -> Self {
        self.0
            .iter_mut()
            .for_each(|case| case.one_segment = Some(why));
        self
    }
}

/// Frames of which an answer quotes what is at hand.
const QUOTES_WHAT_IS_AT_HAND: &str = "an error quotes the first segment only";
/// Cases with an exception path.
const NEEDS_A_KERNEL: &str = "the program would need a device of the kernel";
/// Cases in which time passes.
const TIME_PASSES: &str = "time passes";
