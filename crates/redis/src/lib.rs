//! A connection to Redis that tells the truth: it fails fast, notices a hung server, and says
//! when messages may have been missed.
//!
//! ```no_run
//! use towerblock_redis::{Call, Redis, Script, Settings};
//!
//! static TAKE: Script = Script::write("return redis.call('DECRBY', KEYS[1], ARGV[1])");
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Returns at once: a server that is down is not an error.
//! let redis = Redis::connect(Settings::from_url("redis://127.0.0.1:6379/0")?);
//!
//! redis.call(Call::write("SET").arg("stock:7").arg("12")).await?;
//! assert_eq!(redis.run(&TAKE, &["stock:7"], &["5"]).await?.integer(), Some(7));
//!
//! // The server's own complaint about this call; any other goes on.
//! let wrong = redis.call(Call::read("LLEN").arg("stock:7")).await.unwrap_err();
//! assert_eq!(wrong.code(), Some("WRONGTYPE"));
//! # Ok(())
//! # }
//! ```
//!
//! **No call waits** longer than [`Settings::timeout`], 100 ms, and a few turns of a runtime that
//! may be too busy to look: our own load is not taken for a server that hangs. And none waits at
//! all once the server is known to be away: it is [refused](Error::Refused). A server that hangs
//! is known within twice that time, busy or idle, and one that is back within a second.
//!
//! **A call that times out or is dropped may still be executed**, also later, when a server that
//! hung goes on: a write that must not be done late has to carry its own condition, in a
//! [`Script`].
//!
//! **It does not** try anything again, queue for a server that is away, speak to a cluster or to
//! Sentinel, or cache.

mod bus;
mod call;
mod catalogue;
mod check;
mod counters;
mod ear;
mod error;
mod gates;
mod keeper;
mod link;
mod pass;
mod redis;
mod reply;
mod script;
mod session;
mod settings;
mod shared;
mod status;
mod subscription;
mod tls;
mod url;
mod within;

pub use self::call::Call;
pub use self::catalogue::METRICS;
pub use self::error::{Class, Error};
pub use self::redis::Redis;
pub use self::reply::Reply;
pub use self::script::Script;
pub use self::settings::Settings;
pub use self::status::{Epoch, Status};
pub use self::subscription::{Heard, Subscription};
pub use self::url::InvalidUrl;

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
