//! Worker lcores, and the packets that they dropped.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a worker lcore always takes its CPU whole; how busy it is says only how much of that
//! time went to packets.

use lb_control::view::{Drops, Lcore, Lcores};

use super::Room;
use super::format::{count, duration, or_dash, percent, scaled};
use super::rate::{Before, per_second};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
use super::table::Table;

/// All worker lcores: totals, or rates since `before`.
pub(crate) fn lcores(now: &Lcores, before: Option<Before<'_, Lcores>>, room: Room) -> String {
    if now.lcores.is_empty() {
        return "no worker lcore polls a port\n".to_owned();
    }
    let mut table = Table::new(match before {
        None => &[
            Number("LCORE"),
            Text("HEARTBEAT"),
            Number("BUSY"),
            Number("RECEIVED"),
            Number("DROPPED"),
            Number("BURST"),
            ExtraNumber("FORWARDED"),
            ExtraNumber("REPLIED"),
            ExtraNumber("PUNTED"),
            ExtraNumber("HELD"),
            Extra("QUEUES"),
        ],
        Some(_) => &[
            Number("LCORE"),
            Text("HEARTBEAT"),
            Number("BUSY"),
            Number("RECEIVED/s"),
            Number("DROPPED/s"),
            Number("BURST"),
            ExtraNumber("FORWARDED/s"),
            ExtraNumber("REPLIED/s"),
            ExtraNumber("PUNTED/s"),
            ExtraNumber("HELD"),
            Extra("QUEUES"),
        ],
    });
    for lcore in &now.lcores {
        let earlier = before.map(|before| (earlier(lcore, &before), before.seconds));
        let counter = |of: fn(&Lcore) -> u64| match earlier {
            None => count(of(lcore)),
            Some((earlier, seconds)) => or_dash(
                earlier.and_then(|earlier| per_second(of(earlier), of(lcore), seconds)),
                scaled,
            ),
        };
        table.row([
            lcore.lcore.to_string(),
            heartbeat(lcore),
            percent(busy(lcore, earlier)),
            counter(|lcore| lcore.received),
            counter(|lcore| lcore.verdicts.dropped),
            or_dash(
                mean_burst(lcore, earlier.and_then(|(earlier, _)| earlier)),
                scaled,
            ),
            counter(|lcore| lcore.verdicts.forwarded),
            counter(|lcore| lcore.verdicts.replied),
            counter(|lcore| lcore.verdicts.punted),
            count(lcore.held),
            lcore.queues.join(" "),
        ]);
    }
    table.render(room)
}

fn earlier<'a>(lcore: &Lcore, before: &Before<'a, Lcores>) -> Option<&'a Lcore> {
    let mut earlier = before.view.lcores.iter();
    earlier.find(|earlier| earlier.lcore == lcore.lcore)
}

fn heartbeat(lcore: &Lcore) -> String {
    if lcore.is_beating {
        "beats".to_owned()
    } else {
        format!("silent {}", duration(lcore.heartbeat_age_seconds))
    }
}

/// Part of the time between two looks; without two, what the server saw over the last second.
fn busy(lcore: &Lcore, earlier: Option<(Option<&Lcore>, f64)>) -> f64 {
    match earlier {
        Some((Some(earlier), seconds)) if lcore.busy_seconds >= earlier.busy_seconds => {
            ((lcore.busy_seconds - earlier.busy_seconds) / seconds).min(1.0)
        }
        _ => lcore.busy_ratio,
    }
}

/// Packets in a poll that gave any.
fn mean_burst(lcore: &Lcore, earlier: Option<&Lcore>) -> Option<f64> {
    let polls = |lcore: &Lcore| lcore.polls.iter().skip(1).sum::<u64>();
    let (packets, polls) = match earlier {
        None => (lcore.received, polls(lcore)),
        Some(earlier) => (
            lcore.received.checked_sub(earlier.received)?,
            polls(lcore).checked_sub(polls(earlier))?,
        ),
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    (polls != 0).then(|| packets as f64 / polls as f64)
}

/// Dropped packets by reason, those that occurred: totals, or rates since `before`.
pub(crate) fn drops(now: &Drops, before: Option<Before<'_, Drops>>, room: Room) -> String {
    let (heading, rows, nothing) = match before {
        None => ("PACKETS", total_rows(now), "no packet was dropped\n"),
        Some(before) => (
            "PACKETS/s",
            rate_rows(now, before),
            "no packet was dropped in this time\n",
        ),
    };
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut table = Table::new(&[Text("REASON"), Number(heading), Text("MEANING")]);
    for row in rows {
        table.row(row);
    }
    table.render(room)
}

fn total_rows(now: &Drops) -> Vec<[String; 3]> {
    let mut met: Vec<_> = now
        .reasons
        .iter()
        .filter(|drop| drop.packets != 0)
        .collect();
    met.sort_by_key(|drop| std::cmp::Reverse(drop.packets));
    met.into_iter()
        .map(|drop| {
            [
                drop.reason.clone(),
                count(drop.packets),
                drop.sentence.clone(),
            ]
        })
        .collect()
}

fn rate_rows(now: &Drops, before: Before<'_, Drops>) -> Vec<[String; 3]> {
    drop_rates(now, before)
        .into_iter()
        .map(|(reason, sentence, rate)| [reason.to_owned(), scaled(rate), sentence.to_owned()])
        .collect()
}

/// Reasons that occurred between two looks, with their meaning and their packets a second; most frequent
/// first.
pub(crate) fn drop_rates<'a>(
    now: &'a Drops,
    before: Before<'_, Drops>,
) -> Vec<(&'a str, &'a str, f64)> {
    let mut rates: Vec<_> = now
        .reasons
        .iter()
        .filter_map(|drop| {
            let mut earlier = before.view.reasons.iter();
            let earlier = earlier.find(|earlier| earlier.reason == drop.reason)?;
            let rate = per_second(earlier.packets, drop.packets, before.seconds)?;
            (rate > 0.0).then_some((drop.reason.as_str(), drop.sentence.as_str(), rate))
        })
        .collect();
    rates.sort_by(|(.., one), (.., other)| other.total_cmp(one));
    rates
}
