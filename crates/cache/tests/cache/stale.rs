use towerblock_cache::{Cache, Freshness, Hub, Loads, Settings, Source, Timeouts};
use towerblock_core::TenantId;

use crate::support::{Origin, hub, minute, ms, pass, secs, settle, stat, strings, tenant};

async fn old(cache: &Cache<String, String>, acme: &TenantId) {
    cache.put(acme, "k", "old".to_owned()).await;
    pass(secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn stale_is_served_at_once_while_one_load_brings_a_new_one() {
    let (hub, acme, origin) = (hub(), tenant("acme"), Origin::gated());
    let cache = strings(&hub, minute().stale_while_revalidate(secs(30)));
    old(&cache, &acme).await;
    let ask = || {
        let origin = origin.clone();
        cache.get_or_load(&acme, "k", move || origin.load("new"))
    };
    for _ in 0..100 {
        let hit = ask().await.unwrap().unwrap();
        assert_eq!((&**hit, hit.freshness()), ("old", Freshness::Stale));
        assert_eq!(hit.degraded().unwrap().reason(), "stale");
        assert!(hit.age() >= secs(60));
    }
    origin.let_through(1);
    settle().await;
    let hit = ask().await.unwrap().unwrap();
    assert_eq!((&**hit, hit.source()), ("new", Source::Memory));
    assert!(hit.degraded().is_none());
    assert_eq!(origin.loads(), 1);
    assert_eq!(stat(&hub, "cache_stale_served", ""), 100);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_less_and_less_until_stale_is_too_old() {
    let (hub, acme, origin) = (hub(), tenant("acme"), Origin::open());
    let policy = minute()
        .stale_while_revalidate(secs(60))
        .stale_if_error(secs(600));
    let cache = strings(&hub, policy);
    old(&cache, &acme).await;
    let ask = || {
        let origin = origin.clone();
        cache.get_or_load(&acme, "k", move || origin.fail())
    };
    for second in 0..595 {
        let hit = ask().await.unwrap().unwrap();
        assert_eq!(hit.freshness(), Freshness::Stale, "after {second} s");
        tokio::time::sleep(secs(1)).await;
    }
    // After 1, 2, 4, 8, 16 s, and then each 30 s.
    assert!((20..=26).contains(&origin.loads()), "{}", origin.loads());
    pass(secs(5)).await;
    assert!(ask().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn stale_if_error_asks_first_and_serves_what_there_was_when_that_fails() {
    let (hub, acme, origin) = (hub(), tenant("acme"), Origin::open());
    let cache = strings(&hub, minute().stale_if_error(secs(600)));
    old(&cache, &acme).await;
    let load = origin.clone();
    let stale = cache.get_or_load(&acme, "k", move || load.fail()).await;
    assert_eq!(stale.unwrap().unwrap().freshness(), Freshness::Stale);
    pass(secs(1)).await;
    let load = origin.clone();
    let fresh = cache.get_or_load(&acme, "k", move || load.load("new"));
    assert_eq!(*fresh.await.unwrap().unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_something_stale_waits_less() {
    let (hub, acme, origin) = (hub(), tenant("acme"), Origin::gated());
    let timeouts = Timeouts::new(secs(2)).with_stale(ms(200));
    let cache = strings(&hub, minute().stale_if_error(secs(600)).timeouts(timeouts));
    old(&cache, &acme).await;
    let begun = tokio::time::Instant::now();
    let load = origin.clone();
    let stale = cache
        .get_or_load(&acme, "k", move || load.load("new"))
        .await;
    assert_eq!(*stale.unwrap().unwrap(), "old");
    assert!(begun.elapsed() < ms(220));
    origin.let_through(1);
    settle().await;
    assert_eq!(*cache.peek(&acme, "k").unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_is_not_served_stale() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute().stale_if_error(secs(600)));
    for how in 0..2 {
        old(&cache, &acme).await;
        let _ = match how {
            0 => cache.invalidate(&acme, "k").await,
            _ => cache.invalidate_tenant(&acme).await,
        };
        let fail = cache.get_or_load(&acme, "k", || Origin::open().fail());
        assert!(fail.await.is_err());
        // Nor if it is invalidated while somebody waits for something newer.
        old(&cache, &acme).await;
        let origin = Origin::gated();
        let load = origin.clone();
        let waiter = tokio::spawn(cache.get_or_load(&acme, "k", move || load.fail()));
        origin.begun().await;
        let _ = cache.invalidate_tenant(&acme).await;
        origin.let_through(1);
        assert!(waiter.await.unwrap().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn expire_is_soft() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute().stale_if_error(secs(600)));
    cache.put(&acme, "k", "old".to_owned()).await;
    let _ = cache.expire(&acme, "k").await;
    let stale = cache
        .get_or_load(&acme, "k", || Origin::open().fail())
        .await;
    assert_eq!(stale.unwrap().unwrap().freshness(), Freshness::Stale);
    let _ = cache.expire(&acme, "k").await;
    let fresh = cache.get_or_load(&acme, "k", || Origin::open().load("new"));
    assert_eq!(*fresh.await.unwrap().unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_cold_storm_loads_as_much_as_it_may_and_the_rest_is_stale_or_shed() {
    let loads = Loads::default()
        .at_most(4.try_into().unwrap())
        .per_tenant(4)
        .waiting(0, 0);
    let hub = Hub::start(Settings::memory(64 << 20).loads(loads)).unwrap();
    let (acme, origin) = (tenant("acme"), Origin::gated());
    let cache = strings(&hub, minute().stale_if_error(secs(600)));
    for n in 0..50 {
        cache.put(&acme, &n.to_string(), "old".to_owned()).await;
    }
    pass(secs(60)).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let origin = origin.clone();
        calls.spawn(cache.get_or_load(&acme, &n.to_string(), move || origin.load("new")));
    }
    settle().await;
    assert_eq!(origin.loads(), 4);
    origin.let_through(4);
    let (mut fresh, mut stale, mut shed) = (0, 0, 0);
    while let Some(answer) = calls.join_next().await {
        match answer.unwrap() {
            Ok(Some(hit)) if hit.freshness() == Freshness::Fresh => fresh += 1,
            Ok(_) => stale += 1,
            Err(_) => shed += 1,
        }
    }
    assert_eq!(fresh, 4);
    assert_eq!(fresh + stale + shed, 100);
    assert!(stale >= 46 && shed <= 50, "{stale} {shed}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_without_a_slot_is_left_out() {
    let loads = Loads::default().at_most(1.try_into().unwrap());
    let hub = Hub::start(Settings::memory(64 << 20).loads(loads)).unwrap();
    let (acme, origin) = (tenant("acme"), Origin::gated());
    let cache = strings(&hub, minute().stale_while_revalidate(secs(30)));
    old(&cache, &acme).await;
    let load = origin.clone();
    let busy = tokio::spawn(cache.get_or_load(&acme, "busy", move || load.load("v")));
    origin.begun().await;
    let stale = cache.get_or_load(&acme, "k", || Origin::open().load("new"));
    assert_eq!(*stale.await.unwrap().unwrap(), "old");
    assert_eq!(stat(&hub, "cache_shed", "refresh"), 1);
    origin.let_through(1);
    assert!(busy.await.unwrap().is_ok());
}
