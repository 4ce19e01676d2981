//! The state directory: the region's file, and the lock that keeps it to one process.
//!
//! WO 00/30294: shared memory 34, given a name so that the next process can adopt it. With hugepages the file
//! lies on a mounted hugetlbfs, and the directory holds a link to it; without, it lies in the directory.
//! What the region holds is `lb_core`'s; why one is refused, too.
//! Easy to get wrong: a region is adopted only under the lock. The kernel drops the lock of a process that was
//! killed, so there is nothing to clean up by hand, whatever happened.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lb_core::shared::{Layout, Memory, Refused, Region, Secret};

use crate::dpdk::mapping;

/// Where the region came from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made anew, because there was none or because that was asked for.
    New,
    /// Made anew, because the one that was there is of no use; why.
    Replaced(Refused),
    /// Taken over from an earlier process.
    Adopted,
}

/// Which pages the region lies on.
#[derive(Debug, PartialEq, Eq)]
pub enum Pages {
    /// Hugepages of this many octets.
    Huge(usize),
    /// Ordinary pages; why not huge ones.
    Ordinary(String),
}

/// A region in a file, and the lock on it.
#[derive(Debug)]
pub struct Named {
    /// The region.
    pub region: Region,
    /// Where it came from.
    pub origin: Origin,
    /// Its pages.
    pub pages: Pages,
    /// Its file.
    pub file: PathBuf,
    /// The state directory.
    pub directory: PathBuf,
    _lock: File,
}

/// Why there is no region with a name.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory or a file in it cannot be made or opened.
    #[error("--state {directory}: {source}; name a directory that this process may write to")]
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error(
        "--state {directory}: another lb-dataplane uses it; stop that one, or give this one a directory of its own"
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// Not even ordinary memory.
    #[error("--connections: {octets} octets of shared memory for the connection tables: {source}")]
    NoMemory {
        /// Octets asked for.
        octets: usize,
        /// What the system says.
        source: io::Error,
    },
    /// A new region was refused: a bug of ours.
    #[error("a new region: {0}")]
    Region(#[from] Refused),
}

/// What is wanted of the state directory.
pub struct Wish<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Sizes of the region.
    pub layout: Layout,
    /// Start empty, whatever is there.
    pub is_fresh: bool,
    /// A mounted hugetlbfs, where hugepages are wanted.
    pub huge: Option<PathBuf>,
    /// Secrets of a new region.
    pub secret: Secret,
    /// Seconds of the host's clock.
    pub now: u64,
}

/// Takes the directory's lock, then opens or makes the region.
///
/// # Errors
/// See [`StateError`].
pub fn open(wish: &Wish<'_>) -> Result<Named, StateError> {
    let directory = wish.directory;
    let unusable = |source| StateError::Unusable {
        directory: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(unusable)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("lock"))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StateError::InUse {
                directory: directory.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    let link = directory.join("region");
    let mut replaced = None;
    if !wish.is_fresh {
        match adopt(&link, wish) {
            Ok(Some((region, pages, file))) => {
                return Ok(Named {
                    region,
                    origin: Origin::Adopted,
                    pages,
                    file,
                    directory: wish.directory.to_owned(),
                    _lock: lock,
                });
            }
            Ok(None) => {}
            Err(refused) => replaced = Some(refused),
        }
    }
    remove(&link);
    let (memory, pages, file) = make(wish, &link)?;
    let region = Region::create(memory, &wish.layout, &wish.secret, wish.now)?;
    let origin = replaced.map_or(Origin::New, Origin::Replaced);
    Ok(Named {
        region,
        origin,
        pages,
        file,
        directory: wish.directory.to_owned(),
        _lock: lock,
    })
}

type Adopted = Option<(Region, Pages, PathBuf)>;

/// The region that an earlier process left, if it left one.
fn adopt(link: &Path, wish: &Wish<'_>) -> Result<Adopted, Refused> {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(link) else {
        return Ok(None);
    };
    let Ok(meta) = file.metadata() else {
        return Ok(None);
    };
    let len = usize::try_from(meta.len()).unwrap_or(0);
    let expected = wish.layout.octets();
    if len == 0 {
        return Err(Refused::Truncated { expected, found: 0 });
    }
    let Ok(memory) = mapping::map_shared(&file, len) else {
        return Err(Refused::Truncated { expected, found: 0 });
    };
    let pages = match mapping::huge_page_of(&file) {
        Ok(Some(octets)) => Pages::Huge(octets),
        _ => Pages::Ordinary("the region was made so".to_owned()),
    };
    let region = Region::adopt(memory, &wish.layout, wish.now)?;
    let path = fs::canonicalize(link).unwrap_or_else(|_| link.to_owned());
    Ok(Some((region, pages, path)))
}

/// Removes the file and the link to it. What is not there need not be removed.
fn remove(link: &Path) {
    if let Ok(target) = fs::read_link(link) {
        let _ = fs::remove_file(target);
    }
    let _ = fs::remove_file(link);
}

