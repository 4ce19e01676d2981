//! The program: reads its command line, starts the switch, says in one place how it ended.
//!
//! Exit status: 0 done, 2 bad arguments or configuration, 1 anything else.

use std::process::ExitCode;

use lb_dataplane::options::CommandLine;
use lb_dataplane::program::{self, Failure};

fn main() -> ExitCode {
    let line = match CommandLine::read(std::env::args()) {
        Ok(line) => line,
        Err(answer) => {
            // Clap prints help on standard output and refusals on standard error, each with its status.
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { 2 } else { 0 });
        }
    };
    match program::run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(sentence)) => {
            eprintln!("lb-dataplane: {sentence}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("lb-dataplane: {error:#}");
            ExitCode::from(1)
        }
    }
}
