//! PostgreSQL for many tenants: each statement is bound to one, runs on a server that will do, and
//! leaves nothing behind.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//!
//! use towerblock_core::TenantId;
//! use towerblock_postgres::{Binding, Budget, Cluster, SchemaName, Servers, Settings};
//!
//! # async fn orders() -> Result<(), Box<dyn std::error::Error>> {
//! let servers = Servers::new("postgres://app@db-1/app")?.replica("postgres://app@db-2/app")?;
//! let budget = Budget::fixed(NonZeroUsize::new(20).unwrap());
//! let cluster = Cluster::start(servers, Settings::new(budget));
//!
//! let acme = Binding::schema(&TenantId::new("acme")?, SchemaName::from_key(42));
//! let sql = "SELECT id FROM orders WHERE user_id = $1";
//! let orders = cluster.read(&acme).query("orders.list", sql, &[&7_i64]).await?;
//! # drop(orders);
//!
//! // The tenant's tables cannot be named without the tenant.
//! let nobody = Binding::shared();
//! let foreign = cluster.read(&nobody).query("orders.list", sql, &[&7_i64]);
//! assert!(foreign.await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! **What is held** by a call is one connection, from its turn in the queue of tenants to its
//! last answer; a transaction holds one to its end. **A call that is dropped** is cancelled at the
//! server, and its connection is cleaned before the next one has it.
//!
//! **A tenant is bound** by its schema or by row-level security, always for one transaction, in the
//! message that also carries the statement: see [`Binding`]. **Reads** go to replicas, **writes** to
//! the primary, wherever that is now; with a [`Scope`] a read sees what was written before it,
//! which [`ClusterLayer`] carries from request to request.
//!
//! **It does not** read SQL, cache answers, change schemas, or undo what was committed when its
//! caller had left.

mod ask;
mod binding;
mod budget;
mod cancel;
mod catalogue;
mod choice;
mod clock;
mod cluster;
mod dedicated;
mod doctor;
mod door;
mod ending;
mod error;
mod fallback;
mod fault;
mod lag;
mod layer;
mod lending;
mod loan;
mod lsn;
mod node;
mod pooled;
mod probe;
mod read;
mod retry;
mod route;
mod server;
mod servers;
mod session;
mod settings;
mod standing;
mod statement;
mod statements;
mod statistics;
mod status;
mod timing;
mod tls;
mod token;
mod token_keys;
mod transaction;
mod tries;
mod url;
mod write;

pub use self::binding::{Binding, SchemaName};
pub use self::budget::{Budget, BudgetError, Fleet};
pub use self::catalogue::METRICS;
pub use self::cluster::Cluster;
pub use self::dedicated::Dedicated;
pub use self::doctor::{
    Examination, Finding, Severity, examine, sequential_scans, shares_backends,
};
pub use self::error::Error;
pub use self::layer::{Carrier, ClusterLayer, ResponseFuture, Scope, WithScope};
pub use self::read::Read;
pub use self::servers::Servers;
pub use self::settings::{Keeps, Limits, Replicas, Settings};
pub use self::statistics::{
    Cause, LabelReport, Report, SlowQuery, Spread, Statistics, TenantLoad, Total, Window,
};
pub use self::status::ServerStatus;
pub use self::token::ReadToken;
pub use self::token_keys::{InvalidTokenKeys, TokenKeys};
pub use self::transaction::Transaction;
pub use self::url::InvalidUrl;
pub use self::write::Write;

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
