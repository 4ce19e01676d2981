//! Carries out a packet case in memory.
//!
//! No counterpart in the patent. The same case runs in several ways ([`Way`]): step by step, with neighboring
//! frames in one burst, with each frame's headers alone in its first segment, and with port 0 polled before
//! port 1. What it answers must not depend on that; a case where it must, says why.
//! Easy to get wrong: what happens besides, at the end of a turn, ends a burst.

use std::fmt::Write as _;

use super::case::{Case, Expect, Out, PORTS, Step, Way, of_port};
use super::layout::{difference, dump, header_len};
use super::packet::TestPacket;
use super::world::{Answer, Late, World};
use crate::filter::Verdict;

/// Runs a case in one way.
///
/// # Errors
/// What was expected and what happened, for people.
pub fn run(case: &Case, way: Way) -> Result<World, String> {
    let world = World::new(&case.configuration, PORTS);
    let mut world = world.map_err(|error| format!("{}: {error}", case.name))?;
    if case.has_exception_path {
        world = world.with_exception_path(usize::MAX);
    }
    if let Some(kernel) = &case.kernel {
        let followed = world.follow(kernel);
        followed.map_err(|error| format!("{}: {error}", case.name))?;
    }
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
            Step::Frame {
                port,
                frame,
                expect,
                also,
            } => {
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
            let Step::Pass { millis, also } = first else {
                return Ok(());
            };
            world.advance(*millis);
            compare_late(at + 1, also, &world.take_late())?;
            at += 1;
            continue;
        };
        let rest = case.steps.get(at..).unwrap_or_default();
        let together: Vec<_> = rest.iter().map_while(|step| of_port(step, *port)).collect();
        // What happens besides comes at the end of a turn: it ends the burst.
        let quiet = together
            .iter()
            .take_while(|(_, _, also)| also.is_empty())
            .count();
        let taken = together
            .get(..(quiet + 1).min(together.len()))
            .unwrap_or_default();
        let frames = taken
            .iter()
            .map(|(frame, _, _)| TestPacket::new(*frame))
            .collect();
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

fn port_by_port(case: &Case, world: &mut World) -> Result<(), String> {
    let mut found = vec![Vec::new(); usize::from(PORTS)];
    for port in 0..PORTS {
        let frames: Vec<_> = case
            .steps
            .iter()
            .filter_map(|step| of_port(step, port))
            .collect();
        let packets = frames
            .iter()
            .map(|(frame, _, _)| TestPacket::new(*frame))
            .collect();
        let answers = world.send(port, packets);
        for ((frame, expect, _), (number, answer)) in frames.iter().zip((1..).zip(&answers)) {
            compare(number, frame, expect, Some(answer))
                .map_err(|text| format!("port {port}, {text}"))?;
            let left = answer
                .port
                .and_then(|port| found.get_mut(usize::from(port.0)));
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
            return Err(format!(
                "port {port} sent {} frames, expected {}",
                found.len(),
                expected.len()
            ));
        }
        for (number, (expected, found)) in (1..).zip(expected.iter().zip(found)) {
            if expected != found {
                return Err(format!(
                    "port {port}, frame {number} out:\n{}",
                    difference(expected, found)
                ));
            }
        }
    }
    Ok(())
}

fn compare(
    number: usize,
    sent: &[u8],
    expect: &Expect,
    answer: Option<&Answer>,
) -> Result<(), String> {
    let Some(answer) = answer else {
        return Err(format!("step {number}: no answer"));
    };
    let (is_right, difference) = match (expect, answer.verdict) {
        (Expect::Forward(port, frame), Verdict::Forward(to)) if to.0 == u16::from(*port) => {
            (*frame == answer.frame, difference(frame, &answer.frame))
        }
        (Expect::Reply(frame), Verdict::Reply) => {
            (*frame == answer.frame, difference(frame, &answer.frame))
        }
        (Expect::Drop(reason), Verdict::Drop(found)) => (*reason == found, String::new()),
        (Expect::Wait, Verdict::Hold(_)) => (true, String::new()),
        (Expect::Punt(class), Verdict::Punt(found)) => (
            *class == found && *sent == *answer.frame,
            difference(sent, &answer.frame),
        ),
        _ => (false, String::new()),
    };
    if is_right {
        return Ok(());
    }
    let mut text = format!(
        "step {number}: expected {}, found {:?}\n{difference}",
        word(expect),
        answer.verdict
    );
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
        Expect::Punt(class) => format!("Punt({class:?})"),
    }
}

fn compare_late(number: usize, expected: &[Out], found: &[Late]) -> Result<(), String> {
    for (expected, found) in expected.iter().zip(found) {
        let difference = match (expected, found) {
            (Out::Question(port, frame), Late::Question(to, out))
            | (Out::Sent(port, frame), Late::Sent(to, out))
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
    let (extra, what) = if expected.len() > found.len() {
        (found.len(), "did not happen")
    } else {
        (expected.len(), "happened too")
    };
    let missing: Vec<_> = expected
        .iter()
        .skip(extra)
        .map(|out| format!("{out:x?}"))
        .collect();
    let surplus: Vec<_> = found
        .iter()
        .skip(extra)
        .map(|late| format!("{late:x?}"))
        .collect();
    Err(format!(
        "step {number}: {} {what}",
        [missing, surplus].concat().join(", ")
    ))
}
