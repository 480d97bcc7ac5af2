use towerblock_cache::{Cache, Invalidation, Loaded, SharedCache};
use towerblock_core::TenantId;

use crate::support::{Origin, hub, minute, secs, settle, stat, strings, tenant};

/// Begins a load of "old" that waits at the gate, does something, and loads "new" beside it.
async fn overtaken<I>(cache: &Cache<String, String>, acme: &TenantId, invalidate: I)
where
    I: AsyncFnOnce() -> Invalidation,
{
    let (old, new) = (Origin::gated(), Origin::open());
    let load = old.clone();
    let waiter = tokio::spawn(cache.get_or_load(acme, "k", move || async move {
        let value = load.load("old").await?;
        Ok::<_, std::convert::Infallible>(Loaded::new(value).tag("tag"))
    }));
    old.begun().await;
    assert_eq!(invalidate().await, Invalidation::Everywhere);
    // G1: whoever comes now is not given what began before.
    let load = new.clone();
    let answer = cache.get_or_load(acme, "k", move || load.load("new"));
    assert_eq!(*answer.await.unwrap().unwrap(), "new");
    // G3: those who waited get it, and it is not stored over what is newer.
    old.let_through(1);
    assert_eq!(*waiter.await.unwrap().unwrap().unwrap(), "old");
    settle().await;
    assert_eq!(*cache.peek(acme, "k").unwrap(), "new");
    assert_eq!((old.loads(), new.loads()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn g1_g3_a_load_overtaken_by_an_invalidation_of_its_key_is_not_stored() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute());
    overtaken(&cache, &acme, async || cache.invalidate(&acme, "k").await).await;
    assert_eq!(stat(&hub, "cache_not_stored", "invalidated"), 1);
    assert_eq!(stat(&hub, "cache_invalidations", "key"), 1);
}

#[tokio::test(start_paused = true)]
async fn g1_g3_a_load_overtaken_by_an_invalidation_of_its_tenant_is_not_stored() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute());
    overtaken(&cache, &acme, async || cache.invalidate_tenant(&acme).await).await;
}

