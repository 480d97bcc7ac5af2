//! What a registry keeps, asks, and serves while its store is slow, away or lying. Time is
//! paused: what is awaited here takes none.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, advance};
use towerblock_core::{Reason, Rejected, Stats, Value};
use towerblock_tenant::{Registry, Tenant, TenantState};
use towerblock_testkit::poll_times;

use crate::stores::{Mood, Store};
use crate::{id, tenant};

const SECOND: Duration = Duration::from_secs(1);

fn two() -> (Store, Registry) {
    let store = Store::new([tenant("acme", 1), tenant("globex", 2)]);
    let registry = Registry::new(store.clone())
        .ttl(10 * SECOND)
        .max_stale(60 * SECOND)
        .unknown(NonZeroU64::new(100).unwrap(), 5 * SECOND);
    (store, registry)
}

/// The key of the tenant, or why there is none.
async fn key(registry: &Registry, name: &str) -> Result<Option<u64>, Reason> {
    let found = registry.find(&id(name)).await;
    let found: Result<Option<Arc<Tenant>>, Rejected> = found;
    let found = found.map_err(|rejected| rejected.reason())?;
    Ok(found.map(|tenant| tenant.key))
}

async fn state(registry: &Registry, name: &str) -> TenantState {
    registry.find(&id(name)).await.unwrap().unwrap().state
}

fn suspend(store: &Store, name: &str, key: u64) {
    let mut tenant = tenant(name, key);
    tenant.state = TenantState::Suspended;
    store.tenants.put(tenant);
}

