//! What a hit asks of the allocator, which this binary counts: nothing.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::FutureExt as _;
use towerblock_cache::{Cache, Hub, Policy, Settings};
use towerblock_core::TenantId;

#[tokio::test]
async fn a_hit_allocates_nothing() {
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let policy = Policy::ttl(Duration::from_secs(60));
    let cache: Cache<String, String> = hub.cache("strings", policy).unwrap();
    let acme = TenantId::new("acme").unwrap();
    let key = "a key of the usual length, or so";
    cache.put(&acme, key, "v".to_owned()).await;
    let hit = || {
        let load = || async { Ok::<_, Infallible>(String::new()) };
        let answer = cache.get_or_load(&acme, key, load).now_or_never();
        assert_eq!(*answer.unwrap().unwrap().unwrap(), "v");
        assert_eq!(*cache.peek(&acme, key).unwrap(), "v");
    };
    // What each thread and moka need once; and moka notes what was read, to be sorted later.
    (0..1_000).for_each(|_| hit());
    let counted = allocation_counter::measure(|| (0..10).for_each(|_| hit()));
    assert_eq!(counted.count_total, 0);
}
