//! HAProxy's statistics socket: sessions, requests and errors per second, response time.
//!
//! No counterpart in the patent. `show stat` answers with CSV whose first line names the columns
//! (HAProxy's management guide, chapter 9). Frontends give `scur`, `req_rate` (or `rate` in TCP mode) and
//! `hrsp_5xx`; backends give `rtime`, a mean over their last 1024 requests, weighted here by `rate`.
//! Easy to get wrong: columns are found by name, for every release adds some.

use std::io::{Read, Write};
use std::time::Instant;

use super::{Ask, Failure, Reading, Source};
use crate::address::Place;
use crate::rate::Rate;
use crate::stream::Stream;
use crate::values::Field;

/// Octets of an answer at most: some thousand servers.
const ANSWER_MAX: u64 = 4 << 20;

/// Sums over the proxies that count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Proxies found.
    pub found: u32,
    /// Sessions now, on frontends.
    pub sessions: f64,
    /// Requests in the last second on frontends; sessions where the mode is TCP.
    pub requests: f64,
    /// Answers with a status of 500 or more, ever; `None` where no frontend speaks HTTP.
    pub errors: Option<f64>,
    /// Mean response time in milliseconds; `None` where nobody was served in the last second.
    pub response_ms: Option<f64>,
}

/// Reads an answer to `show stat`, of proxies by name or, without names, of all; `None` if it is something else.
#[must_use]
pub fn parse(text: &str, proxies: &[String]) -> Option<Sums> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let column = |name| names.iter().position(|&column| column == name);
    let (proxy_name, row_kind) = (column("pxname")?, column("svname")?);
    let (sessions, mode) = (column("scur")?, column("mode")?);
    let (rate, requests) = (column("rate")?, column("req_rate")?);
    let (errors, response) = (column("hrsp_5xx")?, column("rtime")?);
    let mut sums = Sums::default();
    let (mut weight, mut weighted) = (0.0, 0.0);
    for line in lines.filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let number = |column| cell(column).parse::<f64>().ok();
        if !proxies.is_empty() && !proxies.iter().any(|proxy| proxy == cell(proxy_name)) {
            continue;
        }
        let is_http = cell(mode) == "http";
        match cell(row_kind) {
            "FRONTEND" => {
                sums.found += 1;
                sums.sessions += number(sessions)?;
                sums.requests += number(if is_http { requests } else { rate })?;
                if is_http {
                    *sums.errors.get_or_insert(0.0) += number(errors).unwrap_or(0.0);
                }
            }
            "BACKEND" if is_http => {
                let rate = number(rate).unwrap_or(0.0);
                weight += rate;
                weighted += rate * number(response).unwrap_or(0.0);
            }
            _ => {}
        }
    }
    sums.response_ms = (weight > 0.0).then(|| weighted / weight);
    Some(sums)
}

/// A HAProxy.
pub struct Haproxy {
    name: String,
    socket: Place,
    proxies: Vec<String>,
    errors: Rate,
}

impl Haproxy {
    /// The HAProxy behind a statistics socket; `proxies` names those that count, none of them all.
    #[must_use]
    pub fn new(socket: Place, proxies: Vec<String>) -> Self {
        Self {
            name: format!("haproxy {socket}"),
            socket,
            proxies,
            errors: Rate::default(),
        }
    }

    fn take(&mut self, at: Instant, text: &str) -> Result<Reading, Failure> {
        let sums = parse(text, &self.proxies)
            .ok_or_else(|| Failure::unreadable("the answer is not that to \"show stat\""))?;
        let mut reading = Reading::default();
        if sums.found == 0 {
            let wanted = self.proxies.join(", ");
            return Err(Failure::unreadable(format!(
                "there is no frontend {wanted}"
            )));
        }
        let errors = sums.errors.and_then(|errors| self.errors.next(at, errors));
        let seconds = sums.response_ms.map(|milliseconds| milliseconds / 1e3);
        reading.enter(&Field::Clients, Some(sums.sessions));
        reading.enter(&Field::RpsFractional, Some(sums.requests));
        reading.enter(&Field::Eps, errors);
        reading.enter(&Field::ExecutionTimeSeconds, seconds);
        Ok(reading)
    }
}

impl Source for Haproxy {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, ask: Ask) -> Result<Reading, Failure> {
        let mut stream = Stream::connect(&self.socket, ask.deadline)?;
        stream.write_all(b"show stat\n")?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        self.take(ask.at, &String::from_utf8_lossy(&answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// From HAProxy 2.6.12.
    const ANSWER: &str = include_str!("../../tests/samples/haproxy_show_stat.csv");

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_answer_of_a_real_haproxy_is_read() {
        let wanted = Sums {
            found: 3,
            sessions: 1.0,
            requests: 4.0 + 4.0,
            errors: Some(0.0),
            response_ms: Some(1.0),
        };
        assert_eq!(parse(ANSWER, &[]), Some(wanted));
    }

    #[test]
    fn proxies_that_are_named_count_alone() {
        let web = parse(ANSWER, &names("web")).unwrap();
        assert_eq!((web.found, web.sessions, web.requests), (1, 1.0, 4.0));
        assert_eq!(web.response_ms, None);
        let raw = parse(ANSWER, &names("raw")).unwrap();
        assert_eq!((raw.requests, raw.errors), (4.0, None));
        let both = parse(ANSWER, &names("web app")).unwrap();
        assert_eq!((both.found, both.response_ms), (1, Some(1.0)));
    }

    #[test]
    fn errors_are_a_rate_between_two_answers() {
        let start = Instant::now();
        let mut haproxy = Haproxy::new(Place::Unix("x".into()), names("web"));
        let first = haproxy.take(start, ANSWER).unwrap().values;
        assert_eq!((first.clients, first.eps), (Some(1), None));
        let later = ANSWER.replace("0,40,0,0,0,0,,4,18,40", "0,40,0,0,6,0,,4,18,40");
        let second = haproxy.take(start + Duration::from_secs(2), &later);
        assert_eq!(second.unwrap().values.eps, Some(3.0));
    }

    #[test]
    fn a_proxy_that_is_not_there_is_named() {
        let mut haproxy = Haproxy::new(Place::Unix("x".into()), names("wbe"));
        let told = haproxy.take(Instant::now(), ANSWER).unwrap_err();
        assert!(told.to_string().contains("wbe"));
    }

    #[test]
    fn another_answer_is_not_taken_for_it() {
        assert_eq!(parse("", &[]), None);
        assert_eq!(parse("Permission denied\n", &[]), None);
        assert_eq!(parse("# pxname,svname\nweb,FRONTEND\n", &[]), None);
        assert_eq!(
            parse(&ANSWER.replace("FRONTEND,,,1,", "FRONTEND,,,x,"), &[]),
            None
        );
    }
}
