//! Connections, found by what is asked for, a page at a time.
//!
//! WO 00/30294: connection table 66, for people. The table is looked at cell by cell in bounded steps, without any
//! lock, while the lcores go on.
//! Easy to get wrong: this side has no lane in the table's epochs, for one that hung would keep all lcores from
//! reusing cells. So a cell may get another connection while it is read: it is read twice, and believed if both
//! readings are alike.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{Ordering, fence};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lb_core::config::{Prefix, address_bits};
use lb_core::conn::{Conn, ConnId, ConnTable, Direction};
use lb_core::filter::life::State as ConnectionState;
use lb_core::flow::{DirectionKey, FlowKey};
use lb_core::id::{BackendSlot, ServiceSlot};
use schemars::JsonSchema;
use serde::Deserialize;

use super::body::{Asked, limit};
use super::operation::Operation;
use super::refused::Refused;
use super::{App, Shared, aside};
use crate::control::Look;
use crate::view;

/// Connections on one page, unless more are asked for.
const PAGE_USUAL: u16 = 100;
/// Connections on one page at most.
const PAGE_MAX: u16 = 1000;
/// Cells looked at between two looks at how many were found.
const STEP: u32 = 1024;
/// Cells looked at for one page: a few milliseconds.
const CELLS_MAX: u32 = 256 * STEP;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/connections",
            "list_connections",
            "Connections, a page at a time",
            list,
        )
        .asks::<ConnectionsAsked>()
        .answers::<view::Connections>()
        .refuses(&[404]),
    ]
}

/// Which connections are wanted. Filters add up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectionsAsked {
    /// Name of their service. Default: any.
    #[serde(default)]
    service: Option<String>,
    /// Name of their backend, in whatever service. Default: any.
    #[serde(default)]
    backend: Option<String>,
    /// Client's address, or the prefix that it is in, as in `198.51.100.7` or `2001:db8::/32`. Default: any.
    #[serde(default)]
    client: Option<String>,
    /// Protocol. Default: any.
    #[serde(default)]
    protocol: Option<WantedProtocol>,
    /// State. Default: any.
    #[serde(default)]
    state: Option<WantedState>,
    /// Connections at most, 1 to 1000. Default: 100.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u16>,
    /// `next` of the page before. Default: the first page.
    #[serde(default)]
    #[schemars(regex(pattern = "^[46]:[0-9]{1,9}$"))]
    after: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WantedProtocol {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WantedState {
    Opening,
    Answered,
    Established,
    ClientClosed,
    BackendClosed,
    Closing,
    ResetByClient,
    ResetByBackend,
    Datagram,
}

impl WantedState {
    const fn of(state: ConnectionState) -> Self {
        match state {
            ConnectionState::Opening => Self::Opening,
            ConnectionState::Answered => Self::Answered,
            ConnectionState::Established => Self::Established,
            ConnectionState::ClientClosed => Self::ClientClosed,
            ConnectionState::BackendClosed => Self::BackendClosed,
            ConnectionState::Closing => Self::Closing,
            ConnectionState::ResetByClient => Self::ResetByClient,
            ConnectionState::ResetByBackend => Self::ResetByBackend,
            ConnectionState::Datagram => Self::Datagram,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Answered => "answered",
            Self::Established => "established",
            Self::ClientClosed => "client_closed",
            Self::BackendClosed => "backend_closed",
            Self::Closing => "closing",
            Self::ResetByClient => "reset_by_client",
            Self::ResetByBackend => "reset_by_backend",
            Self::Datagram => "datagram",
        }
    }
}

/// One connection as it was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    client: SocketAddr,
    vip: SocketAddr,
    protocol: u8,
    service: ServiceSlot,
    backend: BackendSlot,
    is_one_way: bool,
}

/// A row with what may change from packet to packet.
#[derive(Clone, Copy)]
struct Found {
    row: Row,
    state: WantedState,
    last_seen: u32,
}

/// The filters, with names turned into slots.
struct Wanted {
    service: Option<ServiceSlot>,
    backends: Option<Vec<BackendSlot>>,
    client: Option<Prefix>,
    protocol: Option<u8>,
    state: Option<WantedState>,
}

/// Where a listing goes on: in which table, from which cell.
#[derive(Clone, Copy)]
struct Place {
    is_v6: bool,
    cell: u32,
}

async fn list(
    State(app): State<Shared>,
    Asked(asked): Asked<ConnectionsAsked>,
) -> Result<Json<view::Connections>, Refused> {
    let limit = usize::from(limit(asked.limit, PAGE_USUAL, PAGE_MAX)?);
    aside(&app, move |app| page(app, &asked, limit).map(Json)).await
}

fn page(app: &App, asked: &ConnectionsAsked, limit: usize) -> Result<view::Connections, Refused> {
    let wanted = app.control.look(|look| Wanted::of(asked, look))?;
    let mut place = match &asked.after {
        None => Some(Place {
            is_v6: false,
            cell: 0,
        }),
        Some(text) => Some(Place::read(text)?),
    };
    let tables = app.switch.tables();
    let mut found = Vec::with_capacity(limit);
    let mut cells = CELLS_MAX;
    while let Some(at) = place {
        if found.len() == limit || cells == 0 {
            break;
        }
        place = if at.is_v6 {
            step(&tables.v6, at, &wanted, &mut found, limit)
        } else {
            step(&tables.v4, at, &wanted, &mut found, limit).or(Some(Place {
                is_v6: true,
                cell: 0,
            }))
        };
        cells = cells.saturating_sub(STEP);
    }
    let now = app.switch.now().tick;
    // Names are looked up for what is on the page, not for the whole configuration.
    let connections = app.control.look(|look| {
        let rows = found.iter();
        rows.map(|found| connection(found, look, now)).collect()
    });
    Ok(view::Connections {
        connections,
        next: place.map(|place| place.to_string()),
    })
}

