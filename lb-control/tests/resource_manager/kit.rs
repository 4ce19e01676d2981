//! A fleet of servers before a resource manager: flows follow the weights at once, agents tell the truth
//! unless told otherwise.
//!
//! Time is a number here; nothing waits.

use std::collections::BTreeMap;

use lb_control::agent_check::Statement;
use lb_control::desired::ServiceWeights;
use lb_control::resource_manager::{Identity, ReportRefusal, ResourceManager};
use lb_core::config::{PortsPresent, Service, parse};
use lb_core::id::{BackendSlot, PortId};
use lb_core::load::LoadReport;
use serde_json::{Value, json};

/// A document's services, checked as the program checks them.
pub(crate) fn services(services: &[Value]) -> Vec<Service> {
    let interface = json!({"port": 0, "name": "server", "addresses": ["10.0.0.1/8"]});
    let document = json!({"interfaces": [interface], "services": services});
    let ports: PortsPresent = [PortId(0)].into_iter().collect();
    parse(&document.to_string(), &ports).unwrap().services
}

/// A service `name` with its VIP's last two octets and its backends.
pub(crate) fn service(name: &str, vip: u16, weights: &str, backends: &[Value]) -> Value {
    let [high, low] = vip.to_be_bytes();
    json!({
        "name": name, "address": format!("192.168.{high}.{low}"), "port": 80, "protocol": "tcp",
        "forwarding": "nat", "scheduler": "weighted-round-robin", "weights": weights,
        "backends": backends,
    })
}

/// A service whose agents are asked.
pub(crate) fn checked(mut service: Value) -> Value {
    service["agent_check"] = json!({"port": 9000, "interval": 2});
    service
}

/// Backend number `number`, named after it.
pub(crate) fn backend(number: u16) -> Value {
    weighing(number, 100)
}

/// The same with a configured weight.
pub(crate) fn weighing(number: u16, weight: u32) -> Value {
    let [high, low] = number.to_be_bytes();
    json!({"name": format!("web-{number}"), "address": format!("10.1.{high}.{low}"), "port": 8080, "weight": weight})
}

/// The backends 1 to `count`.
pub(crate) fn backends(count: u16) -> Vec<Value> {
    (1..=count).map(backend).collect()
}

/// The report number `sequence` of `backend`, a second after the one before.
pub(crate) fn report(backend: &str, sequence: u32, cpu: f64, rps: f64) -> LoadReport {
    LoadReport {
        backend: backend.into(),
        boot_id: format!("boot-of-{backend}"),
        sequence: u64::from(sequence),
        monotonic_seconds: f64::from(sequence),
        cpu_utilization: Some(cpu),
        rps_fractional: Some(rps),
        ..LoadReport::default()
    }
}

/// A resource manager with slots as the program would hand them out.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) manager: ResourceManager,
    slots: BTreeMap<String, u32>,
    /// Seconds.
    pub(crate) now: f64,
}

impl Desk {
    pub(crate) fn new(documents: &[Value]) -> Self {
        let mut desk = Self::default();
        desk.configure(documents);
        desk
    }

    pub(crate) fn configure(&mut self, documents: &[Value]) {
        let services = services(documents);
        for service in &services {
            for backend in &service.backends {
                let identity = format!("{} {}", service.address, backend.address);
                let next = u32::try_from(self.slots.len()).unwrap();
                self.slots.entry(identity).or_insert(next);
            }
        }
        let slots = &self.slots;
        let find = |service: &str, backend: &str| {
            let service = services.iter().find(|known| known.name == service)?;
            let backend = service
                .backends
                .iter()
                .find(|known| known.name == backend)?;
            let identity = format!("{} {}", service.address, backend.address);
            slots.get(&identity).copied().map(BackendSlot)
        };
        self.manager.configure(&services, find);
    }

    pub(crate) fn report(&mut self, report: &LoadReport) -> Result<(), ReportRefusal> {
        self.manager.report(report, Identity::Local, self.now)
    }

    /// The agent of a backend says a line now.
    pub(crate) fn said(&mut self, service: &str, backend: &str, line: &str) {
        let said = Statement::parse(format!("{line}\n").as_bytes()).unwrap();
        self.manager.agent_said(service, backend, &said, self.now);
    }

    pub(crate) fn step(&mut self) -> Vec<ServiceWeights> {
        self.manager.step(self.now)
    }

    /// Weights of one service after a step now; empty if it is not answered.
    pub(crate) fn weights(&mut self, service: &str) -> Vec<u32> {
        let all = self.step();
        let found = all.into_iter().find(|found| found.service == service);
        let weights = found.map_or_else(Vec::new, |found| found.weights);
        weights.into_iter().map(|(_, weight)| weight).collect()
    }

    /// Lets `seconds` pass, one by one. Each server's utilisation is its part of `load` over its strength; it
    /// reports that, or what it claims.
    pub(crate) fn run(
        &mut self,
        service: &str,
        seconds: u32,
        load: f64,
        servers: &[Server],
    ) -> Vec<u32> {
        let mut weights = self.weights(service);
        for _ in 0..seconds {
            self.now += 1.0;
            let whole: u32 = weights.iter().sum();
            for (number, (server, &weight)) in (1..).zip(servers.iter().zip(&weights)) {
                let rps = load * f64::from(weight) / f64::from(whole.max(1));
                let truth = (rps / server.strength).min(1.0);
                let sequence = self.now as u32;
                let cpu = match server.agent {
                    Agent::Honest => truth,
                    Agent::Claims(cpu) => cpu,
                    Agent::Dead => continue,
                };
                let report = report(
                    &format!("web-{number}"),
                    sequence,
                    cpu,
                    rps.min(server.strength),
                );
                self.report(&report).unwrap();
            }
            weights = self.weights(service);
        }
        weights
    }
}

/// A server that does `strength` requests per second when full.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    pub(crate) strength: f64,
    pub(crate) agent: Agent,
}

/// What its agent does.
#[derive(Clone, Copy)]
pub(crate) enum Agent {
    Honest,
    /// Says this utilisation, whatever it is.
    Claims(f64),
    Dead,
}

/// Honest servers.
pub(crate) fn servers<const N: usize>(strengths: [f64; N]) -> [Server; N] {
    strengths.map(|strength| Server {
        strength,
        agent: Agent::Honest,
    })
}
