//! Real servers for tests, broken networks, and the laws of a layer.
//!
//! ```no_run
//! use towerblock_testkit::{Error, Postgres, Proxy, Redis};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let postgres = Postgres::builder().standbys(1).start().await?;
//! println!("writes to {}", postgres.primary().url());
//! postgres.primary().kill().await?;
//! postgres.standbys()[0].promote().await?;
//!
//! let redis = Redis::builder().setting("maxmemory", "10mb").start().await?;
//! let proxy = Proxy::start(redis.addr()).await?;
//! redis.pause().await?;
//! proxy.cut();
//! # Ok(())
//! # }
//! ```
//!
//! **Servers** are the ones that are installed ([`Postgres`], [`Redis`], [`PgBouncer`]), on
//! free ports of the loopback address, in folders of their own. One that is not installed
//! is an error that says how to install it: no test is skipped.
//!
//! **They end with the process that started them, however it ends.** A shell that reads a
//! pipe from that process starts them; when the pipe ends, it kills them with all their
//! children, frozen ones too, and removes their folders. Started by root, they run as
//! `postgres` or `nobody`. What stays is `testkit-$uid` in the system's folder for
//! temporary files, with a template of an empty database cluster for the next start.
//!
//! **Faults** are real: signals to the servers, and a TCP [`Proxy`] in front of them.
//!
//! **Laws**: [`obeys_the_service_contract`] and [`shares_state_across_routes`] take any
//! layer; [`at_every_poll`] drops a future wherever it can be dropped.

mod account;
mod error;
mod laws;
mod pgbouncer;
mod polls;
mod port;
mod postgres;
mod process;
mod programs;
mod proxy;
mod redis;
mod supervisor;
mod tls;

pub use self::error::Error;
pub use self::laws::{Strict, obeys_the_service_contract, shares_state_across_routes};
pub use self::pgbouncer::{PgBouncer, PoolMode};
pub use self::polls::{at_every_poll, poll_times};
pub use self::postgres::{Postgres, PostgresBuilder, Server};
pub use self::proxy::{Direction, Proxy};
pub use self::redis::{Redis, RedisBuilder};
