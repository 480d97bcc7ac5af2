//! What a user of the limit relies on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::num::NonZeroUsize;

use towerblock_core::{Reason, TenantId};
use towerblock_fair::{FairLimit, Share};

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
