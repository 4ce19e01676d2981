//! Checks how a service's backends are to be checked.
//!
//! No counterpart in the patent. The service's `health` and what a backend has otherwise come together here to one
//! [`HealthCheck`] per backend, with nothing left open.
//! Not here: checking itself (`health` of the control side).
//! Easy to get wrong: a backend is asked through the kernel and not through our ports, so the address that is asked
//! need not lie where a route of the document leads, and may be loopback.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::special;
use super::document::{self, CheckKind, Status};
use super::fitness::{HealthCheck, HttpProbe, Probe, Rcode, Record, TlsProbe};
use super::locate::KeyPath;
use super::refusal::{Refusals, printable};

/// Octets of a datagram, and characters of a text that is looked for.
const LONGEST: usize = 512;
/// Characters of a path.
const LONGEST_PATH: usize = 1024;
/// Between two checks, where the document does not say: milliseconds.
const INTERVAL: u32 = 2000;
/// That a check may take at most, where the document does not say: milliseconds.
const TIMEOUT: u32 = 1000;

/// Keys of the kinds of check that do not have all of them, and the kinds.
const OF_KINDS: [(&str, &[CheckKind]); 11] = [
    ("path", &[CheckKind::Http, CheckKind::Https]),
    ("host", &[CheckKind::Http, CheckKind::Https]),
    ("status", &[CheckKind::Http, CheckKind::Https]),
    ("body", &[CheckKind::Http, CheckKind::Https]),
    ("sni", &[CheckKind::Https]),
    ("verify", &[CheckKind::Https]),
    ("send", &[CheckKind::Udp]),
    ("expect", &[CheckKind::Udp]),
    ("name", &[CheckKind::Dns]),
    ("record", &[CheckKind::Dns]),
    ("rcode", &[CheckKind::Dns]),
];

/// A service's `health`, checked for itself.
pub(super) struct Checking<'d> {
    kind: CheckKind,
    document: &'d document::HealthCheck,
}

impl<'d> Checking<'d> {
    /// Checks the service's object; a key that is refused here is not refused for every backend again.
    pub(super) fn of(
        document: &'d document::HealthCheck,
        at: &KeyPath,
        refusals: &mut Refusals,
    ) -> Option<Self> {
        let before = refusals.count();
        let checking = Self {
            kind: document.kind?,
            document,
        };
        checking.keys_belong(document, at, refusals);
        if document.address.is_some() {
            let at = at.key("address");
            refusals.add(at, "this key belongs to a backend; expected it there only");
        }
        // As for a backend like any other.
        let anybody = SocketAddr::from(([192, 0, 2, 1], 1));
        let own = document::HealthCheck::default();
        checking.merge(&own, anybody, at, refusals);
        if checking.kind == CheckKind::Dns && document.name.is_none() {
            // `name` is not there and so has no line; this key asks for it.
            refusals.add(at.key("type"), "`dns` needs a `name` to ask for");
        }
        (refusals.count() == before).then_some(checking)
    }

    fn keys_belong(&self, keys: &document::HealthCheck, at: &KeyPath, refusals: &mut Refusals) {
        let is_present = [
            keys.path.is_some(),
            keys.host.is_some(),
            keys.status.is_some(),
            keys.body.is_some(),
            keys.sni.is_some(),
            keys.verify.is_some(),
            keys.send.is_some(),
            keys.expect.is_some(),
            keys.name.is_some(),
            keys.record.is_some(),
            keys.rcode.is_some(),
        ];
        for ((key, kinds), is_present) in OF_KINDS.iter().zip(is_present) {
            if is_present && !kinds.contains(&self.kind) {
                refusals.add(at.key(key), belongs(kinds));
            }
        }
        if keys.port.is_some() && self.kind == CheckKind::Icmp {
            refusals.add(at.key("port"), "`icmp` has no ports; expected no port");
        }
    }

    /// Checks what a backend has otherwise.
    pub(super) fn of_backend(
        &self,
        own: &document::HealthCheck,
        backend: SocketAddr,
        at: &KeyPath,
        refusals: &mut Refusals,
    ) -> Option<HealthCheck> {
        let before = refusals.count();
        if own.kind.is_some() {
            let at = at.key("type");
            refusals.add(at, "all backends of a service are checked in one way; expected this key in the service's `health` only");
        }
        self.keys_belong(own, at, refusals);
        let check = self.merge(own, backend, at, refusals);
        check.filter(|_| refusals.count() == before)
    }

    /// The check of a backend that has nothing otherwise.
    pub(super) fn plain(&self, backend: SocketAddr) -> Option<HealthCheck> {
        let (at, own) = (KeyPath::default(), document::HealthCheck::default());
        self.merge(&own, backend, &at, &mut Refusals::default())
    }

