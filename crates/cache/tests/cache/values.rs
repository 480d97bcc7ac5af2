use std::convert::Infallible;

use proptest::prelude::*;
use towerblock_cache::{Cache, Hub, Loaded, Policy, Settings};

use crate::support::{Origin, hub, minute, ms, pass, secs, stat, strings, tenant};

#[tokio::test(start_paused = true)]
async fn empty_and_large_values_are_kept_and_larger_ones_are_only_handed_out() {
    let (acme, mib) = (tenant("acme"), 1 << 20);
    let hub = Hub::start(Settings::memory(256 << 20).max_value_bytes(2 << 20)).unwrap();
    let cache = strings(&hub, minute());
    for (size, kept) in [(0, true), (mib, true), (64 * mib, false)] {
        let key = size.to_string();
        let answer = cache.get_or_load(&acme, &key, move || Origin::open().load("v".repeat(size)));
        assert_eq!(answer.await.unwrap().unwrap().len(), size);
        assert_eq!(cache.peek(&acme, &key).is_some(), kept, "{size}");
    }
    assert_eq!(stat(&hub, "cache_not_stored", "too_large"), 1);
    // What is put and does not fit does not leave the old value behind.
    cache.put(&acme, "0", "v".repeat(64 * mib)).await;
    assert!(cache.peek(&acme, "0").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_loader_says_how_long_its_value_is_fresh() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute());
    let load =
        |ttl| move || async move { Ok::<_, Infallible>(Loaded::new("v".to_owned()).ttl(ttl)) };
    cache
        .get_or_load(&acme, "short", load(secs(1)))
        .await
        .unwrap();
    cache.get_or_load(&acme, "none", load(ms(0))).await.unwrap();
    assert!(cache.peek(&acme, "short").is_some() && cache.peek(&acme, "none").is_none());
    pass(secs(1)).await;
    assert!(cache.peek(&acme, "short").is_none());
}

#[tokio::test]
async fn a_cache_that_cannot_be_is_refused_and_says_why() {
    let hub = hub();
    let _first: Cache<u64, u64> = hub.cache("a", minute()).unwrap();
    for (name, policy, flaw) in [
        ("a", minute(), "taken"),
        ("", minute(), "form"),
        ("A", minute(), "form"),
        ("b", Policy::ttl(ms(0)), "ttl"),
    ] {
        let refused = hub.cache::<u64, u64>(name, policy).unwrap_err();
        assert!(refused.flaw().contains(flaw), "{refused}");
        assert_eq!(refused.name(), name);
    }
}

#[test]
fn a_hub_needs_a_runtime() {
    assert!(Hub::start(Settings::memory(0)).is_err());
}

fn names() -> impl Strategy<Value = String> {
    let hostile = prop_oneof![
        Just("a".to_owned()),
        Just("ab".to_owned()),
        Just("a-".to_owned()),
        Just("a-b".to_owned()),
        Just("shared-by-all-tenants".to_owned()),
    ];
    prop_oneof![hostile, "[a-b][a-b-]{0,3}"]
}

fn keys() -> impl Strategy<Value = String> {
    let hostile = prop_oneof![
        Just(String::new()),
        Just("*".to_owned()),
        Just("{a}".to_owned()),
        Just("..".to_owned()),
        Just("%3A".to_owned()),
        Just("b:c".to_owned()),
        Just("é\0\n".to_owned()),
        Just("k".repeat(4_096)),
        Just("k".repeat(64)),
    ];
    prop_oneof![hostile, "[ab:-]{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Tenant ids are validated; keys may be anything. Whoever stored it finds it, and nobody else.
    #[test]
    fn g6_no_tenant_reaches_an_entry_of_another(
        puts in proptest::collection::vec((names(), keys(), any::<bool>()), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hub = hub();
            let pairs: [Cache<(String, String), String>; 2] =
                ["a", "b"].map(|name| hub.cache(name, minute()).unwrap());
            let of = |second: bool| &pairs[usize::from(second)];
            let value = |name: &str, key: &str, second| format!("{name}/{key}/{second}");
            let split = |key: &str| {
                let at = key.char_indices().nth(1).map_or(key.len(), |(at, _)| at);
                (key[..at].to_owned(), key[at..].to_owned())
            };
            for (name, key, second) in &puts {
                let stored = value(name, key, *second);
                of(*second).put(&tenant(name), &split(key), stored).await;
            }
            for (name, ..) in &puts {
                for (_, key, second) in &puts {
                    let stored = puts.contains(&(name.clone(), key.clone(), *second));
                    let found = of(*second).peek(&tenant(name), &split(key));
                    let expected = stored.then(|| value(name, key, *second));
                    assert_eq!(found.as_deref(), expected.as_ref());
                }
            }
        });
    }
}
