//! Pages of 2 MiB for the tables, asked for and counted.
//!
//! No counterpart in the patent. A table's lines lie anywhere, so with small pages every look-up also waits for
//! the page table. Glibc's allocator asks the kernel for huge pages where a tunable says so, which it reads
//! before `main`: the process starts itself once more with it.
//! Easy to get wrong: asking is not getting. Glibc up to 2.36 compares the kernel's setting with one octet too
//! many, which it never wrote, so that its asking fails now and then: the process then starts once more.
//! And what was got in the end stands in `/proc/self/smaps` only after the first touch.

use std::fs;
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

const TUNABLES: &str = "GLIBC_TUNABLES";
/// Starts of this program so far.
const STARTS: &str = "LB_BENCH_STARTS";
/// Starts after which small pages have to do.
const MAX_STARTS: u32 = 32;
/// Mappings from this size on count: tables and lists of flows, not the program itself.
const LARGE_KIB: u64 = 2048;

/// Starts this program again with huge pages asked for, until they are, or it seems that they never will be.
///
/// # Errors
/// Only where the program cannot be started; else it does not return, or all is done that can be.
pub fn ask() -> Result<()> {
    let starts = std::env::var(STARTS).ok().and_then(|n| n.parse().ok());
    let starts: u32 = starts.unwrap_or(0);
    if starts >= MAX_STARTS || (starts > 0 && are_asked_for()) {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program's own path")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(TUNABLES, "glibc.malloc.hugetlb=1")
        .env(STARTS, (starts + 1).to_string())
        .exec();
    Err(error).context("cannot start again with huge pages")
}

/// Whether a large block of the allocator's lies in a mapping for which huge pages are asked.
fn are_asked_for() -> bool {
    let block = black_box(vec![0u8; 64 << 20]);
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    drop(block);
    smaps
        .lines()
        .filter_map(|line| line.strip_prefix("VmFlags:"))
        .any(|flags| flags.split_whitespace().any(|flag| flag == "hg"))
}

/// Per cent of the touched memory in large mappings that lies on huge pages; 0 where there is none.
#[must_use]
pub fn percent() -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    share(&smaps)
}

fn share(smaps: &str) -> u64 {
    let (mut touched, mut huge) = (0, 0);
    let mut is_large = false;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(number)) = (words.next(), words.next()) else {
            continue;
        };
        let kib: u64 = number.parse().unwrap_or(0);
        match name {
            "Size:" => is_large = kib >= LARGE_KIB,
            "Rss:" if is_large => touched += kib,
            "AnonHugePages:" if is_large => huge += kib,
            "Private_Hugetlb:" | "Shared_Hugetlb:" if is_large => {
                touched += kib;
                huge += kib;
            }
            _ => {}
        }
    }
    (huge * 100).checked_div(touched).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_touched_memory_of_large_mappings_counts() {
        let smaps = "\
7f00-7f01 rw-p 00000000 00:00 0
Size:            1048576 kB
Rss:                4096 kB
AnonHugePages:      2048 kB
7f02-7f03 rw-p 00000000 00:00 0
Size:                 64 kB
Rss:                  64 kB
AnonHugePages:         0 kB
";
        assert_eq!(share(smaps), 50);
        assert_eq!(share(""), 0);
    }
}
