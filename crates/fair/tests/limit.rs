//! What a user of the limit relies on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use towerblock_core::{Reason, Rejected, Stats as _, TenantId, Value};
use towerblock_fair::{Admission, FairLimit, Share};

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn limit(limit: usize) -> FairLimit {
    FairLimit::new(NonZeroUsize::new(limit).unwrap())
}

#[test]
fn a_flood_of_one_leaves_room_for_others() {
    let slots = limit(10);
    let (noisy, quiet) = (id("noisy"), id("quiet"));
    // Alone, it has what is below the soft limit, and no more.
    let held: Vec<_> = (0..20).filter_map(|_| slots.admit(&noisy).ok()).collect();
    assert_eq!(held.len(), 8);
    let refused = slots.admit(&noisy).unwrap_err();
    assert_eq!(refused.reason(), Reason::OverShare);
    let first = slots.admit(&quiet).unwrap();
    let second = slots.admit(&quiet).unwrap();
    // The limit, for everyone.
    let refused = slots.admit(&id("third")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    drop((first, second));
    drop(held);
    assert!(slots.admit(&noisy).is_ok());
}

#[test]
fn above_the_soft_limit_weights_count() {
    let share = |tenant: &TenantId| match tenant.as_str() {
        "big" => Share::weight(3),
        _ => Share::default(),
    };
    // No soft zone: shares from the first slot on.
    let slots = limit(100).soft_percent(0).share_of(share);
    let small = slots.admit(&id("small")).unwrap();
    let big: Vec<_> = std::iter::from_fn(|| slots.admit(&id("big")).ok()).collect();
    // 3 of 3 + 1 and one more.
    assert_eq!(big.len(), 60);
    drop(small);
    let more: Vec<_> = std::iter::from_fn(|| slots.admit(&id("big")).ok()).collect();
    assert_eq!(big.len() + more.len(), 75);
}

#[test]
fn a_cap_holds_where_there_is_room() {
    let slots = limit(10).share_of(|_| Share::weight(1).at_most(2));
    let held = [(); 2].map(|()| slots.admit(&id("a")).unwrap());
    let refused = slots.admit(&id("a")).unwrap_err();
    assert_eq!(refused.reason(), Reason::OverShare);
    drop(held);
    assert!(slots.admit(&id("a")).is_ok());
}

#[test]
fn it_may_become_smaller_while_in_use() {
    let slots = limit(10).soft_percent(100).named("shed");
    let mut held: Vec<_> = (0..10).map(|_| slots.admit(&id("a")).unwrap()).collect();
    slots.resize(NonZeroUsize::new(5).unwrap());
    held.truncate(5);
    let refused = slots.admit(&id("b")).unwrap_err();
    assert_eq!(
        (refused.by(), refused.reason()),
        ("shed", Reason::Overloaded)
    );
    held.truncate(4);
    assert!(slots.admit(&id("b")).is_ok());
}

#[test]
fn its_numbers_are_told() {
    let slots = limit(2);
    let held = [id("a"), id("b")].map(|tenant| slots.admit(&tenant).unwrap());
    assert!(slots.admit(&id("c")).is_err());
    drop(held);
    let _held = slots.admit(&id("a")).unwrap();
    assert_eq!(
        slots.admit(&id("a")).unwrap_err().reason(),
        Reason::OverShare
    );
    let mut told = Vec::new();
    slots.read(&mut |metric, label, value| told.push((metric.name, label.to_owned(), value)));
    let level = |name, level| (name, String::new(), Value::Level(level));
    let count = |label: &str, count| ("fair_limit_refused", label.to_owned(), Value::Count(count));
    let expected = vec![
        level("fair_limit", 2.0),
        level("fair_limit_in_use", 1.0),
        level("fair_limit_tenants", 1.0),
        count("over_share", 1),
        count("overloaded", 1),
    ];
    assert_eq!(told, expected);
}

#[test]
fn threads_never_have_more_than_the_limit() {
    let slots = limit(7).soft_percent(100);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let refused: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (slots, now, most) = (&slots, &now, &most);
                scope.spawn(move || {
                    let tenants = [(); 3].map(|()| id(&format!("t{}", thread % 2)));
                    let mut refused = 0;
                    for _ in 0..20_000 {
                        let admitted = tenants.each_ref().map(|tenant| slots.admit(tenant).ok());
                        let had = admitted.iter().flatten().count();
                        most.fetch_max(
                            now.fetch_add(had, Ordering::SeqCst) + had,
                            Ordering::SeqCst,
                        );
                        now.fetch_sub(had, Ordering::SeqCst);
                        refused += 3 - had;
                    }
                    refused
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert!(most.into_inner() <= 7);
    let mut in_use = None;
    slots.read(&mut |metric, _, value| {
        if metric.name == "fair_limit_in_use" {
            in_use = Some(value);
        }
    });
    assert_eq!(in_use, Some(Value::Level(0.0)), "{refused} were refused");
}

proptest! {
    /// Counted from scratch each time; weights stay what they were when a tenant came.
    #[test]
    fn it_does_as_sums_over_all_that_is_held(
        most in 1..20_usize,
        percent in 0..=100_u8,
        weights in vec(1..5_u32, 5),
        steps in vec((0..5_usize, any::<bool>(), any::<usize>()), 1..200),
    ) {
        let shares = weights.clone();
        let slots = limit(most).soft_percent(percent).share_of(move |tenant| {
            let tenant: usize = tenant.as_str()[1..].parse().unwrap();
            Share::weight(shares[tenant])
        });
        let mut held: Vec<(usize, Admission)> = Vec::new();
        for (tenant, gives_back, which) in steps {
            if gives_back {
                if !held.is_empty() {
                    drop(held.swap_remove(which % held.len()));
                }
                continue;
            }
            let mut of = HashMap::new();
            for (holder, _) in &held {
                *of.entry(*holder).or_insert(0) += 1;
            }
            let its = *of.entry(tenant).or_insert(0);
            let active: u32 = of.keys().map(|holder| weights[*holder]).sum();
            let part = most as f64 * f64::from(weights[tenant]) / f64::from(active + 1);
            let expected = if held.len() >= most {
                Some(Reason::Overloaded)
            } else if held.len() < most * usize::from(percent) / 100 || f64::from(its) < part.max(1.0) {
                None
            } else {
                Some(Reason::OverShare)
            };
            let admitted = slots.admit(&id(&format!("t{tenant}")));
            prop_assert_eq!(admitted.as_ref().err().map(Rejected::reason), expected);
            held.extend(admitted.ok().map(|admission| (tenant, admission)));
            prop_assert!(held.len() <= most);
        }
    }
}

#[test]
fn what_must_go_through_is_in_nobody_s_part_and_goes_a_little_beyond_the_limit() {
    let slots = limit(4).soft_percent(50);
    let noisy = id("noisy");
    let mut held: Vec<_> = (0..4).filter_map(|_| slots.admit(&noisy).ok()).collect();
    assert_eq!(held.len(), 2);
    held.extend((0..4).filter_map(|_| slots.admit_unshared(1).ok()));
    assert_eq!((held.len(), slots.in_use(), slots.limit()), (5, 5, 4));
    let refused = slots.admit_unshared(1).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    // It counts towards the limit, for everyone.
    let refused = slots.admit(&id("quiet")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    drop(held);
    assert_eq!(slots.in_use(), 0);
    assert!(slots.admit(&noisy).is_ok());
}

#[test]
fn what_may_be_done_later_leaves_alone_what_is_above_the_soft_limit() {
    let slots = limit(10).soft_percent(50);
    let held: Vec<_> = (0..10)
        .filter_map(|n| slots.admit_below_soft(&id(&format!("t{n}"))).ok())
        .collect();
    assert_eq!(held.len(), 5);
    let refused = slots.admit_below_soft(&id("t0")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert!(slots.admit(&id("t0")).is_ok());
}
