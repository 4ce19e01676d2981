//! What each verb asks of the API, and what it prints.
//!
//! No counterpart in the patent. `look` only asks, `change` changes; both go through a [`Session`], which
//! prints either the API's JSON or text for people.
//! Easy to get wrong: with `--json` a refusal goes to standard output as well, as it came, so that programs
//! need not read sentences.

mod change;
mod look;

use std::io::{IsTerminal, Write};

use lb_control::view::BackendState;
use rustix::termios::tcgetwinsize;
use serde::de::DeserializeOwned;

use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::generated;
use crate::options::{Options, Verb};
use crate::show::Room;
use crate::top;

/// Carries out what the command line says.
///
/// # Errors
/// Why it was not carried out; what was printed before that stands.
pub(crate) fn run(options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    match &options.verb {
        Verb::Completions { shell } => Ok(generated::completions(*shell, out)?),
        Verb::Man { dir } => generated::man_pages(dir),
        verb => {
            let mut session = Session {
                client: Client::new(&options.api)?,
                json: options.api.json,
                room: columns(),
                out,
            };
            let done = session.carry_out(verb);
            if let (Err(Failure::Refused(refused)), true) = (&done, session.json) {
                session.print_json(&refused.body)?;
            }
            done
        }
    }
}

/// Characters in a line of the terminal; `None` if standard output is none, or does not know.
fn columns() -> Room {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns != 0)
}

/// One run: whom to ask, and where to print in which form.
struct Session<'a> {
    client: Client,
    json: bool,
    room: Room,
    out: &'a mut dyn Write,
}

impl Session<'_> {
    fn carry_out(&mut self, verb: &Verb) -> Result<(), Failure> {
        match verb {
            Verb::Status => self.status(),
            Verb::Services { service, rate } => self.services(service.as_deref(), rate),
            Verb::Backends { of } => self.backends(of.as_deref()),
            Verb::Connections(wanted) => self.connections(wanted),
            Verb::Ports { rate } => self.ports(rate),
            Verb::Lcores { rate } => self.lcores(rate),
            Verb::Drops { rate } => self.drops(rate),
            Verb::Neighbors => self.neighbors(),
            Verb::Routes { address } => self.routes(*address),
            Verb::Advertise { what, vip } => self.advertise(*what, *vip),
            Verb::Agents => self.agents(),
            Verb::Explain { service } => self.explain(service),
            Verb::Audit { limit } => self.audit(*limit),
            Verb::Config => self.config(),
            Verb::Check { file } => self.check(file),
            Verb::Diff { file } => self.diff(file),
            Verb::Apply { file, if_revision } => self.apply(file, *if_revision),
            Verb::Rollback { revision } => self.rollback(*revision),
            Verb::Revisions { revision } => self.revisions(*revision),
            Verb::Save => self.save(),
            Verb::Reload => self.reload(),
            Verb::Drain { backend } => self.set_state(backend, BackendState::Draining),
            Verb::Enable { backend } => self.set_state(backend, BackendState::Enabled),
            Verb::Disable { backend } => self.set_state(backend, BackendState::Disabled),
            Verb::Weight { backend, weight } => self.set_weight(backend, *weight),
            Verb::Top(wanted) => top::run(&self.client, wanted, self.json, self.out),
            Verb::Completions { .. } | Verb::Man { .. } => Ok(()),
        }
    }

    /// Prints an answer: its JSON, or the text made of it.
    fn print<T: DeserializeOwned>(
        &mut self,
        answer: &Answer,
        text: impl FnOnce(&T, Room) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            return self.print_json(&answer.body);
        }
        let text = text(&answer.read()?, self.room);
        self.print_text(&text)
    }

    fn print_text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    fn print_json(&mut self, body: &[u8]) -> Result<(), Failure> {
        self.out.write_all(body)?;
        if !body.ends_with(b"\n") {
            self.out.write_all(b"\n")?;
        }
        Ok(self.out.flush()?)
    }
}
