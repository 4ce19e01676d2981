//! Which pseudo-network driver carries the exception path, and why.
//!
//! WO 00/30294, Fig. 8: box 57. `--exception` names one, or leaves the choice to us: virtio-user where the kernel has
//! vhost-net, since it moves whole bursts without a system call per frame; a TAP where it has not.
//! Pure: what this machine has is handed in.
//! Easy to get wrong: what was asked for by name must not silently become something else.

use std::fmt;

/// How packets for the control processor get there: the value of `--exception`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// virtio-user where the kernel has vhost-net, else a TAP, else not at all
    #[default]
    Auto,
    /// DPDK's virtio-user over the kernel's vhost-net
    VirtioUser,
    /// A TAP device of the kernel's
    Tap,
    /// Not at all
    None,
}

/// What carries the exception path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// virtio-user and vhost-net.
    VirtioUser,
    /// A TAP.
    Tap,
}

impl Driver {
    /// Its word in options and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtioUser => "virtio-user",
            Self::Tap => "tap",
        }
    }
}

/// What this machine has; where it has not, why.
#[derive(Clone, Debug)]
pub struct Here {
    /// Whether `/dev/vhost-net` can be used.
    pub vhost_net: Result<(), String>,
    /// Whether `/dev/net/tun` can be used.
    pub tun: Result<(), String>,
}

/// What became of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The driver, if there is an exception path.
    pub driver: Option<Driver>,
    /// Why this one, for people; empty where there is nothing to say.
    pub why: String,
}

/// A driver that was asked for by name is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--exception {}: {cause}", .driver.name())]
pub struct NotHere {
    /// Which driver.
    pub driver: Driver,
    /// What is missing.
    pub cause: String,
}

impl Way {
    /// Decides.
    ///
    /// # Errors
    /// See [`NotHere`].
    pub fn choose(self, here: &Here) -> Result<Choice, NotHere> {
        let named = |driver, has: &Result<(), String>| match has {
            Ok(()) => Ok(Choice {
                driver: Some(driver),
                why: "as --exception says".to_owned(),
            }),
            Err(cause) => Err(NotHere {
                driver,
                cause: cause.clone(),
            }),
        };
        match (self, &here.vhost_net, &here.tun) {
            (Self::VirtioUser, has, _) => named(Driver::VirtioUser, has),
            (Self::Tap, _, has) => named(Driver::Tap, has),
            (Self::None, ..) => Ok(Choice {
                driver: None,
                why: "as --exception says".to_owned(),
            }),
            (Self::Auto, Ok(()), _) => Ok(Choice {
                driver: Some(Driver::VirtioUser),
                why: "since this kernel has vhost-net".to_owned(),
            }),
            (Self::Auto, Err(vhost), Ok(())) => Ok(Choice {
                driver: Some(Driver::Tap),
                why: format!("since virtio-user needs vhost-net, and {vhost}"),
            }),
            (Self::Auto, Err(vhost), Err(tun)) => Ok(Choice {
                driver: None,
                why: format!("{vhost}, and {tun}"),
            }),
        }
    }
}

impl Choice {
    /// The same without a driver, for this reason.
    #[must_use]
    pub fn given_up(why: impl fmt::Display) -> Self {
        Self {
            driver: None,
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.driver {
            Some(driver) => write!(f, "exception path: {}, {}", driver.name(), self.why),
            None => write!(
                f,
                "no exception path ({}): packets to the box's own addresses are dropped, except ARP, ND and echo",
                self.why
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(vhost_net: bool, tun: bool) -> Here {
        let has = |has: bool, file: &str| has.then_some(()).ok_or(format!("there is no {file}"));
        Here {
            vhost_net: has(vhost_net, "/dev/vhost-net"),
            tun: has(tun, "/dev/net/tun"),
        }
    }

    fn driver(way: Way, vhost_net: bool, tun: bool) -> Option<Option<Driver>> {
        let choice = way.choose(&here(vhost_net, tun)).ok()?;
        Some(choice.driver)
    }

    #[test]
    fn auto_takes_virtio_user_where_the_kernel_has_vhost_net_and_a_tap_where_not() {
        let auto = |vhost, tun| driver(Way::Auto, vhost, tun).unwrap();
        assert_eq!(auto(true, true), Some(Driver::VirtioUser));
        assert_eq!(auto(true, false), Some(Driver::VirtioUser));
        assert_eq!(auto(false, true), Some(Driver::Tap));
        assert_eq!(auto(false, false), None);
    }

    #[test]
    fn a_driver_that_is_named_is_taken_or_refused() {
        assert_eq!(driver(Way::Tap, true, true), Some(Some(Driver::Tap)));
        assert_eq!(driver(Way::Tap, true, false), None);
        assert_eq!(driver(Way::VirtioUser, false, true), None);
        assert_eq!(driver(Way::None, true, true), Some(None));
        let refused = Way::VirtioUser.choose(&here(false, true)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "--exception virtio-user: there is no /dev/vhost-net"
        );
    }

    #[test]
    fn the_line_at_the_start_says_what_and_why() {
        let line = |vhost, tun| Way::Auto.choose(&here(vhost, tun)).unwrap().to_string();
        assert_eq!(
            line(false, true),
            "exception path: tap, since virtio-user needs vhost-net, and there is no /dev/vhost-net"
        );
        assert!(
            line(false, false).starts_with("no exception path (there is no /dev/vhost-net, and")
        );
    }
}
