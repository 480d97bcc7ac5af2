//! What a user of the semaphore relies on.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod cancellation;
mod load;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_core::{Reason, Stats as _, TenantId, Value};
use towerblock_fair::{Acquire, FairSemaphore, Share, Slot};

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn slots(slots: usize) -> FairSemaphore {
    FairSemaphore::new(NonZeroUsize::new(slots).unwrap())
}

/// Asks once, with nobody to wake.
fn has_slot(acquire: &mut Pin<Box<Acquire>>) -> Option<Slot> {
    let poll = acquire
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    match poll {
        Poll::Ready(slot) => Some(slot.unwrap()),
        Poll::Pending => None,
    }
}

/// A number of the semaphore, by its name and label.
fn number(slots: &FairSemaphore, name: &str, label: &str) -> f64 {
    let mut found = None;
    slots.read(&mut |metric, its_label, value| {
        if (metric.name, its_label) == (name, label) {
            found = Some(value);
        }
    });
    match found.unwrap() {
        Value::Level(level) => level,
        Value::Count(count) => count as f64,
        other => unreachable!("{other:?}"),
    }
}

fn in_use(slots: &FairSemaphore) -> f64 {
    number(slots, "fair_slots_in_use", "")
}

fn waiting(slots: &FairSemaphore) -> f64 {
    number(slots, "fair_waiting", "")
}

#[tokio::test]
async fn tenants_have_their_turns() {
    let slots = slots(1);
    let (noisy, quiet) = (id("noisy"), id("quiet"));
    let held = slots.acquire(&noisy).await.unwrap();
    let mut first = Box::pin(slots.acquire(&noisy));
    let mut second = Box::pin(slots.acquire(&noisy));
    let mut other = Box::pin(slots.acquire(&quiet));
    assert!(has_slot(&mut first).is_none());
    drop(held);
    let held = has_slot(&mut first).unwrap();
    assert!(has_slot(&mut other).is_none());
    drop(held);
    assert!(has_slot(&mut second).is_none());
    drop(has_slot(&mut other).unwrap());
    drop(has_slot(&mut second).unwrap());
    assert!(slots.try_acquire(&quiet).is_ok());
}

