//! `cargo run --example cache`: a stampede that is one load, a stale answer while the origin is
//! away, and a tenant that is forgotten at once.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use towerblock_cache::{Cache, Freshness, GetOrLoad, Hub, Loaded, Policy, Settings};
use towerblock_core::{BoxError, Stats, TenantId, Value};

#[derive(Debug, Deserialize, Serialize)]
struct Profile {
    name: String,
    org: u32,
}

/// A database that takes its time, and is away now and then.
#[derive(Clone, Default)]
struct Database {
    reads: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Database {
    async fn profile(&self, id: u64) -> io::Result<Option<Profile>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
        if self.away.load(Ordering::Relaxed) {
            return Err(io::Error::other("the database is away"));
        }
        let name = format!("user {id}");
        Ok((id < 100).then_some(Profile { name, org: 7 }))
    }
}

struct App {
    database: Database,
    profiles: Cache<u64, Profile>,
}

impl App {
    fn profile(&self, tenant: &TenantId, id: u64) -> GetOrLoad<Profile> {
        // The load outlives its caller on purpose, so it owns what it needs.
        let database = self.database.clone();
        self.profiles.get_or_load(tenant, &id, move || async move {
            Ok::<_, io::Error>(match database.profile(id).await? {
                Some(profile) => {
                    let org = format!("org:{}", profile.org);
                    Loaded::new(profile).tag(org)
                }
                None => Loaded::absent(),
            })
        })
    }

    fn reads(&self) -> usize {
        self.database.reads.swap(0, Ordering::Relaxed)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let hub = Hub::start(Settings::memory(64 << 20))?;
    let policy = Policy::ttl(Duration::from_millis(200)).stale_if_error(Duration::from_secs(3_600));
    let app = App {
        database: Database::default(),
        profiles: hub.cache("profile", policy)?,
    };
    let (acme, globex) = (TenantId::new("acme")?, TenantId::new("globex")?);

    println!("a stampede: 1,000 ask for the same profile at once");
    for answer in join_all((0..1_000).map(|_| app.profile(&acme, 1))).await {
        assert!(answer?.is_some_and(|hit| hit.name == "user 1"));
    }
    let reads = app.reads();
    println!("  reads of the database: {reads}");
    assert_eq!(reads, 1);

    println!("a profile that does not exist is remembered, too");
    for _ in 0..10 {
        assert!(app.profile(&acme, 4_711).await?.is_none());
    }
    assert_eq!(app.reads(), 1);

    println!("the profile has become old, and the database is away");
    app.profile(&globex, 1).await?;
    sleep(Duration::from_millis(250)).await;
    app.database.away.store(true, Ordering::Relaxed);
    app.reads();
    for _ in 0..10 {
        let stale = app.profile(&acme, 1).await?.ok_or("no profile")?;
        assert_eq!(stale.freshness(), Freshness::Stale);
        assert!(stale.degraded().is_some());
    }
    let reads = app.reads();
    println!("  ten answers, stale and marked so; reads of the database: {reads}");
    assert_eq!(reads, 1);

    println!("a tenant is forgotten: nothing of it is served any more, not even stale");
    let reached = app.profiles.invalidate_tenant(&acme).await;
    println!("  the invalidation reached: {reached:?}");
    let error = app.profile(&acme, 1).await.err().ok_or("served")?;
    let cause = error.downcast_ref::<io::Error>().ok_or("another error")?;
    println!("  acme: {error}: {cause}");
    let other = app.profile(&globex, 1).await?.ok_or("no profile")?;
    println!("  globex: {} ({:?})", other.name, other.freshness());

    hub.read(&mut |metric, label, value| {
        if let Value::Count(count @ 1..) = value {
            println!("  {} {label}: {count}", metric.name);
        }
    });
    hub.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
