//! Checks interfaces: their ports, names and addresses.
//!
//! No counterpart in the patent. The networks of the addresses are where next hops must be.
//! Not here: how an address is reached (`network`), and the kernel's device for the interface.
//! Easy to get wrong: an address that is refused leaves its network unknown, so what lies behind it
//! must not be refused as well.

use std::collections::HashMap;

use super::address::special;
use super::document;
use super::locate::KeyPath;
use super::model::Interface;
use super::network::Network;
use super::ports::PortsPresent;
use super::prefix::Cidr;
use super::refusal::{Refusals, printable};
use crate::id::PortId;

/// Checks all interfaces and adds them to the network.
pub(super) fn check(
    interfaces: &[document::Interface],
    ports: &PortsPresent,
    network: &mut Network,
    refusals: &mut Refusals,
) {
    let at = KeyPath::default().key("interfaces");
    let mut names = HashMap::new();
    let mut used_ports = HashMap::new();
    for (position, interface) in interfaces.iter().enumerate() {
        let at = at.index(position);
        let name = interface_name(&interface.name, position, &mut names);
        let name = refusals.keep(at.key("name"), name);
        let port = refusals
            .number(at.key("port"), interface.port)
            .map(|port| interface_port(PortId(port), position, ports, &mut used_ports))
            .and_then(|port| refusals.keep(at.key("port"), port));
        match name.zip(port) {
            Some((name, port)) => {
                let addresses = interface_addresses(interface, &at, &name, port, network, refusals);
                network.interfaces.push(Interface {
                    port,
                    name,
                    addresses,
                });
            }
            None => network.interfaces_known = false,
        }
    }
}

fn interface_name(
    name: &str,
    position: usize,
    names: &mut HashMap<String, usize>,
) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    // The kernel takes 15 characters, of which `lb-` are three.
    let valid =
        (1..=12).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-');
    if !valid {
        return Err(format!(
            "`{}` is no interface name; expected 1 to 12 of the characters a-z, 0-9 and `-`, the first no `-`",
            printable(name)
        ));
    }
    match names.insert(name.to_owned(), position) {
        Some(first) => Err(format!(
            "the name `{name}` is taken by interfaces[{first}]; expected one of its own"
        )),
        None => Ok(name.to_owned()),
    }
}

fn interface_port(
    port: PortId,
    position: usize,
    ports: &PortsPresent,
    used: &mut HashMap<PortId, usize>,
) -> Result<PortId, String> {
    if !ports.contains(port) {
        return Err(format!(
            "there is no port {port}; expected one of these: {ports}"
        ));
    }
    match used.insert(port, position) {
        Some(first) => Err(format!(
            "port {port} is taken by interfaces[{first}]; expected a port of its own"
        )),
        None => Ok(port),
    }
}

/// Checks an interface's addresses and notes each that is right.
fn interface_addresses(
    interface: &document::Interface,
    at: &KeyPath,
    name: &str,
    port: PortId,
    network: &mut Network,
    refusals: &mut Refusals,
) -> Vec<Cidr> {
    let at = at.key("addresses");
    let mut addresses = Vec::with_capacity(interface.addresses.len());
    for (position, text) in interface.addresses.iter().enumerate() {
        let cidr = interface_address(text)
            .and_then(|cidr| network.add_address(cidr, name, port).map(|()| cidr));
        let cidr = refusals.keep(at.index(position), cidr);
        network.interfaces_known &= cidr.is_some();
        addresses.extend(cidr);
    }
    addresses
}

/// Reads an interface's address with its prefix length.
fn interface_address(text: &str) -> Result<Cidr, String> {
    let cidr = Cidr::parse(text)
        .map_err(|error| format!("`{}` is no interface address: {error}", printable(text)))?;
    let address = cidr.address();
    if let Some(kind) = special(address) {
        return Err(format!(
            "{address} is {kind}; expected the unicast address of a host"
        ));
    }
    if cidr.length() == 0 {
        return Err(format!(
            "{cidr} has no network; expected a prefix length of at least 1"
        ));
    }
    if cidr.network().is_network_or_broadcast(address) {
        return Err(format!(
            "{cidr} is the network or broadcast address of {}; expected the address of a host on it",
            cidr.network()
        ));
    }
    Ok(cidr)
}