    /// One check of the service's keys and a backend's.
    fn merge(
        &self,
        own: &document::HealthCheck,
        backend: SocketAddr,
        at: &KeyPath,
        refusals: &mut Refusals,
    ) -> Option<HealthCheck> {
        let all = own.over(self.document);
        let address = match &all.address {
            Some(text) => refusals.keep(at.key("address"), asked_address(text)),
            None => Some(backend.ip()),
        };
        let port = match all.port {
            Some(port) => refusals.number(at.key("port"), port),
            None => Some(backend.port()),
        };
        let interval = match all.interval {
            Some(interval) => refusals.decimal(at.key("interval"), interval),
            None => Some(INTERVAL),
        };
        let timeout = match all.timeout {
            Some(timeout) => refusals.decimal(at.key("timeout"), timeout),
            None => interval.map(|interval| (interval / 2).min(TIMEOUT)),
        };
        if let (Some(interval), Some(timeout)) = (interval, timeout)
            && timeout > interval
        {
            let (interval, timeout) = (seconds(interval), seconds(timeout));
            let key = if own.timeout.is_some() || own.interval.is_none() {
                "timeout"
            } else {
                "interval"
            };
            refusals.add(at.key(key), format!("a check of {timeout} s does not fit into an interval of {interval} s; expected a `timeout` that is not longer than the `interval`"));
        }
        let rise = match all.rise {
            Some(rise) => refusals.number(at.key("rise"), rise),
            None => Some(2),
        };
        let fall = match all.fall {
            Some(fall) => refusals.number(at.key("fall"), fall),
            None => Some(3),
        };
        let jitter = match all.jitter {
            Some(jitter) => refusals.decimal(at.key("jitter"), jitter),
            None => Some(100),
        };
        let asked = SocketAddr::new(address?, port?);
        let probe = self.probe(&all, asked, at, refusals);
        Some(HealthCheck {
            address: asked.ip(),
            port: asked.port(),
            probe: Arc::new(probe?),
            interval_millis: interval?,
            timeout_millis: timeout?,
            rise: rise?,
            fall: fall?,
            jitter_permille: jitter?,
        })
    }

    fn probe(
        &self,
        all: &document::HealthCheck,
        asked: SocketAddr,
        at: &KeyPath,
        refusals: &mut Refusals,
    ) -> Option<Probe> {
        match self.kind {
            CheckKind::Tcp => Some(Probe::Tcp),
            CheckKind::Icmp => Some(Probe::Icmp),
            CheckKind::Http => http(all, false, asked, at, refusals),
            CheckKind::Https => http(all, true, asked, at, refusals),
            CheckKind::Udp => {
                let mut octets = |key: &str, text: &Option<String>| match text {
                    Some(text) => refusals.keep(at.key(key), octets(text)),
                    None => Some(Vec::new()),
                };
                let (send, expect) = (octets("send", &all.send), octets("expect", &all.expect));
                Some(Probe::Udp {
                    send: send?,
                    expect: expect?,
                })
            }
            CheckKind::Dns => {
                let name = all.name.as_deref().unwrap_or(".");
                Some(Probe::Dns {
                    name: refusals.keep(at.key("name"), labels(name))?,
                    record: all.record.unwrap_or(Record::A),
                    rcode: all.rcode.unwrap_or(Rcode::Noerror),
                })
            }
        }
    }
}

