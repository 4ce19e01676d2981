//! The program: reads its command line, starts the switch, says in one place how it ended.
//!
//! Exit status: 0 done, 2 bad arguments or configuration, 1 anything else.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use lb_dataplane::options::{self, CommandLine};
use lb_dataplane::program::{self, Failure};

fn main() -> ExitCode {
    let line = match CommandLine::read(std::env::args()) {
        Ok(line) => line,
        Err(refused) if refused.use_stderr() => {
            return tell(&options::sentence(&refused), 2);
        }
        Err(help) => {
            // Help and version go to standard output; who closed it does not want them.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match program::run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(sentence)) => tell(&sentence, 2),
        Err(Failure::Failed(error)) => tell(&format_args!("{error:#}"), 1),
    }
}

/// Says on standard error how it ended; the status says so too where nobody listens.
fn tell(sentence: &dyn Display, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "lb-dataplane: {sentence}");
    ExitCode::from(status)
}
