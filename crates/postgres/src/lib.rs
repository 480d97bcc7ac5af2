//! PostgreSQL for many tenants.

mod ask;
mod binding;
mod budget;
mod cancel;
mod choice;
mod clock;
mod cluster;
mod dedicated;
mod doctor;
mod error;
mod fallback;
mod fault;
mod lag;
mod layer;
mod loan;
mod lsn;
mod node;
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