fn http(
    all: &document::HealthCheck,
    is_tls: bool,
    asked: SocketAddr,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<Probe> {
    let path = all.path.as_ref();
    let path = path.map_or(Ok("/".to_owned()), |text| path_and_query(text));
    let path = refusals.keep(at.key("path"), path);
    let named = all.host.as_ref();
    let host = named.map_or(Ok(asked.to_string()), |text| host(text));
    let host = refusals.keep(at.key("host"), host);
    let sni = match &all.sni {
        Some(text) => refusals.keep(at.key("sni"), server_name(text)).map(Some),
        None => Some(None),
    };
    let statuses = statuses(all.status.as_deref(), at, refusals);
    let body = all.body.clone().map_or(Ok(None), |text| match text.len() {
        1..=LONGEST => Ok(Some(text)),
        _ => Err(format!("expected a text of 1 to {LONGEST} octets")),
    });
    let body = refusals.keep(at.key("body"), body);
    let (host, sni) = (host?, sni?);
    let tls = is_tls.then(|| TlsProbe {
        name: sni.unwrap_or_else(|| name_of_host(named, asked)),
        verify: all.verify.unwrap_or(false),
    });
    Some(Probe::Http(HttpProbe {
        path: path?,
        host,
        statuses: statuses?,
        body: body?,
        tls,
    }))
}

fn belongs(kinds: &[CheckKind]) -> String {
    let names: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`", kind.name()))
        .collect();
    format!(
        "this key belongs to the type {}; expected it there only",
        names.join(" or ")
    )
}

fn seconds(millis: u32) -> f64 {
    f64::from(millis) / 1000.0
}

fn asked_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!(
            "`{}` is no address; expected one of IPv4 or IPv6, without a length",
            printable(text)
        )
    })?;
    match special(address).filter(|_| !address.is_loopback()) {
        Some(kind) => Err(format!(
            "{address} is {kind}; expected the unicast address of a host"
        )),
        None => Ok(address),
    }
}

fn path_and_query(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/')
        && text.len() <= LONGEST_PATH
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'#');
    if is_path {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is no path; expected `/` and up to {LONGEST_PATH} characters as they stand in a URL",
        printable(text)
    ))
}

fn host(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_host = (1..=253 + 6).contains(&text.len()) && text.chars().all(allowed);
    if is_host {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is no host; expected a name or address, with a port or without",
        printable(text)
    ))
}

fn server_name(text: &str) -> Result<String, String> {
    match labels(text) {
        Ok(labels) if !labels.is_empty() => Ok(labels.join(".")),
        _ => Err(format!(
            "`{}` is no name; expected a domain name",
            printable(text)
        )),
    }
}

/// What a certificate should be for, where the document names no `sni`.
fn name_of_host(host: Option<&String>, asked: SocketAddr) -> String {
    let without_port = host.map(|host| {
        host.rsplit_once(':')
            .map_or(host.as_str(), |(name, _)| name)
    });
    match without_port.map(server_name) {
        Some(Ok(name)) if name.parse::<IpAddr>().is_err() => name,
        _ => asked.ip().to_string(),
    }
}

fn statuses(
    list: Option<&[Status]>,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<Vec<(u16, u16)>> {
    let Some(list) = list else {
        return Some(vec![(200, 399)]);
    };
    let at = at.key("status");
    if list.is_empty() {
        refusals.add(at, "no status would pass; expected at least one");
        return None;
    }
    let mut ranges = Vec::with_capacity(list.len());
    for (position, status) in list.iter().enumerate() {
        match status {
            Status::Class(digit) => {
                let first = u16::from(*digit) * 100;
                ranges.push((first, first + 99));
            }
            Status::One(number) => {
                let number = refusals.number(at.index(position), *number);
                ranges.extend(number.map(|number: u16| (number, number)));
            }
        }
    }
    (ranges.len() == list.len()).then_some(ranges)
}

/// Text, or `hex:` and hexadecimal digits.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let octets = match text.strip_prefix("hex:") {
        Some(digits) => hexadecimal(digits).ok_or_else(|| {
            format!(
                "`{}` is not hexadecimal; expected an even number of digits behind `hex:`",
                printable(text)
            )
        })?,
        None => text.as_bytes().to_vec(),
    };
    if octets.len() > LONGEST {
        return Err(format!(
            "{} octets are too many; expected at most {LONGEST}",
            octets.len()
        ));
    }
    Ok(octets)
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

/// The labels of a domain name; none for the root.
fn labels(text: &str) -> Result<Vec<String>, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() && text == "." {
        return Ok(Vec::new());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(allowed);
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(name.split('.').map(str::to_owned).collect());
    }
    Err(format!(
        "`{}` is no domain name; expected labels of 1 to 63 letters, digits, `-` and `_` with dots between them",
        printable(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_text_or_hexadecimal() {
        assert_eq!(octets("ping"), Ok(b"ping".to_vec()));
        assert_eq!(octets("hex:00fF"), Ok(vec![0, 255]));
        assert_eq!(octets("hex:"), Ok(Vec::new()));
        assert!(octets("hex:0").is_err() && octets("hex:0g").is_err());
        assert!(octets(&"x".repeat(513)).is_err());
    }

    #[test]
    fn a_domain_name_has_labels_and_the_root_has_none() {
        assert_eq!(labels(".").unwrap(), Vec::<String>::new());
        assert_eq!(labels("a.Example.").unwrap(), ["a", "Example"]);
        for wrong in ["", "a..b", ".a", "ä.example", &"x".repeat(64)] {
            assert!(labels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_certificate_is_for_the_host_where_that_is_a_name() {
        let asked = SocketAddr::from(([10, 0, 0, 1], 443));
        let name = |host: Option<&str>| name_of_host(host.map(str::to_owned).as_ref(), asked);
        assert_eq!(name(None), "10.0.0.1");
        assert_eq!(name(Some("web.example")), "web.example");
        assert_eq!(name(Some("web.example:8443")), "web.example");
        assert_eq!(name(Some("10.9.9.9:8443")), "10.0.0.1");
        assert_eq!(name(Some("[2001:db8::1]:8443")), "10.0.0.1");
    }
}
