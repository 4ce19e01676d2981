//! One simulated run: servers, agents, traffic and a master, second by second.
//!
//! WO 00/30294: the loop from the agents over resource manager 52 and master 54 back to new flows.
//! Easy to get wrong: the oracle must see the same arrivals and the same service times as the master, or
//! chance is compared with chance.

use lb_core::id::BackendSlot;
use lb_core::master::{Algorithm, BackendInput, Explanation, Master, Settings};
use lb_core::scheduler::SchedulerKind;

use super::agents::{Agent, Knows, Lie, Way};
use super::random::Random;
use super::server::{Server, TICKS};
use super::traffic::{Arrival, Shape, Traffic};

/// Something that happens to the system.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Load becomes this part of the capacity that the fleet began with.
    Load(f64),
    /// A server is gone, and its agent.
    Death(usize),
    /// It is there again.
    Return(usize),
    /// A server's strength is multiplied.
    Strength(usize, f64),
    /// An agent begins to lie.
    Lie(usize, Lie),
    /// An agent dies; its server lives.
    Silence(usize),
}

/// Who makes the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hand {
    /// The master, by the story's algorithm.
    Master,
    /// Somebody who knows the servers' strengths.
    Oracle,
    /// Nobody: all the same.
    Equal,
}

/// A system and its story.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) seconds: usize,
    /// Strengths of the servers.
    pub(crate) strengths: Vec<f64>,
    /// Requests per second of a server of strength 1 at full utilisation.
    pub(crate) unit: f64,
    /// Servers that have the service's tag, from the first.
    pub(crate) tagged: usize,
    pub(crate) shape: Shape,
    pub(crate) load: f64,
    pub(crate) way: Way,
    pub(crate) knows: Knows,
    pub(crate) scheduler: SchedulerKind,
    pub(crate) algorithm: Algorithm,
    /// By second, in order.
    pub(crate) events: Vec<(usize, Event)>,
    /// Second from which the run is judged: the last event's, or 0.
    pub(crate) judged_from: usize,
    /// Servers that are judged: all but those whose agents lie or are silent.
    pub(crate) judged: fn(usize) -> bool,
}

/// What was seen, second by second.
pub(crate) struct Seen {
    /// Weights of every second.
    pub(crate) weights: Vec<Vec<u32>>,
    /// Utilisation that the flows of a second ask of each server: work over strength. None: gone.
    pub(crate) asked: Vec<Vec<Option<f64>>>,
    /// Response times of the last minute, sorted, in seconds.
    pub(crate) responses: Vec<f64>,
    /// The servers, with their records.
    pub(crate) servers: Vec<Server>,
    /// Why the last weights were made.
    pub(crate) explanations: Vec<Explanation>,
    /// Reports that came too late and were refused, all agents.
    pub(crate) refused: u32,
}

struct World {
    servers: Vec<Server>,
    agents: Vec<Agent>,
    is_alive: Vec<bool>,
    tags: Vec<Vec<String>>,
    /// Running sums of the weights.
    sums: Vec<u64>,
}

impl World {
    fn pick(sums: &[u64], chance: &mut Random) -> usize {
        let whole = *sums.last().unwrap();
        let ticket = (chance.part() * whole as f64) as u64;
        sums.partition_point(|&sum| sum <= ticket)
    }

    fn weights(&self, hand: Hand, master: &mut Master, now: f64) -> Vec<u32> {
        let alive = |weight: f64, place: usize| {
            if self.is_alive[place] {
                (weight * 100.0).round() as u32
            } else {
                0
            }
        };
        let places = 0..self.servers.len();
        match hand {
            Hand::Oracle => places.map(|p| alive(self.servers[p].capacity, p)).collect(),
            Hand::Equal => places.map(|p| alive(1.0, p)).collect(),
            Hand::Master => {
                let inputs: Vec<_> = places
                    .map(|place| BackendInput {
                        slot: BackendSlot(place as u32),
                        base_weight: 100,
                        tags: &self.tags[place],
                        report: self.agents[place].smoothed.as_ref(),
                        age_seconds: self.agents[place].age(now),
                        is_enabled: self.is_alive[place],
                    })
                    .collect();
                master.step(now, &inputs)
            }
        }
    }
}

