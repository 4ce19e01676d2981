//! The machine, or the control group that the service is in: CPU, memory, pressure.
//!
//! No counterpart in the patent. `/proc/stat`, `/proc/meminfo`, `/proc/pressure` (proc(5),
//! accounting/psi) and the groups around the service (`cgroup`). CPU is the part of the time between two
//! looks in which a CPU had work, of all the time that the service may use.
//! Easy to get wrong: where a quota stands, the machine's own idleness means nothing; a service at its
//! limit of half a CPU is full, on however many CPUs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use super::cgroup::{self, Group, Hierarchies, Limits};
use super::text::number_behind;
use super::{Ask, Failure, Reading, Source, read_text};
use crate::rate::{Growth, Rate};
use crate::values::Field;

/// Octets of one of the kernel's files at most; /proc/stat is long on large machines.
const FILE_MAX: u64 = 1 << 20;

/// CPU time of the whole machine since it booted, in ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTime {
    /// With work, stolen time too: the machine wanted it and did not get it.
    pub busy: f64,
    /// All.
    pub total: f64,
    /// How many CPUs there are.
    pub cpus: f64,
}

/// Reads /proc/stat.
#[must_use]
pub fn parse_stat(text: &str) -> Option<CpuTime> {
    let first = text.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; guest times are within user and nice.
    let mut ticks = [0.0; 8];
    let words = first.split_ascii_whitespace();
    for (tick, word) in ticks.iter_mut().zip(words) {
        *tick = word.parse().ok()?;
    }
    let [_, _, _, idle, waiting, ..] = ticks;
    let total: f64 = ticks.iter().sum();
    let is_cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    Some(CpuTime {
        busy: total - idle - waiting,
        total,
        cpus: text.lines().filter(is_cpu).map(|_| 1.0).sum(),
    })
}

/// Reads /proc/meminfo: memory that is not to be had, over all.
#[must_use]
pub fn parse_meminfo(text: &str) -> Option<f64> {
    let total = number_behind(text, "MemTotal:").filter(|total| *total > 0.0)?;
    let available = number_behind(text, "MemAvailable:")?;
    Some((1.0 - available / total).clamp(0.0, 1.0))
}

/// Reads a pressure file: part of the last 10 seconds in which something waited, from 0 to 1.
#[must_use]
pub fn parse_pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent = some
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    Some(percent.parse::<f64>().ok()? / 100.0)
}

/// What the look before left behind.
#[derive(Clone, Debug, Default)]
struct Before {
    busy: Growth,
    total: Growth,
    limits: HashMap<String, Rate>,
}

impl Before {
    /// CPU utilisation since the look before: by the tightest limit, or of the machine if there is none.
    fn cpu(&mut self, at: Instant, time: CpuTime, limits: &Limits) -> Option<f64> {
        let machine = self.busy.next(time.busy).zip(self.total.next(time.total));
        // A cpuset with every CPU of the machine is none.
        let mut is_limited = false;
        let mut rates = HashMap::new();
        let mut fullest: Option<f64> = None;
        for limit in limits.cpu.iter().filter(|limit| limit.cpus < time.cpus) {
            is_limited = true;
            let mut rate = self.limits.remove(&limit.key).unwrap_or_default();
            let used = rate.next(at, limit.used_seconds);
            let full = used.map(|used| used / limit.cpus);
            fullest = fullest.into_iter().chain(full).reduce(f64::max);
            rates.insert(limit.key.clone(), rate);
        }
        self.limits = rates;
        if is_limited {
            return fullest;
        }
        machine.and_then(|(busy, total)| (total > 0.0).then(|| (busy / total).min(1.0)))
    }
}

/// The machine's own account.
pub struct Proc {
    name: String,
    root: PathBuf,
    group: Group,
    hierarchies: Hierarchies,
    before: Before,
}

impl Proc {
    /// The machine whose file systems are below `root`, and the group that the service is in.
    #[must_use]
    pub fn new(root: PathBuf, group: Group) -> Self {
        let mounts = read_text(&root.join("proc/self/mountinfo"), FILE_MAX).unwrap_or_default();
        let name = match &group {
            Group::Visible => "proc".to_owned(),
            Group::Named(path) => format!("proc, group {path}"),
            Group::PidFile(path) => format!("proc, group of {}", path.display()),
        };
        Self {
            name,
            root,
            group,
            hierarchies: Hierarchies::parse(&mounts),
            before: Before::default(),
        }
    }

    fn pressure(&self, limits: &Limits, what: &str) -> Option<f64> {
        let path = match &limits.pressure {
            Some(group) => group.join(format!("{what}.pressure")),
            None => self.root.join("proc/pressure").join(what),
        };
        // Many kernels do not keep it.
        parse_pressure(&read_text(&path, FILE_MAX).ok()?)
    }
}

