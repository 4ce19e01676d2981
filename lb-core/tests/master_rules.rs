//! Every rule of the master, one by one, with a few backends and plain numbers.
//!
//! WO 00/30294, box 54. Easy to get wrong: a rule shows only if no other acts first, so fleets here report often
//! and for long enough.
#![cfg(not(loom))]
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test"
)]

use lb_core::id::BackendSlot;
use lb_core::load::{Report, SmoothedReport};
use lb_core::master::rules::{EXPIRY_SECONDS, FLOOR, SLOW_START_SECONDS};
use lb_core::master::{Algorithm, BackendInput, Explanation, Master, Rule, Settings};
use lb_core::scheduler::SchedulerKind;

/// A server that does `strength` requests per second when full, and its agent.
#[derive(Clone, Debug)]
struct Server {
    strength: f64,
    base: u32,
    is_tagged: bool,
    is_enabled: bool,
    is_silent: bool,
    /// Utilisation that the agent claims; the truth if none.
    claims: Option<f64>,
    /// Part of the requests that fail, at no cost.
    failing: f64,
    restarts: bool,
    smoothed: Option<SmoothedReport>,
    heard_at: f64,
}

fn server(strength: f64) -> Server {
    Server {
        strength,
        base: 100,
        is_tagged: false,
        is_enabled: true,
        is_silent: false,
        claims: None,
        failing: 0.0,
        restarts: false,
        smoothed: None,
        heard_at: f64::NEG_INFINITY,
    }
}

/// A fleet in which flows follow the weights at once and without noise.
struct World {
    servers: Vec<Server>,
    /// Requests per second.
    load: f64,
    /// What agents leave out.
    knows_rps: bool,
    tags: Vec<String>,
    master: Master,
    now: f64,
    weights: Vec<u32>,
}

impl World {
    fn new(algorithm: Algorithm, servers: Vec<Server>, load: f64) -> Self {
        let tags = vec!["fast".to_owned()];
        let master = Master::new(Settings {
            tags: tags.clone(),
            ..Settings::new(algorithm, SchedulerKind::WeightedRoundRobin)
        });
        let mut world = Self {
            servers,
            load,
            knows_rps: true,
            tags,
            master,
            now: 0.0,
            weights: Vec::new(),
        };
        world.step();
        world
    }

    fn even(strengths: &[f64], load: f64) -> Self {
        Self::new(
            Algorithm::Even,
            strengths.iter().map(|&s| server(s)).collect(),
            load,
        )
    }

    fn share(&self, place: usize) -> f64 {
        f64::from(self.weights[place]) / f64::from(self.weights.iter().sum::<u32>())
    }

    fn step(&mut self) {
        let inputs: Vec<_> = self
            .servers
            .iter()
            .zip(0..)
            .map(|(server, slot)| BackendInput {
                slot: BackendSlot(slot),
                base_weight: server.base,
                tags: if server.is_tagged { &self.tags } else { &[] },
                report: server.smoothed.as_ref(),
                age_seconds: self.now - server.heard_at,
                is_enabled: server.is_enabled,
            })
            .collect();
        self.weights = self.master.step(self.now, &inputs);
    }

    /// A second: every agent reports what the weights of now bring, then the master makes new ones.
    fn second(&mut self) {
        self.now += 1.0;
        for place in 0..self.servers.len() {
            let asked = self.load * self.share(place);
            let now = self.now;
            let server = &mut self.servers[place];
            if server.is_silent {
                continue;
            }
            let good = asked * (1.0 - server.failing);
            let busy = (good / server.strength).min(1.0);
            let is_first = server.smoothed.is_none() || std::mem::take(&mut server.restarts);
            let report = Report {
                monotonic_seconds: now,
                gap_seconds: (!is_first).then_some(1.0),
                cpu_utilization: Some(server.claims.unwrap_or(busy)),
                rps: self
                    .knows_rps
                    .then_some(asked.min(server.strength.max(asked * server.failing))),
                eps: self.knows_rps.then_some(asked * server.failing),
                clients: Some(asked),
                ..Report::default()
            };
            server.smoothed.get_or_insert_default().absorb(&report);
            server.heard_at = now;
        }
        self.step();
    }

    fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn why(&self, place: usize) -> &Explanation {
        &self.master.explanations()[place]
    }

    fn acts(&self, rule: Rule, place: usize) -> bool {
        self.why(place).rules.contains(&rule)
    }

    fn factor(&self, place: usize) -> f64 {
        self.why(place).factor
    }
}

fn near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 0.03
}

#[test]
fn flows_follow_strength() {
    let mut world = World::even(&[100.0, 200.0, 400.0], 350.0);
    world.seconds(60);
    for (place, share) in [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0].into_iter().enumerate() {
        assert!(
            near(world.share(place), share),
            "{place}: {}",
            world.share(place)
        );
        assert!(near(world.why(place).utilization.unwrap_or(0.0), 0.5));
    }
}

#[test]
fn nothing_moves_before_an_agent_has_reported_five_times() {
    let mut world = World::even(&[100.0, 400.0], 200.0);
    world.seconds(4);
    assert_eq!(world.weights, [1000, 1000]);
    assert!(world.acts(Rule::Blackout, 0));
    world.seconds(4);
    assert!(world.weights[0] < world.weights[1]);
}

#[test]
fn all_hot_is_not_this_one_hot() {
    let mut world = World::even(&[100.0, 100.0, 100.0], 600.0);
    world.seconds(60);
    assert_eq!(world.weights, [1000, 1000, 1000]);
    assert!((0..3).all(|place| world.acts(Rule::FleetHot, place)));
}

#[test]
fn an_idle_fleet_stays_as_it_is() {
    let mut world = World::even(&[100.0, 400.0], 250.0);
    world.seconds(60);
    let before = world.weights.clone();
    world.load = 1.0;
    world.servers[0].claims = Some(0.03);
    world.seconds(200);
    assert_eq!(world.weights, before);
    assert!(world.acts(Rule::FleetIdle, 0));
}

#[test]
fn a_newcomer_begins_at_the_floor_and_has_its_share_after_the_slow_start() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.seconds(60);
    world.servers.push(server(100.0));
    world.step();
    assert!(
        near(world.share(4), FLOOR / (4.0 + FLOOR)),
        "{}",
        world.share(4)
    );
    assert!(world.acts(Rule::SlowStart, 4));
    let mut last = world.share(4);
    for _ in 0..SLOW_START_SECONDS as usize {
        world.second();
        assert!(world.share(4) >= last * 0.99);
        last = world.share(4);
    }
    assert!(!world.acts(Rule::SlowStart, 4));
    world.seconds(30);
    assert!(near(world.share(4), 0.2), "{}", world.share(4));
}

#[test]
fn a_program_that_starts_throttles_nobody() {
    let world = World::even(&[100.0; 4], 200.0);
    assert_eq!(world.weights, [1000; 4]);
    assert!(!world.acts(Rule::SlowStart, 0));
}

#[test]
fn health_checks_that_pass_one_by_one_make_no_newcomers() {
    let mut world = World::even(&[100.0; 4], 200.0);
    for _outage in 0..2 {
        for place in 0..4 {
            world.servers[place].is_enabled = false;
        }
        world.second();
        for place in 0..4 {
            world.servers[place].is_enabled = true;
            world.seconds(2);
            let fair = 1.0 / (place as f64 + 1.0);
            assert!(
                world.share(place) > 0.8 * fair,
                "{place}: {:?}",
                world.weights
            );
        }
        world.seconds(60);
    }
}

#[test]
fn a_backend_that_is_enabled_again_starts_slowly() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.seconds(60);
    world.servers[1].is_enabled = false;
    world.second();
    assert_eq!(world.weights[1], 0);
    assert!(world.acts(Rule::Disabled, 1));
    world.servers[1].is_enabled = true;
    world.second();
    assert!(world.share(1) < 0.05, "{}", world.share(1));
}

