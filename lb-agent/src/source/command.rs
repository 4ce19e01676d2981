//! A program that is asked once a round: it prints a number, or an object with a report's names.
//!
//! No counterpart in the patent. No shell is between; the program gets nothing to read, and the shared
//! token is taken out of its environment.
//! Easy to get wrong: a script's children may hold its output open when the script itself is killed, so the
//! whole process group is, and reading ends at the deadline whoever still writes.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Ask, Failure, Reading, Source, read_values};
use crate::token;
use crate::values::Field;

/// Octets of output at most.
const OUTPUT_MAX: usize = 64 * 1024;
/// How often to look for the end of a program that closed its output.
const LOOK: Duration = Duration::from_millis(5);

/// A program and its arguments.
pub struct ValueCommand {
    name: String,
    program: String,
    arguments: Vec<String>,
    field: Option<Field>,
    /// One that was killed and has not ended yet.
    ending: Option<Child>,
}

impl ValueCommand {
    /// A program that prints a number for `field` or, without one, an object.
    #[must_use]
    pub fn new(program: String, arguments: Vec<String>, field: Option<Field>) -> Self {
        Self {
            name: format!("command {program}"),
            program,
            arguments,
            field,
            ending: None,
        }
    }

    fn start(&mut self) -> Result<Child, Failure> {
        if let Some(child) = &mut self.ending
            && child.try_wait()?.is_none()
        {
            return Err(Failure::unreadable(
                "the last one was killed and has not ended",
            ));
        }
        self.ending = None;
        Ok(Command::new(&self.program)
            .args(&self.arguments)
            .env_remove(token::VARIABLE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?)
    }
}

impl Source for ValueCommand {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, ask: Ask) -> Result<Reading, Failure> {
        let mut child = self.start()?;
        let said = hear(&mut child, ask.deadline);
        let is_over = said.is_ok();
        if !is_over {
            end(&mut child);
            self.ending = Some(child);
        }
        let (output, status) = said?;
        if !status.success() {
            return Err(Failure::Unreadable(format!("it ended with {status}")));
        }
        let text = String::from_utf8(output)
            .map_err(|_| Failure::unreadable("what it printed is not text"))?;
        read_values(&text, self.field.as_ref())
    }
}

/// What a child prints until it ends.
fn hear(child: &mut Child, deadline: Instant) -> Result<(Vec<u8>, ExitStatus), Failure> {
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        loop {
            wait_for(&stdout, deadline)?;
            let mut octets = [0; 4096];
            let read = match stdout.read(&mut octets) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            output.extend(octets.iter().take(read));
            if output.len() > OUTPUT_MAX {
                return Err(Failure::unreadable("it prints without end"));
            }
        }
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((output, status));
        }
        if Instant::now() >= deadline {
            return Err(Failure::Hung);
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until there is something to read, or the end.
fn wait_for(stdout: &ChildStdout, deadline: Instant) -> Result<(), Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    let limit = Timespec::try_from(left).map_err(|_| Failure::Hung)?;
    let mut polled = [PollFd::new(stdout, PollFlags::IN)];
    match poll(&mut polled, Some(&limit)) {
        Ok(0) => Err(Failure::Hung),
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::INTR) => wait_for(stdout, deadline),
        Err(error) => Err(Failure::Io(error.into())),
    }
}

/// Kills the group; failing that, at least the child.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let is_killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
    if !is_killed {
        // It may have ended meanwhile, which is as good.
        let _ = child.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, field: Option<Field>) -> ValueCommand {
        let arguments = ["-c", script].map(str::to_owned).to_vec();
        ValueCommand::new("/bin/sh".to_owned(), arguments, field)
    }

    fn read(source: &mut ValueCommand, limit: Duration) -> Result<Reading, Failure> {
        let at = Instant::now();
        source.read(Ask {
            at,
            deadline: at + limit,
        })
    }

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn what_a_program_prints_becomes_a_value() {
        let mut source = shell("echo 0.5", Some(Field::CpuUtilization));
        let values = read(&mut source, LONG).unwrap().values;
        assert_eq!(values.cpu_utilization, Some(0.5));
        let mut source = shell(r#"printf '{"clients": 2}'"#, None);
        assert_eq!(read(&mut source, LONG).unwrap().values.clients, Some(2));
    }

    #[test]
    fn a_program_that_fails_says_nothing() {
        let mut source = shell("echo 1; exit 3", Some(Field::Eps));
        let told = read(&mut source, LONG).unwrap_err().to_string();
        assert!(told.contains("exit status: 3"), "{told}");
        let mut source = ValueCommand::new("/no/such/program".to_owned(), Vec::new(), None);
        assert!(read(&mut source, LONG).is_err());
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        // The child holds the output open; reading ends all the same.
        let mut source = shell("sleep 1000 & echo $!; sleep 1000", Some(Field::Eps));
        let failure = read(&mut source, SHORT).unwrap_err();
        assert!(matches!(failure, Failure::Hung), "{failure}");
        let killed = source.ending.take().unwrap().wait().unwrap();
        assert!(!killed.success());
    }

    #[test]
    fn a_program_that_prints_without_end_is_killed() {
        let mut source = shell("exec yes", Some(Field::Eps));
        let told = read(&mut source, LONG).unwrap_err().to_string();
        assert!(told.contains("without end"), "{told}");
    }
}