#[tokio::test(start_paused = true)]
async fn g1_g3_a_load_overtaken_by_an_invalidation_of_its_tag_is_not_stored() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute());
    overtaken(&cache, &acme, async || {
        cache.invalidate_tag(&acme, "tag").await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn g1_a_load_overtaken_without_a_newer_one_leaves_nothing() {
    for of_tenant in [false, true] {
        let (hub, acme, old) = (hub(), tenant("acme"), Origin::gated());
        let cache = strings(&hub, minute());
        let load = old.clone();
        let waiter = tokio::spawn(cache.get_or_load(&acme, "k", move || load.load("old")));
        old.begun().await;
        let _ = if of_tenant {
            cache.invalidate_tenant(&acme).await
        } else {
            cache.invalidate(&acme, "k").await
        };
        old.let_through(1);
        assert!(waiter.await.unwrap().is_ok());
        settle().await;
        assert!(cache.peek(&acme, "k").is_none());
        let load = Origin::open();
        let next = cache.get_or_load(&acme, "k", move || load.load("new"));
        assert_eq!(*next.await.unwrap().unwrap(), "new");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_not_overwritten_by_a_load_that_began_before() {
    let (hub, acme, old) = (hub(), tenant("acme"), Origin::gated());
    let cache = strings(&hub, minute());
    let load = old.clone();
    let waiter = tokio::spawn(cache.get_or_load(&acme, "k", move || load.load("old")));
    old.begun().await;
    cache.put(&acme, "k", "put".to_owned()).await;
    old.let_through(1);
    assert_eq!(*waiter.await.unwrap().unwrap().unwrap(), "old");
    settle().await;
    assert_eq!(*cache.peek(&acme, "k").unwrap(), "put");
}

#[tokio::test(start_paused = true)]
async fn a_tag_takes_along_what_has_it_and_nothing_else() {
    let (hub, acme, globex) = (hub(), tenant("acme"), tenant("globex"));
    let cache = strings(&hub, minute());
    let other: Cache<u64, u64> = hub.cache("numbers", minute()).unwrap();
    let tagged = |value: &str| Loaded::new(value.to_owned()).tag("org:1").tag("org:2");
    cache.put(&acme, "a", tagged("a")).await;
    cache.put(&acme, "b", "b".to_owned()).await;
    cache.put(&globex, "a", tagged("a")).await;
    other.put(&acme, &1, Loaded::new(1).tag("org:2")).await;
    let _ = cache.invalidate_tag(&acme, "org:3").await;
    assert!(cache.peek(&acme, "a").is_some());
    let _ = cache.invalidate_tag(&acme, "org:2").await;
    assert!(cache.peek(&acme, "a").is_none() && other.peek(&acme, &1).is_none());
    assert!(cache.peek(&acme, "b").is_some() && cache.peek(&globex, "a").is_some());
    // What is stored after it has the tag again.
    cache.put(&acme, "a", tagged("a")).await;
    assert!(cache.peek(&acme, "a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tags_forgets_more_and_never_less() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute());
    cache
        .put(&acme, "a", Loaded::new("a".to_owned()).tag("first"))
        .await;
    cache.put(&acme, "b", "b".to_owned()).await;
    let _ = cache.invalidate_tag(&acme, "first").await;
    for n in 0..999 {
        let _ = cache.invalidate_tag(&acme, &n.to_string()).await;
    }
    assert!(cache.peek(&acme, "a").is_none() && cache.peek(&acme, "b").is_some());
    let _ = cache.invalidate_tag(&acme, "one more").await;
    assert!(cache.peek(&acme, "a").is_none() && cache.peek(&acme, "b").is_none());
    cache.put(&acme, "b", "b".to_owned()).await;
    assert!(cache.peek(&acme, "b").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_forgotten_in_all_caches_and_no_other_tenant_is() {
    let (hub, acme, globex) = (hub(), tenant("acme"), tenant("globex"));
    let cache = strings(&hub, minute());
    let other: Cache<u64, u64> = hub.cache("numbers", minute()).unwrap();
    let shared: SharedCache<u64, u64> = hub.shared_cache("shared", minute()).unwrap();
    for owner in [&acme, &globex] {
        cache.put(owner, "k", "v".to_owned()).await;
        other.put(owner, &1, 1).await;
    }
    shared.put(&1, 1).await;
    let _ = cache.invalidate_tenant(&acme).await;
    assert!(cache.peek(&acme, "k").is_none() && other.peek(&acme, &1).is_none());
    assert!(cache.peek(&globex, "k").is_some() && other.peek(&globex, &1).is_some());
    assert!(shared.peek(&1).is_some());
    let _ = shared.invalidate_all().await;
    assert!(shared.peek(&1).is_none() && cache.peek(&globex, "k").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_remembered_for_a_while_and_ends_with_an_invalidation() {
    let (hub, acme, origin) = (hub(), tenant("acme"), Origin::open());
    let cache = strings(&hub, minute().absent_ttl(secs(5)).stale_if_error(secs(60)));
    let absent = || {
        let origin = origin.clone();
        cache.get_or_load(&acme, "k", move || async move {
            origin.enter().await;
            Ok::<_, std::convert::Infallible>(None)
        })
    };
    assert!(absent().await.unwrap().is_none());
    assert!(absent().await.unwrap().is_none());
    assert_eq!(origin.loads(), 1);
    crate::support::pass(secs(5)).await;
    assert!(absent().await.unwrap().is_none());
    assert_eq!(origin.loads(), 2);
    // The row is made, and seen at once.
    let _ = cache.invalidate(&acme, "k").await;
    let load = origin.clone();
    let found = cache.get_or_load(&acme, "k", move || load.load("v"));
    assert_eq!(*found.await.unwrap().unwrap(), "v");
    // An error is never an absence.
    let _ = cache.invalidate(&acme, "k").await;
    let load = origin.clone();
    assert!(
        cache
            .get_or_load(&acme, "k", move || load.fail())
            .await
            .is_err()
    );
    let load = origin.clone();
    assert!(
        cache
            .get_or_load(&acme, "k", move || load.fail())
            .await
            .is_err()
    );
}
