//! One screen of `top`: two samples in, text out.
//!
//! No counterpart in the patent.
//! Easy to get wrong: on a small terminal the switch's own lines stay and tables are cut at the end, with a
//! line that says how much is missing.

use lb_control::view::{Lcore, Status};

use super::sample::Sample;
use crate::show::format::{count, duration, moment, or_dash, percent, scaled};
use crate::show::table::cut;
use crate::show::{Before, Room, backend_table, drop_rates, per_second, service_rates};

/// Columns and rows of the terminal; `None`: as many as it takes.
pub(super) type Size = (Room, Option<usize>);

/// Where nothing has to fit.
pub(super) const ENDLESS: Size = (None, None);

/// Least rows of a table, its heading among them.
const LEAST: usize = 4;

/// The text of one screen. Without a sample before there are no rates.
pub(super) fn frame(now: &Sample, before: Option<&Sample>, (room, rows): Size) -> String {
    let before = before.filter(|before| before.status.started_at == now.status.started_at);
    let head = head(now, before);
    let services = service_rates(&now.services.services, earlier(now, before)).render(room);
    let backends = backend_table(&now.backends).render(room);
    let left = rows.map(|rows| rows.saturating_sub(head.len() + 2));
    let for_services = left.map(|left| (left / 3).max(LEAST));
    let services = bounded(&services, for_services, "services");
    let for_backends = left.map(|left| left.saturating_sub(services.len()).max(LEAST));
    let backends = bounded(&backends, for_backends, "backends");
    let mut text = String::new();
    for line in head {
        text.push_str(&cut(&line, room.unwrap_or(usize::MAX)));
        text.push('\n');
    }
    if now.services.services.is_empty() {
        text.push_str("\nno services are configured\n");
        return text;
    }
    for table in [services, backends] {
        text.push('\n');
        for line in table {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn earlier<'a>(
    now: &Sample,
    before: Option<&'a Sample>,
) -> Option<Before<'a, lb_control::view::Services>> {
    before.map(|before| Before {
        view: &before.services,
        seconds: now.at - before.at,
    })
}

/// As many lines as there is room for; the last one says how many rows are not shown.
fn bounded(table: &str, most: Option<usize>, what: &str) -> Vec<String> {
    let lines: Vec<_> = table.lines().map(str::to_owned).collect();
    match most {
        Some(most) if lines.len() > most => {
            let shown = most.saturating_sub(1);
            let missing = lines.len() - shown;
            let mut lines: Vec<_> = lines.into_iter().take(shown).collect();
            lines.push(format!("… {missing} more {what}"));
            lines
        }
        _ => lines,
    }
}

fn head(now: &Sample, before: Option<&Sample>) -> Vec<String> {
    let status = &now.status;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole seconds, not negative; saturates"
    )]
    let clock = status
        .started_at
        .saturating_add(status.uptime_seconds as u64);
    let mut lines = vec![
        format!(
            "{} {}  up {}  revision {}  generation {}  {}",
            status.program,
            status.version,
            duration(status.uptime_seconds),
            status.revision,
            status.generation,
            moment(clock)
        ),
        packets(now, before),
        format!(
            "connections  IPv4 {} of {}  IPv6 {} of {}",
            count(status.connections_ipv4.used),
            count(status.connections_ipv4.capacity),
            count(status.connections_ipv6.used),
            count(status.connections_ipv6.capacity)
        ),
        lcores(now, before),
        drops(now, before),
    ];
    let warnings = status.warnings.iter();
    lines.extend(warnings.map(|warning| format!("warning      {warning}")));
    lines
}

fn packets(now: &Sample, before: Option<&Sample>) -> String {
    let rate = |of: fn(&Status) -> u64| {
        let rate = before
            .and_then(|before| per_second(of(&before.status), of(&now.status), now.at - before.at));
        or_dash(rate, scaled)
    };
    format!(
        "packets/s    received {}  forwarded {}  replied {}  punted {}  dropped {}",
        rate(|status| status.received),
        rate(|status| status.verdicts.forwarded),
        rate(|status| status.verdicts.replied),
        rate(|status| status.verdicts.punted),
        rate(|status| status.verdicts.dropped)
    )
}

fn lcores(now: &Sample, before: Option<&Sample>) -> String {
    let mut line = "lcores busy".to_owned();
    for lcore in &now.lcores.lcores {
        if lcore.is_beating {
            let busy = percent(busy(lcore, now, before));
            line.push_str(&format!("  {}: {busy}", lcore.lcore));
        } else {
            let silent = duration(lcore.heartbeat_age_seconds);
            line.push_str(&format!("  {}: SILENT for {silent}", lcore.lcore));
        }
    }
    line
}

fn busy(lcore: &Lcore, now: &Sample, before: Option<&Sample>) -> f64 {
    let grown = before.and_then(|before| {
        let mut earlier = before.lcores.lcores.iter();
        let earlier = earlier.find(|earlier| earlier.lcore == lcore.lcore)?;
        let grown = lcore.busy_seconds - earlier.busy_seconds;
        (grown >= 0.0).then(|| (grown / (now.at - before.at)).min(1.0))
    });
    grown.unwrap_or(lcore.busy_ratio)
}

