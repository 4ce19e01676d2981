//! Control groups: what the service may use, and what it does.
//!
//! No counterpart in the patent. Both versions of the kernel's interface (admin-guide/cgroup-v2,
//! cgroup-v1), found through /proc/self/mountinfo. A limit may stand at any level above the service, and
//! each counts what all below it use together; so every level up to the root is looked at.
//! Not here: rates (`proc`).
//! Easy to get wrong: inside a container the root of what is visible *has* limits, those of the container.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::text::{number_behind, only_number};
use super::{Failure, read_text};

/// Levels that are looked at, at most.
const LEVELS_MAX: usize = 16;
/// Octets of one of the kernel's files at most.
const FILE_MAX: u64 = 256 * 1024;
/// With version 1, what is more than this is no limit.
const NO_LIMIT: f64 = (1_u64 << 62) as f64;

/// Which group the service is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// The root of what is visible: the container's own limits, or none on a plain machine.
    #[default]
    Visible,
    /// By its path below the root, as in `system.slice/nginx.service`.
    Named(String),
    /// That of the process whose number is in a file.
    PidFile(PathBuf),
}

/// A limit on processor time, and what has been used of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuLimit {
    /// Tells it from other limits.
    pub key: String,
    /// How many CPUs' time may be used.
    pub cpus: f64,
    /// CPU time used so far, in seconds.
    pub used_seconds: f64,
}

/// What the groups around a service say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// All limits on processor time.
    pub cpu: Vec<CpuLimit>,
    /// Memory in use by the tightest limit, from 0; `None` without a limit.
    pub memory: Option<f64>,
    /// Where the group's own pressure files are.
    pub pressure: Option<PathBuf>,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Path, in the hierarchy, of what is mounted.
    root: String,
    point: PathBuf,
}

/// Hierarchies by controller; that of version 2 under the empty name.
#[derive(Clone, Debug, Default)]
pub struct Hierarchies(HashMap<String, Mount>);

impl Hierarchies {
    /// Reads /proc/self/mountinfo.
    #[must_use]
    pub fn parse(mountinfo: &str) -> Self {
        let mut found = HashMap::new();
        for line in mountinfo.lines() {
            let Some((place, kind)) = line.split_once(" - ") else {
                continue;
            };
            let mut place = place.split(' ').skip(3);
            let mut kind = kind.split(' ');
            let (Some(root), Some(point)) = (place.next(), place.next()) else {
                continue;
            };
            let mount = Mount {
                root: root.to_owned(),
                point: PathBuf::from(point),
            };
            match (kind.next(), kind.nth(1)) {
                (Some("cgroup2"), _) => {
                    found.insert(String::new(), mount);
                }
                (Some("cgroup"), Some(options)) => {
                    for controller in options.split(',') {
                        found.insert(controller.to_owned(), mount.clone());
                    }
                }
                _ => {}
            }
        }
        Self(found)
    }

    /// The hierarchy of a controller, and whether it is one of version 2.
    fn of(&self, controller: &str) -> Option<(&Mount, bool)> {
        let old = self.0.get(controller).map(|mount| (mount, false));
        old.or_else(|| self.0.get("").map(|mount| (mount, true)))
    }
}

/// A process's groups by controller, out of /proc/PID/cgroup; that of version 2 under the empty name.
fn parse_membership(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        if let (Some(controllers), Some(path)) = (parts.next(), parts.next()) {
            for controller in controllers.split(',') {
                found.insert(controller.to_owned(), path.to_owned());
            }
        }
    }
    found
}

/// Paths from a group up to the root of what is mounted, each without a slash at its ends.
fn levels<'p>(mount: &Mount, path: &'p str) -> Vec<&'p str> {
    let below = match mount.root.as_str() {
        "/" => path,
        root => path.strip_prefix(root).unwrap_or(path),
    };
    let mut level = below.trim_matches('/');
    let mut levels = vec![level];
    while !level.is_empty() && levels.len() < LEVELS_MAX {
        level = level.rsplit_once('/').map_or("", |(above, _)| above);
        levels.push(level);
    }
    levels
}

