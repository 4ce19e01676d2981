//! Completions and man pages, made from the command line's own types.
//!
//! No counterpart in the patent. Needs no control processor.
//! Easy to get wrong: packagers run this at build time, in a directory that may not exist yet.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::options::Options;

/// Writes a shell's completions.
///
/// # Errors
/// Those of the output.
pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "lbctl", &mut script);
    out.write_all(&script)
}

/// Writes `lbctl.1` and a page of each verb, `lbctl-VERB.1`, into a directory.
///
/// # Errors
/// A directory that cannot be made or written.
pub(crate) fn man_pages(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Options::command(), dir))
        .map_err(|error| Failure::File {
            path: dir.display().to_string(),
            error,
        })
}
