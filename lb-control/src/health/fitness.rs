//! What health means for a service: who gets new flows, and whose flows leave.
//!
//! No counterpart in the patent. Pure: what is known of the backends in, [`Fitness`] out.
//! A backup serves only while nobody else does. Where fewer than the service's `panic` are up, a check may be wrong
//! rather than most servers, and all get flows as though they were up.
//! Easy to get wrong: nobody is sent away from a backend where there is nowhere to go.

use lb_core::config::{Backend, BackendState, FULL, Fitness, OnDown, Service};

/// What is known of a backend that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Believed {
    /// It is up, or taken for it.
    Up {
        /// Thousandths of its share, from 1; below [`FULL`] while it starts slowly.
        permille: u16,
    },
    /// It has joined others, and has not been checked yet.
    Waiting,
    /// It is down.
    Down,
}

/// How a service stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Backends that may have flows and are up, backups among them.
    pub up: usize,
    /// Backends that may have flows.
    pub of: usize,
    /// So few are up that all get flows.
    pub is_panicking: bool,
    /// Only backups are left, and serve.
    pub is_on_backup: bool,
}

/// How fit every backend of a service is, in its order. `known` is `None` for a backend that nothing is known of yet:
/// it counts as up, unless something is known of others in its service, whom it has joined.
pub fn judge(
    service: &Service,
    known: impl Fn(&Backend) -> Option<Believed>,
) -> (Vec<Fitness>, Outlook) {
    const UP: Believed = Believed::Up { permille: FULL };
    let known: Vec<Option<Believed>> = service
        .backends
        .iter()
        .map(|backend| backend.health.as_ref().and_then(|_| known(backend)))
        .collect();
    let joins = known.iter().any(Option::is_some);
    let members: Vec<Member<'_>> = service
        .backends
        .iter()
        .zip(known)
        .map(|(backend, known)| {
            let unknown = match &backend.health {
                Some(_) if joins => Believed::Waiting,
                _ => UP,
            };
            Member {
                backend,
                believed: known.unwrap_or(unknown),
            }
        })
        .collect();
    decide(service, &members)
}

/// A backend and what is believed of it.
struct Member<'a> {
    backend: &'a Backend,
    believed: Believed,
}

impl Member<'_> {
    fn may_take(&self) -> bool {
        self.backend.wanted_weight() > 0
    }

    fn is_up(&self) -> bool {
        matches!(self.believed, Believed::Up { .. })
    }

    fn takes(&self) -> bool {
        self.may_take() && self.is_up()
    }
}

fn decide(service: &Service, members: &[Member<'_>]) -> (Vec<Fitness>, Outlook) {
    let count = |of: &dyn Fn(&Member<'_>) -> bool| members.iter().filter(|m| of(m)).count();
    let regulars = count(&|m| m.may_take() && !m.backend.is_backup);
    let regulars_up = count(&|m| m.takes() && !m.backend.is_backup);
    let backups_up = count(&|m| m.takes() && m.backend.is_backup);
    // Backups stand in where a regular backend cannot, be it down or taken out; who has backups only, uses them.
    let pool_is_backup = regulars_up == 0 && (backups_up > 0 || regulars == 0);
    let in_pool = |m: &Member<'_>| m.may_take() && m.backend.is_backup == pool_is_backup;
    let of = count(&in_pool);
    let up = if pool_is_backup {
        backups_up
    } else {
        regulars_up
    };
    let is_panicking = of > 0 && up * usize::from(FULL) < service.panic_permille as usize * of;
    let is_left = is_panicking || up > 0;
    let fitness = members.iter().map(|member| {
        let is_in_pool = in_pool(member);
        match member.believed {
            _ if is_panicking && is_in_pool => Fitness::FIT,
            Believed::Up { permille } if is_in_pool => Fitness {
                permille: permille.clamp(1, FULL),
                leaves: None,
            },
            // What it has no weight for it does not get anyway, and a full share says least.
            Believed::Up { .. } if !member.may_take() => Fitness::FIT,
            Believed::Up { .. } | Believed::Waiting => Fitness::RESTING,
            Believed::Down => Fitness {
                permille: 0,
                leaves: Some(match service.on_down {
                    OnDown::Move if !is_left => OnDown::Drain,
                    on_down => on_down,
                }),
            },
        }
    });
    let present = |m: &Member<'_>| m.backend.state != BackendState::Disabled;
    let outlook = Outlook {
        up: count(&|m| m.takes()),
        of: count(&|m| m.may_take() && present(m)),
        is_panicking,
        is_on_backup: pool_is_backup && backups_up > 0 && count(&|m| !m.backend.is_backup) > 0,
    };
    (fitness.collect(), outlook)
}

/// Thousandths of its share that a backend has, `seconds` after it came up, where it has the whole of it after
/// `slow_start_seconds`: in steps of a second, never nothing.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range before"
)]
pub fn ramp(seconds: f64, slow_start_seconds: u32) -> u16 {
    let whole = f64::from(slow_start_seconds);
    if slow_start_seconds == 0 || seconds >= whole {
        return FULL;
    }
    let steps = seconds.max(0.0).floor() + 1.0;
    (steps / (whole + 1.0) * f64::from(FULL)).clamp(1.0, f64::from(FULL)) as u16
}