#[test]
fn who_falls_silent_is_neutral_within_the_expiry() {
    let mut world = World::even(&[100.0, 100.0, 100.0, 800.0], 550.0);
    world.seconds(90);
    assert!(world.factor(3) > 2.5 && world.factor(0) < 0.5);
    world.servers[3].is_silent = true;
    world.seconds(9);
    assert!(world.factor(3) > 2.5, "the last word still counts");
    world.seconds(EXPIRY_SECONDS as usize - 9);
    assert!(near(world.factor(3), 1.0), "{}", world.factor(3));
    assert!(world.acts(Rule::Silent, 3));
}

#[test]
fn a_restarted_agent_does_not_move_its_server() {
    let mut world = World::even(&[100.0, 200.0, 400.0], 350.0);
    world.seconds(90);
    let before = world.weights.clone();
    world.servers[2].restarts = true;
    world.seconds(3);
    assert!(world.acts(Rule::Blackout, 2));
    assert_eq!(world.weights, before);
}

#[test]
fn who_claims_to_be_idle_among_the_busy_is_not_believed() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.servers[0].claims = Some(0.001);
    world.seconds(120);
    assert!(near(world.factor(0), 1.0));
    assert!(world.acts(Rule::Implausible, 0));
}

#[test]
fn who_claims_to_be_full_for_ever_keeps_the_floor() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.servers[0].claims = Some(1.0);
    world.seconds(600);
    assert!(near(world.factor(0), FLOOR), "{}", world.factor(0));
    assert!(world.acts(Rule::Floor, 0));
}

#[test]
fn failing_fast_is_not_strength() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.servers[0].failing = 0.9;
    world.seconds(120);
    assert!(world.factor(0) < 0.9, "{}", world.factor(0));
}

#[test]
fn a_server_that_loses_half_its_strength_is_relieved_at_once() {
    let mut world = World::even(&[100.0; 4], 200.0);
    world.seconds(300);
    world.servers[0].strength = 50.0;
    world.seconds(10);
    assert!(world.share(0) < 0.2, "{}", world.share(0));
    world.seconds(50);
    assert!(
        (world.share(0) - 1.0 / 7.0).abs() < 0.01,
        "{}",
        world.share(0)
    );
}

#[test]
fn one_step_is_a_quarter_at_most() {
    let mut world = World::even(&[100.0, 800.0], 450.0);
    let mut last = world.factor(0);
    for _ in 0..60 {
        world.second();
        assert!(world.factor(0) >= last * 0.749);
        last = world.factor(0);
    }
    assert!(last < 0.3);
}

#[test]
fn a_full_server_whose_queue_looks_like_strength_loses() {
    let mut world = World::even(&[100.0, 100.0, 100.0], 150.0);
    world.knows_rps = false;
    world.seconds(60);
    world.servers[0].claims = Some(1.0);
    world.seconds(60);
    assert!(world.acts(Rule::Relief, 0));
    assert!(world.factor(0) < 0.8, "{}", world.factor(0));
}

#[test]
fn where_clients_are_all_that_is_known_they_count() {
    let mut world = World::even(&[100.0, 200.0], 150.0);
    world.knows_rps = false;
    world.seconds(120);
    assert!(
        (world.share(0) - 1.0 / 3.0).abs() < 0.03,
        "{}",
        world.share(0)
    );
}

#[test]
fn least_loaded_prefers_the_light_without_knowing_requests() {
    let servers = [100.0, 200.0, 400.0].map(server).to_vec();
    let mut world = World::new(Algorithm::LeastLoaded, servers, 350.0);
    world.knows_rps = false;
    world.seconds(300);
    let loads: Vec<f64> = (0..3).filter_map(|p| world.why(p).utilization).collect();
    let spread =
        loads.iter().fold(0.0_f64, |a, &b| a.max(b)) - loads.iter().fold(1.0_f64, |a, &b| a.min(b));
    assert!(world.weights.is_sorted(), "{:?}", world.weights);
    assert!(spread < 0.4, "{loads:?}; equal weights have 0.71");
}

