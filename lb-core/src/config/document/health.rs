//! How a service's backends are checked, as it is written.
//!
//! No counterpart in the patent. One object for every kind of check, and for what one backend has otherwise: which keys
//! belong to which kind and where is for the checks to say, so that the answer names the key and not the object around it.
//! Easy to get wrong: a key that is left out may get its default from another key, so most are optional here.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::decimal::Decimal;
use super::super::object::{object, present, word};
use super::super::whole::Whole;

/// Seconds between two checks.
type Interval = Decimal<100, 3_600_000>;
/// Seconds that a check may take.
type Timeout = Decimal<10, 3_600_000>;

/// How a service's backends are checked, or what differs for one of them: there the default of a key is what the service's `health` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// What is asked of a backend. Required in a service, and there only.
    #[serde(
        default,
        rename = "type",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present_word"
    )]
    #[schemars(with = "CheckKind")]
    pub kind: Option<CheckKind>,
    /// Address that is asked, in a backend only: IPv4 or IPv6, loopback too. Default: the backend's.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub address: Option<String>,
    /// Time from the start of one check to that of the next: seconds, a number from 0.1 to 3600. Default: 2.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Interval")]
    pub interval: Option<Interval>,
    /// Time that a check may take: seconds, a number from 0.01 to the interval. Default: 1, or half the interval where that is shorter.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Timeout")]
    pub timeout: Option<Timeout>,
    /// Checks in a row that a backend which is down has to pass to be up: a whole number from 1 to 100. Default: 2.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<1, 100>")]
    pub rise: Option<Whole<1, 100>>,
    /// Checks in a row that a backend which is up has to fail to be down: a whole number from 1 to 100. Default: 3.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<1, 100>")]
    pub fall: Option<Whole<1, 100>>,
    /// Part of the interval by which a check may come sooner, at random, so that checks spread: a number from 0 to 0.5. Default: 0.1.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Decimal<0, 500>")]
    pub jitter: Option<Decimal<0, 500>>,
    /// Port that is asked, of all types but icmp: a whole number from 1 to 65535. Default: the backend's port.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Whole<1, 65535>")]
    pub port: Option<Whole<1, 65535>>,
    /// Path and query that are asked for, of http and https: text that begins with `/`. Default: `/`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub path: Option<String>,
    /// Host that the request names, of http and https: text. Default: the address and port that are asked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub host: Option<String>,
    /// Statuses that pass, of http and https: numbers from 100 to 599, or classes from `1xx` to `5xx`. Default: `2xx` and `3xx`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Vec<Status>")]
    pub status: Option<Vec<Status>>,
    /// Text that must be in the first 64 KiB of the answer's body, of http and https. Default: anything passes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub body: Option<String>,
    /// Name that is asked for in the TLS handshake, of https. Default: `host`, where that is a name; else none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub sni: Option<String>,
    /// Whether the certificate must be one that this system trusts, and for `sni`, of https: true or false. Default: false.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "bool")]
    pub verify: Option<bool>,
    /// Datagram that is sent, of udp: text, or `hex:` and hexadecimal digits. Default: an empty one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub send: Option<String>,
    /// What must be in the datagram that answers, of udp: text, or `hex:` and hexadecimal digits. Default: any answer passes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub expect: Option<String>,
    /// Domain name that is asked for, of dns, which needs it; `.` is the root. Default: none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// Type of record that is asked for, of dns. Default: a.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present_word"
    )]
    #[schemars(with = "Record")]
    pub record: Option<Record>,
    /// Code of an answer that passes, of dns; with noerror there must be a record too. Default: noerror.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present_word"
    )]
    #[schemars(with = "Rcode")]
    pub rcode: Option<Rcode>,
}

