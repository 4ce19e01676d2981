//! `lbctl top`: what happens now, again and again.
//!
//! No counterpart in the patent. `sample` asks, `frame` makes text of two samples, `screen` owns the
//! terminal. Without a terminal the same frames are printed one after the other.
//! Easy to get wrong: a look that failed shows why and no figures; old figures on the screen would pass for
//! new ones.

mod frame;
mod sample;
mod screen;

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::failure::Failure;
use crate::options::TopOptions;

use sample::Sample;
use screen::{Screen, Wake};

/// Looks and shows until the count is reached or somebody ends it.
///
/// # Errors
/// The first look's failure; without a terminal, any look's.
pub(crate) fn run(
    client: &Client,
    wanted: &TopOptions,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let start = Instant::now();
    let interval = Duration::from_secs_f64(wanted.interval);
    let first = Sample::take(client, start, None)?;
    let looks = Looks {
        client,
        start,
        interval,
        left: wanted.count,
        before: Some(first),
    };
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if json || is_dumb || !std::io::stdout().is_terminal() {
        return looks.print(json, out);
    }
    looks.draw(&mut Screen::new(out)?)
}

/// Looks that are still to be taken.
struct Looks<'a> {
    client: &'a Client,
    start: Instant,
    interval: Duration,
    /// `None`: without end.
    left: Option<u64>,
    /// The look before; `None` after one that failed.
    before: Option<Sample>,
}

impl Looks<'_> {
    fn print(mut self, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
        let mut is_first = true;
        while self.counts() {
            thread::sleep(self.interval);
            let now = Sample::take(self.client, self.start, self.before.as_ref())?;
            if json {
                writeln!(out, "{}", now.json())?;
            } else {
                let gap = if is_first { "" } else { "\n" };
                let text = frame::frame(&now, self.before.as_ref(), frame::ENDLESS);
                out.write_all(format!("{gap}{text}").as_bytes())?;
            }
            out.flush()?;
            is_first = false;
            self.before = Some(now);
        }
        Ok(())
    }

    fn draw(mut self, screen: &mut Screen<'_>) -> Result<(), Failure> {
        if let Some(first) = &self.before {
            screen.draw(&frame::frame(first, None, screen.size()))?;
        }
        while self.counts() {
            if screen.wait(self.interval)? == Wake::Quit {
                break;
            }
            match Sample::take(self.client, self.start, self.before.as_ref()) {
                Ok(now) => {
                    screen.draw(&frame::frame(&now, self.before.as_ref(), screen.size()))?;
                    self.before = Some(now);
                }
                // What runs again in a moment should be seen without a new command.
                Err(failure) if failure.may_pass() => {
                    screen.draw(&format!("{failure}\n\nTrying again; q ends."))?;
                    self.before = None;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Takes one from the count; false when there is none left.
    fn counts(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