#[test]
fn without_tags_in_the_fleet_capability_is_even() {
    let servers = [100.0, 200.0, 400.0].map(server).to_vec();
    let mut tagless = World::new(Algorithm::Capability, servers, 350.0);
    let mut even = World::even(&[100.0, 200.0, 400.0], 350.0);
    tagless.seconds(90);
    even.seconds(90);
    for place in 0..3 {
        assert!(near(tagless.share(place), even.share(place)));
    }
}

fn two_of_four_preferred(load: f64) -> World {
    let mut servers = vec![server(100.0); 4];
    servers[0].is_tagged = true;
    servers[1].is_tagged = true;
    World::new(Algorithm::Capability, servers, load)
}

#[test]
fn the_preferred_take_all_while_they_can() {
    let mut world = two_of_four_preferred(120.0);
    world.seconds(90);
    assert!(world.share(2) < 0.01 && world.weights[2] > 0);
    assert!(world.acts(Rule::Preferred, 0) && world.acts(Rule::Standby, 2));
}

#[test]
fn what_the_preferred_cannot_take_overflows() {
    let mut world = two_of_four_preferred(240.0);
    world.seconds(120);
    assert!(
        (world.why(0).utilization.unwrap_or(0.0) - 0.8).abs() < 0.05,
        "{:?}",
        world.why(0)
    );
    assert!(
        (world.why(2).utilization.unwrap_or(0.0) - 0.4).abs() < 0.05,
        "{:?}",
        world.why(2)
    );
    assert!(world.acts(Rule::Overflow, 2));
}

#[test]
fn when_all_are_full_the_preferred_have_no_more_than_the_others() {
    let mut world = two_of_four_preferred(1000.0);
    world.seconds(120);
    assert!(
        (0..4).all(|place| (world.share(place) - 0.25).abs() < 0.03),
        "{:?}",
        world.weights
    );
}

#[test]
fn when_the_preferred_are_gone_the_others_take_over_at_once() {
    let mut world = two_of_four_preferred(120.0);
    world.seconds(90);
    world.servers[0].is_enabled = false;
    world.servers[1].is_enabled = false;
    world.step();
    assert_eq!(world.weights[..2], [0, 0]);
    assert!((world.share(2) - 0.5).abs() < 0.01, "{:?}", world.weights);
}

#[test]
fn a_configured_weight_of_zero_gets_nothing_and_a_changed_one_acts_at_once() {
    let mut world = World::even(&[100.0; 3], 150.0);
    world.seconds(30);
    world.servers[0].base = 0;
    world.servers[1].base = 300;
    world.step();
    assert_eq!(world.weights[0], 0);
    assert!(near(world.share(1), 0.75), "{:?}", world.weights);
}

#[test]
fn without_an_eligible_backend_all_weights_are_zero() {
    let mut world = World::even(&[100.0; 2], 100.0);
    world.servers[0].is_enabled = false;
    world.servers[1].base = 0;
    world.step();
    assert_eq!(world.weights, [0, 0]);
    let mut empty = Master::new(Settings::new(Algorithm::Even, SchedulerKind::Maglev));
    assert!(empty.step(0.0, &[]).is_empty());
}

#[test]
fn between_two_moves_and_when_the_clock_goes_back_weights_stay() {
    let mut world = World::even(&[100.0, 400.0], 250.0);
    world.seconds(10);
    let before = world.weights.clone();
    for now in [world.now, world.now + 0.5, 0.0, f64::NAN, world.now - 100.0] {
        world.now = now;
        world.step();
        assert_eq!(world.weights, before, "{now}");
    }
}

#[test]
fn the_hashed_schedulers_have_the_smaller_budget() {
    let budget = |scheduler| Settings::new(Algorithm::Even, scheduler).churn_budget;
    assert!(budget(SchedulerKind::Maglev) < budget(SchedulerKind::WeightedRoundRobin));
    assert!(budget(SchedulerKind::SourceHash) < budget(SchedulerKind::LeastConnections));
}