/// Reads what the groups around a service say. `root` is where the file systems are, `/` outside tests.
///
/// # Errors
/// That the group cannot be found.
pub fn read(root: &Path, hierarchies: &Hierarchies, group: &Group) -> Result<Limits, Failure> {
    let membership = match group {
        Group::Visible | Group::Named(_) => HashMap::new(),
        Group::PidFile(file) => {
            let pid: u32 = read_text(file, 64)?
                .trim()
                .parse()
                .map_err(|_| Failure::unreadable(format!("{} holds no pid", file.display())))?;
            let path = root.join(format!("proc/{pid}/cgroup"));
            parse_membership(&read_text(&path, FILE_MAX)?)
        }
    };
    let path_of = |controller: &str, is_new: bool| match group {
        Group::Visible => String::new(),
        Group::Named(path) => path.clone(),
        Group::PidFile(_) => membership
            .get(if is_new { "" } else { controller })
            .cloned()
            .unwrap_or_default(),
    };
    let mut limits = Limits::default();
    let mut is_found = *group == Group::Visible;
    for controller in ["cpu", "memory"] {
        let Some((mount, is_new)) = hierarchies.of(controller) else {
            continue;
        };
        let path = path_of(controller, is_new);
        if path.split('/').any(|part| part == "..") {
            return Err(Failure::unreadable(format!(
                "the group {path} is not visible from here"
            )));
        }
        for (height, level) in levels(mount, &path).into_iter().enumerate() {
            let dir = below(root, &mount.point).join(level);
            is_found |= height == 0 && dir.is_dir();
            match controller {
                "memory" => {
                    let used = memory(&dir, is_new);
                    limits.memory = limits.memory.into_iter().chain(used).reduce(f64::max);
                }
                _ => {
                    let usage_dir = match hierarchies.of("cpuacct") {
                        Some((mount, _)) if !is_new => below(root, &mount.point).join(level),
                        _ => dir.clone(),
                    };
                    limits.cpu.extend(quota(level, &dir, &usage_dir, is_new)?);
                    if height == 0 {
                        limits.cpu.extend(cpuset(level, &dir, is_new));
                        let has_pressure = !level.is_empty() && dir.join("cpu.pressure").exists();
                        limits.pressure = has_pressure.then_some(dir);
                    }
                }
            }
        }
    }
    if !is_found {
        return Err(Failure::unreadable("the control group does not exist"));
    }
    Ok(limits)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// A file that a level may lack, such as the root.
fn file(dir: &Path, name: &str) -> Option<String> {
    read_text(&dir.join(name), FILE_MAX).ok()
}

fn number(dir: &Path, name: &str) -> Option<f64> {
    only_number(&file(dir, name)?)
}

/// A level's share of processor time, by quota and period.
fn quota(
    level: &str,
    dir: &Path,
    usage_dir: &Path,
    is_new: bool,
) -> Result<Option<CpuLimit>, Failure> {
    let cpus = if is_new {
        file(dir, "cpu.max").as_deref().and_then(parse_cpu_max)
    } else {
        let quota = number(dir, "cpu.cfs_quota_us").filter(|quota| *quota > 0.0);
        let period = number(dir, "cpu.cfs_period_us").filter(|period| *period > 0.0);
        quota.zip(period).map(|(quota, period)| quota / period)
    };
    let Some(cpus) = cpus else {
        return Ok(None);
    };
    let Some(used_seconds) = used_seconds(usage_dir, is_new) else {
        return Err(Failure::unreadable(format!(
            "/{level} has a CPU limit, but what it uses is not to be seen in {}",
            usage_dir.display()
        )));
    };
    Ok(Some(CpuLimit {
        key: format!("quota {level}"),
        cpus,
        used_seconds,
    }))
}

fn used_seconds(dir: &Path, is_new: bool) -> Option<f64> {
    if is_new {
        let microseconds = number_behind(&file(dir, "cpu.stat")?, "usage_usec")?;
        return Some(microseconds / 1e6);
    }
    Some(number(dir, "cpuacct.usage")? / 1e9)
}

/// The CPUs that the group may run on, where version 2 tells.
fn cpuset(level: &str, dir: &Path, is_new: bool) -> Option<CpuLimit> {
    if !is_new {
        return None;
    }
    Some(CpuLimit {
        key: format!("cpuset {level}"),
        cpus: parse_cpu_list(&file(dir, "cpuset.cpus.effective")?)?,
        used_seconds: used_seconds(dir, is_new)?,
    })
}

/// `max 100000` or `50000 100000`: quota and period; as a number of CPUs.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_ascii_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// `0-3,8`: how many.
fn parse_cpu_list(text: &str) -> Option<f64> {
    let mut count = 0_u32;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        count += u32::from(last.checked_sub(first)?) + 1;
    }
    Some(f64::from(count))
}

/// A level's memory in use over its limit. Page cache that could go at once does not count.
fn memory(dir: &Path, is_new: bool) -> Option<f64> {
    let (limit, used, cache) = if is_new {
        ("memory.max", "memory.current", "inactive_file")
    } else {
        (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        )
    };
    let limit = number(dir, limit).filter(|limit| (1.0..NO_LIMIT).contains(limit))?;
    let used = number(dir, used)?;
    let cache = number_behind(&file(dir, "memory.stat")?, cache).unwrap_or(0.0);
    Some(((used - cache) / limit).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
