//! What outlives the program: what the operator has switched off, and what routers may still believe.
//!
//! No counterpart in the patent. A file beside the region, so it is there after a crash or a restart, and gone
//! with `/run` when the machine starts anew.
//! Easy to get wrong: a file that cannot be read must not take a box out of service, nor one that cannot be written
//! keep an operator from doing so. Both are said.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::vips::Switches;
use crate::desired::file;

/// Name of the file in the state directory.
pub const FILE: &str = "advertise.json";

/// The file's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) switches: Switches,
    /// VIPs that routing daemons were told of and that were not taken back.
    #[serde(default)]
    pub(super) announced: BTreeSet<IpAddr>,
}

/// Where it is kept.
#[derive(Debug)]
pub(super) struct Keeper {
    path: Option<PathBuf>,
    /// What the file has.
    written: Option<Kept>,
}

impl Keeper {
    /// Reads what an earlier process has left; nothing where there is no state directory. With it, what was wrong
    /// with the file.
    pub(super) fn open(directory: Option<PathBuf>) -> (Self, Kept, Option<String>) {
        let path = directory.map(|directory| directory.join(FILE));
        let read = path.as_deref().map(|path| {
            let text = file::read(path)?;
            serde_json::from_str::<Kept>(&text).map_err(io::Error::from)
        });
        let (kept, wrong) = match (read, &path) {
            (Some(Ok(kept)), _) => (Some(kept), None),
            (Some(Err(error)), Some(path)) if error.kind() != io::ErrorKind::NotFound => {
                (None, Some(format!("{}: {error}", path.display())))
            }
            _ => (None, None),
        };
        let keeper = Self {
            path,
            written: kept.clone(),
        };
        (keeper, kept.unwrap_or_default(), wrong)
    }

    /// Writes it, where it differs from what the file has.
    ///
    /// # Errors
    /// Why the next process will not know it.
    pub(super) fn keep(&mut self, kept: &Kept) -> Result<(), String> {
        if self.written.as_ref() == Some(kept) {
            return Ok(());
        }
        let Some(path) = &self.path else {
            return Err("there is no state directory".to_owned());
        };
        let text = serde_json::to_string(kept).map_err(|error| error.to_string())?;
        file::replace(path, &(text + "\n"))
            .map_err(|(path, error)| format!("{}: {error}", path.display()))?;
        self.written = Some(kept.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of the test's own.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let name = format!("lb-kept-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn some() -> Kept {
        Kept {
            switches: Switches {
                is_off: true,
                vips_off: BTreeSet::from(["192.0.2.10".parse().unwrap()]),
            },
            announced: BTreeSet::from(["2001:db8::1".parse().unwrap()]),
        }
    }

    #[test]
    fn the_next_process_finds_what_this_one_kept() {
        let directory = Directory::new("next");
        let (mut keeper, kept, wrong) = Keeper::open(Some(directory.0.clone()));
        assert_eq!((kept, wrong), (Kept::default(), None));
        keeper.keep(&some()).unwrap();
        let (_, kept, wrong) = Keeper::open(Some(directory.0.clone()));
        assert_eq!((kept, wrong), (some(), None));
    }

    #[test]
    fn a_file_that_is_no_such_file_is_said_and_everything_is_on() {
        let directory = Directory::new("broken");
        std::fs::write(directory.0.join(FILE), "{\"is_off\": 3").unwrap();
        let (mut keeper, kept, wrong) = Keeper::open(Some(directory.0.clone()));
        assert_eq!(kept, Kept::default());
        assert!(wrong.unwrap().contains(FILE));
        keeper.keep(&kept).unwrap();
        assert_eq!(Keeper::open(Some(directory.0.clone())).2, None);
    }

    #[test]
    fn without_a_state_directory_nothing_is_kept() {
        let (mut keeper, kept, wrong) = Keeper::open(None);
        assert_eq!((kept, wrong), (Kept::default(), None));
        assert!(keeper.keep(&some()).is_err());
    }
}
