//! Verbs that only look.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a page of connections may be empty and not the last; a filter that matches little ends
//! it early.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use lb_control::view::{
    Backend, Backends, Connections, LoadReports, Neighbors, Routes, Service, Services, Status,
};
use serde::de::DeserializeOwned;

use super::Session;
use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::options::{ConnectionsOptions, Rate};
use crate::show::{self, Before, Listing, Room};
use crate::suggest;

/// Members of a page that are asked for where all pages are wanted.
const PAGE: u32 = 1000;

impl Session<'_> {
    pub(super) fn status(&mut self) -> Result<(), Failure> {
        let answer = self.client.get("/v1/status")?;
        self.print(&answer, |status: &Status, room| show::status(status, room))
    }

    pub(super) fn services(&mut self, name: Option<&str>, rate: &Rate) -> Result<(), Failure> {
        let Some(name) = name else {
            return self.print_rated("/v1/services", rate, show::services);
        };
        if rate.rate.is_none() {
            let answer = named(&self.client, name, None, |path| self.client.get(path))?;
            return self.print(&answer, |service: &Service, room| {
                show::service(service, room)
            });
        }
        named(&self.client, name, None, |path| self.client.get(path))?;
        self.print_rated("/v1/services", rate, |now: &Services, before, room| {
            let services = now.services.iter().filter(|service| service.name == name);
            let services = services.cloned().collect();
            show::services(&Services { services }, before, room)
        })
    }

    pub(super) fn backends(&mut self, of: Option<&str>) -> Result<(), Failure> {
        match of.map(|of| of.split_once('/').map_or((of, None), |(s, b)| (s, Some(b)))) {
            None => self.all_backends(),
            Some((service, None)) => {
                let answer = named(&self.client, service, None, |path| self.client.get(path))?;
                self.print(&answer, |service: &Service, room| {
                    show::backends(&service.backends, room)
                })
            }
            Some((service, backend)) => {
                let answer = named(&self.client, service, backend, |path| self.client.get(path))?;
                self.print(&answer, |backend: &Backend, _| show::backend(backend))
            }
        }
    }

    /// Every service's, gathered: shares need whole services, and columns all names.
    fn all_backends(&mut self) -> Result<(), Failure> {
        let members = |page: Backends| (page.backends, page.next);
        let all = self.all_pages("/v1/backends", &[], members)?;
        all.map_or(Ok(()), |all| {
            self.print_text(&show::backends(&all, self.room))
        })
    }

    /// The members of all pages of a list; none as JSON, for then each page is printed as it comes.
    fn all_pages<P: DeserializeOwned, M>(
        &mut self,
        path: &str,
        filters: &[(&str, Option<&str>)],
        members: impl Fn(P) -> (Vec<M>, Option<String>),
    ) -> Result<Option<Vec<M>>, Failure> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let path = page_of(path, filters, PAGE, after.as_deref());
            let answer = self.client.get(&path)?;
            let (some, next) = members(answer.read()?);
            if self.json {
                self.print_json(&answer.body)?;
            } else {
                all.extend(some);
            }
            after = next;
            if after.is_none() {
                return Ok((!self.json).then_some(all));
            }
        }
    }

    pub(super) fn connections(&mut self, wanted: &ConnectionsOptions) -> Result<(), Failure> {
        let filters = [
            ("service", wanted.service.as_deref()),
            ("backend", wanted.backend.as_deref()),
            ("client", wanted.client.as_deref()),
            ("protocol", wanted.protocol.as_deref()),
            ("state", wanted.state.as_deref()),
        ];
        let mut left = if wanted.all { None } else { Some(wanted.limit) };
        let mut listing = Listing::default();
        let mut is_empty = true;
        let mut after: Option<String> = None;
        loop {
            let limit = left.unwrap_or(PAGE);
            let path = page_of("/v1/connections", &filters, limit, after.as_deref());
            let asked = self.client.get(&path);
            let answer = asked.map_err(|failure| {
                let service = wanted.service.as_deref();
                meant(&self.client, failure, service, wanted.backend.as_deref())
            })?;
            let page: Connections = answer.read()?;
            if self.json {
                self.print_json(&answer.body)?;
            } else {
                let text = listing.page(&page.connections, self.room);
                self.print_text(&text)?;
            }
            is_empty &= page.connections.is_empty();
            let shown = u32::try_from(page.connections.len()).unwrap_or(u32::MAX);
            left = left.map(|left| left.saturating_sub(shown));
            after = page.next;
            if after.is_none() || left == Some(0) {
                break;
            }
        }
        if is_empty && !self.json {
            let is_filtered = filters.iter().any(|(_, value)| value.is_some());
            self.print_text(if is_filtered {
                "no connection matches\n"
            } else {
                "no connections\n"
            })?;
        }
        if after.is_some() && !self.json {
            eprintln!("lbctl: there are more; --all lists them, --limit N so many");
        }
        Ok(())
    }

    pub(super) fn ports(&mut self, rate: &Rate) -> Result<(), Failure> {
        self.print_rated("/v1/ports", rate, show::ports)
    }

    pub(super) fn lcores(&mut self, rate: &Rate) -> Result<(), Failure> {
        self.print_rated("/v1/lcores", rate, show::lcores)
    }

    pub(super) fn drops(&mut self, rate: &Rate) -> Result<(), Failure> {
        self.print_rated("/v1/drops", rate, show::drops)
    }

    pub(super) fn neighbors(&mut self) -> Result<(), Failure> {
        let answer = self.client.get("/v1/neighbors")?;
        self.print(&answer, |neighbors: &Neighbors, room| {
            show::neighbors(neighbors, room)
        })
    }

    pub(super) fn routes(&mut self, address: Option<IpAddr>) -> Result<(), Failure> {
        let address = address.map(|address| address.to_string());
        let filters = [("address", address.as_deref())];
        let members = |page: Routes| (page.routes, page.next);
        let all = self.all_pages("/v1/routes", &filters, members)?;
        all.map_or(Ok(()), |all| {
            self.print_text(&show::routes(&all, self.room))
        })
    }

    pub(super) fn agents(&mut self) -> Result<(), Failure> {
        let answer = self.client.get("/v1/load-reports")?;
        self.print(&answer, |reports: &LoadReports, room| {
            show::agents(reports, room)
        })
    }

    pub(super) fn explain(&mut self, service: &str) -> Result<(), Failure> {
        let asked = self
            .client
            .get(&format!("/v1/explain?service={}", encoded(service)));
        let answer = asked.map_err(|failure| meant(&self.client, failure, Some(service), None))?;
        self.print(&answer, show::explained)
    }

    pub(super) fn audit(&mut self, limit: u32) -> Result<(), Failure> {
        let answer = self.client.get(&format!("/v1/audit?limit={limit}"))?;
        self.print(&answer, show::audit)
    }

    /// Prints totals from one look, or rates from two.
    fn print_rated<T: DeserializeOwned>(
        &mut self,
        path: &str,
        rate: &Rate,
        text: impl FnOnce(&T, Option<Before<'_, T>>, Room) -> String,
    ) -> Result<(), Failure> {
        let Some(seconds) = rate.rate else {
            let answer = self.client.get(path)?;
            return self.print(&answer, |now, room| text(now, None, room));
        };
        if self.json {
            let refused = "--rate works out what the API does not answer; leave out --json, or take two answers";
            return Err(Failure::Usage(refused.to_owned()));
        }
        let before: T = self.client.get(path)?.read()?;
        let looked_at = Instant::now();
        thread::sleep(Duration::from_secs_f64(seconds));
        let answer = self.client.get(path)?;
        let before = Before {
            view: &before,
            seconds: looked_at.elapsed().as_secs_f64(),
        };
        self.print(&answer, |now, room| text(now, Some(before), room))
    }
}

