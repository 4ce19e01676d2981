//! What is announced to routers.
//!
//! No counterpart in the patent.
//! Easy to get wrong: what keeps the whole box from being heard is said once, above the table.

use std::net::IpAddr;

use lb_control::view::{Advertise, AdvertiseState, AdvertisedVip};

use super::Room;
use super::format::{moment, or_dash};
use super::table::Column::{Extra, Text};
use super::table::Table;

/// VIPs, all or one, with why they are not announced.
pub(crate) fn advertise(told: &Advertise, only: Option<IpAddr>, room: Room) -> String {
    let mut text = match (&told.obstacle, told.state) {
        (Some(why), _) => format!("no VIP is announced: {why}\n"),
        (None, AdvertiseState::Off) => "this box is switched off\n".to_owned(),
        (None, AdvertiseState::On) => format!(
            "VIPs are announced in the kernel's table {}, protocol {}\n",
            told.table, told.protocol
        ),
    };
    if let Some(why) = &told.not_kept {
        text += &format!("warning: a restart of the program forgets what is switched off: {why}\n");
    }
    let is_wanted = |vip: &&AdvertisedVip| match only {
        Some(only) => vip.address.parse() == Ok(only),
        None => true,
    };
    let vips: Vec<&AdvertisedVip> = told.vips.iter().filter(is_wanted).collect();
    if vips.is_empty() {
        return text + "no service has a VIP to announce\n";
    }
    let mut table = Table::new(&[
        Text("VIP"),
        Text("ANNOUNCED"),
        Text("SINCE"),
        Extra("DEVICE"),
        Extra("SERVICES"),
        Text("WHY NOT"),
    ]);
    for vip in vips {
        table.row([
            vip.address.clone(),
            if vip.is_advertised { "yes" } else { "no" }.to_owned(),
            moment(vip.since),
            or_dash(vip.device.clone(), |device| device),
            vip.services.join(" "),
            or_dash(vip.why_not.clone(), |why| why),
        ]);
    }
    text += &table.render(room);
    for address in &told.off_elsewhere {
        text += &format!("{address} is switched off; no service has it\n");
    }
    text
}
