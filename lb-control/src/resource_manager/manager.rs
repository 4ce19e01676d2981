//! The resource manager itself: what comes in finds its place, and every service is stepped.
//!
//! WO 00/30294, box 52, and the stepping of box 54.
//! Easy to get wrong: a clock that goes back, or is no number, stands still; otherwise a silent agent could
//! look young again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lb_core::config::Service;
use lb_core::id::BackendSlot;
use lb_core::load::LoadReport;
use lb_core::master::Algorithm;

use super::agents::Agents;
use super::check::Standing;
use super::external::{self, External, ExternalRefusal, LONGEST_TTL_SECONDS};
use super::identity::{Identity, ReportRefusal};
use super::managed::Managed;
use super::tally::{Counts, Tally};
use super::view::{AgentView, CheckView, ServiceExplanation};
use crate::agent_check::{AskError, Statement};
use crate::desired::ServiceWeights;

/// All that is known of backends, and the masters that make weights of it.
///
/// Every `now_seconds` is of one monotonic clock that counts from 0 or more.
#[derive(Clone, Debug, Default)]
pub struct ResourceManager {
    /// Latest time that was handed in.
    now: f64,
    agents: Agents,
    /// In the order of the document.
    services: Vec<Managed>,
    /// Where each service is among `services`, by name.
    numbers: HashMap<String, usize>,
    tally: Tally,
}

impl ResourceManager {
    /// A manager that knows no service.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a configuration; to be called for every new revision. What is known of services and backends that
    /// stay is kept, by their names. `slots` answers the slot of a service's backend, by both names; where it
    /// knows none (a resource manager elsewhere knows none at all), the backend is told by its address.
    pub fn configure(
        &mut self,
        services: &[Service],
        slots: impl Fn(&str, &str) -> Option<BackendSlot>,
    ) {
        let backends = services.iter().flat_map(|service| &service.backends);
        self.agents
            .configure(backends.map(|backend| backend.name.as_str()));
        let mut earlier: HashMap<String, Managed> = self
            .services
            .drain(..)
            .map(|service| (service.name.clone(), service))
            .collect();
        for service in services {
            let earlier = earlier.remove(&service.name);
            let slots = |backend: &str| slots(&service.name, backend);
            let managed = Managed::new(service, earlier, &self.agents, slots);
            self.services.push(managed);
        }
        let names = services.iter().map(|service| service.name.clone());
        self.numbers = names.zip(0..).collect();
    }

    /// Takes one load report, for every service that names its backend.
    ///
    /// # Errors
    /// The cause, which is counted; nothing else is remembered of the report.
    pub fn report(
        &mut self,
        report: &LoadReport,
        speaks_for: Identity<'_>,
        now_seconds: f64,
    ) -> Result<(), ReportRefusal> {
        let now = self.advance(now_seconds);
        let outcome = self.agents.take(report, speaks_for, now);
        self.tally.count(speaks_for, outcome);
        outcome
    }

    /// Takes a statement of an agent-check. One for a backend that is not there, or no longer, is passed over.
    pub fn agent_said(&mut self, service: &str, backend: &str, said: &Statement, now_seconds: f64) {
        let now = self.advance(now_seconds);
        if let Some((standing, expiry)) = self.standing(service, backend) {
            standing.take(said, now, expiry);
        }
    }

    /// Takes in that an agent-check had no answer. It changes no weight; it is counted and shown.
    pub fn agent_failed(&mut self, service: &str, backend: &str, error: AskError) {
        if let Some((standing, _)) = self.standing(service, backend) {
            standing.miss(error);
        }
    }

