//! The scripts, on a real server.

use std::time::Duration;

use bytes::Bytes;
use towerblock_redis::{Call, Reply, Settings};
use towerblock_testkit::Redis;

use super::level::{Fill, Lease, Level, Right, Target};
use crate::forget::{Forget, Scope};

const LEASE: Duration = Duration::from_secs(3);

async fn server() -> (Redis, Level) {
    let server = Redis::builder().start().await.unwrap();
    let redis = towerblock_redis::Redis::connect(Settings::from_url(&server.url()).unwrap());
    let mut status = redis.watch();
    status.wait_for(|status| status.writes).await.unwrap();
    (server, Level::new(redis, "test"))
}

fn acme() -> Scope {
    Scope::Tenant("acme".to_owned())
}

fn at<'a>(scope: &'a Scope, key: &'a str) -> Target<'a> {
    Target {
        scope,
        cache: "c",
        key: key.as_bytes(),
        field: "f",
    }
}

fn fill(payload: &'static str, tags: &[&str]) -> Fill {
    Fill {
        payload: Bytes::from_static(payload.as_bytes()),
        fresh_for: 60_000,
        keep_for: 120_000,
        tags: tags.iter().map(|tag| (*tag).into()).collect(),
    }
}

fn forget_key(scope: &Scope, key: &str) -> Forget {
    Forget::Key {
        scope: scope.clone(),
        cache: "c".to_owned(),
        key: key.as_bytes().to_vec(),
    }
}

async fn lease(level: &Level, target: Target<'_>) -> Lease {
    let answer = level.read(target, LEASE).await.unwrap();
    match answer.right {
        Right::Lease(lease) => lease,
        other => panic!("no lease: {other:?}"),
    }
}

async fn stored(level: &Level, target: Target<'_>) -> Option<Bytes> {
    let answer = level.read(target, Duration::ZERO).await.unwrap();
    assert!(matches!(answer.right, Right::None));
    answer.stored.map(|stored| stored.payload)
}

async fn store(level: &Level, target: Target<'_>, payload: &'static str, tags: &[&str]) {
    let lease = lease(level, target).await;
    assert!(
        level
            .fill(target, &lease, fill(payload, tags))
            .await
            .unwrap()
    );
    assert_eq!(stored(level, target).await.unwrap(), payload);
}

#[tokio::test]
async fn one_fills_and_the_others_wait_or_find_it() {
    let (_server, level) = server().await;
    let tenant = acme();
    let target = at(&tenant, "k");
    assert_eq!(stored(&level, target).await, None);
    let first = lease(&level, target).await;
    let second = level.read(target, LEASE).await.unwrap();
    assert!(matches!(second.right, Right::Wait(left) if left <= LEASE && !left.is_zero()));
    assert!(level.fill(target, &first, fill("v", &[])).await.unwrap());
    let third = level.read(target, LEASE).await.unwrap();
    assert!(matches!(third.right, Right::None));
    let found = third.stored.unwrap();
    assert_eq!((found.payload, found.fresh_for), (Bytes::from("v"), 60_000));
    assert!((0..5_000).contains(&found.age) && found.made > 0);
    // A lease fills once.
    assert!(
        !level
            .fill(target, &first, fill("again", &[]))
            .await
            .unwrap()
    );
    // Another key, another tenant, what is nobody's and another type's are others.
    let globex = Scope::Tenant("globex".to_owned());
    let plans = Scope::Shared("plans".to_owned());
    let nobody = Target {
        scope: &plans,
        ..target
    };
    let other_type = Target {
        field: "g",
        ..target
    };
    for other in [at(&tenant, "other"), at(&globex, "k"), nobody, other_type] {
        assert_eq!(stored(&level, other).await, None);
    }
}

