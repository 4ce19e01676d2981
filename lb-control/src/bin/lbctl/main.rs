//! `lbctl`: asks the control processor and tells it what to change, on the command line.
//!
//! No counterpart in the patent. It knows nothing of its own: every figure is the API's, every change is
//! the API's to accept or refuse.
//! Not here: what a verb does (`verbs`), how answers look (`show`), the live view (`top`).
//! Easy to get wrong: exit status 2 is for what must be put differently, 1 for what may work another time;
//! scripts rely on it.

mod address;
mod client;
mod failure;
mod generated;
mod options;
mod refused;
mod show;
mod suggest;
mod top;
mod verbs;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(refused) => {
            // Who closed the output does not want it.
            let _ = refused.print();
            return ExitCode::from(u8::from(refused.use_stderr()) * 2);
        }
    };
    match verbs::run(&options, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lbctl: {failure}");
            failure.exit_code()
        }
    }
}
