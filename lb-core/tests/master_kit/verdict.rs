//! What a run is judged by.
//!
//! No counterpart in the patent. Easy to get wrong: a wobble smaller than chance is no swing; a reversal
//! counts only if a weight came back by [`REVERSAL`].

use super::run::Seen;
use super::server::TICKS;

/// Part by which a weight must come back to count as a reversal.
pub(crate) const REVERSAL: f64 = 0.03;

/// Difference between the most and the least utilised server over the last `seconds`, measured on the
/// servers; `of` says which of them count.
pub(crate) fn spread(seen: &Seen, seconds: usize, of: impl Fn(usize) -> bool) -> f64 {
    let until = seen.weights.len() * TICKS;
    let measured = (0..seen.servers.len())
        .filter(|&server| of(server))
        .map(|server| {
            let record = seen.servers[server].record_of(until - seconds * TICKS, until);
            record.utilization
        });
    let (low, high) = measured.fold((f64::INFINITY, 0.0_f64), |(low, high), utilization| {
        (low.min(utilization), high.max(utilization))
    });
    high - low
}

/// Largest distance, in a second, of a server's asked utilisation from the mean, as a part of the mean.
pub(crate) fn unevenness(seen: &Seen, second: usize, of: impl Fn(usize) -> bool) -> f64 {
    let asked: Vec<f64> = seen.asked[second]
        .iter()
        .enumerate()
        .filter(|&(server, _)| of(server))
        .filter_map(|(_, asked)| *asked)
        .collect();
    let mean = asked.iter().sum::<f64>() / asked.len() as f64;
    asked
        .iter()
        .map(|asked| (asked / mean - 1.0).abs())
        .fold(0.0, f64::max)
}

/// Seconds after `from` until the unevenness is at most `limit` for good; `None`: it never is.
pub(crate) fn settled_after(
    seen: &Seen,
    from: usize,
    limit: f64,
    of: impl Fn(usize) -> bool,
) -> Option<usize> {
    let last_bad = (from..seen.asked.len()).rfind(|&second| unevenness(seen, second, &of) > limit);
    match last_bad {
        None => Some(0),
        Some(second) if second + 1 == seen.asked.len() => None,
        Some(second) => Some(second + 1 - from),
    }
}

/// Most reversals of one server's weight from a second on.
pub(crate) fn reversals(seen: &Seen, from: usize, of: impl Fn(usize) -> bool) -> usize {
    (0..seen.servers.len())
        .filter(|&server| of(server))
        .map(|server| reversals_of(seen.weights[from..].iter().map(|w| f64::from(w[server]))))
        .max()
        .unwrap_or(0)
}

fn reversals_of(weights: impl Iterator<Item = f64>) -> usize {
    let (mut low, mut high, mut is_up, mut count) = (f64::INFINITY, 0.0_f64, None, 0);
    for weight in weights {
        low = low.min(weight);
        high = high.max(weight);
        let turns_up = is_up != Some(true) && weight > low * (1.0 + REVERSAL);
        let turns_down = is_up != Some(false) && weight < high * (1.0 - REVERSAL);
        if turns_up || turns_down {
            count += usize::from(is_up.is_some());
            is_up = Some(turns_up);
            (low, high) = (weight, weight);
        }
    }
    count
}

/// Largest change of a server's weight within the last `seconds`, as a part of its smallest.
pub(crate) fn drift(seen: &Seen, seconds: usize, of: impl Fn(usize) -> bool) -> f64 {
    let last = &seen.weights[seen.weights.len() - seconds..];
    (0..seen.servers.len())
        .filter(|&server| of(server) && last.iter().all(|weights| weights[server] > 0))
        .map(|server| {
            let weights = last.iter().map(|weights| f64::from(weights[server]));
            let (low, high) = weights.fold((f64::INFINITY, 0.0_f64), |(low, high), weight| {
                (low.min(weight), high.max(weight))
            });
            high / low - 1.0
        })
        .fold(0.0, f64::max)
}

/// Largest share of all flows that changed its server in one second.
pub(crate) fn churn(seen: &Seen, from: usize) -> f64 {
    let shares = |weights: &[u32]| {
        let whole: u32 = weights.iter().sum();
        let share = |&weight: &u32| f64::from(weight) / f64::from(whole);
        weights.iter().map(share).collect::<Vec<_>>()
    };
    seen.weights[from..]
        .windows(2)
        .map(|pair| {
            let (before, after) = (shares(&pair[0]), shares(&pair[1]));
            before
                .iter()
                .zip(&after)
                .map(|(b, a)| (a - b).max(0.0))
                .sum::<f64>()
        })
        .fold(0.0, f64::max)
}

/// Response time that 99 of 100 requests of the last minute stayed below, in milliseconds.
pub(crate) fn p99_ms(seen: &Seen) -> f64 {
    let place = seen.responses.len() * 99 / 100;
    seen.responses
        .get(place)
        .map_or(0.0, |seconds| seconds * 1000.0)
}
