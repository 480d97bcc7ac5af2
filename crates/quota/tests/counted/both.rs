use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::{BoxError, Reason};
use towerblock_quota::{Anchor, MemoryQuotas, PostgresQuotas, Quota, QuotaError};
use towerblock_testkit::Postgres;

use crate::claim;
use crate::store::{Store, connect};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn memory_counts() {
    all(&MemoryQuotas::new(NonZeroUsize::new(1_000).unwrap())).await;
}

#[tokio::test]
async fn a_database_counts() {
    let servers = Postgres::builder().start().await.unwrap();
    let client = Arc::new(connect(&servers.primary().url()).await);
    PostgresQuotas::create_tables(&*client).await.unwrap();
    PostgresQuotas::create_tables(&*client).await.unwrap();
    let quotas = PostgresQuotas::new(move || {
        let client = Arc::clone(&client);
        async move { Ok::<_, BoxError>(client) }
    });
    all(&quotas).await;
}

async fn all(store: &impl Store) {
    a_stock_is_full_and_what_is_deleted_comes_back(store).await;
    a_month_is_full_until_the_next(store).await;
    a_key_counts_once(store).await;
    what_is_reserved_is_committed_or_released(store).await;
    what_expired_is_given_back_and_counts_late(store).await;
    a_smaller_plan_deletes_nothing(store).await;
    what_goes_beyond_is_counted(store).await;
    each_part_is_told_once(store).await;
    nothing_overflows(store).await;
}

fn reason(result: Result<towerblock_quota::Usage, QuotaError>) -> Reason {
    result.unwrap_err().rejected().unwrap().reason()
}

async fn a_stock_is_full_and_what_is_deleted_comes_back(store: &impl Store) {
    let plugin = claim("plugins", Quota::stock(3));
    assert_eq!(store.usage(&plugin).await.remaining(), 3);
    assert_eq!(store.consume(&plugin).await.unwrap().remaining(), 2);
    let too_much = store.consume(&plugin.clone().units(3)).await.unwrap_err();
    assert_eq!(too_much.exceeded_by().unwrap().used, 1);
    assert_eq!(too_much.rejected().unwrap().retry_after(), None);
    assert_eq!(
        store.consume(&plugin.clone().units(2)).await.unwrap().used,
        3
    );
    assert_eq!(reason(store.consume(&plugin).await), Reason::StockQuota);
    assert_eq!(store.give_back(&plugin).await.used, 2);
    assert_eq!(store.consume(&plugin).await.unwrap().used, 3);
    assert_eq!(store.give_back(&plugin.clone().units(9)).await.used, 0);
    assert_eq!(store.correct(&plugin, 2).await.remaining(), 1);
    // Nothing at all is nothing.
    let none = claim("nothing", Quota::stock(0));
    assert_eq!(reason(store.consume(&none).await), Reason::StockQuota);
    assert_eq!(store.give_back(&none).await.used, 0);
}

async fn a_month_is_full_until_the_next(store: &impl Store) {
    let anchor = Anchor::new(2024, 1, 31).unwrap();
    let now = anchor.now();
    let calls = claim("calls", Quota::monthly(2)).period(now);
    assert_eq!(
        store.consume(&calls.clone().units(2)).await.unwrap().used,
        2
    );
    let refused = store.consume(&calls).await.unwrap_err();
    let rejected = refused.rejected().unwrap();
    assert_eq!(rejected.reason(), Reason::PeriodQuota);
    assert!(rejected.retry_after().unwrap() > Duration::ZERO);
    let next = calls.clone().period(anchor.period_at(now.end()));
    assert_eq!(store.consume(&next).await.unwrap().used, 1);
    assert_eq!(store.usage(&calls).await.used, 2);
    // What was reserved in a month is counted in it.
    let last = calls.clone().period(anchor.period_at(now.start() - 1));
    store.reserve(&last, "over-midnight", HOUR).await.unwrap();
    let committed = store.commit(&calls, "over-midnight", 1).await.unwrap();
    assert_eq!((committed.used, committed.reserved), (1, 0));
    assert_eq!(store.usage(&last).await.used, 1);
}

async fn a_key_counts_once(store: &impl Store) {
    let record = claim("records", Quota::stock(5)).units(2);
    for repeated in [false, true, true] {
        let usage = store.consume_once(&record, "first").await.unwrap();
        assert_eq!((usage.used, usage.repeated), (2, repeated));
    }
    let other = store.consume_once(&record.clone().units(1), "first").await;
    assert!(other.unwrap_err().is_key());
    let long = "x".repeat(256);
    for wrong in ["", &long] {
        assert!(
            store
                .consume_once(&record, wrong)
                .await
                .unwrap_err()
                .is_key()
        );
    }
    assert_eq!(store.consume_once(&record, "second").await.unwrap().used, 4);
    // No room is not remembered.
    assert_eq!(
        reason(store.consume_once(&record, "third").await),
        Reason::StockQuota
    );
    store.give_back(&record).await;
    assert_eq!(store.consume_once(&record, "third").await.unwrap().used, 4);
}