fn page_of(
    path: &str,
    filters: &[(&str, Option<&str>)],
    limit: u32,
    after: Option<&str>,
) -> String {
    let mut path = format!("{path}?limit={limit}");
    for (key, value) in filters.iter().chain(&[("after", after)]) {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", encoded(value)));
        }
    }
    path
}

/// Asks for something of a service, or of a backend of it, by their path.
pub(super) fn named<T>(
    client: &Client,
    service: &str,
    backend: Option<&str>,
    ask: impl FnOnce(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut path = format!("/v1/services/{}", encoded(service));
    if let Some(backend) = backend {
        path.push_str(&format!("/backends/{}", encoded(backend)));
    }
    ask(&path).map_err(|failure| meant(client, failure, Some(service), backend))
}

/// Adds to *there is no such thing* what was probably meant; other failures stay as they are.
fn meant(
    client: &Client,
    failure: Failure,
    service: Option<&str>,
    backend: Option<&str>,
) -> Failure {
    match failure {
        Failure::Refused(refused) if refused.status == 404 => {
            // Whatever goes wrong now must not hide the answer that came first.
            let hint = match (service, backend) {
                (Some(service), backend) => hint(client, service, backend),
                (None, Some(backend)) => hint_anywhere(client, backend),
                (None, None) => None,
            };
            match hint {
                Some(hint) => refused.with_hint(hint).into(),
                None => refused.into(),
            }
        }
        other => other,
    }
}

fn hint(client: &Client, service: &str, backend: Option<&str>) -> Option<String> {
    let Services { services } = client.get("/v1/services").ok()?.read().ok()?;
    let names: Vec<_> = services.iter().map(|service| &*service.name).collect();
    if !names.contains(&service) {
        return Some(suggest::sentence("the services", service, &names));
    }
    let path = format!("/v1/services/{}", encoded(service));
    let found: Service = client.get(&path).ok()?.read().ok()?;
    let names = found.backends.iter().map(|backend| &*backend.name);
    let names: Vec<_> = names.collect();
    Some(suggest::sentence("its backends", backend?, &names))
}

/// For a backend that may be in any service: the first page of all is enough to find a slip.
fn hint_anywhere(client: &Client, backend: &str) -> Option<String> {
    let found: Backends = client.get("/v1/backends").ok()?.read().ok()?;
    let mut names: Vec<_> = found
        .backends
        .iter()
        .map(|backend| &*backend.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(suggest::sentence("the backends", backend, &names))
}