impl Source for Proc {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, ask: Ask) -> Result<Reading, Failure> {
        let limits = cgroup::read(&self.root, &self.hierarchies, &self.group)?;
        let stat = read_text(&self.root.join("proc/stat"), FILE_MAX)?;
        let time = parse_stat(&stat)
            .ok_or_else(|| Failure::unreadable("/proc/stat is not as expected"))?;
        let meminfo = read_text(&self.root.join("proc/meminfo"), FILE_MAX)?;
        let mut reading = Reading::default();
        let cpu = self.before.cpu(ask.at, time, &limits);
        let memory = limits.memory.or_else(|| parse_meminfo(&meminfo));
        reading.enter(&Field::CpuUtilization, cpu);
        reading.enter(&Field::MemUtilization, memory);
        for what in ["cpu", "memory", "io"] {
            let field = Field::Named(format!("{what}_pressure"));
            reading.enter(&field, self.pressure(&limits, what));
        }
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::cgroup::CpuLimit;
    use std::time::Duration;

    /// From Linux 6.18 with two CPUs.
    const STAT: &str = include_str!("../../tests/samples/proc_stat.txt");
    const MEMINFO: &str = include_str!("../../tests/samples/proc_meminfo.txt");

    fn limited(cpus: f64, used_seconds: f64) -> Limits {
        Limits {
            cpu: vec![CpuLimit {
                key: "quota web".to_owned(),
                cpus,
                used_seconds,
            }],
            ..Limits::default()
        }
    }

    #[test]
    fn the_files_of_a_real_machine_are_read() {
        let time = parse_stat(STAT).unwrap();
        assert_eq!(time.cpus, 2.0);
        assert_eq!(time.total - time.busy, 391_081.0 + 1_915.0);
        assert_eq!(time.busy, 384_532.0 + 60_494.0 + 6_815.0 + 3_834.0);
        let memory = parse_meminfo(MEMINFO).unwrap();
        assert!((memory - (1.0 - 21_631_392.0 / 24_684_084.0)).abs() < 1e-12);
        let pressure = "some avg10=93.87 avg60=53.76 avg300=33.90 total=1420378522\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert!((parse_pressure(pressure).unwrap() - 0.9387).abs() < 1e-12);
    }

    #[test]
    fn other_files_are_not_taken_for_them() {
        for text in ["", "cpu0 1 2 3", "cpu  a b c", "intr 1"] {
            assert_eq!(parse_stat(text), None, "{text}");
        }
        assert_eq!(parse_meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB"), None);
        assert_eq!(parse_pressure("full avg10=1.00"), None);
    }

    #[test]
    fn utilisation_is_of_the_time_between_two_looks() {
        let (mut before, at) = (Before::default(), Instant::now());
        let none = Limits::default();
        let time = |busy, total| CpuTime {
            busy,
            total,
            cpus: 2.0,
        };
        assert_eq!(before.cpu(at, time(1000.0, 9000.0), &none), None);
        assert_eq!(before.cpu(at, time(1050.0, 9200.0), &none), Some(0.25));
        assert_eq!(
            before.cpu(at, time(1050.0, 9200.0), &none),
            None,
            "no time passed"
        );
    }

    #[test]
    fn a_server_at_half_a_cpu_reports_one_at_its_limit() {
        let (mut before, at) = (Before::default(), Instant::now());
        let idle_machine = parse_stat(STAT).unwrap();
        assert_eq!(before.cpu(at, idle_machine, &limited(0.5, 10.0)), None);
        let later = at + Duration::from_secs(4);
        let full = before.cpu(later, idle_machine, &limited(0.5, 12.0));
        assert_eq!(full, Some(1.0));
    }

    #[test]
    fn the_fullest_of_several_limits_counts() {
        let (mut before, at) = (Before::default(), Instant::now());
        let time = parse_stat(STAT).unwrap();
        let both = |service, slice| {
            let mut limits = limited(0.5, service);
            limits.cpu.push(CpuLimit {
                key: "quota slice".to_owned(),
                cpus: 1.0,
                used_seconds: slice,
            });
            limits
        };
        before.cpu(at, time, &both(0.0, 0.0));
        let later = at + Duration::from_secs(1);
        assert_eq!(before.cpu(later, time, &both(0.1, 0.9)), Some(0.9));
    }

    #[test]
    fn a_cpuset_of_the_whole_machine_is_no_limit() {
        let (mut before, at) = (Before::default(), Instant::now());
        let mut time = parse_stat(STAT).unwrap();
        before.cpu(at, time, &limited(2.0, 0.0));
        time.busy += 30.0;
        time.total += 40.0;
        assert_eq!(before.cpu(at, time, &limited(2.0, 0.0)), Some(0.75));
    }

    #[test]
    fn this_very_machine_has_cpu_and_memory() {
        let mut proc = Proc::new("/".into(), Group::Visible);
        let at = Instant::now();
        let reading = proc.read(Ask { at, deadline: at }).unwrap();
        assert!(reading.values.mem_utilization.unwrap() > 0.0);
        assert_eq!(reading.values.cpu_utilization, None);
    }
}
