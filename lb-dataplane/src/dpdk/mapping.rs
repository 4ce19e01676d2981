//! Files mapped as shared memory: the region that outlives the process.
//!
//! WO 00/30294: shared memory 34. No DPDK here, but this folder is where the crate's unsafe code lives.
//! On hugetlbfs a file takes its pages at mapping time, so that a later touch cannot fail; elsewhere pages come
//! as they are touched.
//! Easy to get wrong: a second process that maps the same file would break every promise of the tables;
//! the caller holds a lock on the directory for as long as the mapping lasts.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

use lb_core::shared::Memory;

/// Octets of the pages that a file's filesystem uses, where those are huge.
///
/// # Errors
/// The file system does not say.
pub fn huge_page_of(file: &File) -> io::Result<Option<usize>> {
    // SAFETY: all zero is a valid `statfs`, which is numbers only.
    let mut answer: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the structure is ours to be written.
    if unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut answer) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let is_huge = answer.f_type == libc::HUGETLBFS_MAGIC;
    Ok(is_huge.then(|| usize::try_from(answer.f_bsize).unwrap_or(2 << 20)))
}

/// Maps the whole of a file, which is `len` octets long, readable, writable and shared.
///
/// # Errors
/// What the kernel says; for hugetlbfs `ENOMEM` where fewer pages are free than the file needs.
pub fn map_shared(file: &File, len: usize) -> io::Result<Memory> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            access,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let keeper = Box::new(Mapping {
        base: base.expose_provenance(),
        len,
    });
    // SAFETY: the mapping is page-aligned, `len` octets long, and lasts until the keeper unmaps it. Only
    // this process has it: the caller's lock keeps others out (module page).
    Ok(unsafe { Memory::mapped(base.cast(), len, keeper) })
}

/// Unmaps on drop.
struct Mapping {
    base: usize,
    len: usize,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let base = ptr::with_exposed_provenance_mut(self.base);
        // SAFETY: `map_shared` mapped exactly this, and the last user of the memory is gone.
        unsafe { libc::munmap(base, self.len) };
    }
}
