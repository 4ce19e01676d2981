//! The terminal while `top` has it: keys without Enter, no cursor, frames drawn over each other.
//!
//! No counterpart in the patent. The last frame stays on the screen at the end, as with top(1).
//! Easy to get wrong: whatever ends the program, the terminal must be given back as it was; so signals only
//! wake the wait, and the owner's end puts everything back.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::low_level::pipe;

use super::frame::Size;

/// Clears the screen and hides the cursor.
const ENTER: &str = "\x1b[2J\x1b[H\x1b[?25l";
/// Shows the cursor.
const LEAVE: &str = "\x1b[?25h";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line.
const LINE_END: &str = "\x1b[K";
/// Clears the rest of the screen.
const SCREEN_END: &str = "\x1b[J";

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// It is time for the next look, or somebody wants it now.
    Look,
    /// Somebody wants to end.
    Quit,
}

/// The terminal, until this goes.
pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    /// How the terminal was set; `None` if no keys can be read.
    before: Option<Termios>,
    /// Readable after a signal that ends us.
    quit: UnixStream,
    /// Readable after the window has got another size.
    resized: UnixStream,
}

impl<'a> Screen<'a> {
    /// Takes the terminal.
    pub(super) fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        let (quit, for_quit) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            pipe::register(signal, for_quit.try_clone()?)?;
        }
        let (resized, for_resized) = UnixStream::pair()?;
        resized.set_nonblocking(true)?;
        pipe::register(SIGWINCH, for_resized)?;
        let mut screen = Self {
            out,
            before: None,
            quit,
            resized,
        };
        if io::stdin().is_terminal() {
            screen.before = Some(tcgetattr(io::stdin())?);
            screen.read_keys()?;
        }
        screen.put(ENTER)?;
        Ok(screen)
    }

    /// Keys come at once and are not shown. Ctrl-C still interrupts; Ctrl-Z would leave the shell with our
    /// settings.
    fn read_keys(&self) -> io::Result<()> {
        let Some(before) = &self.before else {
            return Ok(());
        };
        let mut now = before.clone();
        now.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO);
        now.special_codes[SpecialCodeIndex::VSUSP] = 0;
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &now)?)
    }

    /// Columns and rows now.
    pub(super) fn size(&self) -> Size {
        let known = |number: u16| Some(usize::from(number)).filter(|number| *number != 0);
        match tcgetwinsize(io::stdout()) {
            Ok(size) => (known(size.ws_col), known(size.ws_row)),
            Err(_) => (None, None),
        }
    }

    /// Draws a frame over the one before.
    pub(super) fn draw(&mut self, frame: &str) -> io::Result<()> {
        let rows = self.size().1.unwrap_or(usize::MAX);
        let lines: Vec<_> = frame.lines().take(rows).collect();
        // No line end after the last line: on the lowest row it would scroll.
        let text = lines.join(&format!("{LINE_END}\n"));
        self.put(&format!("{HOME}{text}{LINE_END}{SCREEN_END}"))
    }

    /// Waits so long; a key or a signal ends it earlier.
    pub(super) fn wait(&mut self, interval: Duration) -> io::Result<Wake> {
        let until = Instant::now() + interval;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            });
            let stdin = io::stdin();
            let mut fds = vec![
                PollFd::new(&self.quit, PollFlags::IN),
                PollFd::new(&self.resized, PollFlags::IN),
            ];
            if self.before.is_some() {
                fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
            }
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return Ok(Wake::Look),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready.first() == Some(&true) {
                return Ok(Wake::Quit);
            }
            if ready.get(1) == Some(&true) {
                drain(&self.resized);
                return Ok(Wake::Look);
            }
            if ready.get(2) == Some(&true)
                && let Some(wake) = key()?
            {
                return Ok(wake);
            }
        }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        let _ = self.put(&format!("\n{LEAVE}"));
    }
}

fn drain(mut from: &UnixStream) {
    let mut octets = [0; 64];
    while io::Read::read(&mut from, &mut octets).is_ok_and(|read| read != 0) {}
}

/// What the keys that were pressed ask for; `None` for others.
fn key() -> io::Result<Option<Wake>> {
    let mut keys = [0; 32];
    let read = rustix::io::read(io::stdin(), &mut keys)?;
    let keys = keys.get(..read).unwrap_or_default();
    // The terminal is gone: what is read is its end.
    if keys.is_empty() || keys.contains(&b'q') || keys.contains(&b'Q') {
        return Ok(Some(Wake::Quit));
    }
    Ok(keys.contains(&b' ').then_some(Wake::Look))
}
