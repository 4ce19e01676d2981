//! A packet case as data, and the runner that carries it out in memory.
//!
//! No counterpart in the patent; each case holds the filter of Fig. 6 to one sentence.
//! The same case runs in several ways ([`Way`]): step by step, with neighboring frames in one burst, with
//! each frame's headers alone in its first segment, and with port 0 polled before port 1. What it answers
//! must not depend on that; a case where it must, says why.
//! Easy to get wrong: frames that went out after having waited, and questions of our own, belong to the step
//! in which they left.

use std::fmt::Write as _;

use super::build::Frame;
use super::layout::{difference, dump, header_len};
use super::packet::TestPacket;
use super::world::{Answer, Late, World};
use crate::filter::{Reason, Verdict};

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
        Self::Frame { port, frame: frame.octets(), expect, also: Vec::new() }
    }

    /// Time passes, and nothing happens.
    #[must_use]
    pub fn pass(millis: u32) -> Self {
        Self::Pass { millis, also: Vec::new() }
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
    pub const ALL: [Self; 4] = [Self::StepByStep, Self::Bursts, Self::Split, Self::PortByPort];

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

/// Runs a case in one way.
///
/// # Errors
/// What was expected and what happened, for people.
pub fn run(case: &Case, way: Way) -> Result<World, String> {
    let world = World::new(&case.configuration, PORTS);
    let mut world = world.map_err(|error| format!("{}: {error}", case.name))?;
    let done = match way {
        Way::StepByStep | Way::Split => single(case, way, &mut world),
        Way::Bursts => bursts(case, &mut world),
        Way::PortByPort => port_by_port(case, &mut world),
    };
    done.map_err(|text| format!("{} (row {}, {way:?})\n{text}", case.name, case.row))?;
    Ok(world)
}

fn packet(frame: &[u8], way: Way) -> TestPacket {
    match way {
        Way::Split => TestPacket::split(frame, header_len(frame)),
        _ => TestPacket::new(frame),
    }
}

fn single(case: &Case, way: Way, world: &mut World) -> Result<(), String> {
    for (number, step) in (1..).zip(&case.steps) {
        match step {
            Step::Frame { port, frame, expect, also } => {
                let answers = world.send(*port, vec![packet(frame, way)]);
                compare(number, frame, expect, answers.first())?;
                compare_late(number, also, &world.take_late())?;
            }
            Step::Pass { millis, also } => {
                world.advance(*millis);
                compare_late(number, also, &world.take_late())?;
            }
        }
    }
    Ok(())
}

/// Frames of one port in a row, as long as nothing else happens in between.
fn bursts(case: &Case, world: &mut World) -> Result<(), String> {
    let mut at = 0;
    while let Some(first) = case.steps.get(at) {
        let Step::Frame { port, .. } = first else {
            let Step::Pass { millis, also } = first else { return Ok(()) };
            world.advance(*millis);
            compare_late(at + 1, also, &world.take_late())?;
            at += 1;
            continue;
        };
        let rest = case.steps.get(at..).unwrap_or_default();
        let together: Vec<_> = rest.iter().map_while(|step| of_port(step, *port)).collect();
        // What happens besides comes at the end of a turn: it ends the burst.
        let quiet = together.iter().take_while(|(_, _, also)| also.is_empty()).count();
        let taken = together.get(..(quiet + 1).min(together.len())).unwrap_or_default();
        let frames = taken.iter().map(|(frame, _, _)| TestPacket::new(*frame)).collect();
        let answers = world.send(*port, frames);
        for ((frame, expect, _), (number, answer)) in taken.iter().zip((at + 1..).zip(&answers)) {
            compare(number, frame, expect, Some(answer))?;
        }
        let also = taken.last().map(|&(_, _, also)| also).unwrap_or_default();
        compare_late(at + taken.len(), also, &world.take_late())?;
        at += taken.len();
    }
    Ok(())
}

fn of_port(step: &Step, wanted: u8) -> Option<(&[u8], &Expect, &[Out])> {
    match step {
        Step::Frame { port, frame, expect, also } if *port == wanted => Some((frame, expect, also)),
        _ => None,
    }
}

fn port_by_port(case: &Case, world: &mut World) -> Result<(), String> {
    let mut found = vec![Vec::new(); usize::from(PORTS)];
    for port in 0..PORTS {
        let frames: Vec<_> = case.steps.iter().filter_map(|step| of_port(step, port)).collect();
        let packets = frames.iter().map(|(frame, _, _)| TestPacket::new(*frame)).collect();
        let answers = world.send(port, packets);
        for ((frame, expect, _), (number, answer)) in frames.iter().zip((1..).zip(&answers)) {
            compare(number, frame, expect, Some(answer)).map_err(|text| format!("port {port}, {text}"))?;
            let left = answer.port.and_then(|port| found.get_mut(usize::from(port.0)));
            if let Some(out) = left {
                out.push(answer.frame.clone());
            }
        }
        for late in world.take_late() {
            if let Late::Question(port, frame) | Late::Sent(port, frame) = late
                && let Some(out) = found.get_mut(usize::from(port.0))
            {
                out.push(frame);
            }
        }
    }
    for (port, found) in (0..PORTS).zip(&found) {
        let expected = case.output(port);
        if expected.len() != found.len() {
            return Err(format!("port {port} sent {} frames, expected {}", found.len(), expected.len()));
        }
        for (number, (expected, found)) in (1..).zip(expected.iter().zip(found)) {
            if expected != found {
                return Err(format!("port {port}, frame {number} out:\n{}", difference(expected, found)));
            }
        }
    }
    Ok(())
}

impl Case {
    /// Frames that come in on a port, in order.
    #[must_use]
    pub fn input(&self, port: u8) -> Vec<&[u8]> {
        self.steps.iter().filter_map(|step| of_port(step, port)).map(|(frame, _, _)| frame).collect()
    }

    /// Frames that must go out on a port when port 0 is polled before port 1, in order.
    #[must_use]
    pub fn output(&self, port: u8) -> Vec<Vec<u8>> {
        (0..PORTS).flat_map(|ingress| self.output_of(ingress, port)).collect()
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
                    Out::Question(to, frame) | Out::Sent(to, frame) if *to == port => out.push(frame.clone()),
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

fn compare(number: usize, sent: &[u8], expect: &Expect, answer: Option<&Answer>) -> Result<(), String> {
    let Some(answer) = answer else { return Err(format!("step {number}: no answer")) };
    let (is_right, difference) = match (expect, answer.verdict) {
        (Expect::Forward(port, frame), Verdict::Forward(to)) if to.0 == u16::from(*port) => {
            (*frame == answer.frame, difference(frame, &answer.frame))
        }
        (Expect::Reply(frame), Verdict::Reply) => (*frame == answer.frame, difference(frame, &answer.frame)),
        (Expect::Drop(reason), Verdict::Drop(found)) => (*reason == found, String::new()),
        (Expect::Wait, Verdict::Hold(_)) => (true, String::new()),
        _ => (false, String::new()),
    };
    if is_right {
        return Ok(());
    }
    let mut text = format!("step {number}: expected {}, found {:?}\n{difference}", word(expect), answer.verdict);
    let _ = write!(text, "sent:\n{}", dump(sent));
    if difference.is_empty() && !answer.frame.is_empty() {
        let _ = write!(text, "came out as:\n{}", dump(&answer.frame));
    }
    Err(text)
}

fn word(expect: &Expect) -> String {
    match expect {
        Expect::Forward(port, _) => format!("Forward({port})"),
        Expect::Reply(_) => "Reply".to_owned(),
        Expect::Drop(reason) => format!("Drop({reason:?})"),
        Expect::Wait => "Hold".to_owned(),
    }
}

fn compare_late(number: usize, expected: &[Out], found: &[Late]) -> Result<(), String> {
    for (expected, found) in expected.iter().zip(found) {
        let difference = match (expected, found) {
            (Out::Question(port, frame), Late::Question(to, out)) | (Out::Sent(port, frame), Late::Sent(to, out))
                if to.0 == u16::from(*port) =>
            {
                difference(frame, out)
            }
            (Out::Dropped(reason), Late::Dropped(found)) if reason == found => String::new(),
            _ => format!("expected {expected:x?}\nfound {found:x?}\n"),
        };
        if !difference.is_empty() {
            return Err(format!("step {number}, besides:\n{difference}"));
        }
    }
    if expected.len() == found.len() {
        return Ok(());
    }
    let (extra, what) = if expected.len() > found.len() { (found.len(), "did not happen") } else { (expected.len(), "happened too") };
    let missing: Vec<_> = expected.iter().skip(extra).map(|out| format!("{out:x?}")).collect();
    let surplus: Vec<_> = found.iter().skip(extra).map(|late| format!("{late:x?}")).collect();
    Err(format!("step {number}: {} {what}", [missing, surplus].concat().join(", ")))
}
