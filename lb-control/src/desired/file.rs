//! Reading and writing the document's file.
//!
//! No counterpart in the patent. A file is written beside the old one and takes its place whole, so that whoever
//! reads it, or the power failing, meets the old document or the new one.
//! Not here: what the text says.
//! Easy to get wrong: the path may be a link; what it leads to is replaced, not the link.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Octets of a document at most, 16 MiB: as many as the API takes.
pub const DOCUMENT_OCTETS_MAX: u64 = 16 << 20;

/// Mode of a file that was not there before: its owner's, and readable to the group.
const NEW_FILE_MODE: u32 = 0o640;

/// The file's text.
///
/// # Errors
/// What reading says; more than [`DOCUMENT_OCTETS_MAX`] octets; no UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(DOCUMENT_OCTETS_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > DOCUMENT_OCTETS_MAX {
        let message = format!("longer than {DOCUMENT_OCTETS_MAX} octets, so it is no document");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Puts `text` in place of what the file holds, and sees to it that it is on the disk. The file's mode stays; its
/// owner becomes the program's.
///
/// # Errors
/// The path at which a step failed, and why; the file is then as it was.
pub fn replace(path: &Path, text: &str) -> Result<(), (PathBuf, io::Error)> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&target).map_or(NEW_FILE_MODE, |found| found.permissions().mode());
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let copy = directory.join(name);
    // One that a killed program left behind.
    let _ = fs::remove_file(&copy);
    let written = write(&copy, mode, text).map_err(|error| (copy.clone(), error));
    let placed =
        written.and_then(|()| fs::rename(&copy, &target).map_err(|error| (target.clone(), error)));
    if placed.is_err() {
        let _ = fs::remove_file(&copy);
        return placed;
    }
    // It is in place. Where this fails, a power failure may bring the old document back, whole.
    let _ = File::open(&directory).and_then(|directory| directory.sync_all());
    Ok(())
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode & 0o777)
        .open(path)?;
    // The mask of the process took bits away.
    file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