/// Lets what runs in the background come to its end.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_looked_up_once_and_then_served_from_memory() {
    let (store, registry) = two();
    for _ in 0..100 {
        assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
    }
    assert_eq!(store.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_once_are_one_lookup() {
    let (store, registry) = two();
    store.set(Mood::Slow(SECOND / 2));
    let callers = (0..1_000).map(|_| key(&registry, "acme"));
    let found = join_all(callers).await;
    assert!(found.iter().all(|found| *found == Ok(Some(1))));
    assert_eq!(store.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_takes_no_lookup_with_it() {
    let (store, registry) = two();
    store.set(Mood::Slow(SECOND / 2));
    assert_eq!(poll_times(1, key(&registry, "acme")).await, None);
    advance(SECOND).await;
    settle().await;
    store.set(Mood::Fails);
    assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
    assert_eq!((store.asked(), store.open().0), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_for_all_the_time_never_waits() {
    let (store, registry) = two();
    key(&registry, "acme").await.unwrap();
    // Slower than anybody would wait.
    store.set(Mood::Slow(SECOND * 9 / 10));
    for _ in 0..100 {
        advance(SECOND).await;
        let before = Instant::now();
        assert_eq!(
            poll_times(1, key(&registry, "acme")).await,
            Some(Ok(Some(1)))
        );
        assert_eq!(before, Instant::now());
        settle().await;
    }
    assert!((10..=20).contains(&store.asked()), "{}", store.asked());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_goes_on_for_the_ttl_at_most() {
    // Idle meanwhile, or asked for every second.
    for busy in [false, true] {
        let (store, registry) = two();
        assert_eq!(state(&registry, "acme").await, TenantState::Active);
        suspend(&store, "acme", 1);
        for _ in 1..=10 {
            advance(SECOND).await;
            if busy {
                state(&registry, "acme").await;
                settle().await;
            }
        }
        assert_eq!(
            state(&registry, "acme").await,
            TenantState::Suspended,
            "busy: {busy}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn invalidation_shows_at_once_and_beats_a_lookup_in_flight() {
    let (store, registry) = two();
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    suspend(&store, "acme", 1);
    registry.invalidate(&id("acme"));
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);

    // The store was asked before the change, and answers after it.
    store.set(Mood::Slow(SECOND / 2));
    let globex = id("globex");
    let mut early = Box::pin(registry.find(&globex));
    assert!(poll_times(1, early.as_mut()).await.is_none());
    settle().await;
    suspend(&store, "globex", 2);
    registry.invalidate(&id("globex"));
    store.set(Mood::Works);
    advance(SECOND).await;
    let early = early.await.unwrap().unwrap();
    assert_eq!(early.state, TenantState::Active, "asked before the change");
    assert_eq!(
        state(&registry, "globex").await,
        TenantState::Suspended,
        "asked after it"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_an_invalidation_stays_out_while_the_next_is_on_its_way() {
    let (store, registry) = two();
    let acme = id("acme");
    store.set(Mood::Slow(SECOND / 2));
    let mut early = Box::pin(registry.find(&acme));
    assert!(poll_times(1, early.as_mut()).await.is_none());
    settle().await;
    suspend(&store, "acme", 1);
    registry.invalidate(&acme);
    store.set(Mood::Slow(SECOND * 9 / 10));
    let mut late = Box::pin(registry.find(&acme));
    assert!(poll_times(1, late.as_mut()).await.is_none());
    settle().await;
    advance(SECOND * 6 / 10).await;
    assert_eq!(early.await.unwrap().unwrap().state, TenantState::Active);
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);
    assert_eq!(late.await.unwrap().unwrap().state, TenantState::Suspended);
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_known_tenants_go_on_up_to_the_bound() {
    for outage in [Mood::Fails, Mood::Hangs, Mood::Panics] {
        let (store, registry) = two();
        key(&registry, "acme").await.unwrap();
        store.set(outage);
        for _ in 1..70 {
            advance(SECOND).await;
            assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
            settle().await;
        }
        advance(SECOND).await;
        assert_eq!(
            key(&registry, "acme").await,
            Err(Reason::Unavailable),
            "over the bound"
        );
        assert_eq!(
            key(&registry, "globex").await,
            Err(Reason::Unavailable),
            "never seen"
        );
        store.set(Mood::Works);
        advance(SECOND).await;
        settle().await;
        assert_eq!(
            key(&registry, "acme").await,
            Ok(Some(1)),
            "nobody has to tell it"
        );
        assert_eq!(key(&registry, "globex").await, Ok(Some(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_store_is_waited_for_once_and_asked_once_a_second() {
    let (store, registry) = two();
    key(&registry, "acme").await.unwrap();
    store.set(Mood::Hangs);
    advance(20 * SECOND).await;
    let before = Instant::now();
    assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
    assert_eq!(before.elapsed(), SECOND, "the first to find out");
    let (asked, before) = (store.asked(), Instant::now());
    for _ in 0..1_000 {
        assert_eq!(
            poll_times(1, key(&registry, "acme")).await,
            Some(Ok(Some(1)))
        );
        advance(SECOND / 100).await;
        settle().await;
    }
    let seconds = before.elapsed().as_secs();
    assert_eq!(seconds, 10);
    let asked = store.asked() - asked;
    assert!((4..=10).contains(&asked), "{asked} times in {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn one_name_that_fails_makes_no_other_stale() {
    let (store, registry) = two();
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    suspend(&store, "acme", 1);
    advance(30 * SECOND).await;
    store.set(Mood::Fails);
    assert_eq!(key(&registry, "poison").await, Err(Reason::Unavailable));
    store.set(Mood::Works);
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_and_not_away_is_waited_for() {
    let (store, registry) = two();
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    suspend(&store, "acme", 1);
    advance(30 * SECOND).await;
    store.set(Mood::Slow(SECOND / 2));
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_that_nobody_saw_the_end_of_nobody_is_served_what_is_old() {
    let (store, registry) = two();
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    store.set(Mood::Fails);
    advance(20 * SECOND).await;
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    store.set(Mood::Works);
    suspend(&store, "acme", 1);
    advance(10 * SECOND).await;
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_names_keeps_no_known_tenant_from_being_refreshed() {
    let (store, registry) = two();
    assert_eq!(state(&registry, "acme").await, TenantState::Active);
    suspend(&store, "acme", 1);
    advance(30 * SECOND).await;
    store.set(Mood::Slow(SECOND / 2));
    let names: Vec<_> = (0..1_000).map(|n| id(&format!("nobody-{n}"))).collect();
    let mut flood: Vec<_> = names
        .iter()
        .map(|name| Box::pin(registry.find(name)))
        .collect();
    for request in &mut flood {
        poll_times(1, request.as_mut()).await;
    }
    assert_eq!(state(&registry, "acme").await, TenantState::Suspended);
}

#[tokio::test(start_paused = true)]
async fn a_name_for_which_the_store_fails_is_asked_for_once_a_second() {
    for mood in [Mood::Fails, Mood::Panics] {
        let (store, registry) = two();
        store.set(mood);
        for _ in 0..100 {
            assert_eq!(key(&registry, "acme").await, Err(Reason::Unavailable));
        }
        assert_eq!(store.asked(), 1);
        let mut failing = None;
        registry.read(&mut |metric, _, value| {
            if metric.name == "tenant_registry_failing" {
                failing = Some(value);
            }
        });
        assert_eq!(failing, Some(Value::Level(1.0)));
        store.set(Mood::Works);
        advance(SECOND).await;
        assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_domains_is_bounded_as_one_of_names_is() {
    let (store, registry) = two();
    store.set(Mood::Slow(SECOND / 2));
    let answers = join_all((0..1_000).map(|n| {
        let (registry, domain) = (&registry, format!("d{n}.org"));
        async move { registry.find_domain(&domain).await }
    }));
    let refused = answers.await.into_iter().filter(Result::is_err).count();
    assert_eq!((refused, store.open()), (1_000 - 24, (0, 24)));
    store.set(Mood::Works);
    for n in 0..10_000 {
        let owner = registry.find_domain(&format!("d{n}.org")).await;
        assert!(owner.unwrap().is_none());
    }
    let kept = kept(&registry, "unknown");
    assert!((1.0..=200.0).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn no_time_that_can_be_set_panics() {
    let store = Store::new([tenant("acme", 1)]);
    for time in [Duration::ZERO, Duration::MAX] {
        let registry = Registry::new(store.clone())
            .ttl(time)
            .max_stale(time)
            .unknown(NonZeroU64::MIN, time)
            .lookup_timeout(time.max(SECOND));
        for name in ["acme", "nobody", "acme", "nobody"] {
            let _ = key(&registry, name).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_known_waits_for_a_hung_store_as_long_as_was_said() {
    let (store, registry) = two();
    store.set(Mood::Hangs);
    let before = Instant::now();
    assert_eq!(key(&registry, "acme").await, Err(Reason::Unavailable));
    assert_eq!(before.elapsed(), SECOND);
    assert_eq!(store.open().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_names_is_bounded_and_hurts_no_known_tenant() {
    let (store, registry) = two();
    key(&registry, "acme").await.unwrap();
    store.set(Mood::Slow(SECOND / 2));
    let flood: Vec<_> = (0..10_000).map(|n| format!("nobody-{n}")).collect();
    let answers = join_all(flood.iter().map(|name| key(&registry, name)));
    let (answers, known) = tokio::join!(answers, poll_times(1, key(&registry, "acme")));
    assert_eq!(known, Some(Ok(Some(1))), "served at once");
    let refused = answers
        .iter()
        .filter(|answer| **answer == Err(Reason::Overloaded));
    // A quarter of the 32 is for those who are known.
    assert_eq!(refused.count(), 10_000 - 24);
    assert_eq!(store.open(), (0, 24));

    // One after another, which no slot stops: memory stays as it is, and so do the tenants.
    store.set(Mood::Works);
    for name in &flood {
        assert_eq!(key(&registry, name).await, Ok(None));
    }
    assert!(
        kept(&registry, "unknown") <= 200.0,
        "{}",
        kept(&registry, "unknown")
    );
    let asked = store.asked();
    assert_eq!(key(&registry, "acme").await, Ok(Some(1)));
    assert_eq!(store.asked(), asked, "still in memory");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_exist_is_remembered_for_a_while() {
    let (store, registry) = two();
    for _ in 0..10 {
        assert_eq!(key(&registry, "newco").await, Ok(None));
    }
    assert_eq!(store.asked(), 1);
    store.tenants.put(tenant("newco", 3));
    assert_eq!(key(&registry, "newco").await, Ok(None));
    advance(5 * SECOND).await;
    assert_eq!(key(&registry, "newco").await, Ok(Some(3)));
    // And at once for whoever says so.
    assert_eq!(key(&registry, "later").await, Ok(None));
    store.tenants.put(tenant("later", 4));
    registry.invalidate(&id("later"));
    assert_eq!(key(&registry, "later").await, Ok(Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_removed_is_gone_within_the_ttl() {
    let (store, registry) = two();
    key(&registry, "acme").await.unwrap();
    store.tenants.remove(&id("acme"));
    advance(10 * SECOND).await;
    assert_eq!(key(&registry, "acme").await, Ok(None));
    // Also when the store fails right after: it has said so.
    store.set(Mood::Fails);
    assert_eq!(key(&registry, "acme").await, Ok(None));
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_of_another_tenant_is_not_believed() {
    async fn liar(
        _: towerblock_core::TenantId,
    ) -> Result<Option<Tenant>, towerblock_core::BoxError> {
        Ok(Some(tenant("globex", 2)))
    }
    let registry = Registry::new(liar);
    assert_eq!(key(&registry, "acme").await, Err(Reason::Unavailable));
    assert_eq!(key(&registry, "globex").await, Ok(Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_domain_leads_to_its_tenant_and_to_whom_it_went_later() {
    let (store, registry) = two();
    store.tenants.put_domain("shop.org", id("acme"));
    let owner = async || {
        let owner = registry.find_domain("shop.org").await.unwrap();
        owner.map(|owner| owner.as_str().to_owned())
    };
    assert_eq!(owner().await.as_deref(), Some("acme"));
    store.tenants.put_domain("shop.org", id("globex"));
    assert_eq!(owner().await.as_deref(), Some("acme"), "within the ttl");
    registry.invalidate_domain("Shop.Org");
    assert_eq!(owner().await.as_deref(), Some("globex"));
}

#[tokio::test(start_paused = true)]
async fn a_store_in_memory_counts_changes_and_forgets_domains_with_their_tenant() {
    let store = Store::new([]);
    let registry = Registry::new(store.clone());
    for epoch in 0..3 {
        store.tenants.put(tenant("acme", 1));
        registry.invalidate(&id("acme"));
        let acme = registry.find(&id("acme")).await.unwrap().unwrap();
        assert_eq!(acme.epoch, epoch);
    }
    store.tenants.put_domain("shop.org", id("acme"));
    store.tenants.remove(&id("acme"));
    assert!(registry.find_domain("shop.org").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn lookups_end_with_the_registry() {
    let (store, registry) = two();
    store.set(Mood::Hangs);
    assert_eq!(poll_times(1, key(&registry, "acme")).await, None);
    settle().await;
    assert_eq!(store.open().0, 1);
    drop(registry);
    settle().await;
    assert_eq!(store.open().0, 0);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_tenants_are_kept() {
    let tenants = (1..=1_000).map(|n| tenant(&format!("t{n}"), n));
    let registry = Registry::new(Store::new(tenants)).capacity(NonZeroU64::new(100).unwrap());
    for n in 1..=1_000 {
        assert_eq!(key(&registry, &format!("t{n}")).await, Ok(Some(n)));
    }
    assert!(
        kept(&registry, "tenants") <= 200.0,
        "{}",
        kept(&registry, "tenants")
    );
}

#[tokio::test(start_paused = true)]
async fn the_numbers_tell_what_happened() {
    let (store, registry) = two();
    key(&registry, "acme").await.unwrap();
    key(&registry, "nobody").await.unwrap();
    store.set(Mood::Fails);
    key(&registry, "globex").await.unwrap_err();
    store.set(Mood::Works);
    advance(SECOND).await;
    key(&registry, "globex").await.unwrap();
    store.set(Mood::Hangs);
    advance(10 * SECOND).await;
    key(&registry, "acme").await.unwrap();
    advance(SECOND).await;
    settle().await;
    let mut seen = Vec::new();
    registry.read(&mut |metric, label, value| {
        assert!(registry.describe().contains(metric));
        seen.push(format!("{} {label} {value:?}", metric.name));
    });
    for line in [
        "tenant_registry_lookups found Count(2)",
        "tenant_registry_lookups unknown Count(1)",
        "tenant_registry_lookups failed Count(2)",
        "tenant_registry_lookups refused Count(0)",
        "tenant_registry_stale  Count(1)",
        "tenant_registry_failing  Level(1.0)",
    ] {
        assert!(seen.iter().any(|seen| seen == line), "{line} in {seen:?}");
    }
}

fn kept(registry: &Registry, of: &str) -> f64 {
    let mut kept = None;
    registry.read(&mut |metric, label, value| {
        let is_it = metric.name == "tenant_registry_kept" && label == of;
        if let (true, Value::Level(level)) = (is_it, value) {
            kept = Some(level);
        }
    });
    kept.unwrap()
}
