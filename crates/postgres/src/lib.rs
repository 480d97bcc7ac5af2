//! PostgreSQL for many tenants.

mod ask;
mod binding;
mod cancel;
mod cluster;
mod error;
mod fault;
mod loan;
mod lsn;
mod node;
mod probe;
mod read;
mod retry;
mod server;
mod servers;
mod session;
mod settings;
mod statement;
mod statements;
mod tls;
mod transaction;
mod tries;
mod url;
mod write;

pub use self::binding::{Binding, SchemaName};
pub use self::cluster::Cluster;
pub use self::error::Error;
pub use self::read::Read;
pub use self::servers::Servers;
pub use self::settings::{Keeps, Limits, Settings};
pub use self::transaction::Transaction;
pub use self::url::InvalidUrl;
pub use self::write::Write;
