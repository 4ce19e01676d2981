//! nginx's `stub_status` page: connections, and requests per second.
//!
//! No counterpart in the patent.
//! Easy to get wrong: the page counts the very connection and request that ask for it; both are taken off.

use std::time::Instant;

use super::{Ask, Failure, Reading, Source};
use crate::address::Page;
use crate::http;
use crate::rate::Rate;
use crate::values::Field;

/// Octets of the page at most; it has about 100.
const PAGE_MAX: u64 = 4096;

/// The page's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StubStatus {
    /// Connections, idle ones too.
    pub active: u64,
    /// Connections ever accepted.
    pub accepts: u64,
    /// Connections ever served; fewer than accepted when `worker_connections` ran out.
    pub handled: u64,
    /// Requests ever.
    pub requests: u64,
    /// Connections between two requests.
    pub waiting: u64,
}

/// Reads the page; `None` if it is another.
#[must_use]
pub fn parse(text: &str) -> Option<StubStatus> {
    let mut lines = text.lines().map(str::trim);
    let active = lines.next()?.strip_prefix("Active connections:")?.trim();
    // With limited requests some builds add a column behind these three; it is passed over.
    lines
        .next()?
        .strip_prefix("server accepts handled requests")?;
    let mut counters = lines.next()?.split_ascii_whitespace();
    let mut counter = || counters.next()?.parse().ok();
    let (accepts, handled, requests) = (counter()?, counter()?, counter()?);
    let (_, waiting) = lines.next()?.split_once("Waiting:")?;
    Some(StubStatus {
        active: active.parse().ok()?,
        accepts,
        handled,
        requests,
        waiting: waiting.trim().parse().ok()?,
    })
}

/// What two pages say about the time between them.
#[derive(Clone, Copy, Debug, Default)]
struct Between {
    requests: Rate,
    dropped: Rate,
}

impl Between {
    fn take(&mut self, at: Instant, status: StubStatus) -> Reading {
        let mut reading = Reading::default();
        let requests = status.requests as f64;
        let dropped = status.accepts.saturating_sub(status.handled) as f64;
        let clients = status.active.saturating_sub(1) as f64;
        let idle = Field::Named("nginx_waiting".to_owned());
        let lost = Field::Named("nginx_dropped_per_second".to_owned());
        reading.enter(&Field::Clients, Some(clients));
        // Between two pages lies one request of ours: the one for the later page.
        let rate = self.requests.next_without(at, requests, 1.0);
        reading.enter(&Field::RpsFractional, rate);
        reading.enter(&idle, Some(status.waiting as f64));
        reading.enter(&lost, self.dropped.next(at, dropped));
        reading
    }
}

/// An nginx.
pub struct Nginx {
    name: String,
    page: Page,
    between: Between,
}

impl Nginx {
    /// An nginx whose `stub_status` page this is.
    #[must_use]
    pub fn new(page: Page) -> Self {
        Self {
            name: format!("nginx {page}"),
            page,
            between: Between::default(),
        }
    }
}

impl Source for Nginx {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, ask: Ask) -> Result<Reading, Failure> {
        let mut response = http::get(&self.page, ask.deadline)?;
        if response.head.status != 200 {
            let status = response.head.status;
            return Err(Failure::unreadable(format!("answered {status}")));
        }
        let page = response.body().all(PAGE_MAX)?;
        let status = parse(&String::from_utf8_lossy(&page))
            .ok_or_else(|| Failure::unreadable("the page is no stub_status page"))?;
        Ok(self.between.take(ask.at, status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// From nginx 1.22.1.
    const PAGE: &str = "Active connections: 3 \nserver accepts handled requests\n 81 81 81 \n\
                        Reading: 0 Writing: 1 Waiting: 2 \n";

    #[test]
    fn the_page_of_a_real_nginx_is_read() {
        let wanted = StubStatus {
            active: 3,
            accepts: 81,
            handled: 81,
            requests: 81,
            waiting: 2,
        };
        assert_eq!(parse(PAGE), Some(wanted));
    }

    #[test]
    fn another_page_is_not_taken_for_it() {
        for text in [
            "",
            "<html>",
            &PAGE[..60],
            &PAGE.replace("81 81 81", "81 81 x"),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_connection_and_requests_do_not_count() {
        let start = Instant::now();
        let mut status = parse(PAGE).unwrap();
        let mut between = Between::default();
        let first = between.take(start, status).values;
        assert_eq!((first.clients, first.rps_fractional), (Some(2), None));
        status.requests += 501;
        let second = between.take(start + Duration::from_secs(2), status).values;
        assert_eq!(second.rps_fractional, Some(250.0));
        status.requests += 1;
        let third = between.take(start + Duration::from_secs(3), status).values;
        assert_eq!(third.rps_fractional, Some(0.0));
    }

    #[test]
    fn an_nginx_that_was_started_again_leaves_one_rate_out() {
        let start = Instant::now();
        let mut status = parse(PAGE).unwrap();
        let mut between = Between::default();
        between.take(start, status);
        status.requests = 4;
        let after = between.take(start + Duration::from_secs(1), status).values;
        assert_eq!((after.rps_fractional, after.clients), (None, Some(2)));
    }
}
