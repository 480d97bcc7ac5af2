use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::{prop_assert, prop_assert_eq, prop_assume, proptest};
use towerblock_quota::{Anchor, MemoryQuotas, Quota};

use crate::claim;

const DAY: i64 = 86_400;

/// Days since 1970 of the first days of months, from the anchor of a 31st.
#[test]
fn a_month_that_lacks_the_day_begins_with_its_last() {
    let anchor = Anchor::new(2024, 1, 31).unwrap();
    // 31 January, 29 February, 31 March, 30 April 2024, and the same in 2025.
    let begins = [19_753, 19_782, 19_813, 19_843];
    for [begin, next] in begins.windows(2).map(|pair| [pair[0], pair[1]]) {
        for second in [begin * DAY, begin * DAY + 1, next * DAY - 1] {
            let period = anchor.period_at(second);
            assert_eq!((period.start(), period.end()), (begin * DAY, next * DAY));
        }
    }
    // 28 February 2025, and 1 January for those who never chose.
    assert_eq!(anchor.period_at(20_150 * DAY).start(), 20_147 * DAY);
    assert_eq!(
        Anchor::default().period_at(20_100 * DAY).start(),
        20_089 * DAY
    );
    assert!(Anchor::new(2023, 2, 29).is_none());
}

proptest! {
    #[test]
    fn every_second_is_in_one_month(
        year in 1990_i16..2100,
        month in 1_i8..13,
        day in 1_i8..32,
        second in 0..4_000_000_000_i64,
    ) {
        let anchor = Anchor::new(year, month, day);
        prop_assume!(anchor.is_some());
        let anchor = anchor.unwrap();
        let period = anchor.period_at(second);
        prop_assert!((period.start()..period.end()).contains(&second));
        prop_assert!((28 * DAY..=31 * DAY).contains(&(period.end() - period.start())));
        prop_assert_eq!(anchor.period_at(period.end()).start(), period.end());
        prop_assert_eq!(anchor.period_at(period.start() - 1).end(), period.start());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_clients_make_up_take_no_more_memory_than_there_is() {
    let quotas = MemoryQuotas::new(NonZeroUsize::new(100).unwrap());
    let free = claim("free", Quota::stock(1_000_000));
    let counted = |quotas: &MemoryQuotas| {
        let keys = (0..1_000).map(|key| quotas.consume_once(&free, &format!("key-{key}")));
        keys.filter(Result::is_ok).count()
    };
    assert_eq!(counted(&quotas), 100);
    let full = quotas.consume_once(&free, "one more").unwrap_err();
    assert!(full.rejected().is_none() && !full.is_key());
    // What needs no key goes on.
    assert_eq!(quotas.consume(&free).unwrap().used, 101);
    tokio::time::advance(Duration::from_secs(86_401)).await;
    assert_eq!(quotas.consume_once(&free, "one more").unwrap().used, 102);
    // Nor do tenants' counts.
    let rows = (0..1_000).map(|n| quotas.consume(&claim(&format!("r{n}"), Quota::stock(1))));
    assert_eq!(rows.filter(Result::is_ok).count(), 99);
}