#[cfg(test)]
mod tests {
    use lb_core::config::{Config, PortsPresent, parse};
    use lb_core::id::PortId;
    use proptest::prelude::*;

    use super::*;

    const UP: Believed = Believed::Up { permille: FULL };

    /// A service; each word is a backend's keys.
    fn service(keys: &str, backends: &[&str]) -> Service {
        let backends: Vec<String> = backends
            .iter()
            .zip(1..)
            .map(|(keys, number)| {
                format!(r#"{{ "name": "b{number}", "address": "10.0.0.{number}"{keys} }}"#)
            })
            .collect();
        let text = format!(
            r#"{{ "interfaces": [ {{ "port": 0, "name": "a", "addresses": ["10.0.0.100/24"] }} ], "services": [ {{
                "name": "web", "address": "192.0.2.1", "port": 80, "protocol": "tcp", "forwarding": "nat",
                "health": {{ "type": "tcp" }}, {keys} "backends": [ {} ] }} ] }}"#,
            backends.join(", ")
        );
        let ports: PortsPresent = [PortId(0)].into_iter().collect();
        let mut config: Config = parse(&text, &ports).unwrap();
        config.services.remove(0)
    }

    fn judged(
        keys: &str,
        backends: &[&str],
        known: &[Option<Believed>],
    ) -> (Vec<Fitness>, Outlook) {
        let service = service(keys, backends);
        judge(&service, |backend| {
            let at = service.backends.iter().position(|b| b.name == backend.name);
            known[at.unwrap()]
        })
    }

    fn leaving(on_down: OnDown) -> Fitness {
        Fitness {
            permille: 0,
            leaves: Some(on_down),
        }
    }

    const DOWN: Option<Believed> = Some(Believed::Down);
    const KEEPS: Option<Believed> = Some(UP);

    #[test]
    fn until_anything_is_known_all_count_as_up() {
        let (fitness, outlook) = judged("", &["", ""], &[None, None]);
        assert_eq!(fitness, [Fitness::FIT; 2]);
        assert_eq!((outlook.up, outlook.of), (2, 2));
    }

    #[test]
    fn who_joins_others_waits_for_its_first_check() {
        let (fitness, _) = judged("", &["", ""], &[KEEPS, None]);
        assert_eq!(fitness, [Fitness::FIT, Fitness::RESTING]);
        let off = r#", "health": "off""#;
        let (fitness, _) = judged("", &["", off], &[KEEPS, None]);
        assert_eq!(fitness, [Fitness::FIT; 2]);
    }

    #[test]
    fn a_backend_that_is_down_gets_nothing_and_its_flows_do_as_the_service_says() {
        for (word, on_down) in [
            ("drain", OnDown::Drain),
            ("reset", OnDown::Reset),
            ("move", OnDown::Move),
        ] {
            let keys = format!(r#""on_down": "{word}","#);
            let (fitness, outlook) = judged(&keys, &["", ""], &[DOWN, KEEPS]);
            assert_eq!(fitness, [leaving(on_down), Fitness::FIT]);
            assert_eq!((outlook.up, outlook.of), (1, 2));
        }
    }

    #[test]
    fn nobody_moves_where_there_is_nowhere_to_go() {
        let keys = r#""on_down": "move","#;
        let (fitness, _) = judged(keys, &["", ""], &[DOWN, DOWN]);
        assert_eq!(fitness, [leaving(OnDown::Drain); 2]);
        let keys = r#""on_down": "reset","#;
        let (fitness, _) = judged(keys, &["", ""], &[DOWN, DOWN]);
        assert_eq!(fitness, [leaving(OnDown::Reset); 2]);
    }

    #[test]
    fn a_backup_serves_only_while_nobody_else_does() {
        let backends = ["", r#", "backup": true"#];
        let (fitness, outlook) = judged("", &backends, &[KEEPS, KEEPS]);
        assert_eq!(fitness, [Fitness::FIT, Fitness::RESTING]);
        assert!(!outlook.is_on_backup);
        let (fitness, outlook) = judged("", &backends, &[DOWN, KEEPS]);
        assert_eq!(fitness, [leaving(OnDown::Drain), Fitness::FIT]);
        assert!(outlook.is_on_backup);
    }

    #[test]
    fn a_backup_stands_in_for_who_drains_or_weighs_nothing_too() {
        let keys = [
            r#", "state": "draining""#,
            r#", "weight": 0"#,
            r#", "backup": true"#,
        ];
        let (fitness, outlook) = judged("", &keys, &[KEEPS; 3]);
        assert_eq!(fitness, [Fitness::FIT; 3]);
        assert!(outlook.is_on_backup);
    }

    #[test]
    fn who_has_backups_only_uses_them() {
        let backup = r#", "backup": true"#;
        let (fitness, outlook) = judged("", &[backup, backup], &[KEEPS, DOWN]);
        assert_eq!(fitness, [Fitness::FIT, leaving(OnDown::Drain)]);
        assert!(!outlook.is_on_backup);
    }

    #[test]
    fn when_too_few_are_up_all_get_flows_and_nobody_leaves() {
        let keys = r#""panic": 0.5, "on_down": "reset","#;
        let (fitness, outlook) = judged(keys, &[""; 4], &[KEEPS, DOWN, DOWN, DOWN]);
        assert_eq!(fitness, [Fitness::FIT; 4]);
        assert!(outlook.is_panicking);
        let (fitness, outlook) = judged(keys, &[""; 4], &[KEEPS, KEEPS, DOWN, DOWN]);
        assert_eq!(fitness[2..], [leaving(OnDown::Reset); 2]);
        assert!(!outlook.is_panicking);
    }

    #[test]
    fn a_backup_that_is_up_is_better_than_panic() {
        let keys = r#""panic": 0.5,"#;
        let backends = ["", "", r#", "backup": true"#];
        let (fitness, outlook) = judged(keys, &backends, &[DOWN, DOWN, KEEPS]);
        assert_eq!(fitness[2], Fitness::FIT);
        assert!(outlook.is_on_backup && !outlook.is_panicking);
        let (fitness, outlook) = judged(keys, &backends, &[DOWN, DOWN, DOWN]);
        assert_eq!(fitness[..2], [Fitness::FIT; 2]);
        assert_eq!(fitness[2], leaving(OnDown::Drain));
        assert!(outlook.is_panicking);
    }

    #[test]
    fn a_slow_start_goes_up_by_equal_steps_and_never_begins_with_nothing() {
        assert_eq!(ramp(0.0, 0), FULL);
        let steps: Vec<u16> = [0.0, 0.9, 1.0, 2.5, 3.0].map(|at| ramp(at, 3)).into();
        assert_eq!(steps, [250, 250, 500, 750, FULL]);
        assert_eq!(ramp(-1.0, 3600), 1);
    }

    proptest! {
        #[test]
        fn somebody_takes_flows_wherever_somebody_can(
            states in prop::collection::vec((0..4_u8, any::<bool>(), 0..3_u32), 1..8),
            panic in 0..=10_u32,
        ) {
            let backends: Vec<String> = states
                .iter()
                .map(|(_, is_backup, weight)| format!(r#", "backup": {is_backup}, "weight": {weight}"#))
                .collect();
            let backends: Vec<&str> = backends.iter().map(String::as_str).collect();
            let known: Vec<_> = states
                .iter()
                .map(|(state, ..)| match state {
                    0 => None,
                    1 => KEEPS,
                    2 => DOWN,
                    _ => Some(Believed::Up { permille: 17 }),
                })
                .collect();
            let keys = format!(r#""on_down": "move", "panic": {},"#, f64::from(panic) / 10.0);
            let (fitness, outlook) = judged(&keys, &backends, &known);
            let takes = |n: usize| fitness[n].scale(states[n].2) > 0;
            let taking = (0..states.len()).filter(|&n| takes(n)).count();
            prop_assert!(outlook.up == 0 || taking > 0);
            for n in 0..states.len() {
                if takes(n) {
                    prop_assert_eq!(fitness[n].leaves, None);
                    prop_assert!(outlook.is_panicking || known[n] != DOWN);
                }
                // Moving means that there is somewhere to go.
                prop_assert!(fitness[n].leaves != Some(OnDown::Move) || taking > 0);
            }
            let regular_takes = (0..states.len()).any(|n| takes(n) && !states[n].1);
            let backup_takes = (0..states.len()).any(|n| takes(n) && states[n].1);
            prop_assert!(!(regular_takes && backup_takes));
        }
    }
}
