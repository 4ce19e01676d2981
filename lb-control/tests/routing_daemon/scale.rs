//! Many changes, lost messages, and a table of a hundred thousand routes.

use std::fmt::Write as _;
use std::time::Instant;

use lb_control::routing_daemon::Doubt;

use crate::kernel::until_equal;
use crate::net::{DEVICES, Net, batch, ip, many_routes};
use crate::rig::Rig;

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn gateway(random: &mut Random, is_v6: bool) -> String {
    let (device, host) = (1 + random.below(3), 2 + random.below(5));
    if is_v6 {
        format!("via 2001:db8:{device}::{host}")
    } else {
        format!("via 10.{device}.0.{host}")
    }
}

fn prefix(random: &mut Random, is_v6: bool) -> String {
    let number = random.below(60);
    match (is_v6, number) {
        (false, 0) => "0.0.0.0/0".to_owned(),
        (true, 0) => "::/0".to_owned(),
        (false, _) => format!("10.{}.0.0/{}", 100 + number, random.one(&["16", "17"])),
        (true, _) => format!(
            "2001:db8:{:x}::/{}",
            0x100 + number,
            random.one(&["48", "49"])
        ),
    }
}

/// One random change, or a few lines that belong together.
fn change(random: &mut Random, lines: &mut String) {
    let is_v6 = random.below(2) == 1;
    let number = 1 + random.below(3);
    let (device, _) = DEVICES[number - 1];
    match random.below(200) {
        0 => {
            writeln!(lines, "link set {device} down\nlink set {device} up").unwrap();
            writeln!(
                lines,
                "addr replace 2001:db8:{number}::1/64 dev {device} nodad"
            )
            .unwrap();
        }
        1 => writeln!(
            lines,
            "addr del 10.{number}.0.1/24 dev {device}\naddr add 10.{number}.0.1/24 dev {device}"
        )
        .unwrap(),
        2..6 => {
            let verb = random.one(&["add", "del"]);
            writeln!(lines, "addr {verb} 10.{number}.7.1/24 dev {device}").unwrap();
        }
        6..12 => {
            // In a batch, `ip neigh del` of what is not there would be the last line.
            let host = 2 + random.below(9);
            let verb = random.one(&["replace", "flush to"]);
            let mac = if verb == "replace" {
                "lladdr 02:00:00:00:00:01"
            } else {
                ""
            };
            writeln!(
                lines,
                "neigh {verb} 10.{number}.0.{host} dev {device} {mac} nud permanent"
            )
            .unwrap();
        }
        _ => {
            let verb = random.one(&[
                "add", "replace", "replace", "append", "prepend", "change", "del",
            ]);
            let prefix = prefix(random, is_v6);
            let metric = random.one(&["", "metric 20", "metric 300"]);
            // Next hops of several programs may join in an IPv6 route, of which the kernel tells one name only.
            let protocol = if is_v6 {
                ""
            } else {
                random.one(&["", "proto bird", "proto 76"])
            };
            let to = match random.below(8) {
                0 => format!("dev {device}"),
                1 => {
                    let (one, other) = (gateway(random, is_v6), gateway(random, is_v6));
                    format!("nexthop {one} weight 2 nexthop {other} weight 5")
                }
                2 if verb == "del" => String::new(),
                _ => gateway(random, is_v6),
            };
            let kind = if random.below(12) == 0 {
                "blackhole"
            } else {
                ""
            };
            let to = if kind.is_empty() { to } else { String::new() };
            writeln!(
                lines,
                "route {verb} {kind} {prefix} {metric} {protocol} {to}"
            )
            .unwrap();
        }
    }
}

fn changes(seed: u64, count: usize) -> String {
    let mut random = Random(seed);
    let mut lines = String::new();
    for _ in 0..count {
        change(&mut random, &mut lines);
    }
    lines
}

#[test]
fn ten_thousand_random_changes_end_with_both_sides_equal() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    for seed in 1..=10 {
        let failed = batch(&changes(seed, 1000));
        until_equal(&rig);
        println!(
            "1000 changes, {failed} of them refused: equal with {:?}",
            rig.figures()
        );
    }
}

#[test]
fn messages_that_were_lost_are_made_up_for() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::with(4096, 0);
    for seed in 1..=5 {
        batch(&changes(seed, 2000));
        until_equal(&rig);
    }
    assert!(rig.resyncs(Doubt::Overrun) > 0, "{:?}", rig.figures());
}

#[test]
fn a_hundred_thousand_routes_are_read_and_a_storm_over_them_is_gathered() {
    let Some(_net) = Net::enter() else { return };
    assert_eq!(batch(&many_routes(100_000)), 0);
    let began = Instant::now();
    let rig = Rig::start();
    rig.until("all of them", |network| network.routes.len() >= 100_000);
    println!(
        "100,000 routes are in force {:?} after the start",
        began.elapsed()
    );
    println!(
        "read in {:?}, published in {:?}",
        rig.figures().resync_time,
        rig.figures().last_publish_time
    );
    let before = rig.publications();
    let mut storm = String::new();
    for number in 0..5000 {
        let (b, c, host) = (number % 200, number % 7, 2 + number % 90);
        writeln!(
            storm,
            "route replace 100.{b}.{c}.0/24 via 10.2.0.{host} proto bird metric 32"
        )
        .unwrap();
    }
    let began = Instant::now();
    assert_eq!(batch(&storm), 0);
    until_equal(&rig);
    let count = rig.publications() - before;
    println!(
        "5,000 changes in {:?}: {count} publications",
        began.elapsed()
    );
    assert!(count < 500, "{count}");
    let began = Instant::now();
    ip("route add 10.99.0.0/16 via 10.1.0.9");
    rig.until("one more", |network| {
        network
            .routes
            .iter()
            .any(|one| one.prefix.to_string() == "10.99.0.0/16")
    });
    println!("one more: {:?}", began.elapsed());
}
