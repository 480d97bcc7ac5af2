//! `cargo run --example fair`: a noisy tenant beside a quiet one, first behind a semaphore that
//! knows no tenants, then in turns.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_core::{BoxError, Reason, TenantId};
use towerblock_fair::{FairLimit, FairSemaphore, Share};

const SLOTS: usize = 4;
const SERVICE: Duration = Duration::from_millis(5);
const NOISY: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (noisy, quiet) = (TenantId::new("noisy")?, TenantId::new("quiet")?);
    let behind_all = in_one_queue().await?;
    println!("in one queue, the quiet tenant waited {behind_all:?}");

    // In turns: it waits for the next slot that comes back.
    let slots = FairSemaphore::new(NonZeroUsize::new(SLOTS).ok_or("no slots")?).queue(NOISY, 1_000);
    let mut flood = JoinSet::new();
    for _ in 0..NOISY {
        let (slots, noisy) = (slots.clone(), noisy.clone());
        flood.spawn(async move {
            let _slot = slots.acquire(&noisy).await;
            sleep(SERVICE).await;
        });
    }
    sleep(SERVICE / 2).await;
    let since = Instant::now();
    drop(slots.acquire(&quiet).await?);
    let in_turn = since.elapsed();
    println!("in turns, it waited {in_turn:?}");
    assert!(in_turn * 5 < behind_all, "{in_turn:?}, {behind_all:?}");

    // Whoever cannot be served in time hears it at once, and for how long to stay away.
    while slots
        .try_acquire(&noisy)
        .is_err_and(|rejected| rejected.retry_after().is_none())
    {
        sleep(SERVICE).await;
    }
    let since = Instant::now();
    let soon = since + Duration::from_millis(1);
    let refused = slots.acquire_before(&noisy, soon).await.err();
    let refused = refused.ok_or("there was no room")?;
    println!(
        "no slot in 1 ms: {refused}, retry after {:?}",
        refused.retry_after()
    );
    assert_eq!(refused.reason(), Reason::Overloaded);
    flood.join_all().await;

    without_waiting(&noisy, &quiet)?;
    shares(&noisy)
}

/// First come, first served: whoever comes behind 200 others waits for them all.
async fn in_one_queue() -> Result<Duration, BoxError> {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let mut flood = JoinSet::new();
    for _ in 0..NOISY {
        let slots = Arc::clone(&slots);
        flood.spawn(async move {
            let _slot = slots.acquire().await;
            sleep(SERVICE).await;
        });
    }
    sleep(SERVICE / 2).await;
    let since = Instant::now();
    drop(slots.acquire().await?);
    let behind_all = since.elapsed();
    flood.join_all().await;
    Ok(behind_all)
}

/// Near the limit, each has its part.
fn without_waiting(noisy: &TenantId, quiet: &TenantId) -> Result<(), BoxError> {
    let limit = FairLimit::new(NonZeroUsize::new(10).ok_or("no limit")?);
    let admitted: Vec<_> = (0..100).filter_map(|_| limit.admit(noisy).ok()).collect();
    println!(
        "of 100 at once, {} of the noisy tenant's are admitted",
        admitted.len()
    );
    assert_eq!(
        limit.admit(noisy).err().map(|it| it.reason()),
        Some(Reason::OverShare)
    );
    assert!(
        limit.admit(quiet).is_ok(),
        "and there is room for the quiet one"
    );
    Ok(())
}

/// A plan that is worth three of the others', which may have two slots at most.
fn shares(noisy: &TenantId) -> Result<(), BoxError> {
    let slots = FairSemaphore::new(NonZeroUsize::new(SLOTS).ok_or("no slots")?)
        .share_of(|tenant| match tenant.as_str() {
            "big" => Share::weight(3),
            _ => Share::weight(1).at_most(2),
        })
        .reserve(&TenantId::new("big")?, 1);
    let held = [slots.try_acquire(noisy)?, slots.try_acquire(noisy)?];
    let refused = slots.try_acquire(noisy).err();
    assert_eq!(refused.map(|it| it.reason()), Some(Reason::OverShare));
    drop(held);
    Ok(())
}
