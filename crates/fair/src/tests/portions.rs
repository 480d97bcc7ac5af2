use proptest::prelude::{prop_assert_eq, proptest};
use towerblock_core::Reason;

use crate::Share;
use crate::portions::{Portions, soft};

proptest! {
    #[test]
    fn it_is_the_rule_with_its_division(
        limit in 1..50_usize,
        percent in 0..=100_usize,
        total in 0..60_usize,
        held in 0..60_usize,
        weight in 1..9_u32,
        cap in 0..60_usize,
        others in 0..40_u64,
    ) {
        let active = u64::from(weight) + others;
        let part = limit as f64 * f64::from(weight) / (active + 1) as f64;
        let below = total < limit * percent / 100;
        let expected = if total >= limit {
            Err(Reason::Overloaded)
        } else if held < cap && (below || (held as f64) < part.max(1.0)) {
            Ok(())
        } else {
            Err(Reason::OverShare)
        };
        let portions = Portions::new(limit, soft(limit, percent));
        let share = Share::weight(weight).at_most(cap);
        prop_assert_eq!(portions.allow(total, held, share, active), expected);
    }
}

#[test]
fn no_number_is_too_big() {
    let most = Share::weight(u32::MAX);
    let portions = Portions::new(usize::MAX, soft(usize::MAX, 100));
    for held in [0, 1, usize::MAX - 1] {
        assert_eq!(portions.allow(held, held, most, u64::MAX), Ok(()));
    }
}