async fn what_is_reserved_is_committed_or_released(store: &impl Store) {
    let bytes = claim("bytes", Quota::stock(100)).units(60);
    for repeated in [false, true] {
        let usage = store.reserve(&bytes, "a", HOUR).await.unwrap();
        assert_eq!(
            (usage.used, usage.reserved, usage.repeated),
            (0, 60, repeated)
        );
    }
    assert_eq!(
        reason(store.reserve(&bytes, "b", HOUR).await),
        Reason::StockQuota
    );
    assert_eq!(reason(store.consume(&bytes).await), Reason::StockQuota);
    for repeated in [false, true] {
        let usage = store.commit(&bytes, "a", 70).await.unwrap();
        assert_eq!(
            (usage.used, usage.reserved, usage.repeated),
            (70, 0, repeated)
        );
    }
    assert!(!store.release(&bytes, "a").await);
    let few = bytes.clone().units(30);
    store.reserve(&few, "b", HOUR).await.unwrap();
    assert!(store.release(&few, "b").await);
    assert!(!store.release(&few, "b").await);
    for unknown in ["b", "never"] {
        assert!(store.commit(&few, unknown, 1).await.unwrap_err().is_key());
    }
    let usage = store.usage(&bytes).await;
    assert_eq!((usage.used, usage.reserved), (70, 0));
}

async fn what_expired_is_given_back_and_counts_late(store: &impl Store) {
    let upload = claim("uploads", Quota::stock(10)).units(10);
    store
        .reserve(&upload, "late", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(store.usage(&upload).await.reserved, 10);
    assert_eq!(store.sweep().await, 1);
    assert_eq!(store.sweep().await, 0);
    assert_eq!(store.consume(&upload).await.unwrap().used, 10);
    let late = store.commit(&upload, "late", 4).await.unwrap();
    assert_eq!((late.used, late.over(), late.late), (14, 4, true));
}

async fn a_smaller_plan_deletes_nothing(store: &impl Store) {
    let large = claim("users", Quota::stock(10));
    store.consume(&large.clone().units(8)).await.unwrap();
    let small = claim("users", Quota::stock(5));
    let usage = store.usage(&small).await;
    assert_eq!((usage.used, usage.remaining(), usage.over()), (8, 0, 3));
    assert_eq!(reason(store.consume(&small).await), Reason::StockQuota);
    store.give_back(&small.clone().units(4)).await;
    assert_eq!(store.consume(&small).await.unwrap().used, 5);
    assert_eq!(store.consume(&large).await.unwrap().used, 6);
}

async fn what_goes_beyond_is_counted(store: &impl Store) {
    let seat = claim("seats", Quota::stock(2).overage(1));
    let usage = store.consume(&seat.clone().units(3)).await.unwrap();
    assert_eq!((usage.remaining(), usage.over()), (0, 1));
    assert_eq!(reason(store.consume(&seat).await), Reason::StockQuota);
    let soft = claim("seats", Quota::stock(2).soft());
    assert_eq!(store.consume(&soft).await.unwrap().over(), 2);
}

async fn each_part_is_told_once(store: &impl Store) {
    let mut crossings = store.crossings();
    let mails = claim("mails", Quota::monthly(10).soft());
    let mut told = Vec::new();
    for _ in 0..25 {
        told.extend(store.consume(&mails).await.unwrap().crossed);
    }
    store.give_back(&mails.clone().units(25)).await;
    told.extend(
        store
            .consume(&mails.clone().units(20))
            .await
            .unwrap()
            .crossed,
    );
    let percents: Vec<_> = told
        .iter()
        .map(|crossed| (crossed.percent, crossed.used))
        .collect();
    assert_eq!(percents, [(50, 5), (80, 8), (100, 10), (200, 20)]);
    for crossed in &told {
        let heard = crossings.next().await.unwrap();
        assert_eq!((heard.percent, heard.used), (crossed.percent, crossed.used));
    }
    // Of what goes down it is told anew after half.
    let seat = claim("desks", Quota::stock(4));
    let four = seat.clone().units(4);
    let all = store.consume(&four).await.unwrap().crossed;
    assert_eq!(all.map(|crossed| crossed.percent), Some(100));
    store.give_back(&seat.clone().units(2)).await;
    assert!(
        store
            .consume(&seat.clone().units(2))
            .await
            .unwrap()
            .crossed
            .is_none()
    );
    store.give_back(&seat.clone().units(3)).await;
    let half = store.consume(&seat).await.unwrap().crossed;
    assert_eq!(half.map(|crossed| crossed.percent), Some(50));
}

async fn nothing_overflows(store: &impl Store) {
    let soft = claim("atoms", Quota::stock(u64::MAX).soft());
    assert_eq!(
        reason(store.consume(&soft.clone().units(u64::MAX)).await),
        Reason::StockQuota
    );
    let most = soft.clone().units(u64::MAX / 2 - 1);
    assert_eq!(store.consume(&most).await.unwrap().used, u64::MAX / 2 - 1);
    assert_eq!(reason(store.consume(&most).await), Reason::StockQuota);
    store.reserve(&soft, "last", HOUR).await.unwrap();
    assert_eq!(reason(store.consume(&soft).await), Reason::StockQuota);
    let usage = store.commit(&soft, "last", u64::MAX).await.unwrap();
    assert_eq!(usage.used, u64::MAX / 2);
}