/// Looks at a few cells; where to go on in this table.
fn step<const W: usize>(
    table: &ConnTable<W>,
    from: Place,
    wanted: &Wanted,
    found: &mut Vec<Found>,
    limit: usize,
) -> Option<Place>
where
    FlowKey<W>: DirectionKey,
{
    let mut first_left_out = None;
    let next = table.for_each(ConnId(from.cell), STEP, |id, conn| {
        let row = self::row(conn);
        let again = self::row(conn);
        // Both readings come before the question whether the cell is still, or again, in use.
        fence(Ordering::Acquire);
        if row != again || !conn.is_live() {
            return;
        }
        let one = Found {
            row,
            state: WantedState::of(ConnectionState::from_u8(conn.state().protocol)),
            last_seen: conn.last_seen().0,
        };
        if !wanted.takes(&one) {
            return;
        }
        if found.len() < limit {
            found.push(one);
        } else {
            first_left_out.get_or_insert(id);
        }
    });
    first_left_out.or(next).map(|ConnId(cell)| Place {
        is_v6: from.is_v6,
        cell,
    })
}

fn row<const W: usize>(conn: Conn<'_, W>) -> Row
where
    FlowKey<W>: DirectionKey,
{
    let key = conn.key(Direction::Forward);
    let [_, _, _, _, protocol, ..] = key.ports().to_ne_bytes();
    Row {
        client: SocketAddr::new(key.src(), key.src_port()),
        vip: SocketAddr::new(key.dst(), key.dst_port()),
        protocol,
        service: conn.service(),
        backend: conn.backend(),
        is_one_way: conn.is_one_way(),
    }
}

fn connection(found: &Found, look: &Look<'_>, now: u32) -> view::Connection {
    let row = &found.row;
    let service = look.distribution.service(row.service);
    let backend = look.distribution.backend(row.backend);
    view::Connection {
        protocol: if row.protocol == UDP { "udp" } else { "tcp" }.to_owned(),
        client: row.client.to_string(),
        vip: row.vip.to_string(),
        service: service.map(|service| service.name.clone()),
        backend: backend.map(|backend| backend.name.clone()),
        backend_address: backend
            .map(|backend| SocketAddr::new(backend.address, backend.port).to_string()),
        state: found.state.name().to_owned(),
        idle_seconds: now.saturating_sub(found.last_seen),
        is_one_way: row.is_one_way,
    }
}

const TCP: u8 = lb_core::flow::Protocol::Tcp as u8;
const UDP: u8 = lb_core::flow::Protocol::Udp as u8;

impl Wanted {
    fn of(asked: &ConnectionsAsked, look: &Look<'_>) -> Result<Self, Refused> {
        let service = match &asked.service {
            None => None,
            Some(name) => {
                let missing = || Refused::not_found(format!("there is no service `{name}`"));
                Some(look.service(name).ok_or_else(missing)?.slot)
            }
        };
        let backends = match &asked.backend {
            None => None,
            Some(name) => Some(slots_of(look, asked.service.as_deref(), name)?),
        };
        Ok(Self {
            service,
            backends,
            client: asked.client.as_deref().map(client).transpose()?,
            protocol: asked.protocol.map(|protocol| match protocol {
                WantedProtocol::Tcp => TCP,
                WantedProtocol::Udp => UDP,
            }),
            state: asked.state,
        })
    }

    fn takes(&self, found: &Found) -> bool {
        let row = &found.row;
        self.service.is_none_or(|service| service == row.service)
            && self
                .protocol
                .is_none_or(|protocol| protocol == row.protocol)
            && self.state.is_none_or(|state| state == found.state)
            && self
                .client
                .is_none_or(|client| client.contains(row.client.ip()))
            && self
                .backends
                .as_ref()
                .is_none_or(|backends| backends.contains(&row.backend))
    }
}

/// Slots of a backend's name, in one service or in all that have it. A disabled one has none, and no connections.
fn slots_of(
    look: &Look<'_>,
    service: Option<&str>,
    name: &str,
) -> Result<Vec<BackendSlot>, Refused> {
    let mut is_known = false;
    let mut slots = Vec::new();
    for one in &look.revision.config.services {
        if service.is_some_and(|service| service != one.name) {
            continue;
        }
        if one.backends.iter().any(|backend| backend.name == name) {
            is_known = true;
            slots.extend(look.backend_slot(&one.name, name));
        }
    }
    if is_known {
        Ok(slots)
    } else {
        Err(Refused::not_found(format!("there is no backend `{name}`")))
    }
}

/// An address, or a prefix.
fn client(text: &str) -> Result<Prefix, Refused> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Prefix::containing(address, address_bits(address)));
    }
    Prefix::parse(text)
        .map_err(|error| Refused::at(StatusCode::BAD_REQUEST, "client", error.to_string()))
}

impl Place {
    fn read(text: &str) -> Result<Self, Refused> {
        let place = text.split_once(':').and_then(|(table, cell)| {
            let is_v6 = match table {
                "4" => false,
                "6" => true,
                _ => return None,
            };
            let cell = cell.parse().ok()?;
            Some(Self { is_v6, cell })
        });
        place.ok_or_else(|| {
            Refused::at(
                StatusCode::BAD_REQUEST,
                "after",
                "expected the value of `next` from the page before",
            )
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = if self.is_v6 { 6 } else { 4 };
        write!(f, "{table}:{}", self.cell)
    }
}
