//! Any endpoint that Prometheus could scrape, with named series.
//!
//! No counterpart in the patent. The page is read as it comes, a line at a time; only sums of the series
//! that somebody asked for are kept.
//! Easy to get wrong: pages may be megabytes. One that is longer than [`PAGE_MAX`] is a failure, for a
//! sum over half a page would be a lie.

use std::io::{self, BufRead, BufReader, Read};
use std::time::Instant;

use super::expression::Expression;
use super::series::parse_line;
use super::{Ask, Failure, Reading, Source};
use crate::address::Page;
use crate::http;
use crate::values::Field;

/// Octets of a page at most.
pub const PAGE_MAX: u64 = 16 << 20;
/// Octets of one line at most; longer ones are passed over.
const LINE_MAX: usize = 8 * 1024;

/// A field and what it is made of.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Where the value goes.
    pub field: Field,
    /// What it is made of.
    pub expression: Expression,
}

/// An endpoint.
pub struct Prometheus {
    name: String,
    page: Page,
    mappings: Vec<Mapping>,
}

impl Prometheus {
    /// An endpoint and the fields that come from it.
    #[must_use]
    pub fn new(page: Page, mappings: Vec<Mapping>) -> Self {
        Self {
            name: format!("prometheus {page}"),
            page,
            mappings,
        }
    }
}

impl Source for Prometheus {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, ask: Ask) -> Result<Reading, Failure> {
        let mut response = http::get(&self.page, ask.deadline)?;
        if response.head.status != 200 {
            let status = response.head.status;
            return Err(Failure::unreadable(format!("answered {status}")));
        }
        let sums = sums(&self.mappings, response.body())?;
        Ok(evaluate(&mut self.mappings, ask.at, &sums))
    }
}

/// Sums of all selectors of all mappings, in their order.
fn sums(mappings: &[Mapping], page: impl Read) -> Result<Vec<Vec<Option<f64>>>, Failure> {
    let selectors: Vec<Vec<_>> = mappings
        .iter()
        .map(|mapping| mapping.expression.selectors().collect())
        .collect();
    let mut sums: Vec<Vec<Option<f64>>> = selectors
        .iter()
        .map(|selectors| vec![None; selectors.len()])
        .collect();
    each_line(page, |line| {
        let Some(sample) = parse_line(line) else {
            return;
        };
        let pairs = selectors.iter().flatten().zip(sums.iter_mut().flatten());
        for (selector, sum) in pairs {
            if sample.is_meant_by(selector) {
                *sum.get_or_insert(0.0) += sample.value;
            }
        }
    })?;
    Ok(sums)
}

fn evaluate(mappings: &mut [Mapping], at: Instant, sums: &[Vec<Option<f64>>]) -> Reading {
    let mut reading = Reading::default();
    for (mapping, sums) in mappings.iter_mut().zip(sums) {
        let value = mapping.expression.evaluate(at, sums);
        reading.enter(&mapping.field, value);
        let missing = sums.iter().position(Option::is_none);
        if let Some(selector) = missing.and_then(|at| mapping.expression.selectors().nth(at)) {
            let remark = format!("the page has no series {selector}");
            reading.remark.get_or_insert(remark);
        }
    }
    reading
}

/// Hands over the lines of a page that are text and not too long.
fn each_line(page: impl Read, mut line: impl FnMut(&str)) -> Result<(), Failure> {
    let mut from = BufReader::new(page.take(PAGE_MAX + 1));
    let mut octets = Vec::new();
    let mut read = 0_u64;
    loop {
        let length = read_line(&mut from, &mut octets)?;
        read += length;
        match (length, std::str::from_utf8(&octets)) {
            (0, _) => break,
            (_, Ok(text)) if octets.len() < LINE_MAX => line(text),
            _ => {}
        }
    }
    if read > PAGE_MAX {
        return Err(Failure::unreadable(format!(
            "the page is longer than {PAGE_MAX} octets"
        )));
    }
    Ok(())
}

/// Reads one line, of which it keeps no more than [`LINE_MAX`] octets; how many it has.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut length = 0;
    loop {
        let octets = from.fill_buf()?;
        let end = octets.iter().position(|&octet| octet == b'\n');
        let used = end.map_or(octets.len(), |end| end + 1);
        let room = LINE_MAX - line.len();
        line.extend(octets.iter().take(used.min(room)));
        from.consume(used);
        length += used as u64;
        if end.is_some() || used == 0 {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// From HAProxy 2.6.12's own exporter.
    const PAGE: &str = include_str!("../../tests/samples/haproxy_metrics.txt");

    fn mappings(texts: &[&str]) -> Vec<Mapping> {
        texts
            .iter()
            .map(|text| {
                let (field, expression) = text.split_once('=').unwrap();
                Mapping {
                    field: field.parse().unwrap(),
                    expression: expression.parse().unwrap(),
                }
            })
            .collect()
    }

    #[test]
    fn fields_come_from_the_series_of_a_real_page() {
        let start = Instant::now();
        let mut mappings = mappings(&[
            r#"clients=haproxy_frontend_current_sessions{proxy!="metrics"}"#,
            "rps_fractional=rate(haproxy_frontend_http_requests_total)",
            r#"eps=rate(haproxy_frontend_http_responses_total{code="5xx"})"#,
            r#"execution_time_seconds=haproxy_backend_response_time_average_seconds{proxy="app"}"#,
        ]);
        let first = sums(&mappings, PAGE.as_bytes()).unwrap();
        let first = evaluate(&mut mappings, start, &first);
        assert_eq!(first.remark, None);
        assert_eq!(first.values.clients, Some(1));
        assert_eq!(first.values.rps_fractional, None);
        assert_eq!(first.values.execution_time_seconds, Some(0.001));

        let later = PAGE.replace(
            "requests_total{proxy=\"web\"} 40",
            "requests_total{proxy=\"web\"} 90",
        );
        let second = sums(&mappings, later.as_bytes()).unwrap();
        let second = evaluate(&mut mappings, start + Duration::from_secs(2), &second);
        assert_eq!(second.values.rps_fractional, Some(25.0));
        assert_eq!(second.values.eps, Some(0.0));
    }

    #[test]
    fn a_series_that_is_not_there_is_named() {
        let mut mappings = mappings(&["eps=errors_total{code=\"1\"}"]);
        let sums = sums(&mappings, PAGE.as_bytes()).unwrap();
        let reading = evaluate(&mut mappings, Instant::now(), &sums);
        assert_eq!(reading.values.eps, None);
        assert!(
            reading
                .remark
                .unwrap()
                .ends_with("errors_total{code=\"1\"}")
        );
    }

    #[test]
    fn a_value_that_cannot_stand_in_a_report_is_told() {
        let mut mappings = mappings(&["mem_utilization=x"]);
        let sums = sums(&mappings, "x 1.5\n".as_bytes()).unwrap();
        let reading = evaluate(&mut mappings, Instant::now(), &sums);
        assert!(reading.remark.unwrap().contains("from 0 to 1"));
    }

    #[test]
    fn an_endless_line_is_passed_over_and_an_endless_page_refused() {
        let page = format!("x{{a=\"{}\"}} 1\nx 2\n", "y".repeat(2 * LINE_MAX));
        let mappings = mappings(&["eps=x"]);
        assert_eq!(sums(&mappings, page.as_bytes()).unwrap(), [[Some(2.0)]]);
        let endless = std::io::repeat(b'x');
        let told = sums(&mappings, endless).unwrap_err().to_string();
        assert!(told.contains("longer than"), "{told}");
    }
}
