use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use towerblock_cache::{Error, Hub, Loads, Settings, Source, Timeouts};
use towerblock_core::{Reason, Rejected};
use towerblock_testkit::{at_every_poll, poll_times};

use crate::support::{Origin, hub, minute, ms, pass, secs, settle, stat, strings, tenant};

#[tokio::test(start_paused = true)]
async fn ten_thousand_wait_for_one_load() {
    let (hub, origin, acme) = (hub(), Origin::gated(), tenant("acme"));
    let cache = strings(&hub, minute());
    let waiters = (0..10_000).map(|_| {
        let origin = origin.clone();
        cache.get_or_load(&acme, "k", move || origin.load("v"))
    });
    let waiters = tokio::spawn(join_all(waiters.collect::<Vec<_>>()));
    origin.begun().await;
    origin.let_through(1);
    let mut loaded = 0;
    for answer in waiters.await.unwrap() {
        let hit = answer.unwrap().unwrap();
        assert_eq!(*hit, "v");
        loaded += usize::from(hit.source() == Source::Load);
    }
    assert_eq!((origin.loads(), loaded), (1, 1));
    assert_eq!(stat(&hub, "cache_hits", "coalesced"), 9_999);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_get_one_error_and_the_key_is_left_alone_for_a_while() {
    let (hub, origin, acme) = (hub(), Origin::open(), tenant("acme"));
    let cache = strings(&hub, minute().error_backoff(secs(1)));
    let ask = || {
        let origin = origin.clone();
        cache.get_or_load(&acme, "k", move || origin.fail())
    };
    for answer in join_all((0..10_000).map(|_| ask())).await {
        let error = answer.unwrap_err();
        assert_eq!(
            error.downcast_ref::<std::io::Error>().unwrap().to_string(),
            "away"
        );
    }
    assert_eq!(origin.loads(), 1);
    // Twice as long with each failure in a row.
    for (wait, loads) in [(ms(900), 1), (ms(200), 2), (ms(1_900), 2), (ms(200), 3)] {
        pass(wait).await;
        assert!(ask().await.is_err());
        assert_eq!(origin.loads(), loads, "after {wait:?}");
    }
    // The failure was no answer: what is put is served.
    cache.put(&acme, "k", "v".to_owned()).await;
    assert_eq!(*ask().await.unwrap().unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_caller_dropped_at_any_poll_strands_nobody() {
    let (hub, origin, acme) = (hub(), Origin::open(), tenant("acme"));
    let cache = strings(&hub, minute());
    let mut n = 0;
    let first = || {
        n += 1;
        let origin = origin.clone();
        cache.get_or_load(&acme, &format!("k{n}"), move || origin.load("v"))
    };
    let mut checked = 0;
    at_every_poll(first, async |polls| {
        checked += 1;
        let origin = origin.clone();
        let key = format!("k{checked}");
        let second = cache.get_or_load(&acme, &key, move || origin.load("v"));
        assert_eq!(*second.await.unwrap().unwrap(), "v", "after {polls} polls");
    })
    .await
    .unwrap();
    // One load each: those who were dropped after their first poll had begun it.
    assert_eq!(origin.loads(), n);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_leaves_its_load_behind() {
    let (hub, origin, acme) = (hub(), Origin::gated(), tenant("acme"));
    let cache = strings(&hub, minute());
    let load = origin.clone();
    let leader = cache.get_or_load(&acme, "k", move || load.load("v"));
    assert!(poll_times(1, leader).await.is_none());
    origin.begun().await;
    let follower = cache.get_or_load(&acme, "k", || async { Err::<String, _>("not called") });
    let follower = tokio::spawn(follower);
    settle().await;
    origin.let_through(1);
    assert_eq!(*follower.await.unwrap().unwrap().unwrap(), "v");
    assert_eq!(origin.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_panics_is_an_error_and_the_next_call_works() {
    let (hub, acme) = (hub(), tenant("acme"));
    let cache = strings(&hub, minute().error_backoff(ms(0)));
    let ask = || {
        cache.get_or_load(&acme, "k", || async {
            if true {
                panic!("as it should");
            }
            Ok::<String, Infallible>(String::new())
        })
    };
    for answer in join_all([ask(), ask(), ask()]).await {
        assert!(matches!(answer.unwrap_err(), Error::Panicked));
    }
    // Also where it panics before it returns a future.
    let before = cache.get_or_load(&acme, "k", || {
        if true {
            panic!("as it should");
        }
        async { Ok::<String, Infallible>(String::new()) }
    });
    assert!(matches!(before.await.unwrap_err(), Error::Panicked));
    assert_eq!(stat(&hub, "cache_load_errors", "panic"), 2);
    let answer = cache.get_or_load(&acme, "k", || Origin::open().load("v"));
    assert_eq!(*answer.await.unwrap().unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_never_returns_is_given_up() {
    let (hub, acme) = (hub(), tenant("acme"));
    let timeouts = Timeouts::new(secs(1)).in_background(secs(3));
    let cache = strings(&hub, minute().error_backoff(ms(0)).timeouts(timeouts));
    let hang = || cache.get_or_load(&acme, "k", pending::<Result<String, Infallible>>);
    let error = hang().await.unwrap_err();
    assert!(matches!(error, Error::Timeout));
    // It is answered as what it is: something that is away.
    let source = std::error::Error::source(&error).unwrap();
    let rejected: &Rejected = source.downcast_ref().unwrap();
    assert_eq!(rejected.reason(), Reason::Unavailable);
    assert!(matches!(hang().await.unwrap_err(), Error::Timeout));
    assert_eq!(stat(&hub, "cache_loads", ""), 1);
    pass(secs(2)).await;
    // The load is gone, and with it its slot.
    let answer = cache.get_or_load(&acme, "k", || Origin::open().load("v"));
    assert_eq!(*answer.await.unwrap().unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_ends_after_its_timeout_is_stored() {
    let (hub, origin, acme) = (hub(), Origin::gated(), tenant("acme"));
    let cache = strings(&hub, minute().timeouts(Timeouts::new(secs(1))));
    let load = origin.clone();
    let late = cache.get_or_load(&acme, "k", move || load.load("v"));
    assert!(matches!(late.await.unwrap_err(), Error::Timeout));
    origin.let_through(1);
    settle().await;
    assert_eq!(*cache.peek(&acme, "k").unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn g5_no_more_loaders_run_than_there_are_slots() {
    let loads = Loads::default()
        .at_most(8.try_into().unwrap())
        .per_tenant(3)
        .waiting(5, 10);
    let hub = Hub::start(Settings::memory(64 << 20).loads(loads)).unwrap();
    let cache = strings(&hub, minute());
    let (noisy, quiet) = (Origin::gated(), Origin::gated());
    let ask = |tenant, origin: &Origin, n| {
        let origin = origin.clone();
        cache.get_or_load(tenant, &format!("{n}"), move || origin.load("v"))
    };
    let (loud, calm) = (tenant("loud"), tenant("calm"));
    let mut flood = JoinSet::new();
    for n in 0..20 {
        flood.spawn(ask(&loud, &noisy, n));
    }
    settle().await;
    // The loaders of one tenant hang; another's are not concerned.
    let calm = tokio::spawn(ask(&calm, &quiet, 0));
    quiet.begun().await;
    quiet.let_through(1);
    assert!(calm.await.unwrap().is_ok());
    assert_eq!((noisy.loads(), noisy.most_at_once()), (3, 3));
    noisy.let_through(20);
    let (mut served, mut shed) = (0, 0);
    while let Some(answer) = flood.join_next().await {
        match answer.unwrap() {
            Ok(_) => served += 1,
            Err(Error::Shed(rejected)) => {
                assert_eq!(rejected.reason(), Reason::OverShare);
                shed += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((served, shed, noisy.most_at_once()), (8, 12, 3));
    assert_eq!(stat(&hub, "cache_shed", "awaited"), 12);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_within_its_grace_and_answers_all_who_wait() {
    let (hub, origin, acme) = (hub(), Origin::gated(), tenant("acme"));
    let cache = strings(&hub, minute().stale_while_revalidate(secs(60)));
    cache.put(&acme, "stale", "old".to_owned()).await;
    pass(secs(60)).await;
    let load = || {
        let origin = origin.clone();
        move || origin.load("v")
    };
    // One that is awaited, one that refreshes.
    let waiter = tokio::spawn(cache.get_or_load(&acme, "k", load()));
    let stale = cache.get_or_load(&acme, "stale", load()).await.unwrap();
    assert_eq!(*stale.unwrap(), "old");
    settle().await;
    assert_eq!(origin.loads(), 2);
    let begun = tokio::time::Instant::now();
    hub.shutdown(secs(1)).await;
    assert!(begun.elapsed() <= secs(1) + ms(50));
    assert!(matches!(waiter.await.unwrap().unwrap_err(), Error::Aborted));
    // What is there is served, and nothing is loaded any more.
    assert!(cache.peek(&acme, "stale").is_some());
    assert!(cache.get_or_load(&acme, "k", load()).await.is_err());
    assert_eq!(origin.loads(), 2);
    // Time goes on, though nobody ticks.
    pass(secs(60)).await;
    assert!(cache.peek(&acme, "stale").is_none());
}

#[test]
fn many_threads_find_no_deadlock() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let hub = Hub::start(Settings::memory(100 << 10)).unwrap();
        let cache = Arc::new(strings(&hub, minute()));
        let mut tasks = JoinSet::new();
        for task in 0..8_u64 {
            let cache = Arc::clone(&cache);
            tasks.spawn(async move {
                for n in 0..2_000_u64 {
                    let owner = tenant(&format!("t{}", (n * 7 + task) % 3));
                    let key = ((n * 31 + task) % 50).to_string();
                    match n % 11 {
                        0 => drop(cache.invalidate(&owner, &key).await),
                        1 => cache.put(&owner, &key, key.clone()).await,
                        2 => drop(cache.invalidate_tag(&owner, "tag").await),
                        3 if n % 5 == 0 => drop(cache.invalidate_tenant(&owner).await),
                        _ => {
                            let value = key.clone();
                            let load = cache
                                .get_or_load(&owner, &key, || async { Ok::<_, Infallible>(value) });
                            assert_eq!(*load.await.unwrap().unwrap(), key);
                        }
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}
