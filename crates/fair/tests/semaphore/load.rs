//! What is promised under load, in virtual time: nothing here depends on the machine.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_core::TenantId;
use towerblock_fair::{FairSemaphore, Share};

use crate::{id, slots};

const SERVICE: Duration = Duration::from_millis(10);
const RUN: Duration = Duration::from_secs(20);

/// Takes a slot as often as it can, and says how often.
async fn as_often_as_it_can(slots: FairSemaphore, tenant: TenantId) -> u32 {
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        let slot = slots.acquire(&tenant).await.unwrap();
        sleep(SERVICE).await;
        drop(slot);
        times += 1;
    }
    times
}

/// Takes a slot now and then, and says how long it waited each time.
async fn now_and_then(slots: FairSemaphore, tenant: TenantId, mut random: u64) -> Vec<Duration> {
    let (start, mut waits) = (Instant::now(), Vec::new());
    while start.elapsed() < RUN {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        sleep(Duration::from_millis(50 + (random >> 33) % 300)).await;
        let since = Instant::now();
        let slot = slots.acquire(&tenant).await.unwrap();
        waits.push(since.elapsed());
        sleep(SERVICE).await;
        drop(slot);
    }
    waits
}

async fn flood(slots: &FairSemaphore, tenant: &TenantId) -> u32 {
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        tasks.spawn(as_often_as_it_can(slots.clone(), tenant.clone()));
    }
    tasks.join_all().await.iter().sum()
}

#[tokio::test(start_paused = true)]
async fn among_500_tasks_nobody_has_a_fifth_more() {
    let slots = slots(20);
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        tasks.spawn(as_often_as_it_can(slots.clone(), id("a")));
    }
    let times = tasks.join_all().await;
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*most * 5 <= *least * 6, "{least} and {most}");
    // No slot was ever free.
    let in_all: u32 = times.iter().sum();
    assert!(in_all >= 20 * 2_000, "{in_all}");
}

#[tokio::test(start_paused = true)]
async fn a_noisy_tenant_is_not_heard_by_the_quiet_ones() {
    let noisy = id("noisy");
    let alone = flood(&slots(20), &noisy).await;
    let slots = slots(20);
    let mut quiet = JoinSet::new();
    for n in 0..20 {
        quiet.spawn(now_and_then(slots.clone(), id(&format!("quiet-{n}")), n));
    }
    let beside = flood(&slots, &noisy).await;
    let mut waits: Vec<_> = quiet.join_all().await.into_iter().flatten().collect();
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    assert!(waits.len() > 1_000);
    assert!(p99 <= 2 * SERVICE, "{p99:?}");
    assert!(beside * 100 >= alone * 85, "{beside} of {alone}");
}

#[tokio::test(start_paused = true)]
async fn under_load_slots_go_by_weight() {
    let share = |tenant: &TenantId| Share::weight(if tenant.as_str() == "big" { 3 } else { 1 });
    let slots = slots(20).share_of(share);
    let (big, small) = (id("big"), id("small"));
    let (big, small) = tokio::join!(flood(&slots, &big), flood(&slots, &small));
    let ratio = f64::from(big) / f64::from(small);
    // Both end with as many as wait, whatever their weight.
    assert!((2.7..3.1).contains(&ratio), "{big} and {small}");
}
