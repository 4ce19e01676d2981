//! Groups as files in a directory of the test's own, laid out as the kernel does.

use super::*;

const V2: &str = "25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
/// From a machine with both versions.
const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

/// A file system for one test.
struct Tree(PathBuf);

impl Tree {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("lb-agent-{test}-{}", std::process::id());
        let tree = Self(std::env::temp_dir().join(name));
        for (path, text) in files {
            let path = tree.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        tree
    }

    fn read(&self, mountinfo: &str, group: &Group) -> Result<Limits, Failure> {
        super::read(&self.0, &Hierarchies::parse(mountinfo), group)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn named(path: &str) -> Group {
    Group::Named(path.to_owned())
}

#[test]
fn every_level_with_a_quota_is_a_limit() {
    let tree = Tree::new(
        "levels",
        &[
            ("sys/fs/cgroup/cpu.stat", "usage_usec 9000000\n"),
            ("sys/fs/cgroup/web.slice/cpu.max", "200000 100000\n"),
            ("sys/fs/cgroup/web.slice/cpu.stat", "usage_usec 7000000\n"),
            (
                "sys/fs/cgroup/web.slice/nginx.service/cpu.max",
                "50000 100000\n",
            ),
            (
                "sys/fs/cgroup/web.slice/nginx.service/cpu.stat",
                "usage_usec 3000000\nuser_usec 1\n",
            ),
            ("sys/fs/cgroup/web.slice/nginx.service/cpu.pressure", ""),
        ],
    );
    let limits = tree.read(V2, &named("/web.slice/nginx.service")).unwrap();
    let found: Vec<_> = limits
        .cpu
        .iter()
        .map(|limit| (limit.cpus, limit.used_seconds))
        .collect();
    assert_eq!(found, [(0.5, 3.0), (2.0, 7.0)]);
    assert!(
        limits
            .pressure
            .unwrap()
            .ends_with("web.slice/nginx.service")
    );
}

#[test]
fn a_container_sees_its_own_limits_at_the_root() {
    let tree = Tree::new(
        "container",
        &[
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/cpu.stat", "usage_usec 500000\n"),
            ("sys/fs/cgroup/cpuset.cpus.effective", "0-3,8\n"),
            ("sys/fs/cgroup/memory.max", "1000000\n"),
            ("sys/fs/cgroup/memory.current", "750000\n"),
            (
                "sys/fs/cgroup/memory.stat",
                "anon 1\ninactive_file 250000\n",
            ),
        ],
    );
    let limits = tree.read(V2, &Group::Visible).unwrap();
    let cpus: Vec<f64> = limits.cpu.iter().map(|limit| limit.cpus).collect();
    assert_eq!((cpus, limits.memory), (vec![1.5, 5.0], Some(0.5)));
}

#[test]
fn a_plain_machine_has_no_limits() {
    let tree = Tree::new(
        "plain",
        &[
            ("sys/fs/cgroup/cpu.stat", "usage_usec 500000\n"),
            ("sys/fs/cgroup/nginx/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/nginx/memory.max", "max\n"),
        ],
    );
    assert_eq!(tree.read(V2, &Group::Visible).unwrap(), Limits::default());
    assert_eq!(tree.read(V2, &named("nginx")).unwrap(), Limits::default());
    assert_eq!(tree.read("", &Group::Visible).unwrap(), Limits::default());
}

#[test]
fn version_1_keeps_limit_and_usage_apart() {
    let tree = Tree::new(
        "version-1",
        &[
            ("sys/fs/cgroup/cpu/lb/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/lb/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpuacct/lb/cpuacct.usage", "2500000000\n"),
            (
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1\n"),
            ("sys/fs/cgroup/memory/x/memory.stat", "\n"),
            (
                "proc/77/cgroup",
                "4:memory:/x\n2:cpuacct:/lb\n1:cpu:/lb\n0::/\n",
            ),
            ("nginx.pid", "77\n"),
        ],
    );
    let group = Group::PidFile(tree.0.join("nginx.pid"));
    let limits = tree.read(HYBRID, &group).unwrap();
    let wanted = CpuLimit {
        key: "quota lb".to_owned(),
        cpus: 0.5,
        used_seconds: 2.5,
    };
    assert_eq!((limits.cpu, limits.memory), (vec![wanted], None));
}

#[test]
fn a_limit_whose_use_is_not_to_be_seen_is_told() {
    let tree = Tree::new(
        "unseen",
        &[
            ("sys/fs/cgroup/cpu/lb/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/lb/cpu.cfs_period_us", "100000\n"),
        ],
    );
    let told = tree.read(HYBRID, &named("lb")).unwrap_err().to_string();
    assert!(told.contains("cpuacct"), "{told}");
}

#[test]
fn a_group_that_is_not_there_is_told() {
    let tree = Tree::new(
        "missing",
        &[
            ("sys/fs/cgroup/cpu.stat", ""),
            ("pid", "8\n"),
            ("proc/8/cgroup", "0::/../other\n"),
        ],
    );
    assert!(tree.read(V2, &named("nginx")).is_err());
    let outside = Group::PidFile(tree.0.join("pid"));
    let told = tree.read(V2, &outside).unwrap_err().to_string();
    assert!(told.contains("not visible"), "{told}");
    let nobody = Group::PidFile(tree.0.join("nobody.pid"));
    assert!(tree.read(V2, &nobody).is_err());
}

#[test]
fn paths_begin_where_the_hierarchy_is_mounted() {
    let mount = Mount {
        root: "/docker/1".to_owned(),
        point: "/sys/fs/cgroup".into(),
    };
    assert_eq!(levels(&mount, "/docker/1/a/b"), ["a/b", "a", ""]);
    assert_eq!(levels(&mount, "/docker/1"), [""]);
    assert_eq!(levels(&mount, ""), [""]);
}

#[test]
fn strange_numbers_are_no_limits() {
    assert_eq!(parse_cpu_max("50000 100000\n"), Some(0.5));
    for text in ["", "max 100000", "50000", "0 100000", "5 0", "x y"] {
        assert_eq!(parse_cpu_max(text), None, "{text}");
    }
    assert_eq!(parse_cpu_list("0-3,8,10-11\n"), Some(7.0));
    for text in ["", "3-1", "a", "0-"] {
        assert_eq!(parse_cpu_list(text), None, "{text}");
    }
}
