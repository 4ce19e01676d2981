//! Threads of another process held still: all of its control side, while its worker lcores go on.
//!
//! No counterpart in the patent. A signal stops a whole process; a control group's freezer stops the threads in it.
//! Easy to get wrong: a frozen thread cannot be killed either. Whatever happens, they are let go again.

use std::fs;
use std::path::{Path, PathBuf};

/// Threads that are held; let go when dropped.
pub(crate) struct Freezer(Kind);

enum Kind {
    /// Control groups' second version: the process in a group, its held threads in one below.
    Second { group: PathBuf },
    /// The first version's freezer: threads in a group.
    First { group: PathBuf },
}

impl Freezer {
    /// Takes the threads of a process whose names `is_held` picks; they go on for now. `None` where this machine does not
    /// let us.
    pub(crate) fn of(pid: u32, is_held: impl Fn(&str) -> bool) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mount = |is_it: &dyn Fn(&str, &str) -> bool| {
            mounts.lines().find_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                is_it(words[2], words[3]).then(|| PathBuf::from(words[1]))
            })
        };
        let first = mount(&|kind, options| {
            kind == "cgroup" && options.split(',').any(|option| option == "freezer")
        });
        let group = |mount: PathBuf| mount.join(format!("lb-test-{pid}"));
        let enter = |group: &Path, file: &str| {
            threads(pid)
                .filter(|(_, name)| is_held(name))
                .all(|(thread, _)| fs::write(group.join(file), thread.to_string()).is_ok())
        };
        if let Some(group) = first.map(group) {
            fs::create_dir(&group).ok()?;
            let freezer = Self(Kind::First {
                group: group.clone(),
            });
            return enter(&group, "tasks").then_some(freezer);
        }
        let group = group(mount(&|kind, _| kind == "cgroup2")?);
        let held = group.join("held");
        fs::create_dir_all(&held).ok()?;
        let freezer = Self(Kind::Second {
            group: group.clone(),
        });
        fs::write(group.join("cgroup.procs"), pid.to_string()).ok()?;
        fs::write(held.join("cgroup.type"), "threaded").ok()?;
        enter(&held, "cgroup.threads").then_some(freezer)
    }

    /// Holds them; returns when they stand still.
    pub(crate) fn hold(&self) {
        match &self.0 {
            Kind::First { group } => {
                let state = group.join("freezer.state");
                fs::write(&state, "FROZEN").unwrap();
                until(|| fs::read_to_string(&state).unwrap().trim() == "FROZEN");
            }
            Kind::Second { group } => {
                let held = group.join("held");
                fs::write(held.join("cgroup.freeze"), "1").unwrap();
                let events = held.join("cgroup.events");
                until(|| fs::read_to_string(&events).unwrap().contains("frozen 1"));
            }
        }
    }

    /// Lets them go.
    pub(crate) fn release(&self) {
        let _ = match &self.0 {
            Kind::First { group } => fs::write(group.join("freezer.state"), "THAWED"),
            Kind::Second { group } => fs::write(group.join("held/cgroup.freeze"), "0"),
        };
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.release();
        // A group that somebody is in stays. New threads are in the group of who made them, so one look is not enough.
        let is_gone = |group: &Path| fs::remove_dir(group).is_ok() || !group.exists();
        for _ in 0..100 {
            let is_done = match &self.0 {
                Kind::First { group } => {
                    leave(group, "tasks", group.parent());
                    is_gone(group)
                }
                Kind::Second { group } => {
                    leave(group, "cgroup.procs", group.parent());
                    is_gone(&group.join("held")) && is_gone(group)
                }
            };
            if is_done {
                return;
            }
        }
    }
}

/// Moves all that a file of a group lists to the same file of another.
fn leave(group: &Path, file: &str, to: Option<&Path>) {
    let listed = fs::read_to_string(group.join(file)).unwrap_or_default();
    for number in listed.lines() {
        let _ = fs::write(to.unwrap_or(group).join(file), number);
    }
}

/// Threads of a process with their names.
pub(crate) fn threads(pid: u32) -> impl Iterator<Item = (u32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    entries.flatten().filter_map(|entry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let thread = entry.file_name().to_str()?.parse().ok()?;
        Some((thread, name.trim().to_owned()))
    })
}

fn until(is_so: impl Fn() -> bool) {
    crate::kit::until("the threads stand still", || is_so().then_some(()));
}
