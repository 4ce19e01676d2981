//! What a measured switch stands on: tables, and the distribution of a network's configuration.
//!
//! WO 00/30294: shared memory 34, without a file behind it, for one lcore.
//! Easy to get wrong: the secrets of the hashes are fixed here, so that the same work takes the same
//! instructions; a program's are random.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use lb_core::config::registry::Registry;
use lb_core::config::{Distribution, PortsPresent, Surroundings, parse};
use lb_core::conn::{ConnTable, Sweeping};
use lb_core::filter::{Lanes, Tables};
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::PortId;
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret};

use crate::net::{Network, port_mac};

/// Octets of a huge page.
const HUGE: usize = 2 << 20;

/// Secrets of the tables.
pub const SECRET: Secret = Secret {
    table_key: TableKey([
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
        0xa076_1d64_78bd_642f,
        0xe703_7ed1_a0b4_28db,
    ]),
    seed: HashSeed([0x5e; 16]),
};

/// The moment at which a switch begins: not 0, which is no moment that a region knows.
pub const BEGINNING: Now = Now {
    tick: 1_000,
    millis: 1_000_000,
};

/// Tables without connections, and a distribution.
pub struct Ground {
    /// The tables.
    pub tables: Arc<Tables>,
    /// What the only lcore owns of them; it sweeps all.
    pub lanes: Lanes,
    /// What the configuration says. Its neighbors are in the tables.
    pub distribution: Distribution,
}

impl Ground {
    /// For a switch of two ports in a network, with room for `connections` of each family.
    ///
    /// # Errors
    /// Where the configuration is refused or the region cannot be made.
    pub fn new(network: &Network, connections: u32) -> Result<Self> {
        let tables = Arc::new(tables(connections)?);
        let sweeping = Some(Sweeping { number: 0, of: 1 });
        let lanes = tables.v4.lane(0, sweeping).zip(tables.v6.lane(0, sweeping));
        let (v4, v6) = lanes.context("the tables have no lane")?;
        Ok(Self {
            distribution: distribution(network, &tables)?,
            lanes: Lanes { v4, v6 },
            tables,
        })
    }
}

fn tables(connections: u32) -> Result<Tables> {
    let layout = Layout::new(connections)?;
    // Whole huge pages, as the program's region has them.
    let memory = Memory::heap(layout.octets().next_multiple_of(HUGE));
    let region = Region::create(memory, &layout, &SECRET, 1)?;
    let epochs = Arc::new(Epochs::new(1));
    let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs))?;
    let (v6, _) = ConnTable::open(&region, epochs)?;
    let neighbors = NeighborTable::new(NeighborTable::ROWS);
    Ok(Tables { v4, v6, neighbors })
}

fn distribution(network: &Network, tables: &Tables) -> Result<Distribution> {
    let ports: Vec<_> = [0, network.server_port]
        .map(|port| (PortId(port), port_mac(port)))
        .into();
    let present: PortsPresent = ports.iter().map(|&(port, _)| port).collect();
    let config = parse(&network.configuration(), &present).map_err(|refusals| {
        let lines: Vec<_> = refusals.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    let around = Surroundings {
        ports: &ports,
        mtus: &ports
            .iter()
            .map(|&(port, _)| (port, 1500))
            .collect::<Vec<_>>(),
        kernel: None,
        seed: SECRET.seed,
        neighbors: &tables.neighbors,
        now: BEGINNING,
        is_idle: &|_| false,
        is_idle_service: &|_| false,
    };
    let empty = Distribution::empty(&ports);
    let distribution = Distribution::build(&config, &around, &mut Registry::default(), &empty)?;
    distribution.enter_neighbors(&tables.neighbors);
    Ok(distribution)
}
