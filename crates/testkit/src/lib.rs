//! What the tests of Towerblock stand on: real servers on free ports, faults, and the laws
//! every layer obeys.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use towerblock_testkit::{Direction, Postgres, Proxy, Redis};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), towerblock_testkit::Error> {
//! let cluster = Postgres::builder()
//!     .standbys(1)
//!     .setting("max_connections", "50")
//!     .start()
//!     .await?;
//! let url = cluster.database("orders").await?;
//! assert!(url.ends_with("/orders"));
//! cluster.primary().kill().await?;
//! cluster.standbys()[0].promote().await?;
//!
//! let redis = Redis::builder().start().await?;
//! let proxy = Proxy::start(redis.addr()).await?;
//! proxy.delay(Duration::from_millis(50));
//! proxy.drop_bytes(Direction::ToClient);
//! proxy.heal().await;
//! redis.pause().await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Every server ends with the process that started it**, however that ends, SIGKILL
//! included: a supervisor, a shell script, holds the read end of a pipe, and kills the
//! servers and removes their folder when the pipe ends. It runs in a process group of its
//! own, so Ctrl-C reaches neither it nor the servers. Dropping a handle has the same effect;
//! the clean-up then takes a moment more than the drop.
//!
//! **Nothing needs root.** As root, servers run as `postgres`, else as `nobody`. What is kept
//! is `testkit-$uid` in the folder for temporary files, with a data directory per version
//! of PostgreSQL, from which every cluster is copied.
//!
//! **Servers belong to no runtime**, so one cluster in a `static` may serve a whole test binary; a
//! [`Proxy`] belongs to the runtime it was started on. Waiting is real time: not for tests
//! under paused time.

mod account;
mod error;
pub mod laws;
mod nginx;
mod pgbouncer;
mod polls;
mod port;
mod postgres;
mod process;
mod programs;
mod prometheus;
mod proxy;
mod redis;
mod supervisor;
mod tls;

pub use self::{
    error::Error,
    nginx::Nginx,
    pgbouncer::{PgBouncer, PgBouncerBuilder, PoolMode},
    polls::{at_every_poll, poll_times},
    postgres::{Postgres, PostgresBuilder, Server},
    prometheus::{Prometheus, PrometheusBuilder, Sample, dashboard_queries, promtool},
    proxy::{Direction, Proxy},
    redis::{Redis, RedisBuilder},
};
