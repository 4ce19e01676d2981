//! Figures as people read them: digits in groups, units, times.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a total is shown to the last digit, since people subtract two of them; only rates and
//! sizes are rounded.

/// A total or a number of things: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A rate or a size in three or four digits and a prefix of the decimal system: `0`, `7.25`, `950`,
/// `12.3k`, `1.48M`.
pub(crate) fn scaled(number: f64) -> String {
    let mut rest = number.abs();
    let sign = if number < 0.0 { "-" } else { "" };
    for prefix in ["", "k", "M", "G", "T"] {
        // 999.6 would be rounded to 1000.
        if rest < 999.5 {
            return format!("{sign}{}{prefix}", three_digits(rest));
        }
        rest /= 1000.0;
    }
    format!("{sign}{}P", three_digits(rest))
}

fn three_digits(number: f64) -> String {
    let text = match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    };
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// Octets: `1.5 GB`.
pub(crate) fn octets(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let text = scaled(number as f64);
    match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => {
            let (number, prefix) = text.split_at(at);
            format!("{number} {prefix}B")
        }
        None => format!("{text} B"),
    }
}

/// A share of a whole, 0 to 1, as a percentage: `0.4 %`, `43 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 9.95 && percent != 0.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A time that passed, in seconds: `12 ms`, `3.2 s`, `5 min 3 s`, `2 d 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 0.000_999_5 {
        return format!("{} µs", three_digits(seconds.max(0.0) * 1e6));
    }
    if seconds < 0.9995 {
        return format!("{} ms", three_digits(seconds * 1e3));
    }
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturates"
    )]
    let whole = seconds as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, _) => format!("{minutes} min {} s", whole % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A time in whole seconds: `0 s`, `17 s`, `5 min 3 s`.
pub(crate) fn whole_seconds(seconds: u32) -> String {
    if seconds < 100 {
        format!("{seconds} s")
    } else {
        duration(seconds.into())
    }
}

/// So many things: `1 route`, `2 routes`.
pub(crate) fn things(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", count(number))
}

/// A point in time, in seconds since 1970, as UTC: `2025-03-01 12:00:05Z`.
pub(crate) fn moment(unix_seconds: u64) -> String {
    let (days, rest) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day ends its year; an era is 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// What is there, or a dash for what nobody knows.
pub(crate) fn or_dash<T>(value: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}

/// Address and port as in a URL: `10.0.0.1:80`, `[2001:db8::1]:80`.
pub(crate) fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_keep_every_digit() {
        for (number, wanted) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), wanted);
        }
    }

    #[test]
    fn rates_have_three_digits_and_a_prefix() {
        for (number, wanted) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (7.254, "7.25"),
            (9.996, "10"),
            (99.96, "100"),
            (950.0, "950"),
            (999.6, "1k"),
            (12_345.0, "12.3k"),
            (14_880_952.0, "14.9M"),
            (1e20, "100000P"),
            (-1500.0, "-1.5k"),
        ] {
            assert_eq!(scaled(number), wanted, "{number}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        for (number, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1500, "1.5 kB"),
            (1_234_567_890, "1.23 GB"),
        ] {
            assert_eq!(octets(number), wanted);
        }
    }

    #[test]
    fn shares_are_percentages() {
        for (share, wanted) in [
            (0.0, "0 %"),
            (0.004, "0.4 %"),
            (0.099, "9.9 %"),
            (0.43, "43 %"),
            (1.0, "100 %"),
            (1.234, "123 %"),
        ] {
            assert_eq!(percent(share), wanted);
        }
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (seconds, wanted) in [
            (0.0, "0 µs"),
            (0.000_25, "250 µs"),
            (0.003_2, "3.2 ms"),
            (0.9996, "1.0 s"),
            (3.21, "3.2 s"),
            (99.96, "1 min 39 s"),
            (3_661.0, "1 h 1 min"),
            (200_000.0, "2 d 7 h"),
        ] {
            assert_eq!(duration(seconds), wanted, "{seconds}");
        }
        for (seconds, wanted) in [(0, "0 s"), (99, "99 s"), (100, "1 min 40 s")] {
            assert_eq!(whole_seconds(seconds), wanted);
        }
    }

    #[test]
    fn one_thing_is_no_things() {
        for (number, wanted) in [(0, "0 flips"), (1, "1 flip"), (1200, "1,200 flips")] {
            assert_eq!(things(number, "flip"), wanted);
        }
    }

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (seconds, wanted) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(moment(seconds), wanted);
        }
    }
}
