use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;
use towerblock_cache::{Cache, Freshness, Source, Timeouts};
use towerblock_redis::Call;
use towerblock_testkit::{Redis, poll_times};

use crate::support::{EVERYWHERE, Instance, Origin, policy, tenant, until};

async fn two() -> (Redis, Instance, Instance) {
    let server = Redis::builder().start().await.unwrap();
    let url = server.url();
    let (one, other) = (Instance::start(&url), Instance::start(&url));
    (server, one.ready().await, other.ready().await)
}

/// A fill is not waited for by whoever loaded.
async fn stored(one: &Instance, tenant: &str, key: &str) {
    let name = format!("test:1:{{{tenant}}}:e:things:{key}");
    until(async || {
        let exists = one.redis.call(Call::read("EXISTS").arg(&name)).await;
        exists.is_ok_and(|it| it.integer() == Some(1))
    })
    .await;
}

#[tokio::test]
async fn what_one_has_loaded_the_other_finds() {
    let (_server, one, other) = two().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "v");
    assert_eq!(
        one.hit(&origin, &acme, "k").await.unwrap().source(),
        Source::Load
    );
    stored(&one, "acme", "k").await;
    let hit = other.hit(&origin, &acme, "k").await.unwrap();
    assert_eq!((&**hit, hit.source()), ("v", Source::Remote));
    assert_eq!(hit.freshness(), Freshness::Fresh);
    let again = other.hit(&origin, &acme, "k").await.unwrap();
    assert_eq!(again.source(), Source::Memory);
    // Also that there is no such thing.
    assert_eq!(one.get(&origin, &acme, "none").await, None);
    stored(&one, "acme", "none").await;
    assert_eq!(other.get(&origin, &acme, "none").await, None);
    assert_eq!(origin.loads(), 2);
    // Another tenant's is another.
    assert_eq!(other.get(&origin, &tenant("globex"), "k").await, None);
    assert_eq!(origin.loads(), 3);
}

#[tokio::test]
async fn what_one_forgets_the_other_forgets() {
    let (_server, one, other) = two().await;
    let acme = tenant("acme");
    let origin = Origin {
        tag: Some("a"),
        ..Origin::default()
    };
    for round in 0..4 {
        let old = format!("v{round}");
        origin.set(&acme, "k", &old);
        // Nothing is left of the round before.
        assert_eq!(one.cache.invalidate(&acme, "k").await, EVERYWHERE);
        until(async || other.get(&origin, &acme, "k").await.unwrap() == old).await;
        assert_eq!(one.get(&origin, &acme, "k").await.unwrap(), old);
        let new = format!("new{round}");
        origin.set(&acme, "k", &new);
        let reached = match round {
            0 => one.cache.invalidate(&acme, "k").await,
            1 => one.cache.invalidate_tag(&acme, "a").await,
            2 => one.cache.invalidate_tenant(&acme).await,
            _ => {
                one.cache.put(&acme, "k", new.clone()).await;
                EVERYWHERE
            }
        };
        assert_eq!(reached, EVERYWHERE);
        assert_eq!(one.get(&origin, &acme, "k").await.unwrap(), new, "{round}");
        let took = until(async || other.get(&origin, &acme, "k").await.unwrap() == new).await;
        assert!(took < Duration::from_secs(1), "{round}: {took:?}");
    }
}

#[tokio::test]
async fn a_tag_is_forgotten_by_whoever_found_the_value_elsewhere() {
    let (_server, one, other) = two().await;
    let acme = tenant("acme");
    let origin = Origin {
        tag: Some("a"),
        ..Origin::default()
    };
    origin.set(&acme, "k", "old");
    one.get(&origin, &acme, "k").await;
    stored(&one, "acme", "k").await;
    assert_eq!(
        other.hit(&origin, &acme, "k").await.unwrap().source(),
        Source::Remote
    );
    origin.set(&acme, "k", "new");
    let _ = other.cache.invalidate_tag(&acme, "a").await;
    assert_eq!(other.get(&origin, &acme, "k").await.unwrap(), "new");
}

#[tokio::test]
async fn one_load_for_ten_instances_with_a_thousand_waiters_each() {
    let server = Redis::builder().start().await.unwrap();
    let timeouts = Timeouts::new(Duration::from_secs(10)).elsewhere(Duration::from_secs(5));
    let origin = Origin {
        takes: Duration::from_millis(300),
        ..Origin::default()
    };
    let acme = tenant("acme");
    origin.set(&acme, "k", "v");
    let mut instances = Vec::new();
    for _ in 0..10 {
        let instance = Instance::with(&server.url(), policy().timeouts(timeouts));
        instances.push(instance.ready().await);
    }
    let mut waiters = JoinSet::new();
    for instance in &instances {
        for _ in 0..1_000 {
            let (cache, origin, acme) = (instance.cache.clone(), origin.clone(), acme.clone());
            let one = Instance {
                redis: instance.redis.clone(),
                hub: instance.hub.clone(),
                cache,
            };
            waiters.spawn(async move { one.get(&origin, &acme, "k").await.unwrap() });
        }
    }
    let all = waiters.join_all().await;
    assert!(all.len() == 10_000 && all.iter().all(|value| value == "v"));
    assert_eq!(origin.loads(), 1);
}