/// A new file, on hugepages if they suffice.
fn make(wish: &Wish<'_>, link: &Path) -> Result<(Memory, Pages, PathBuf), StateError> {
    let why_not = match &wish.huge {
        None => "EAL option --no-huge, or no hugetlbfs is mounted".to_owned(),
        Some(mount) => match make_huge(wish, mount, link) {
            Ok(made) => return Ok(made),
            Err(error) => format!(
                "{} octets on {}: {error}",
                wish.layout.octets(),
                mount.display()
            ),
        },
    };
    let octets = wish.layout.octets();
    let no_memory = |source| StateError::NoMemory { octets, source };
    let unusable = |source| StateError::Unusable {
        directory: wish.directory.to_owned(),
        source,
    };
    let file = create(link).map_err(unusable)?;
    file.set_len(octets as u64).map_err(no_memory)?;
    let memory = mapping::map_shared(&file, octets).map_err(no_memory)?;
    Ok((memory, Pages::Ordinary(why_not), link.to_owned()))
}

fn make_huge(wish: &Wish<'_>, mount: &Path, link: &Path) -> io::Result<(Memory, Pages, PathBuf)> {
    let path = mount.join(format!("lb-region-{}", flattened(wish.directory)));
    let _ = fs::remove_file(&path);
    let file = create(&path)?;
    let made = (|| {
        let page = mapping::huge_page_of(&file)?.unwrap_or(2 << 20);
        let len = wish.layout.octets().next_multiple_of(page);
        file.set_len(len as u64)?;
        let memory = mapping::map_shared(&file, len)?;
        std::os::unix::fs::symlink(&path, link)?;
        Ok((memory, Pages::Huge(page), path.clone()))
    })();
    if made.is_err() {
        let _ = fs::remove_file(&path);
    }
    made
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// A directory's absolute name as one file name: two directories never share one.
fn flattened(directory: &Path) -> String {
    let absolute = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let name = absolute.to_string_lossy();
    name.trim_start_matches('/')
        .chars()
        .flat_map(|c| match c {
            '/' => vec!['-'],
            '-' => vec!['-', '-'],
            other => vec![other],
        })
        .collect()
}

/// The first hugetlbfs that is mounted, if any.
#[must_use]
pub fn hugetlbfs() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "hugetlbfs").then(|| PathBuf::from(place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_core::flow::{HashSeed, TableKey};

    /// A directory of the test's own, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lb-state-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn wish(directory: &Path, connections: u32, is_fresh: bool, key: u64) -> Wish<'_> {
        Wish {
            directory,
            layout: Layout::new(connections).unwrap().with_slots(64, 64),
            is_fresh,
            huge: None,
            secret: Secret {
                table_key: TableKey([key; 6]),
                seed: HashSeed([0; 16]),
            },
            now: 1_000_000,
        }
    }

    #[test]
    fn the_next_process_adopts_the_region_with_its_secrets() {
        let scratch = Scratch::new("adopt");
        let first = open(&wish(&scratch.0, 128, false, 1)).unwrap();
        assert_eq!(first.origin, Origin::New);
        drop(first);
        let second = open(&wish(&scratch.0, 128, false, 2)).unwrap();
        assert_eq!(second.origin, Origin::Adopted);
        assert_eq!(second.region.secret().table_key, TableKey([1; 6]));
    }

    #[test]
    fn two_processes_cannot_have_one_directory() {
        let scratch = Scratch::new("lock");
        let _first = open(&wish(&scratch.0, 128, false, 1)).unwrap();
        let refused = open(&wish(&scratch.0, 128, false, 1)).unwrap_err();
        assert!(
            refused.to_string().contains("another lb-dataplane uses it"),
            "{refused}"
        );
    }

    #[test]
    fn another_capacity_is_refused_and_replaced() {
        let scratch = Scratch::new("capacity");
        drop(open(&wish(&scratch.0, 128, false, 1)).unwrap());
        for connections in [256, 64] {
            let next = open(&wish(&scratch.0, connections, false, 2)).unwrap();
            assert!(
                matches!(next.origin, Origin::Replaced(_)),
                "{:?}",
                next.origin
            );
        }
    }

    #[test]
    fn a_file_that_is_no_region_is_replaced_never_misread() {
        let scratch = Scratch::new("garbage");
        fs::create_dir_all(&scratch.0).unwrap();
        let len = Layout::new(128).unwrap().with_slots(64, 64).octets();
        for content in [Vec::new(), vec![0x5a; 100], vec![0x5a; len]] {
            fs::write(scratch.0.join("region"), &content).unwrap();
            let named = open(&wish(&scratch.0, 128, false, 1)).unwrap();
            assert!(
                matches!(named.origin, Origin::Replaced(_)),
                "{} octets",
                content.len()
            );
        }
    }

    #[test]
    fn fresh_starts_empty() {
        let scratch = Scratch::new("fresh");
        drop(open(&wish(&scratch.0, 128, false, 1)).unwrap());
        let named = open(&wish(&scratch.0, 128, true, 2)).unwrap();
        assert_eq!(
            (named.origin, named.region.secret().table_key),
            (Origin::New, TableKey([2; 6]))
        );
    }

    #[test]
    fn directories_never_share_a_file_name() {
        assert_ne!(
            flattened(Path::new("/nonexistent/a-b")),
            flattened(Path::new("/nonexistent/a/b"))
        );
    }
}