fn drops(now: &Sample, before: Option<&Sample>) -> String {
    let Some(before) = before else {
        return "drops/s      -".to_owned();
    };
    let earlier = Before {
        view: &before.drops,
        seconds: now.at - before.at,
    };
    let rates = drop_rates(&now.drops, earlier);
    if rates.is_empty() {
        return "drops/s      none".to_owned();
    }
    let shown = rates.iter();
    let shown: Vec<_> = shown
        .map(|(reason, _, rate)| format!("{reason} {}", scaled(*rate)))
        .collect();
    format!("drops/s      {}", shown.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::tests::{a_backend, a_lcore, summary, the_drops, the_status, view};
    use serde_json::json;

    fn sample(at: f64, grown: u64) -> Sample {
        let mut service = summary("web", 12_000 + 10_000 * grown);
        service["backends"] = json!([a_backend("web-1", 30), a_backend("web-2", 90)]);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let busy = grown as f64 * 0.5;
        Sample::of(
            at,
            view(the_status(5_000_000 * grown)),
            vec![view(service)],
            view(json!({"lcores": [a_lcore(1, 0, busy), a_lcore(2, 0, 0.0)]})),
            view(the_drops(0, 120 * grown)),
        )
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn a_frame_shows_the_rates_between_two_looks() {
        let text = frame(
            &sample(3.0, 1),
            Some(&sample(1.0, 0)),
            (Some(100), Some(24)),
        );
        assert_eq!(
            lines(&text),
            [
                "lb-dataplane 0.1.0  up 2 d 7 h  revision 7  generation 91  2023-11-17 05:46:40Z",
                "packets/s    received 2.5M  forwarded 2.5M  replied 0  punted 0  dropped 0",
                "connections  IPv4 12,345 of 1,048,576  IPv6 0 of 1,048,576",
                "lcores busy  1: 25 %  2: 0 %",
                "drops/s      no_service 60",
                "",
                "SERVICE  ADDRESS            BACKENDS  LIVE  NEW/s  PACKETS/s  BIT/s",
                "web      192.0.2.10:80/tcp       1/2    12    500         5k     4M",
                "",
                "BACKEND    STATE    HEALTH  WEIGHT  EFFECTIVE  SHARE  LIVE  CPU  AGE  CLIENTS  REQ/s  CHECK  MEM",
                "web/web-1  enabled  -          100         30   25 %     7    -    -        -      -  -        -",
                "web/web-2  enabled  -          100         90   75 %     7    -    -        -      -  -        -",
            ]
        );
    }

    #[test]
    fn the_first_look_has_no_rates() {
        let text = frame(&sample(0.0, 1), None, ENDLESS);
        assert!(
            text.contains("packets/s    received -  forwarded -"),
            "{text}"
        );
        assert!(text.contains("drops/s      -\n"), "{text}");
        assert!(text.contains("lcores busy  1: 25 %"), "{text}");
    }

    #[test]
    fn another_process_has_no_rates_with_the_one_before() {
        let before = sample(0.0, 1);
        let mut now = sample(1.0, 2);
        now.status.started_at += 1;
        assert!(frame(&now, Some(&before), ENDLESS).contains("received -"));
    }

    #[test]
    fn a_small_terminal_says_how_much_it_does_not_show() {
        let mut now = sample(1.0, 1);
        for number in 3..40 {
            let name = format!("web-{number}");
            now.backends.push(view(a_backend(&name, 10)));
            now.services
                .services
                .push(view(summary(&format!("s-{number}"), 0)));
        }
        for rows in [16, 24, 50] {
            let text = frame(&now, None, (Some(80), Some(rows)));
            let shown = lines(&text);
            assert!(shown.len() <= rows, "{rows}: {text}");
            assert!(
                shown.iter().all(|line| line.chars().count() <= 80),
                "{text}"
            );
            assert!(shown.last().unwrap().ends_with("more backends"), "{text}");
        }
    }

    #[test]
    fn warnings_and_silent_lcores_stand_out() {
        let mut now = sample(1.0, 1);
        now.status.warnings = vec!["task api was restarted".to_owned()];
        now.lcores.lcores[1].is_beating = false;
        now.lcores.lcores[1].heartbeat_age_seconds = 12.0;
        let text = frame(&now, None, ENDLESS);
        assert!(
            text.contains("warning      task api was restarted\n"),
            "{text}"
        );
        assert!(text.contains("2: SILENT for 12.0 s"), "{text}");
    }

    #[test]
    fn nothing_configured_is_said() {
        let mut now = sample(1.0, 1);
        now.services.services.clear();
        now.backends.clear();
        assert!(frame(&now, None, ENDLESS).ends_with("\nno services are configured\n"));
    }
}