#[tokio::test]
async fn without_waiting_for_others_each_instance_loads_once() {
    let (_server, one, other) = two().await;
    let acme = tenant("acme");
    let origin = Origin {
        takes: Duration::from_millis(200),
        ..Origin::default()
    };
    origin.set(&acme, "k", "v");
    tokio::join!(one.get(&origin, &acme, "k"), other.get(&origin, &acme, "k"));
    assert_eq!(origin.loads(), 2);
}

#[tokio::test]
async fn another_type_under_the_same_name_is_not_seen() {
    let (_server, one, _other) = two().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "v");
    one.get(&origin, &acme, "k").await;
    stored(&one, "acme", "k").await;
    let remote = towerblock_cache::Remote::new(one.redis.clone(), "test").unwrap();
    let settings = towerblock_cache::Settings::memory(1 << 20);
    let hub = towerblock_cache::Hub::start_with(settings, remote).unwrap();
    let newer: Cache<String, (u8, String)> = hub.cache("things", policy()).unwrap();
    let probe = tenant("probe");
    until(async || newer.invalidate(&probe, "probe").await == EVERYWHERE).await;
    let load = || async { Ok::<_, std::io::Error>((7, "v".to_owned())) };
    let loaded = newer.get_or_load(&acme, "k", load).await.unwrap().unwrap();
    assert_eq!((loaded.0, loaded.source()), (7, Source::Load));
    // One invalidation is of both.
    stored(&one, "acme", "k").await;
    assert_eq!(newer.invalidate(&acme, "k").await, EVERYWHERE);
    let exists = Call::read("EXISTS").arg("test:1:{acme}:e:things:k");
    assert_eq!(one.redis.call(exists).await.unwrap().integer(), Some(0));
}

#[tokio::test]
async fn what_was_damaged_is_loaded_again() {
    let (_server, one, other) = two().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "v");
    for (command, args) in [
        ("HSET", &["alloc::string::String", "junk"][..]),
        ("SET", &["junk"][..]),
    ] {
        one.get(&origin, &acme, "k").await;
        stored(&one, "acme", "k").await;
        let name = "test:1:{acme}:e:things:k";
        one.redis.call(Call::read("DEL").arg(name)).await.unwrap();
        one.redis
            .call(Call::write(command).arg(name).args(args))
            .await
            .unwrap();
        let loads = origin.loads();
        assert_eq!(other.get(&origin, &acme, "k").await.unwrap(), "v");
        assert_eq!(origin.loads(), loads + 1);
        let _ = one.cache.invalidate(&acme, "k").await;
        until(async || other.cache.peek(&acme, "k").is_none()).await;
    }
}

#[tokio::test]
async fn an_invalidation_that_is_dropped_at_any_poll_is_told_all_the_same() {
    let (_server, one, other) = two().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "v0");
    for polls in 1..6 {
        let value = format!("v{polls}");
        until(async || other.get(&origin, &acme, "k").await.is_some()).await;
        origin.set(&acme, "k", &value);
        let _ = poll_times(polls, one.cache.invalidate(&acme, "k")).await;
        until(async || other.get(&origin, &acme, "k").await.unwrap() == value).await;
    }
}

#[test]
fn no_tenant_and_no_key_reaches_anothers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, one, other) = runtime.block_on(two());
    let id = "[a-c:{}*.%~-]{1,4}";
    let key = proptest::collection::vec(
        proptest::sample::select(vec!['a', 'b', ':', '{', '}', '*', '%', '~', '\0', 'é']),
        0..4,
    )
    .prop_map(|chars| chars.into_iter().collect::<String>());
    let places = proptest::collection::btree_set((id, key), 2..8);
    let config = ProptestConfig::with_cases(40);
    proptest!(config, |(places in places)| {
        runtime.block_on(async {
            let places: Vec<_> = places
                .into_iter()
                .filter_map(|(id, key)| Some((towerblock_core::TenantId::new(id).ok()?, key)))
                .collect();
            for (tenant, key) in &places {
                let value = format!("{} / {key}", tenant.as_str());
                one.cache.put(tenant, key, value).await;
            }
            for (tenant, key) in &places {
                let value = other.get(&Origin::default(), tenant, key).await;
                prop_assert_eq!(value, Some(format!("{} / {key}", tenant.as_str())));
            }
            // One forgets all, and no other does.
            if let Some((first, _)) = places.first() {
                let _ = one.cache.invalidate_tenant(first).await;
                for (tenant, key) in &places {
                    let value = one.get(&Origin::default(), tenant, key).await;
                    prop_assert_eq!(value.is_none(), tenant == first);
                }
                let _ = one.cache.invalidate_tenant(first).await;
            }
            for (tenant, _) in &places {
                let _ = one.cache.invalidate_tenant(tenant).await;
            }
            Ok(())
        })?;
    });
    drop(server);
}
