//! A cache-aside cache in memory that many tenants share: one load for all who wait, stale answers
//! while there is nothing newer, and no tenant that pushes out the others.
//!
//! ```
//! use std::time::Duration;
//!
//! use towerblock_cache::{Cache, Freshness, Hub, Policy, Settings, Source};
//! use towerblock_core::TenantId;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::start(Settings::memory(64 << 20))?;
//! let policy = Policy::ttl(Duration::from_secs(60)).stale_if_error(Duration::from_secs(3_600));
//! let profiles: Cache<u64, String> = hub.cache("profile", policy)?;
//! let (acme, globex) = (TenantId::new("acme")?, TenantId::new("globex")?);
//!
//! let load = || async { Ok::<_, std::io::Error>(Some("Ada".to_owned())) };
//! let loaded = profiles.get_or_load(&acme, &7, load).await?.unwrap();
//! assert_eq!((&*loaded, loaded.source()), (&"Ada".to_owned(), Source::Load));
//! let hit = profiles.get_or_load(&acme, &7, load).await?.unwrap();
//! assert_eq!((hit.source(), hit.freshness()), (Source::Memory, Freshness::Fresh));
//! // Another tenant's 7 is another.
//! assert!(profiles.peek(&globex, &7).is_none());
//!
//! // A new one cannot be loaded: what there was is served, and says that it is stale.
//! let _ = profiles.expire(&acme, &7).await;
//! let fail = || async { Err::<String, _>(std::io::Error::other("away")) };
//! let stale = profiles.get_or_load(&acme, &7, fail).await?.unwrap();
//! assert_eq!((&*stale, stale.freshness()), (&"Ada".to_owned(), Freshness::Stale));
//!
//! // All of a tenant is forgotten at once, and then an error is an error.
//! let _ = profiles.invalidate_tenant(&acme).await;
//! let error = profiles.get_or_load(&acme, &7, fail).await.unwrap_err();
//! assert!(error.downcast_ref::<std::io::Error>().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! A [`Hub`] is one per process: what its caches share. A [`Cache`] holds one kind of values,
//! found by a tenant and a [`Key`]; a [`SharedCache`] those of no tenant. A [`Policy`] says how
//! long they are served.
//!
//! **What it guarantees.** After `invalidate` has returned, no call on this instance is given a
//! value whose load began before (G1), nor is such a value stored (G3). No more loaders run than
//! [`Loads`] says, in all and for each tenant (G5). No call reaches an entry of another tenant, or
//! evicts more of them than [`Fairness`] lets it (G6).
//!
//! **What is held, and for how long.** An entry stays until memory needs its room, or it cannot be
//! served any more, which is looked for once in a second. A tenant is known while it has entries
//! or loads. A load is a task, and ends with its own timeout, or at [`Hub::shutdown`].
//!
//! **Responses of HTTP** are cached on the same hub with the feature `http`: `Hub::http_cache` makes a
//! layer.
//!
//! **Other instances** share what is cached with the feature `redis` and `Hub::start_with`; it
//! serves on while Redis is away. Without it each process has its own memory, and hears of its
//! own invalidations only. With the feature `postgres` an invalidation can be part of the
//! writer's transaction: `Hub::relay` has all instances hear of it, whoever is killed meanwhile.

mod cache;
mod calls;
mod catalogue;
mod clock;
mod counters;
mod entry;
mod error;
mod fairness;
mod flight;
mod forget;
mod forgetting;
mod get_or_load;
mod hit;
#[cfg(feature = "http")]
mod http;
mod hub;
mod invalidation;
mod key;
mod leader;
mod loaded;
mod making;
mod memory;
#[cfg(feature = "postgres")]
mod outbox;
mod policy;
#[cfg(not(feature = "redis"))]
#[path = "no_remote.rs"]
mod remote;
#[cfg(feature = "redis")]
mod remote;
mod ring;
mod settings;
mod shared;
mod shared_cache;
mod spot;
mod store;
mod tenant;
mod tenants;
mod timeouts;
mod weight;

pub use self::catalogue::METRICS;
#[cfg(feature = "http")]
pub use self::http::{CachedBody, HttpCache, HttpCacheLayer, HttpPolicy, ResponseFuture};
#[cfg(feature = "postgres")]
pub use self::outbox::{Outbox, OutboxError, Relay};
#[cfg(feature = "redis")]
pub use self::remote::{InvalidNamespace, Remote};
pub use self::{
    cache::Cache,
    error::{Error, InvalidCache, StartError},
    fairness::Fairness,
    get_or_load::GetOrLoad,
    hit::{Freshness, Hit, Source},
    hub::{Cacheable, Hub},
    invalidation::Invalidation,
    key::{Key, KeyBuf},
    loaded::Loaded,
    policy::Policy,
    settings::{Loads, Settings},
    shared_cache::SharedCache,
    timeouts::Timeouts,
};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
