//! The program: reads its command line, runs the agent, says in one place how it ended.
//!
//! Exit status: 0 done, 2 bad arguments or configuration, 1 anything else.

use std::process::ExitCode;

use clap::Parser;

use lb_agent::agent::{self, Failure};
use lb_agent::notice::tell;
use lb_agent::options::{self, Options};

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(refused) if refused.use_stderr() => {
            tell(&options::sentence(&refused));
            return ExitCode::from(2);
        }
        Err(help) => {
            // Who closed the output does not want it.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let Err(failure) = agent::run(&options) else {
        return ExitCode::SUCCESS;
    };
    tell(&failure);
    match failure {
        Failure::Refused(_) => ExitCode::from(2),
        Failure::Failed(_) => ExitCode::FAILURE,
    }
}
