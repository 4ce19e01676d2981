//! The section of `docs/performance.md` that tells of latency, and its picture.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a tail without what rings and receiver take by themselves looks like ours alone; both
//! stand in one row.

use crate::chart::Chart;
use crate::doc::{bar, grouped, line, pages, priority};
use crate::measure::Spread;

use super::report::{AgesSpread, Report};

/// The section.
#[must_use]
pub fn section(report: &Report) -> String {
    let mut text =
        String::from("\n### Time in the poll loop\n\n![Microseconds](performance-latency.svg)\n\n");
    line(
        &mut text,
        format_args!(
            "IPv4, {}, {} flows, established, shuffled: {} runs, {:.1} s of each load, {}, {}. Both CPUs are used: one by the engine, \
             one by source and receiver. The way through both rings is part of the time; \"rings\" is that way alone, with a bare \
             loop in the engine's place. Saturated at {:.1} Mpps ({:.1} – {:.1}), with the engine busy {:.0} % of the time.\n",
            report.forwarding,
            grouped(report.flows),
            report.runs,
            report.seconds,
            pages(report.huge),
            priority(report.real_time),
            report.saturation_mpps.median,
            report.saturation_mpps.min,
            report.saturation_mpps.max,
            report.busy_percent.median,
        ),
    );
    text += "| of saturation | sent, Mpps | engine busy | p50, µs | p99, µs | p99.9, µs | max, µs | rings: p50, p99, p99.9, µs | lost | receiver away at most, µs |\n\
             |---|---|---|---|---|---|---|---|---|---|\n";
    for load in &report.loads {
        let AgesSpread {
            p50,
            p99,
            p99_9,
            max,
        } = load.engine;
        let [rings50, rings99, rings99_9] =
            [load.rings.p50, load.rings.p99, load.rings.p99_9].map(|one| one.median / 1e3);
        line(
            &mut text,
            format_args!(
                "| {} % | {:.1} | {:.0} % | {} | {} | {} | {} | {rings50:.1}, {rings99:.1}, {rings99_9:.1} | {:.3} % | {} |",
                load.percent,
                load.mpps.median,
                load.busy_percent.median,
                micros(p50),
                micros(p99),
                micros(p99_9),
                micros(max),
                load.lost_percent.median,
                micros(load.longest_pause),
            ),
        );
    }
    text
}

/// Median, and best and worst run, in microseconds.
fn micros(nanos: Spread) -> String {
    let Spread { median, min, max } = nanos.map(|nanos| nanos / 1e3);
    format!("{median:.1} ({min:.1} – {max:.1})")
}

/// The picture.
#[must_use]
pub fn chart(report: &Report) -> Chart {
    let micros = |nanos: Spread| Some(bar(nanos.map(|nanos| nanos / 1e3)));
    let groups = report.loads.iter().map(|load| {
        let AgesSpread {
            p50, p99, p99_9, ..
        } = load.engine;
        let name = format!("{} % of saturation", load.percent);
        (name, [p50, p99, p99_9].map(micros).into())
    });
    Chart {
        title: "Microseconds from ring to ring through the engine, rings included".to_owned(),
        series: ["p50", "p99", "p99.9"].map(str::to_owned).into(),
        groups: groups.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::LoadSpread;
    use super::*;

    fn report() -> Report {
        let spread = |median| Spread {
            median,
            min: median,
            max: median,
        };
        let ages = |p50| AgesSpread {
            p50: spread(p50),
            p99: spread(2.0 * p50),
            p99_9: spread(3.0 * p50),
            max: spread(4.0 * p50),
        };
        Report {
            machine: crate::machine::Machine::default(),
            real_time: true,
            huge: true,
            runs: 5,
            seconds: 2.0,
            flows: 65_536,
            forwarding: "nat".to_owned(),
            saturation_mpps: spread(20.0),
            busy_percent: spread(99.0),
            loads: vec![LoadSpread {
                percent: 10,
                mpps: spread(2.0),
                busy_percent: spread(30.0),
                lost_percent: spread(0.0),
                longest_pause: spread(7_000.0),
                engine: ages(1_500.0),
                rings: ages(200.0),
            }],
        }
    }

    #[test]
    fn a_row_has_the_quantiles_in_microseconds_and_those_of_the_rings_beside() {
        let text = section(&report());
        let row = text
            .lines()
            .find(|line| line.starts_with("| 10 %"))
            .unwrap();
        assert!(
            row.contains("| 1.5 (1.5 – 1.5) | 3.0 (3.0 – 3.0) | 4.5 (4.5 – 4.5) |"),
            "{row}"
        );
        assert!(row.contains("| 0.2, 0.4, 0.6 |"), "{row}");
    }

    #[test]
    fn the_picture_has_a_bar_for_each_quantile_of_each_load() {
        let Chart { series, groups, .. } = chart(&report());
        assert_eq!(series.len(), 3);
        let (_, bars) = groups.first().unwrap();
        let values: Vec<_> = bars.iter().flatten().map(|bar| bar.value).collect();
        assert_eq!(values, [1.5, 3.0, 4.5]);
    }
}