#[tokio::test]
async fn what_was_loaded_before_it_was_forgotten_is_not_stored() {
    let (_server, level) = server().await;
    let tenant = acme();
    let target = at(&tenant, "k");
    let name = acme;
    for forget in [
        forget_key(&tenant, "k"),
        Forget::Tag {
            scope: name(),
            tag: "a".to_owned(),
        },
        Forget::Scope { scope: name() },
        Forget::All,
    ] {
        let lease_before = lease(&level, target).await;
        level.forget(&forget).await.unwrap();
        // Whoever comes next begins a new generation.
        let _other = lease(&level, at(&tenant, &format!("{forget:?}"))).await;
        // Also a fill that is executed late, and one whose tags nobody knew before.
        let filled = level
            .fill(target, &lease_before, fill("old", &["a"]))
            .await
            .unwrap();
        assert!(!filled, "{forget:?}");
        assert_eq!(stored(&level, target).await, None, "{forget:?}");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_nothing_else_is() {
    let (_server, level) = server().await;
    let (tenant, globex) = (acme(), Scope::Tenant("globex".to_owned()));
    let keys = [("k", &["a", "b"][..]), ("l", &["b"][..]), ("m", &[][..])];
    let name = acme;
    let tag = |tag: &str| Forget::Tag {
        scope: name(),
        tag: tag.to_owned(),
    };
    for (forget, gone) in [
        (forget_key(&tenant, "k"), &["k"][..]),
        (tag("a"), &["k"][..]),
        (tag("b"), &["k", "l"][..]),
        (tag("unheard-of"), &[][..]),
        (Forget::Scope { scope: name() }, &["k", "l", "m"][..]),
        (
            Forget::Scope {
                scope: Scope::Shared("c".to_owned()),
            },
            &[][..],
        ),
    ] {
        for (key, tags) in keys {
            if stored(&level, at(&tenant, key)).await.is_none() {
                store(&level, at(&tenant, key), "v", tags).await;
            }
            if stored(&level, at(&globex, key)).await.is_none() {
                store(&level, at(&globex, key), "v", tags).await;
            }
        }
        level.forget(&forget).await.unwrap();
        for (key, _) in keys {
            let left = stored(&level, at(&tenant, key)).await.is_some();
            assert_eq!(left, !gone.contains(&key), "{forget:?}, {key}");
            assert!(
                stored(&level, at(&globex, key)).await.is_some(),
                "{forget:?}"
            );
        }
    }
    level.forget(&Forget::All).await.unwrap();
    assert_eq!(stored(&level, at(&globex, "m")).await, None);
}

#[tokio::test]
async fn a_generation_that_was_lost_comes_back_as_another() {
    let (_server, level) = server().await;
    let tenant = acme();
    let target = at(&tenant, "k");
    store(&level, target, "v", &["a"]).await;
    // As a server does that runs out of memory: tag, marks, generation of all.
    for name in ["test:1:{acme}:t:a", "test:1:{acme}:m", "test:1:g"] {
        let gone = level
            .redis()
            .call(Call::read("DEL").arg(name))
            .await
            .unwrap();
        assert_eq!(gone, Reply::Integer(1), "{name}");
        assert_eq!(stored(&level, target).await, None, "{name}");
        store(&level, target, "v", &["a"]).await;
    }
}

#[tokio::test]
async fn a_lease_that_is_taken_away_fills_nothing() {
    let (_server, level) = server().await;
    let tenant = acme();
    let target = at(&tenant, "k");
    let loading = lease(&level, target).await;
    let known = level.take(target, LEASE).await.unwrap();
    assert!(
        !level
            .fill(target, &loading, fill("loaded", &[]))
            .await
            .unwrap()
    );
    assert!(
        level
            .fill(target, &known, fill("known", &[]))
            .await
            .unwrap()
    );
    assert_eq!(stored(&level, target).await.unwrap(), "known");
}

#[tokio::test]
async fn somebody_elses_value_in_our_place_is_a_miss_and_is_replaced() {
    let (_server, level) = server().await;
    let tenant = acme();
    let target = at(&tenant, "k");
    for (name, command) in [("e:c:k", "SET"), ("m", "SET")] {
        let squat = Call::write(command)
            .arg(format!("test:1:{{acme}}:{name}"))
            .arg("x");
        level.redis().call(squat).await.unwrap();
        assert_eq!(stored(&level, target).await, None, "{name}");
        store(&level, target, "v", &[]).await;
        level.forget(&forget_key(&tenant, "k")).await.unwrap();
    }
    let garbage = Call::write("HSET")
        .arg("test:1:{acme}:e:c:k")
        .arg("f")
        .arg("\u{1}garbage");
    level.redis().call(garbage).await.unwrap();
    assert_eq!(stored(&level, target).await, None);
    store(&level, target, "v", &[]).await;
}

#[tokio::test]
async fn a_full_server_is_read_and_forgets_and_stores_nothing() {
    let (_server, level) = server().await;
    let tenant = acme();
    store(&level, at(&tenant, "k"), "v", &["a"]).await;
    store(&level, at(&tenant, "l"), "v", &[]).await;
    let full = Call::read("CONFIG").args(["SET", "maxmemory", "1"]);
    level.redis().call(full).await.unwrap();
    assert_eq!(stored(&level, at(&tenant, "k")).await.unwrap(), "v");
    let miss = level.read(at(&tenant, "other"), LEASE).await.unwrap();
    assert!(miss.stored.is_none() && matches!(miss.right, Right::None));
    let name = acme;
    let tag = Forget::Tag {
        scope: name(),
        tag: "a".to_owned(),
    };
    level.forget(&tag).await.unwrap();
    assert_eq!(stored(&level, at(&tenant, "k")).await, None);
    level
        .forget(&Forget::Scope { scope: name() })
        .await
        .unwrap();
    assert_eq!(stored(&level, at(&tenant, "l")).await, None);
}

#[tokio::test]
async fn everything_ends_by_itself() {
    let (_server, level) = server().await;
    let tenant = acme();
    store(&level, at(&tenant, "k"), "v", &["a"]).await;
    let keys = level
        .redis()
        .call(Call::read("KEYS").arg("test:1:{*"))
        .await
        .unwrap();
    let keys = keys.into_array();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in keys {
        let key = key.into_bytes().unwrap();
        let left = level
            .redis()
            .call(Call::read("PTTL").bytes(key))
            .await
            .unwrap();
        assert!(left.integer().unwrap() > 0);
    }
}
