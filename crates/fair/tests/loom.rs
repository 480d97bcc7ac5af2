//! Every order in which threads may run, of the sources themselves: they are built here once
//! more, with loom's atomics and locks in the place of `sync.rs`.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a crate's modules in a test"
)]

#[path = "../src/acquire.rs"]
mod acquire;
#[path = "../src/admission.rs"]
mod admission;
#[path = "../src/arena.rs"]
mod arena;
#[path = "../src/holders.rs"]
mod holders;
#[path = "../src/limit.rs"]
mod limit;
#[path = "../src/list.rs"]
mod list;
#[path = "../src/pace.rs"]
mod pace;
#[path = "../src/portions.rs"]
mod portions;
#[path = "../src/seats.rs"]
mod seats;
#[path = "../src/semaphore.rs"]
mod semaphore;
#[path = "../src/share.rs"]
mod share;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/slot.rs"]
mod slot;
#[path = "../src/tenants.rs"]
mod tenants;
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
}
#[path = "../src/turns/mod.rs"]
mod turns;
#[path = "../src/wakes.rs"]
mod wakes;

use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use towerblock_core::TenantId;

use self::{
    acquire::Acquire, admission::Admission, limit::FairLimit, semaphore::FairSemaphore,
    share::Share, slot::Slot,
};

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn at_most(slots: usize) -> NonZeroUsize {
    NonZeroUsize::new(slots).unwrap()
}

/// With at most three switches between threads where none has to wait: more take minutes.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

#[test]
fn the_limit_is_never_passed_and_a_slot_carries_what_was_done_with_it() {
    model(|| {
        let slots = FairLimit::new(at_most(1));
        let work = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = ["a", "b"]
            .map(|tenant| {
                let (slots, work) = (slots.clone(), Arc::clone(&work));
                thread::spawn(move || {
                    let Ok(_slot) = slots.admit(&id(tenant)) else {
                        return 0;
                    };
                    // Nobody else is here, and all that was done here before can be seen.
                    let before = work.load(Ordering::Relaxed);
                    work.store(before + 1, Ordering::Relaxed);
                    1
                })
            })
            .into();
        let admitted: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(admitted >= 1);
        assert_eq!(work.load(Ordering::Relaxed), admitted);
        assert!(slots.admit(&id("c")).is_ok(), "all is given back");
    });
}

#[test]
fn two_threads_of_one_tenant_have_its_part_and_no_more() {
    model(|| {
        // Alone, of three it has one and a half: two, and never three.
        let slots = FairLimit::new(at_most(3)).soft_percent(0);
        let threads = [(); 2].map(|()| {
            let slots = slots.clone();
            thread::spawn(move || {
                let first = slots.admit(&id("a")).ok();
                let second = slots.admit(&id("a")).ok();
                [first, second].into_iter().flatten().collect::<Vec<_>>()
            })
        });
        let held = threads.map(|thread| thread.join().unwrap());
        let held = held.iter().flatten().count();
        assert_eq!(held, 2);
    });
}

#[test]
fn whoever_waits_is_woken() {
    model(|| {
        let slots = FairSemaphore::new(at_most(1));
        let held = block_on(slots.acquire(&id("a"))).unwrap();
        let waits = {
            let slots = slots.clone();
            thread::spawn(move || drop(block_on(slots.acquire(&id("b"))).unwrap()))
        };
        drop(held);
        waits.join().unwrap();
        assert!(slots.try_acquire(&id("a")).is_ok());
    });
}

#[test]
fn a_slot_handed_to_whoever_leaves_wakes_the_next() {
    model(|| {
        let slots = FairSemaphore::new(at_most(1));
        let held = block_on(slots.acquire(&id("a"))).unwrap();
        let mut leaves = Box::pin(slots.acquire(&id("b")));
        let poll = leaves
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Pending));
        let next = slots.acquire(&id("c"));
        let leaving = thread::spawn(move || drop(leaves));
        let giving = thread::spawn(move || drop(held));
        drop(block_on(next).unwrap());
        leaving.join().unwrap();
        giving.join().unwrap();
        assert!(slots.try_acquire(&id("a")).is_ok());
    });
}
