//! A packet case as data.
//!
//! No counterpart in the patent; each case holds the filter of Fig. 6 to one sentence. Carried out in memory by
//! [`run`](super::run::run), through the program by the captures of `lb-dataplane`.
//! Easy to get wrong: frames that leave after having waited, and questions of our own, belong to the step in
//! which they leave.

use super::build::Frame;
use crate::config::KernelNetwork;
use crate::filter::{Class, Reason};

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Goes out on a port, with these octets.
    Forward(u8, Vec<u8>),
    /// Goes out on its own port, with these octets.
    Reply(Vec<u8>),
    /// Is dropped.
    Drop(Reason),
    /// Waits for a neighbor.
    Wait,
    /// Goes to the control processor as it came.
    Punt(Class),
}

/// What goes out, or is given up, besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// A question for a neighbor, on a port.
    Question(u8, Vec<u8>),
    /// A frame that had waited leaves on a port.
    Sent(u8, Vec<u8>),
    /// A frame that had waited is dropped.
    Dropped(Reason),
}

/// One step of a case.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame comes in on a port.
    Frame {
        /// The port.
        port: u8,
        /// The frame.
        frame: Vec<u8>,
        /// What becomes of it.
        expect: Expect,
        /// What else happens.
        also: Vec<Out>,
    },
    /// Time passes.
    Pass {
        /// How much, in milliseconds.
        millis: u32,
        /// What happens meanwhile.
        also: Vec<Out>,
    },
}

impl Step {
    /// A frame on port 0.
    #[must_use]
    pub fn client(frame: &Frame, expect: Expect) -> Self {
        Self::on(0, frame, expect)
    }

    /// A frame on port 1.
    #[must_use]
    pub fn server(frame: &Frame, expect: Expect) -> Self {
        Self::on(1, frame, expect)
    }

    /// A frame on a port.
    #[must_use]
    pub fn on(port: u8, frame: &Frame, expect: Expect) -> Self {
        Self::Frame {
            port,
            frame: frame.octets(),
            expect,
            also: Vec::new(),
        }
    }

    /// Time passes, and nothing happens.
    #[must_use]
    pub fn pass(millis: u32) -> Self {
        Self::Pass {
            millis,
            also: Vec::new(),
        }
    }

    /// Something else happens in this step too.
    #[must_use]
    pub fn also(mut self, out: Out) -> Self {
        match &mut self {
            Self::Frame { also, .. } | Self::Pass { also, .. } => also.push(out),
        }
        self
    }
}

impl Expect {
    /// Leaves on a port.
    #[must_use]
    pub fn out(port: u8, frame: &Frame) -> Self {
        Self::Forward(port, frame.octets())
    }

    /// Is turned into this.
    #[must_use]
    pub fn reply(frame: &Frame) -> Self {
        Self::Reply(frame.octets())
    }
}

/// A packet case.
#[derive(Clone, Debug)]
pub struct Case {
    /// A sentence in the words of the field.
    pub name: String,
    /// Row of the table of edge cases; 0 if none.
    pub row: u8,
    /// Configuration text.
    pub configuration: String,
    /// Whether the control processor can be reached.
    pub has_exception_path: bool,
    /// What the kernel says of the network, where it is followed.
    pub kernel: Option<KernelNetwork>,
    /// What comes in, and what must come of it.
    pub steps: Vec<Step>,
    /// Why the case cannot run through the program, which polls port 0 before port 1 and knows no other time
    /// than the real one.
    pub in_memory_only: Option<&'static str>,
    /// Why its frames may not be split into segments behind their headers.
    pub one_segment: Option<&'static str>,
}

/// In which way a case is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each frame in a burst of its own.
    StepByStep,
    /// Neighboring frames of one port in one burst.
    Bursts,
    /// Each frame's first segment ends with its headers.
    Split,
    /// All frames of port 0, then all of port 1, as the program polls; compared port by port.
    PortByPort,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StepByStep,
        Self::Bursts,
        Self::Split,
        Self::PortByPort,
    ];

    /// Why this case does not run in this way, if it does not.
    #[must_use]
    pub fn not_for(self, case: &Case) -> Option<&'static str> {
        match self {
            Self::StepByStep | Self::Bursts => None,
            Self::Split => case.one_segment,
            Self::PortByPort => case.in_memory_only,
        }
    }
}

/// Ports that cases use.
pub const PORTS: u8 = 2;

impl Case {
    /// Frames that come in on a port, in order.
    #[must_use]
    pub fn input(&self, port: u8) -> Vec<&[u8]> {
        self.steps
            .iter()
            .filter_map(|step| of_port(step, port))
            .map(|(frame, _, _)| frame)
            .collect()
    }

    /// Frames that must go out on a port when port 0 is polled before port 1, in order.
    #[must_use]
    pub fn output(&self, port: u8) -> Vec<Vec<u8>> {
        (0..PORTS)
            .flat_map(|ingress| self.output_of(ingress, port))
            .collect()
    }

    /// Frames that go out on a port because of what came in on `ingress`, in order.
    #[must_use]
    pub fn output_of(&self, ingress: u8, port: u8) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for (_, expect, also) in self.steps.iter().filter_map(|step| of_port(step, ingress)) {
            match expect {
                Expect::Forward(to, frame) if *to == port => out.push(frame.clone()),
                Expect::Reply(frame) if ingress == port => out.push(frame.clone()),
                _ => {}
            }
            for late in also {
                match late {
                    Out::Question(to, frame) | Out::Sent(to, frame) if *to == port => {
                        out.push(frame.clone())
                    }
                    _ => {}
                }
            }
        }
        out
    }

    /// Reasons of all drops, in order.
    pub fn drops(&self) -> impl Iterator<Item = Reason> + '_ {
        self.steps.iter().flat_map(|step| {
            let (expect, also) = match step {
                Step::Frame { expect, also, .. } => (Some(expect), also),
                Step::Pass { also, .. } => (None, also),
            };
            let at_once = expect.and_then(|expect| match expect {
                Expect::Drop(reason) => Some(*reason),
                _ => None,
            });
            let later = also.iter().filter_map(|out| match out {
                Out::Dropped(reason) => Some(*reason),
                _ => None,
            });
            at_once.into_iter().chain(later)
        })
    }
}

/// The parts of a step, if it is a frame on this port.
pub(super) fn of_port(step: &Step, wanted: u8) -> Option<(&[u8], &Expect, &[Out])> {
    match step {
        Step::Frame {
            port,
            frame,
            expect,
            also,
        } if *port == wanted => Some((frame, expect, also)),
        _ => None,
    }
}
