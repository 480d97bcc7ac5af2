//! What a user of a cluster can rely on, on real servers.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod absent;
#[path = "../support/authority.rs"]
mod authority;
mod binding;
mod cancel;
mod faults;
mod layer;
mod leaks;
mod lent;
mod limits;
mod lost;
mod network;
mod pooler;
mod promises;
#[expect(dead_code, reason = "the other binary leads it elsewhere")]
#[path = "../support/relay.rs"]
mod relay;
mod replicas;
mod restarts;
mod retries;
mod roles;
mod runtimes;
mod schemas;
mod statements;
#[path = "../support/stopwatch.rs"]
mod stopwatch;
#[path = "../support/mod.rs"]
mod support;
mod tls;
#[path = "../support/told.rs"]
mod told;
mod trips;

use self::support::{
    PATIENCE, attempts, budget, cluster, cluster_with, known, number, row_level, schema, servers,
    set_up, through, until,
};
