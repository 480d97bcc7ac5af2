//! What an instance knows of what Redis has.

use std::num::{NonZeroU64, NonZeroUsize};

use crate::Rate;
use crate::fleet::slots::{Asks, Grant, Known, Need, Slots};
use crate::state::Judged;

const GRANT: Grant = Grant {
    taken: 10,
    lease: 200,
    left: 50,
    reset: 1_000,
};

#[test]
fn a_lease_is_spent_until_it_ends_and_no_longer() {
    let slots = Slots::new(NonZeroUsize::MIN);
    let rate = Rate::per_second(NonZeroU64::new(100).unwrap());
    let at = |now| Need {
        key: 7,
        rate: &rate,
        cost: 1,
        most: 20,
        now,
    };
    // It was sent at 1,000, and whoever asked has spent one.
    slots.grant(at(1_000), GRANT);
    let spend = |now| match slots.spend(at(now), Asks::Nobody) {
        Known::Spent(judged, until) => Some((judged, until)),
        _ => None,
    };
    let room = |remaining, reset| Some((Judged::Room { remaining, reset }, 1_200));
    assert_eq!(spend(1_100), room(58, 900));
    assert_eq!(spend(1_199), room(57, 801));
    assert_eq!(spend(1_200), None);
    // What was spent for nothing goes back to the lease it is of, and to no other.
    slots.give_back(7, 1, 1_200);
    assert_eq!(spend(1_199), room(57, 801));
    slots.give_back(7, 1, 1_300);
    assert_eq!(spend(1_199), room(56, 801));
    // Under another rate it is nothing.
    let other = Rate::per_second(NonZeroU64::new(200).unwrap());
    let need = Need {
        rate: &other,
        ..at(1_199)
    };
    assert!(matches!(
        slots.spend(need, Asks::Nobody),
        Known::Unknown { .. }
    ));
    assert_eq!(spend(1_199), None);
}

#[test]
fn made_up_keys_take_nobodys_lease() {
    let slots = Slots::new(NonZeroUsize::new(16).unwrap());
    let rate = Rate::per_second(NonZeroU64::new(100).unwrap());
    let of = |key: u64| Need {
        key,
        rate: &rate,
        cost: 1,
        most: 20,
        now: 1_000,
    };
    let bytes = slots.bytes();
    let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1);
    slots.grant(of(spread(1)), GRANT);
    for n in 2..10_000 {
        slots.grant(of(spread(n)), GRANT);
    }
    let spent = slots.spend(of(spread(1)), Asks::Nobody);
    assert!(matches!(spent, Known::Spent(..)));
    assert_eq!(slots.bytes(), bytes);
}
