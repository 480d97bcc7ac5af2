use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use towerblock_core::TenantId;
use towerblock_fair::{FairSemaphore, Share, Slot};
use towerblock_testkit::{at_every_poll, poll_times};

use crate::{id, in_use, slots, waiting};

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_it_leaves_nothing_behind() {
    let (slots, a, b) = (slots(1), id("a"), id("b"));
    // Always somebody before it, and a deadline, so that each kind of poll is passed.
    let work = || async {
        let held = slots.acquire(&b).await;
        let late = Instant::now() + Duration::from_secs(60);
        let waits = slots.acquire_before(&a, late);
        let behind = slots.acquire(&b);
        yield_now().await;
        drop(held);
        yield_now().await;
        drop(waits.await.unwrap());
        drop(behind.await.unwrap());
    };
    let mut drops = 0;
    at_every_poll(work, async |polls| {
        assert_eq!((in_use(&slots), waiting(&slots)), (0.0, 0.0), "{polls}");
        drops += 1;
    })
    .await;
    assert_eq!(drops, 3);
    assert!(slots.try_acquire(&a).is_ok());
}

#[test]
fn whatever_is_dropped_whenever_everyone_else_has_a_turn() {
    let mut dropped = 0;
    for seed in 1..=10_000 {
        dropped += Schedule::new(seed).run();
    }
    assert!(dropped > 10_000, "only {dropped} were dropped");
}

/// Tasks that are polled in any order, but only when they were woken, and some of them dropped
/// in the middle.
struct Schedule {
    random: u64,
    slots: FairSemaphore,
    tasks: Vec<Option<Task>>,
    woken: Vec<Arc<Woken>>,
    finished: Arc<AtomicUsize>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut schedule = Self {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            slots: slots(1),
            tasks: Vec::new(),
            woken: Vec::new(),
            finished: Arc::default(),
        };
        schedule.slots = schedule.semaphore();
        for _ in 0..3 + schedule.below(6) {
            let task = schedule.task();
            schedule.tasks.push(Some(task));
            schedule.woken.push(Arc::new(Woken(AtomicBool::new(true))));
        }
        schedule
    }

    /// Plain, with caps, or with a reserve as well.
    fn semaphore(&mut self) -> FairSemaphore {
        let plain = slots(1 + self.below(3));
        let capped = |tenant: &TenantId| match tenant.as_str() {
            "t0" => Share::weight(2),
            _ => Share::weight(1).at_most(1),
        };
        match self.below(3) {
            0 => plain,
            1 => plain.share_of(capped),
            _ => plain.share_of(capped).reserve(&id("t1"), 1),
        }
    }

    /// Three times: waits for a slot, or gives up after some polls; has it for a while.
    fn task(&mut self) -> Task {
        let (slots, finished) = (self.slots.clone(), Arc::clone(&self.finished));
        let tenant = id(&format!("t{}", self.below(3)));
        let plan: Vec<_> = (0..3).map(|_| (self.below(6), self.below(3))).collect();
        Box::pin(async move {
            for (patience, holds) in plan {
                let patience = if patience < 2 { patience } else { usize::MAX };
                let slot = poll_times(patience, slots.acquire(&tenant)).await;
                for _ in 0..holds {
                    yield_now().await;
                }
                drop(slot);
            }
            finished.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// How many tasks were dropped.
    fn run(mut self) -> usize {
        let mut dropped = 0;
        loop {
            let is_woken = |task: &usize| self.woken[*task].0.load(Ordering::Relaxed);
            let ready: Vec<_> = (0..self.tasks.len()).filter(is_woken).collect();
            if ready.is_empty() {
                break;
            }
            match self.below(40) {
                // Any, also one that waits and nobody has woken.
                0..=2 => {
                    let any = self.below(self.tasks.len());
                    self.woken[any].0.store(false, Ordering::Relaxed);
                    dropped += usize::from(self.tasks[any].take().is_some());
                }
                3 => self.slots.resize(self.random as usize % 3),
                _ => {
                    let task = ready[self.below(ready.len())];
                    self.poll(task);
                }
            }
        }
        // The last resize may have left none.
        self.slots.resize(2);
        self.let_all_end();
        assert_eq!((in_use(&self.slots), waiting(&self.slots)), (0.0, 0.0));
        let finished = self.finished.load(Ordering::Relaxed);
        assert_eq!(
            finished + dropped,
            self.tasks.len(),
            "somebody waits for ever"
        );
        dropped
    }

    fn let_all_end(&mut self) {
        while let Some(task) = self
            .woken
            .iter()
            .position(|woken| woken.0.load(Ordering::Relaxed))
        {
            self.poll(task);
        }
    }

    fn poll(&mut self, task: usize) {
        let woken = &self.woken[task];
        woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(woken));
        if let Some(future) = &mut self.tasks[task] {
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                self.tasks[task] = None;
            }
        }
    }

    /// xorshift64: the same in each run.
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random as usize % end
    }
}

#[test]
fn threads_that_give_up_at_any_time_lose_no_slot() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let slots = slots(3);
    let shared = slots.clone();
    runtime.block_on(async move {
        let tasks: Vec<_> = (0..64_usize)
            .map(|task| {
                let slots = shared.clone();
                tokio::spawn(async move {
                    let tenant = id(&format!("t{}", task % 5));
                    for round in 0..500 {
                        let polls = if (task + round) % 3 == 0 {
                            1
                        } else {
                            usize::MAX
                        };
                        let slot = poll_times(polls, slots.acquire(&tenant)).await;
                        yield_now().await;
                        drop(slot);
                    }
                })
            })
            .collect();
        for task in tasks {
            timeout(Duration::from_secs(60), task)
                .await
                .unwrap()
                .unwrap();
        }
    });
    assert_eq!((in_use(&slots), waiting(&slots)), (0.0, 0.0));
}

#[test]
fn a_runtime_that_ends_gives_all_slots_back() {
    let slots = slots(2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for task in 0..20 {
        let slots = slots.clone();
        runtime.spawn(async move {
            let tenant = id(&format!("t{}", task % 3));
            let _slot = slots.acquire(&tenant).await;
            std::future::pending::<()>().await;
        });
    }
    while waiting(&slots) < 18.0 {
        std::thread::yield_now();
    }
    drop(runtime);
    assert_eq!((in_use(&slots), waiting(&slots)), (0.0, 0.0));
    assert!(slots.try_acquire(&id("t0")).is_ok());
}

#[test]
fn a_waker_whose_task_holds_a_slot_may_be_the_last_of_it() {
    // The waker is all that keeps this slot: dropping it under the lock would never end.
    struct Holds {
        _slot: Slot,
    }
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    let slots = slots(1);
    let held = slots.try_acquire(&id("a")).unwrap();
    let waker = Waker::from(Arc::new(Holds { _slot: held }));
    let mut waits = Box::pin(slots.acquire(&id("b")));
    let poll = waits.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(waker);
    // Another waker takes its place, and the slot comes back meanwhile.
    assert!(crate::has_slot(&mut waits).is_none());
    assert!(crate::has_slot(&mut waits).is_some());
}
