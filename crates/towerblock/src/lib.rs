//! Small, independent [tower](https://docs.rs/tower) layers with which one service
//! carries thousands of tenants.
//!
//! This crate has nothing of its own: each module is a crate, and each crate can be used
//! alone. `core` is always there; the others come with the feature of their name, or all
//! with `full`.
//!
//! | I want to … | module and feature |
//! |---|---|
//! | know which tenant is asking, and refuse the rest | `tenant` |
//! | leave a failing dependency alone | `breaker` |
//! | keep values in memory, and load each once for all who wait | `cache` |
//! | answer requests with what was answered before | `cache` and `http` |
//! | share something scarce among tenants | `fair` |
//! | share connections so that no tenant takes all | `pool` |
//! | bound the work in flight, and refuse who holds most of it | `shed` |
//! | start, drain and stop in order, and say how it is meanwhile | `lifecycle` |
//! | count what happens, and to which tenant | `metrics` |
//! | show a long list by pages | `page` |
//! | read and write PostgreSQL in a tenant's name | `postgres` |
//! | limit how fast each tenant asks and how much it has, by plan | `quota` |
//! | ask Redis without waiting for it when it is away | `redis` |
//! | answer what layers and handlers refuse | `respond` |
//! | write a layer that refuses as the others do | `core` |
//!
//! The pages under `docs` (in this documentation only) say which crate is for what, in which
//! order the layers stand, what happens when something dies, how to run it, and what it costs.

#[cfg(feature = "breaker")]
pub use towerblock_breaker as breaker;
#[cfg(feature = "cache")]
pub use towerblock_cache as cache;
pub use towerblock_core as core;
#[cfg(feature = "fair")]
pub use towerblock_fair as fair;
#[cfg(feature = "lifecycle")]
pub use towerblock_lifecycle as lifecycle;
#[cfg(feature = "metrics")]
pub use towerblock_metrics as metrics;
#[cfg(feature = "page")]
pub use towerblock_page as page;
#[cfg(feature = "pool")]
pub use towerblock_pool as pool;
#[cfg(feature = "postgres")]
pub use towerblock_postgres as postgres;
#[cfg(feature = "quota")]
pub use towerblock_quota as quota;
#[cfg(feature = "redis")]
pub use towerblock_redis as redis;
#[cfg(feature = "respond")]
pub use towerblock_respond as respond;
#[cfg(feature = "shed")]
pub use towerblock_shed as shed;
#[cfg(feature = "tenant")]
pub use towerblock_tenant as tenant;

/// Pages that are not about one type.
#[cfg(all(any(doc, doctest), feature = "full"))]
pub mod docs {
    #[doc = include_str!("../docs/breaker.md")]
    pub mod breaker {}

    #[doc = include_str!("../docs/cache.md")]
    pub mod cache {}

    #[doc = include_str!("../docs/choosing.md")]
    pub mod choosing {}

    #[doc = include_str!("../docs/comparison.md")]
    pub mod comparison {}

    #[doc = include_str!("../docs/failure-modes.md")]
    pub mod failure_modes {}

    #[doc = include_str!("../docs/fair.md")]
    pub mod fair {}

    #[doc = include_str!("../docs/http-cache.md")]
    pub mod http_cache {}

    #[doc = include_str!("../docs/lifecycle.md")]
    pub mod lifecycle {}

    #[doc = include_str!("../docs/metrics.md")]
    pub mod metrics {}

    #[doc = include_str!("../docs/observability/README.md")]
    pub mod observability {}

    #[doc = include_str!("../docs/operations.md")]
    pub mod operations {}

    #[doc = include_str!("../docs/ordering.md")]
    pub mod ordering {}

    #[doc = include_str!("../docs/page.md")]
    pub mod page {}

    #[doc = include_str!("../docs/performance.md")]
    pub mod performance {}

    #[doc = include_str!("../docs/pool.md")]
    pub mod pool {}

    #[doc = include_str!("../docs/postgres.md")]
    pub mod postgres {}

    #[doc = include_str!("../docs/quota.md")]
    pub mod quota {}

    #[doc = include_str!("../docs/redis.md")]
    pub mod redis {}

    #[doc = include_str!("../docs/shed.md")]
    pub mod shed {}

    #[doc = include_str!("../docs/tenant.md")]
    pub mod tenant {}
}

// The front page shows code: it compiles, and it runs.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
mod readme {}
