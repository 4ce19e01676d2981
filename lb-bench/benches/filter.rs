//! Criterion benches of the filter: its stages, and whole bursts, over 4,096 flows that fit a cache.
//!
//! No counterpart in the patent. For whoever changes the filter and wants to know within two minutes where time
//! went; the figures that we state are those of `lb-bench filter`, over tables that fit no cache.
//! Easy to get wrong: a settled frame is rewritten and no longer a client's, so before a stage is timed the
//! ones before it run over fresh frames, off the clock.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use lb_bench::frames::{Stamp, StampV4, StampV6};
use lb_bench::net::{Forwarding, Version};
use lb_bench::stages::{Bursts, FLOWS, Stages, Table, WHOLE, label};
use lb_bench::switch::Switch;
use lb_bench::workload::Kinds;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    stages::<StampV4, 2>(&mut criterion);
    stages::<StampV6, 5>(&mut criterion);
    whole::<StampV4>(&mut criterion, Version::V4);
    whole::<StampV6>(&mut criterion, Version::V6);
    criterion.final_summary();
}

fn group(criterion: &mut Criterion, name: String) -> BenchmarkGroup<'_, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(FLOWS)));
    group
}

fn stages<S: Stamp, const W: usize>(criterion: &mut Criterion)
where
    Switch: Table<W>,
{
    let mut stages = ready(Stages::<S, W>::new());
    let mut group = group(criterion, format!("{} stage", label(Switch::VERSION)));
    for (number, (name, work)) in Stages::<S, W>::ALL.into_iter().enumerate() {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let mut time = Duration::ZERO;
                for _ in 0..count {
                    for (_, earlier) in Stages::ALL.into_iter().take(number) {
                        earlier(&mut stages);
                    }
                    let start = Instant::now();
                    work(&mut stages);
                    time += start.elapsed();
                }
                time
            });
        });
    }
    group.finish();
}

fn whole<S: Stamp>(criterion: &mut Criterion, family: Version) {
    let mut group = group(criterion, format!("{} burst", label(family)));
    for (forwarding, kinds) in WHOLE {
        if forwarding != Forwarding::Nat || kinds == Kinds::Reply {
            continue;
        }
        let mut bursts = ready(Bursts::<S>::new(family, forwarding, kinds));
        group.bench_function(kinds.word(), |bencher| {
            bencher.iter_custom(|count| {
                let mut time = Duration::ZERO;
                for _ in 0..count {
                    ready(bursts.make_ready());
                    let start = Instant::now();
                    bursts.work();
                    time += start.elapsed();
                }
                time
            });
        });
        ready(bursts.check());
    }
    group.finish();
}

/// A bench that cannot be set up, or does not do what it should, ends here.
fn ready<T>(result: anyhow::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
    }
}