#[tokio::test]
async fn a_slot_handed_to_who_left_goes_on() {
    let slots = slots(1);
    let held = slots.acquire(&id("a")).await.unwrap();
    let first = slots.acquire(&id("a"));
    let mut second = Box::pin(slots.acquire(&id("b")));
    drop(held);
    assert!(has_slot(&mut second).is_none());
    drop(first);
    assert!(has_slot(&mut second).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_exchanges_a_slot_waits_before_its_own_and_not_before_others() {
    let slots = slots(2).queue(2, 2);
    let (a, b) = (id("a"), id("b"));
    let first = slots.acquire(&a).await.unwrap();
    let second = slots.acquire(&b).await.unwrap();
    let mut of_b = Box::pin(slots.acquire(&b));
    let mut of_a = Box::pin(slots.acquire(&a));
    // The slot that both stood on is gone, and so is one of two.
    slots.resize(1);
    let mut again = Box::pin(first.exchange(&a));
    assert!(has_slot(&mut again).is_none(), "though the queue was full");
    drop(second);
    let held = has_slot(&mut of_b).expect("b came first");
    drop(held);
    let held = has_slot(&mut again).expect("before the other of a");
    assert!(has_slot(&mut of_a).is_none());
    drop(held);
    assert!(has_slot(&mut of_a).is_some());
    let last = slots.acquire(&a).await.unwrap();
    slots.close();
    let reason = last.exchange(&a).await.unwrap_err().reason();
    assert_eq!(reason, Reason::Draining);
    assert_eq!((in_use(&slots), waiting(&slots)), (0.0, 0.0));
}

#[tokio::test]
async fn nobody_snatches_what_is_waited_for() {
    let slots = slots(1);
    let held = slots.acquire(&id("a")).await.unwrap();
    let mut waits = Box::pin(slots.acquire(&id("a")));
    drop(held);
    let refused = slots.try_acquire(&id("b")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert!(has_slot(&mut waits).is_some());
}

#[tokio::test]
async fn a_cap_and_a_reserve_hold() {
    let share = |tenant: &TenantId| match tenant.as_str() {
        "capped" => Share::weight(1).at_most(1),
        "out" => Share::weight(1).at_most(0),
        _ => Share::default(),
    };
    let slots = slots(3).share_of(share).reserve(&id("vip"), 1);
    let refused = slots.acquire(&id("out")).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::OverShare);
    let capped = slots.try_acquire(&id("capped")).unwrap();
    let refused = slots.try_acquire(&id("capped")).unwrap_err();
    assert_eq!(refused.reason(), Reason::OverShare);
    let mut waits = Box::pin(slots.acquire(&id("capped")));
    let _other = slots.try_acquire(&id("other")).unwrap();
    let refused = slots.try_acquire(&id("other")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    let _vip = slots.try_acquire(&id("vip")).unwrap();
    assert!(slots.try_acquire(&id("vip")).is_err());
    drop(capped);
    assert!(has_slot(&mut waits).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_and_one_that_cannot_be_is_refused_at_once() {
    let slots = slots(1);
    let a = id("a");
    let held = slots.acquire(&a).await.unwrap();
    let start = Instant::now();
    let soon = start + Duration::from_millis(10);
    let refused = slots.acquire_before(&a, soon).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert_eq!(start.elapsed().as_millis(), 10);
    // 100 ms each, so whoever comes now has to wait that long.
    let mut held = Some(held);
    for _ in 0..4 {
        let next = slots.acquire(&a);
        sleep(Duration::from_millis(100)).await;
        drop(held.take());
        held = Some(next.await.unwrap());
    }
    let start = Instant::now();
    let first = slots.acquire(&a);
    let deadline = start + Duration::from_millis(199);
    let refused = slots.acquire_before(&a, deadline).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(200)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let in_time = slots.acquire_before(&a, start + Duration::from_millis(201));
    sleep(Duration::from_millis(100)).await;
    drop(held);
    drop(first.await.unwrap());
    let held = in_time.await.unwrap();
    // With nobody before it, it waits and sees: what it was like may be over.
    let start = Instant::now();
    let soon = start + Duration::from_millis(10);
    assert!(slots.acquire_before(&a, soon).await.is_err());
    assert_eq!(start.elapsed().as_millis(), 10);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn slots_that_come_back_together_are_not_taken_for_late_in_between() {
    let slots = slots(20);
    let a = id("a");
    let mut tasks = JoinSet::new();
    for _ in 0..120 {
        let (slots, a) = (slots.clone(), a.clone());
        tasks.spawn(async move {
            for _ in 0..10 {
                let held = slots.acquire(&a).await.unwrap();
                sleep(Duration::from_millis(10)).await;
                drop(held);
            }
        });
    }
    // Twenty come back each 10 ms: with a hundred waiting it takes some 50 ms to have one.
    sleep(Duration::from_millis(109)).await;
    let soon = Instant::now() + Duration::from_millis(200);
    assert!(slots.acquire_before(&a, soon).await.is_ok());
    tasks.shutdown().await;
}

#[tokio::test]
async fn a_full_queue_makes_room_for_who_waits_with_fewer() {
    let slots = slots(1).queue(3, 3);
    let (noisy, quiet) = (id("noisy"), id("quiet"));
    let held = slots.acquire(&noisy).await.unwrap();
    let [first, second, third] = [(); 3].map(|()| slots.acquire(&noisy));
    // In a task, which only goes on when it is woken.
    let third = tokio::spawn(third);
    tokio::task::yield_now().await;
    let refused = slots.acquire(&noisy).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::OverShare);
    let other = slots.acquire(&quiet);
    let pushed_out = tokio::time::timeout(Duration::from_secs(5), third).await;
    let pushed_out = pushed_out.unwrap().unwrap().unwrap_err();
    assert_eq!(pushed_out.reason(), Reason::OverShare);
    // Two and one: another one of the quiet tenant's would only turn that round.
    let refused = slots.acquire(&quiet).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    drop(held);
    drop(first.await.unwrap());
    drop(other.await.unwrap());
    drop(second.await.unwrap());
}

#[tokio::test]
async fn slots_come_and_go_while_in_use() {
    let slots = slots(1);
    let a = id("a");
    let first = slots.acquire(&a).await.unwrap();
    let waits = slots.acquire(&a);
    slots.resize(2);
    let second = waits.await.unwrap();
    slots.resize(1);
    let mut waits = Box::pin(slots.acquire(&a));
    drop(first);
    assert!(has_slot(&mut waits).is_none());
    drop(second);
    assert!(has_slot(&mut waits).is_some());
}

#[tokio::test]
async fn a_closed_one_refuses_all_who_wait_and_come() {
    let slots = slots(1);
    let held = slots.acquire(&id("a")).await.unwrap();
    let waits = tokio::spawn(slots.acquire(&id("b")));
    tokio::task::yield_now().await;
    slots.close();
    let refused = tokio::time::timeout(Duration::from_secs(5), waits).await;
    let refused = refused.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::Draining);
    drop(held);
    let refused = slots.acquire(&id("a")).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Draining);
}

#[tokio::test]
async fn its_numbers_are_told() {
    let slots = slots(1).queue(1, 10).named("pool");
    let a = id("a");
    let held = slots.acquire(&a).await.unwrap();
    let waits = [slots.acquire(&a), slots.acquire(&id("b"))];
    let refused = slots.acquire(&a).await.unwrap_err();
    assert_eq!(
        (refused.by(), refused.reason()),
        ("pool", Reason::OverShare)
    );
    assert!(slots.try_acquire(&a).is_err());
    assert_eq!((in_use(&slots), waiting(&slots)), (1.0, 2.0));
    assert_eq!(number(&slots, "fair_waiting_tenants", ""), 2.0);
    assert_eq!(number(&slots, "fair_refused", "over_share"), 1.0);
    assert_eq!(number(&slots, "fair_refused", "overloaded"), 1.0);
    let mut told = Vec::new();
    slots.read(&mut |metric, _, _| told.push(metric.name));
    told.dedup();
    let described: Vec<_> = slots.describe().iter().map(|metric| metric.name).collect();
    assert_eq!(told, described);
    drop((held, waits));
    assert_eq!((in_use(&slots), waiting(&slots)), (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_only_for_itself_is_told_so() {
    // b waits behind one of its own; a turn of five slots for a, before each of b's.
    let share = |tenant: &TenantId| Share::weight(if tenant.as_str() == "a" { 5 } else { 1 });
    let slots = slots(1).share_of(share);
    let (a, b) = (id("a"), id("b"));
    let mut held = Some(slots.acquire(&a).await.unwrap());
    for _ in 0..3 {
        let next = slots.acquire(&a);
        sleep(Duration::from_secs(1)).await;
        drop(held.take());
        held = Some(next.await.unwrap());
    }
    let _waiting: Vec<_> = (0..20).map(|_| slots.acquire(&a)).collect();
    // Five of a's, and then its own.
    let refused = slots.try_acquire(&b).unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(6)));
    let _first = slots.acquire(&b);
    let refused = slots.try_acquire(&b).unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(12)));
    // Nothing came back for longer than usual.
    sleep(Duration::from_secs(3)).await;
    let refused = slots.try_acquire(&b).unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(36)));
}

#[test]
fn nobody_needs_a_runtime_without_a_deadline() {
    let slots = slots(1);
    let mut first = Box::pin(slots.acquire(&id("a")));
    let mut second = Box::pin(slots.acquire(&id("a")));
    let held = has_slot(&mut first);
    assert!(held.is_some() && has_slot(&mut second).is_none());
    drop(held);
    assert!(has_slot(&mut second).is_some());
}
