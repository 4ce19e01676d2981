//! VIPs and what keeps each of them from being announced: pure.
//!
//! No counterpart in the patent, whose routers know the way.
//! Not here: how it is announced (`table`), how the data path's health is judged (`wellness`).
//! Easy to get wrong: several services may have one VIP. It is announced while any of them has a usable backend, since
//! a router knows addresses and no ports; clients of the others are answered by their services' rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_core::config::AllDown;
use serde::{Deserialize, Serialize};

use crate::control::Look;

/// A VIP of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vip {
    /// Names of its services.
    pub(super) services: Vec<String>,
    /// Whether one of them has somebody to send a new flow to, or wants to answer for itself when it has nobody.
    pub(super) is_usable: bool,
}

/// The VIPs of what is in force.
pub(super) fn of(look: &Look<'_>) -> BTreeMap<IpAddr, Vip> {
    let mut vips: BTreeMap<IpAddr, Vip> = BTreeMap::new();
    for service in look.distribution.services() {
        let vip = vips.entry(service.address).or_default();
        vip.services.push(service.name.clone());
        // A backend that is disabled, drains, is down or cannot be reached has no weight in force.
        let mut weights = service
            .backends
            .iter()
            .map(|&b| look.distribution.weight(b));
        let stays = service.all_down != AllDown::Withdraw;
        vip.is_usable = vip.is_usable || stays || weights.any(|weight| weight > 0);
    }
    vips
}

/// What the operator has switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Switches {
    /// All of the box.
    #[serde(default)]
    pub(super) is_off: bool,
    /// Single VIPs.
    #[serde(default)]
    pub(super) vips_off: BTreeSet<IpAddr>,
}

/// What concerns all VIPs alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// Whether there are kernel devices for the routes.
    pub(super) has_path: bool,
    /// A worker lcore that stands still.
    pub(super) silent: Option<u32>,
    /// Whether the program ends.
    pub(super) is_ending: bool,
}

/// Why a VIP is not announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    NoPath,
    Ending,
    Silent(u32),
    BoxOff,
    VipOff,
    NoBackend,
    /// The kernel has no route for it: what it said.
    Kernel(String),
}

impl Obstacle {
    /// For operators.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::NoPath => {
                "there is no exception path, and so no kernel device for its route".into()
            }
            Self::Ending => "the program ends".into(),
            Self::Silent(lcore) => format!("the data path is unwell: lcore {lcore} stands still"),
            Self::BoxOff => "this box is switched off: lbctl advertise on".into(),
            Self::VipOff => "it is switched off".into(),
            Self::NoBackend => "none of its services has a usable backend".into(),
            Self::Kernel(said) => format!("the kernel takes no route for it: {said}"),
        }
    }
}

/// What keeps all VIPs from being announced.
pub(super) fn obstacle_of_all(around: &Circumstances, switches: &Switches) -> Option<Obstacle> {
    match around {
        Circumstances {
            has_path: false, ..
        } => Some(Obstacle::NoPath),
        Circumstances {
            is_ending: true, ..
        } => Some(Obstacle::Ending),
        Circumstances {
            silent: Some(lcore),
            ..
        } => Some(Obstacle::Silent(*lcore)),
        _ if switches.is_off => Some(Obstacle::BoxOff),
        _ => None,
    }
}

/// What keeps one VIP from being announced.
pub(super) fn obstacle(
    address: IpAddr,
    vip: &Vip,
    around: &Circumstances,
    switches: &Switches,
) -> Option<Obstacle> {
    let of_its_own = || match vip {
        _ if switches.vips_off.contains(&address) => Some(Obstacle::VipOff),
        Vip {
            is_usable: false, ..
        } => Some(Obstacle::NoBackend),
        Vip { .. } => None,
    };
    obstacle_of_all(around, switches).or_else(of_its_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));

    fn well() -> Circumstances {
        Circumstances {
            has_path: true,
            ..Circumstances::default()
        }
    }

    fn usable() -> Vip {
        Vip {
            services: vec!["web".to_owned()],
            is_usable: true,
        }
    }

    fn off(vips: &[IpAddr]) -> Switches {
        Switches {
            is_off: false,
            vips_off: vips.iter().copied().collect(),
        }
    }

    #[test]
    fn a_vip_with_a_usable_backend_is_announced_and_one_without_is_not() {
        let none = Switches::default();
        assert_eq!(obstacle(ADDRESS, &usable(), &well(), &none), None);
        let empty = Vip::default();
        let why = obstacle(ADDRESS, &empty, &well(), &none);
        assert_eq!(why, Some(Obstacle::NoBackend));
    }

    #[test]
    fn a_vip_that_is_switched_off_stays_off_whatever_its_backends() {
        let why = obstacle(ADDRESS, &usable(), &well(), &off(&[ADDRESS]));
        assert_eq!(why, Some(Obstacle::VipOff));
        let other = off(&["192.0.2.11".parse().unwrap()]);
        assert_eq!(obstacle(ADDRESS, &usable(), &well(), &other), None);
    }

    #[test]
    fn what_concerns_the_box_is_said_before_what_concerns_the_vip() {
        let cases = [
            (
                Circumstances {
                    has_path: false,
                    ..well()
                },
                Obstacle::NoPath,
            ),
            (
                Circumstances {
                    silent: Some(2),
                    ..well()
                },
                Obstacle::Silent(2),
            ),
            (
                Circumstances {
                    is_ending: true,
                    silent: Some(2),
                    ..well()
                },
                Obstacle::Ending,
            ),
        ];
        let switches = Switches {
            is_off: true,
            ..off(&[ADDRESS])
        };
        for (around, expected) in cases {
            let why = obstacle(ADDRESS, &usable(), &around, &switches);
            assert_eq!(why, Some(expected));
        }
        let why = obstacle(ADDRESS, &usable(), &well(), &switches);
        assert_eq!(why, Some(Obstacle::BoxOff));
    }
}
