//! One kernel device and what it was told to look like.
//!
//! WO 00/30294, Fig. 8: pseudo-network driver 57 with its parameters. Tells the kernel differences only.
//! Easy to get wrong: what the operator changes on the device (`ip addr add`, `ip link set down`) is his; only what
//! came from the configuration is taken away again.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use lb_core::config::KernelNetwork;

use super::Interface;
use super::device::Device;
use super::netlink::Netlink;
use super::upkeep::Work;

/// A device, and the conversation about it.
pub(super) struct Kernel {
    name: String,
    device: Box<dyn Device>,
    netlink: Netlink,
    told: Option<Interface>,
    /// What could not be put right, and was said.
    said: BTreeSet<String>,
}

impl Kernel {
    pub(super) fn new(name: String, device: Box<dyn Device>) -> io::Result<Self> {
        Ok(Self {
            netlink: Netlink::open(&name)?,
            name,
            device,
            told: None,
            said: BTreeSet::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn device(&self) -> &dyn Device {
        self.device.as_ref()
    }

    pub(super) fn device_mut(&mut self) -> &mut dyn Device {
        self.device.as_mut()
    }

    /// Makes the device look like this; what the kernel refused, as sentences. It is not asked for the same again.
    pub(super) fn arrange(&mut self, interface: &Interface) -> Vec<String> {
        if self.told.as_ref() == Some(interface) {
            return Vec::new();
        }
        let told = self.told.replace(interface.clone());
        let netlink = &mut self.netlink;
        let mut failures = Vec::new();
        let name = &self.name;
        let mut note = |what: String, done: io::Result<()>| {
            if let Err(cause) = done {
                failures.push(format!("kernel device {name}: {what}: {cause}"));
            }
        };
        let told = told.as_ref();
        if told.is_none_or(|told| told.mac != interface.mac) {
            let done = netlink.set_mac(interface.mac);
            note(format!("MAC address {}", interface.mac), done);
        }
        if told.is_none_or(|told| told.mtu != interface.mtu) {
            let done = netlink.set_mtu(interface.mtu);
            note(format!("MTU {}", interface.mtu), done);
        }
        if told.is_none() {
            note("up".to_owned(), netlink.set_up());
        }
        if told.is_none_or(|told| told.is_up != interface.is_up) {
            let done = netlink.set_carrier(interface.is_up);
            note("carrier".to_owned(), done);
        }
        let before = told.map_or(&[][..], |told| &told.addresses);
        for &address in before.iter().filter(|a| !interface.addresses.contains(a)) {
            let done = netlink.remove_address(address);
            note(format!("removing {address}"), done);
        }
        let new: Vec<_> = interface
            .addresses
            .iter()
            .filter(|address| !before.contains(address))
            .collect();
        if new.iter().any(|address| address.address().is_ipv6()) {
            allow_ipv6(name);
        }
        for &&address in &new {
            let done = netlink.add_address(address);
            note(format!("address {address}"), done);
        }
        failures
    }
}

impl Kernel {
    /// Puts right what the document says of the device and the kernel has otherwise, as far as it is known; what is new
    /// of it, as sentences.
    pub(super) fn keep_up(
        &mut self,
        interface: &Interface,
        network: &KernelNetwork,
    ) -> Vec<String> {
        let work = Work::of(interface, network);
        let (netlink, name) = (&mut self.netlink, &self.name);
        let mut failures = BTreeSet::new();
        let mut note = |what: String, done: io::Result<()>, is_fine: i32| match done {
            Err(cause) if cause.raw_os_error() != Some(is_fine) => {
                failures.insert(format!("kernel device {name}: {what}: {cause}"));
            }
            _ => {}
        };
        for address in work.addresses {
            let done = netlink.add_address(address);
            note(format!("address {address}"), done, libc::EEXIST);
        }
        for (prefix, via) in work.stale {
            let done = netlink.remove_route(prefix, via);
            note(
                format!("removing route {prefix} via {via}"),
                done,
                libc::ESRCH,
            );
        }
        for (prefix, via) in work.missing {
            // Somebody's own route of that metric stays.
            let done = netlink.add_route(prefix, via);
            note(format!("route {prefix} via {via}"), done, libc::EEXIST);
        }
        if let Some(mtu) = work.too_long {
            let most = interface.mtu;
            let done = match netlink.set_mtu(most) {
                Ok(()) => "is set back".to_owned(),
                Err(cause) => format!("cannot be set back: {cause}"),
            };
            failures.insert(format!(
                "kernel device {name}: MTU {mtu} is more than its port's {most}; it {done}"
            ));
        }
        let new = failures.difference(&self.said).cloned().collect();
        self.said = failures;
        new
    }
}

/// Where the namespace switches IPv6 off for new devices, this one has it all the same: it was asked for. A
/// kernel without IPv6 says so when the address is set.
fn allow_ipv6(name: &str) {
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "0");
}