impl HealthCheck {
    /// These keys, and those of `base` where one is not given.
    pub(in super::super) fn over(&self, base: &Self) -> Self {
        let (own, base) = (self.clone(), base.clone());
        Self {
            kind: own.kind.or(base.kind),
            address: own.address.or(base.address),
            interval: own.interval.or(base.interval),
            timeout: own.timeout.or(base.timeout),
            rise: own.rise.or(base.rise),
            fall: own.fall.or(base.fall),
            jitter: own.jitter.or(base.jitter),
            port: own.port.or(base.port),
            path: own.path.or(base.path),
            host: own.host.or(base.host),
            status: own.status.or(base.status),
            body: own.body.or(base.body),
            sni: own.sni.or(base.sni),
            verify: own.verify.or(base.verify),
            send: own.send.or(base.send),
            expect: own.expect.or(base.expect),
            name: own.name.or(base.name),
            record: own.record.or(base.record),
            rcode: own.rcode.or(base.rcode),
        }
    }
}

/// For a service's check, which needs a type.
pub(super) fn present_typed<'de, D>(deserializer: D) -> Result<Option<HealthCheck>, D::Error>
where
    D: Deserializer<'de>,
{
    let check: HealthCheck = object(deserializer)?;
    match check.kind {
        Some(_) => Ok(Some(check)),
        None => Err(D::Error::missing_field("type")),
    }
}

/// How one backend is checked: not at all, or with other values than the service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendHealth {
    /// `"off"`: it counts as up.
    Off,
    /// An object.
    Own(Box<HealthCheck>),
}

impl Serialize for BackendHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Own(own) => own.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BackendHealth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BackendHealthVisitor)
    }
}

struct BackendHealthVisitor;

impl<'de> Visitor<'de> for BackendHealthVisitor {
    type Value = BackendHealth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`off` or an object")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        match value {
            "off" => Ok(BackendHealth::Off),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let own = HealthCheck::deserialize(MapAccessDeserializer::new(map))?;
        Ok(BackendHealth::Own(Box::new(own)))
    }
}

impl JsonSchema for BackendHealth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BackendHealth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<HealthCheck>();
        json_schema!({ "oneOf": [{ "type": "string", "const": "off" }, own] })
    }
}

/// A status of HTTP, or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// One status; out of range it is still read, for the checks to say so.
    One(Whole<100, 599>),
    /// First digit of a class, 1 to 5.
    Class(u8),
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(status) => status.serialize(serializer),
            Self::Class(digit) => serializer.serialize_str(&format!("{digit}xx")),
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status from 100 to 599, or a class from `1xx` to `5xx`")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // A number beyond 32 bits is as much out of range as the largest.
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        Ok(Status::One(Whole::new(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        match value.as_bytes() {
            [digit @ b'1'..=b'5', b'x', b'x'] => Ok(Status::Class(digit - b'0')),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }
}

impl JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5]xx$" }
        ] })
    }
}

/// What is asked of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// A TCP connection.
    Tcp,
    /// An answer over HTTP.
    Http,
    /// An answer over HTTP in TLS.
    Https,
    /// An echo over ICMP.
    Icmp,
    /// An answer over UDP.
    Udp,
    /// An answer of a name server, over UDP.
    Dns,
}

impl CheckKind {
    /// The word in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
            Self::Icmp => "icmp",
            Self::Udp => "udp",
            Self::Dns => "dns",
        }
    }
}

/// Type of a DNS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Canonical name.
    Cname,
    /// Mail exchange.
    Mx,
    /// Name server.
    Ns,
    /// Pointer.
    Ptr,
    /// Start of a zone.
    Soa,
    /// Service.
    Srv,
    /// Text.
    Txt,
}

/// Code of a DNS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rcode {
    /// There are records.
    Noerror,
    /// There is no such name.
    Nxdomain,
    /// The server does not answer for that name.
    Refused,
    /// Any code: the server speaks.
    Any,
}

/// What becomes of the flows of a backend that is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDown {
    /// They go on, and end by themselves.
    #[default]
    Drain,
    /// The client's next TCP packet is answered with a reset; a UDP flow moves.
    Reset,
    /// The client's next packet goes to another backend.
    Move,
}

/// What becomes of a packet that would open a flow, while no backend takes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AllDown {
    /// It is dropped, and the VIP is not advertised.
    #[default]
    Withdraw,
    /// TCP is answered with a reset, limited in rate; UDP is dropped.
    Reset,
    /// It is dropped.
    Drop,
}

/// For a key that may be absent, and is one of several words where it is present.
fn present_word<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    word(deserializer).map(Some)
}
