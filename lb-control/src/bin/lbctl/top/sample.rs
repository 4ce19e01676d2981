//! One look at everything that `top` shows.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a switch may have 100,000 backends. Only those of the busiest services are asked for,
//! so a look costs the control processor a dozen answers at most.

use std::time::Instant;

use lb_control::view::{Backend, Drops, Lcores, Service, ServiceSummary, Services, Status};

use crate::client::{Answer, Client, encoded};
use crate::failure::Failure;
use crate::show::per_second;

/// Services whose backends are shown.
const BUSIEST: usize = 8;

/// What was seen in one look.
#[derive(Debug)]
pub(super) struct Sample {
    /// When, in seconds since `top` started.
    pub at: f64,
    pub status: Status,
    /// All services, the busiest first.
    pub services: Services,
    /// Backends of the busiest services.
    pub backends: Vec<Backend>,
    pub lcores: Lcores,
    pub drops: Drops,
    /// The answers as they came, by name.
    answers: Vec<(&'static str, Vec<u8>)>,
}

impl Sample {
    /// Asks for everything. `before` tells which services are busy.
    ///
    /// # Errors
    /// The first answer that does not come.
    pub(super) fn take(
        client: &Client,
        start: Instant,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        let status = client.get("/v1/status")?;
        let lcores = client.get("/v1/lcores")?;
        let drops = client.get("/v1/drops")?;
        let services = client.get("/v1/services")?;
        let at = start.elapsed().as_secs_f64();
        let mut list: Services = services.read()?;
        let earlier = before.map(|before| (&before.services, at - before.at));
        list.services = by_traffic(list.services, earlier);
        let mut sample = Self {
            at,
            status: status.read()?,
            backends: Vec::new(),
            lcores: lcores.read()?,
            drops: drops.read()?,
            answers: Vec::new(),
            services: list,
        };
        let kept = [
            ("status", status),
            ("lcores", lcores),
            ("drops", drops),
            ("services", services),
        ];
        sample.answers = kept.map(|(name, answer)| (name, answer.body)).into();
        sample.ask_for_backends(client)?;
        Ok(sample)
    }

    fn ask_for_backends(&mut self, client: &Client) -> Result<(), Failure> {
        for service in self.services.services.iter().take(BUSIEST) {
            let path = format!("/v1/services/{}", encoded(&service.name));
            let answer: Answer = match client.get(&path) {
                Ok(answer) => answer,
                // It went away between two answers.
                Err(Failure::Refused(refused)) if refused.status == 404 => continue,
                Err(failure) => return Err(failure),
            };
            self.backends.extend(answer.read::<Service>()?.backends);
            self.answers.push(("service", answer.body));
        }
        Ok(())
    }

    /// The answers in one object on one line; `service` is a list of those with backends.
    pub(super) fn json(&self) -> String {
        let text = |body: &[u8]| String::from_utf8_lossy(body).trim().to_owned();
        let (details, single): (Vec<_>, Vec<_>) = self
            .answers
            .iter()
            .partition(|(name, _)| *name == "service");
        let single: Vec<_> = single
            .iter()
            .map(|(name, body)| format!("\"{name}\":{}", text(body)))
            .collect();
        let details: Vec<_> = details.iter().map(|(_, body)| text(body)).collect();
        format!(
            "{{{},\"service\":[{}]}}",
            single.join(","),
            details.join(",")
        )
    }

    #[cfg(test)]
    pub(super) fn of(
        at: f64,
        status: Status,
        services: Vec<Service>,
        lcores: Lcores,
        drops: Drops,
    ) -> Self {
        Self {
            at,
            status,
            backends: services
                .iter()
                .flat_map(|service| service.backends.clone())
                .collect(),
            services: Services {
                services: services
                    .into_iter()
                    .map(|service| service.summary)
                    .collect(),
            },
            lcores,
            drops,
            answers: Vec::new(),
        }
    }
}

/// Most packets a second first, then most connections; the document's order between equals.
fn by_traffic(
    mut services: Vec<ServiceSummary>,
    earlier: Option<(&Services, f64)>,
) -> Vec<ServiceSummary> {
    let rate = |service: &ServiceSummary| {
        let (earlier, seconds) = earlier?;
        let mut earlier = earlier.services.iter();
        let earlier = earlier.find(|earlier| earlier.name == service.name)?;
        per_second(earlier.packets, service.packets, seconds)
    };
    services.sort_by_cached_key(|service| {
        // Whole packets are order enough.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; saturates"
        )]
        let rate = rate(service).unwrap_or(0.0) as u64;
        std::cmp::Reverse((rate, service.connections_live))
    });
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, packets: u64, live: u32) -> ServiceSummary {
        let text = format!(
            r#"{{"name":"{name}","address":"192.0.2.1","port":80,"protocol":"tcp","forwarding":"nat",
            "scheduler":"maglev","weights":"static","tags":[],"on_miss":"reset","packets":{packets},
            "octets":0,"connections_opened":0,"connections_live":{live},"backends_total":0,
            "backends_taking":0,"backends_up":0,"on_down":"drain","all_down":"withdraw",
            "is_panicking":false,"is_on_backup":false}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_busiest_services_come_first() {
        let before = Services {
            services: vec![
                service("a", 100, 0),
                service("b", 0, 0),
                service("c", 900, 0),
            ],
        };
        let now = || {
            vec![
                service("a", 110, 5),
                service("b", 50, 0),
                service("c", 900, 9),
            ]
        };
        let names = |services: Vec<ServiceSummary>| {
            services
                .into_iter()
                .map(|service| service.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(by_traffic(now(), Some((&before, 1.0)))),
            ["b", "a", "c"]
        );
        assert_eq!(names(by_traffic(now(), None)), ["c", "a", "b"]);
    }
}