/// Plays a story under a hand.
pub(crate) fn play(story: &Story, hand: Hand) -> Seen {
    let seed = story.seed;
    let mut ways = Random::new(seed, 1);
    let whole: f64 = story.strengths.iter().sum::<f64>() * story.unit;
    let number = |place: usize| 100 + place as u64;
    let mut world = World {
        servers: (0..)
            .zip(&story.strengths)
            .map(|(place, strength)| {
                let chance = Random::new(seed, number(place));
                Server::new(strength * story.unit, story.seconds, chance)
            })
            .collect(),
        agents: story
            .strengths
            .iter()
            .map(|_| Agent::new(&mut ways, story.knows))
            .collect(),
        is_alive: vec![true; story.strengths.len()],
        tags: (0..story.strengths.len())
            .map(|place| {
                (place < story.tagged)
                    .then(|| "fast".to_owned())
                    .into_iter()
                    .collect()
            })
            .collect(),
        sums: (1..=story.strengths.len() as u64).collect(),
    };
    let mut master = Master::new(Settings {
        tags: vec!["fast".to_owned()],
        ..Settings::new(story.algorithm, story.scheduler)
    });
    let mut seen = Seen {
        weights: Vec::new(),
        asked: Vec::new(),
        responses: Vec::new(),
        servers: Vec::new(),
        explanations: Vec::new(),
        refused: 0,
    };
    let mut lots = Random::new(seed, 2);
    let sums = world.sums.clone();
    let mut traffic = Traffic::new(
        story.shape,
        story.load * whole,
        Random::new(seed, 3),
        |chance| World::pick(&sums, chance),
    );
    let mut events = story.events.iter().peekable();
    let mut next = (0.0, Arrival::Nothing);

    for tick in 0..story.seconds * TICKS {
        let now = tick as f64 / TICKS as f64;
        if tick % TICKS == 0 {
            while let Some((_, event)) = events.next_if(|(at, _)| at * TICKS <= tick) {
                happen(*event, &mut world, &mut traffic, whole);
            }
            let weights = world.weights(hand, &mut master, now);
            let mut sum = 0;
            world.sums = weights
                .iter()
                .map(|&weight| {
                    sum += u64::from(weight);
                    sum
                })
                .collect();
            seen.asked.push(asked(&world, &weights, traffic.rate));
            seen.weights.push(weights);
        }
        let end = (tick + 1) as f64 / TICKS as f64;
        while next.0 < end {
            let server = match next.1 {
                Arrival::New => Some(World::pick(&world.sums, &mut lots)),
                Arrival::On(server) => Some(server),
                Arrival::Nothing => None,
            };
            if let Some(server) = server {
                let response = world.servers[server].serve(next.0);
                if tick + 60 * TICKS >= story.seconds * TICKS {
                    seen.responses.push(response);
                }
            }
            next = traffic.next(next.0, |chance| World::pick(&world.sums, chance));
        }
        let pairs = world.agents.iter_mut().zip(&mut world.servers);
        for (place, (agent, server)) in pairs.enumerate() {
            let connections = traffic.connections(place);
            agent.turn(tick + 1, server, connections, story.way, &mut ways);
        }
    }
    seen.responses.sort_by(f64::total_cmp);
    seen.explanations = master.explanations().to_vec();
    seen.refused = world.agents.iter().map(|agent| agent.refused).sum();
    seen.servers = world.servers;
    seen
}

fn happen(event: Event, world: &mut World, traffic: &mut Traffic, whole: f64) {
    match event {
        Event::Load(load) => traffic.rate = load * whole,
        Event::Death(server) => {
            world.is_alive[server] = false;
            world.agents[server].is_silent = true;
            let sums = world.sums.clone();
            traffic.leave(server, |chance| {
                loop {
                    let other = World::pick(&sums, chance);
                    if other != server {
                        break other;
                    }
                }
            });
        }
        Event::Return(server) => {
            world.is_alive[server] = true;
            world.agents[server].is_silent = false;
        }
        Event::Strength(server, by) => world.servers[server].capacity *= by,
        Event::Lie(server, lie) => world.agents[server].lie = Some(lie),
        Event::Silence(server) => world.agents[server].is_silent = true,
    }
}

/// Utilisation that the weights ask of every server that lives.
fn asked(world: &World, weights: &[u32], rate: f64) -> Vec<Option<f64>> {
    let whole: u32 = weights.iter().sum();
    let ask = |place: usize| {
        let share = f64::from(weights[place]) / f64::from(whole);
        world.is_alive[place].then(|| share * rate / world.servers[place].capacity)
    };
    (0..weights.len()).map(ask).collect()
}