    /// Takes weights from elsewhere, for `ttl_seconds` from now, instead of the local masters'. `by` is who sent
    /// them, for answers.
    ///
    /// # Errors
    /// The first thing wrong with them; none of them are taken then.
    pub fn external_weights(
        &mut self,
        sent: &[ServiceWeights],
        by: &str,
        ttl_seconds: f64,
        now_seconds: f64,
    ) -> Result<(), ExternalRefusal> {
        let until = self.advance(now_seconds) + ttl_seconds;
        if !(ttl_seconds > 0.0 && ttl_seconds <= LONGEST_TTL_SECONDS) {
            let seconds = ttl_seconds;
            return Err(ExternalRefusal::Ttl { seconds });
        }
        let mut names = HashSet::new();
        let mut all = Vec::with_capacity(sent.len());
        for sent in sent {
            let service = || sent.service.clone();
            if !names.insert(&sent.service) {
                return Err(ExternalRefusal::ServiceTwice { service: service() });
            }
            let number = self.numbers.get(&sent.service).copied();
            let known =
                number.and_then(|number| self.services.get(number).map(|known| (number, known)));
            let Some((number, known)) = known else {
                return Err(ExternalRefusal::UnknownService { service: service() });
            };
            if known.algorithm == Algorithm::Static {
                return Err(ExternalRefusal::StaticService { service: service() });
            }
            all.push((number, external::read(known, sent)?));
        }
        let by: Arc<str> = by.into();
        for (number, weights) in all {
            if let Some(service) = self.services.get_mut(number) {
                let by = by.clone();
                service.external = Some(External { by, until, weights });
            }
        }
        Ok(())
    }

    /// The weights of all services whose weights may move, from now on; to be called about every second. Where
    /// neither an algorithm nor an agent-check is configured, the configured weights hold and nothing is
    /// answered. A service is answered with all of its backends.
    pub fn step(&mut self, now_seconds: f64) -> Vec<ServiceWeights> {
        let now = self.advance(now_seconds);
        let services = self.services.iter_mut();
        services
            .filter_map(|service| service.step(now, &self.agents))
            .collect()
    }

    /// What is known from load reports, for every name that backends have, in no order that means anything.
    pub fn agents(&self, now_seconds: f64) -> impl Iterator<Item = AgentView<'_>> {
        let now = self.now_or(now_seconds);
        let agents = self.agents.iter();
        agents.map(move |(name, agent)| AgentView::new(name, agent, now))
    }

    /// What is known from load reports for one name; `None`: no backend has it.
    #[must_use]
    pub fn agent(&self, backend: &str, now_seconds: f64) -> Option<AgentView<'_>> {
        let (name, agent) = self.agents.named(backend)?;
        Some(AgentView::new(name, agent, self.now_or(now_seconds)))
    }

    /// What agent-checks said, for every backend of every service that has one, in the document's order.
    pub fn checks(&self, now_seconds: f64) -> impl Iterator<Item = CheckView<'_>> {
        let now = self.now_or(now_seconds);
        let services = self.services.iter();
        services.flat_map(move |service| CheckView::all(service, now))
    }

    /// What the agent-check of one backend said; `None`: it has none.
    #[must_use]
    pub fn check(&self, service: &str, backend: &str, now_seconds: f64) -> Option<CheckView<'_>> {
        let service = self.service(service)?;
        let &number = service.numbers.get(backend)?;
        CheckView::all(service, self.now_or(now_seconds)).nth(number)
    }

    /// Why the weights of a service are what they are; `None`: there is no such service.
    #[must_use]
    pub fn explanations(&self, service: &str, now_seconds: f64) -> Option<ServiceExplanation<'_>> {
        let service = self.service(service)?;
        let now = self.now_or(now_seconds);
        Some(ServiceExplanation::new(service, &self.agents, now))
    }

    /// Reports by the word of who sent them (`local`, `token`, `named`).
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &Counts)> {
        self.tally.by_sender()
    }

    fn service(&self, name: &str) -> Option<&Managed> {
        let &place = self.numbers.get(name)?;
        self.services.get(place)
    }

    /// What stands of the agent-check of a backend, and after how many seconds it expires.
    fn standing(&mut self, service: &str, backend: &str) -> Option<(&mut Standing, f64)> {
        let &place = self.numbers.get(service)?;
        let service = self.services.get_mut(place)?;
        let expiry = service.check_expiry()?;
        let &number = service.numbers.get(backend)?;
        let place = service.places.get_mut(number)?;
        Some((&mut place.standing, expiry))
    }

    fn advance(&mut self, now_seconds: f64) -> f64 {
        self.now = self.now_or(now_seconds);
        self.now
    }

    fn now_or(&self, now_seconds: f64) -> f64 {
        if now_seconds.is_finite() {
            self.now.max(now_seconds)
        } else {
            self.now
        }
    }
}
