use std::convert::Infallible;

use towerblock_cache::{Cache, Hub, Settings};
use towerblock_core::TenantId;

use crate::support::{minute, ms, stat, strings, tenant};

const MEMORY: u64 = 2 << 20;

fn small() -> Hub {
    Hub::start(Settings::memory(MEMORY)).unwrap()
}

async fn touch(cache: &Cache<String, String>, owner: &TenantId, key: u64) -> bool {
    let mut hit = true;
    let loads = cache.peek(owner, &key.to_string()).is_none();
    if loads {
        hit = false;
        let load = || async { Ok::<_, Infallible>("v".repeat(100)) };
        cache
            .get_or_load(owner, &key.to_string(), load)
            .await
            .unwrap();
    }
    hit
}

/// How many of a hundred of the quiet tenant's lookups hit, beside so many of the noisy one's.
async fn quiet_hits(beside: u64) -> (f64, u64) {
    let hub = small();
    let cache = strings(&hub, minute());
    let (quiet, noisy) = (tenant("quiet"), tenant("noisy"));
    let (mut hits, mut scanned) = (0, 0);
    let mut random = 1_u64;
    for n in 0..6_000_u64 {
        // The hundreds of keys that it works with, the small ones more often.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let of = 1 + (random >> 40) % 400;
        let hit = touch(&cache, &quiet, (random >> 20) % of).await;
        hits += u64::from(n >= 3_000 && hit);
        for _ in 0..beside {
            scanned += 1;
            touch(&cache, &noisy, scanned).await;
        }
    }
    (
        hits as f64 / 30.0,
        stat(&hub, "cache_evicted_for_share", ""),
    )
}

#[tokio::test]
async fn a_quiet_tenant_keeps_its_hits_beside_one_that_scans() {
    let (alone, evicted) = quiet_hits(0).await;
    assert_eq!(evicted, 0);
    let (beside, evicted) = quiet_hits(10).await;
    assert!(beside >= 0.95 * alone, "{beside} % instead of {alone} %");
    // And it is the one that scans who paid.
    assert!(evicted > 10_000, "{evicted}");
}

#[tokio::test]
async fn alone_a_tenant_may_have_it_all_and_memory_is_bounded() {
    let hub = small();
    let cache = strings(&hub, minute());
    let acme = tenant("acme");
    for key in 0..20_000 {
        touch(&cache, &acme, key).await;
    }
    let bytes = stat(&hub, "cache_bytes", "");
    assert!(
        bytes > MEMORY * 8 / 10 && bytes < MEMORY * 12 / 10,
        "{bytes}"
    );
    assert_eq!(stat(&hub, "cache_evicted_for_share", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tenants_and_keys_leaves_nothing_behind() {
    let hub = small();
    let cache = strings(&hub, minute());
    for n in 0..1_000_000_u64 {
        let minted = tenant(&format!("t{n}"));
        // Those who ask for nothing are not even known.
        assert!(cache.peek(&minted, "k").is_none());
        let _ = cache.invalidate_tenant(&minted).await;
        if n % 20 == 0 {
            cache.put(&minted, "k", "v".to_owned()).await;
            assert!(stat(&hub, "cache_tenants", "") < 4_000);
        }
    }
    assert!(stat(&hub, "cache_bytes", "") < MEMORY * 12 / 10);
    assert!(stat(&hub, "cache_tenants", "") > 100);
    // Once their entries cannot be served any more, tenants are forgotten.
    tokio::time::sleep(ms(180_000)).await;
    assert_eq!(stat(&hub, "cache_entries", ""), 0);
    for _ in 0..1_000 {
        cache.put(&tenant("last"), "k", "v".to_owned()).await;
        tokio::time::sleep(ms(100)).await;
    }
    assert!(stat(&hub, "cache_tenants", "") <= 100);
}
