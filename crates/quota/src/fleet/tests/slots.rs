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
fn a_lease_is_spent_within_a_minute_and_no_later() {
    const END: u64 = 60_000_001_000;
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
    let room = |remaining, reset| Some((Judged::Room { remaining, reset }, END));
    assert_eq!(spend(1_100), room(58, 900));
    assert_eq!(spend(END - 1), room(57, 0));
    assert_eq!(spend(END), None);
    // What was spent for nothing goes back to the lease it is of, and to no other.
    slots.give_back(7, 1, END);
    assert_eq!(spend(1_199), room(57, 801));
    slots.give_back(7, 1, END + 1);
    assert_eq!(spend(1_199), room(56, 801));
    // Where there are more instances by now, there is less to be spent.
    let fewer = Need {
        most: 2,
        ..at(1_199)
    };
    let Known::Spent(judged, _) = slots.spend(fewer, Asks::Nobody) else {
        panic!("two of six are left");
    };
    assert_eq!(Some((judged, END)), room(51, 801));
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
    let spent = |key| matches!(slots.spend(of(key), Asks::Nobody), Known::Spent(..));
    assert!(spent(spread(1)));
    assert_eq!(slots.bytes(), bytes);
    // Once it is older than what a lease brings, it gives way for want of another place.
    let late = (0..16).map(|n| Need {
        now: 2_000,
        ..of(spread(20_000 + n))
    });
    let late: Vec<_> = late.collect();
    for need in &late {
        slots.grant(*need, GRANT);
    }
    assert!(!spent(spread(1)));
    let kept = late.iter().filter(|need| spent(need.key)).count();
    assert!(kept >= 8, "{kept}");
    assert_eq!(slots.bytes(), bytes);
}
