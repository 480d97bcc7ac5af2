use std::time::Duration;

use tokio::time::sleep;
use towerblock_cache::{Hub, Outbox, OutboxError, Policy, Settings};

use crate::support::{EVERY, Instance, TABLE, connect, database, id, notes, others, outbox, until};

#[tokio::test]
async fn what_is_committed_is_forgotten_by_all_and_what_is_rolled_back_by_none() {
    let (postgres, mut client) = database().await;
    let url = postgres.primary().url();
    let (a, b) = (
        Instance::alone(&url, outbox()).ready().await,
        Instance::alone(&url, outbox()).ready().await,
    );
    for instance in [&a, &b] {
        instance.put("acme", "1").await;
        instance.put("acme", "2").await;
        instance.put("globex", "1").await;
    }
    let transaction = client.transaction().await.unwrap();
    a.note(&transaction, "acme", "1").await;
    transaction.rollback().await.unwrap();
    sleep(4 * EVERY).await;
    assert!(a.peek("acme", "1").is_some() && b.peek("acme", "1").is_some());

    let transaction = client.transaction().await.unwrap();
    a.note(&transaction, "acme", "1").await;
    // Not before it is over.
    sleep(4 * EVERY).await;
    assert!(a.peek("acme", "1").is_some() && b.peek("acme", "1").is_some());
    transaction.commit().await.unwrap();
    until(async || a.peek("acme", "1").is_none() && b.peek("acme", "1").is_none()).await;
    for instance in [&a, &b] {
        assert!(instance.peek("acme", "2").is_some() && instance.peek("globex", "1").is_some());
    }
}

#[tokio::test]
async fn tags_tenants_and_shared_data_are_forgotten_too() {
    let (postgres, client) = database().await;
    let url = postgres.primary().url();
    let (a, b) = (
        Instance::alone(&url, outbox()).ready().await,
        Instance::alone(&url, outbox()).ready().await,
    );
    let policy = Policy::ttl(Duration::from_secs(600));
    let shared = [&a, &b].map(|on| on.hub.shared_cache::<u64, u64>("plans", policy).unwrap());
    let fill = async || {
        for cache in &shared {
            cache.put(&1, 1).await;
        }
        for instance in [&a, &b] {
            let tagged = towerblock_cache::Loaded::from("old".to_owned()).tag("list");
            instance.cache.put(&id("acme"), "tagged", tagged).await;
            instance.put("acme", "plain").await;
            instance.put("globex", "plain").await;
        }
    };
    fill().await;
    a.cache
        .invalidate_tag_in(&client, &id("acme"), "list")
        .await
        .unwrap();
    until(async || {
        [&a, &b]
            .iter()
            .all(|on| on.peek("acme", "tagged").is_none())
    })
    .await;
    assert!([&a, &b].iter().all(|on| on.peek("acme", "plain").is_some()));

    a.cache
        .invalidate_tenant_in(&client, &id("acme"))
        .await
        .unwrap();
    until(async || [&a, &b].iter().all(|on| on.peek("acme", "plain").is_none())).await;
    assert!(
        [&a, &b]
            .iter()
            .all(|on| on.peek("globex", "plain").is_some())
    );

    assert!(shared.iter().all(|cache| cache.peek(&1).is_some()));
    shared[0].invalidate_in(&client, &1).await.unwrap();
    until(async || shared.iter().all(|cache| cache.peek(&1).is_none())).await;
    fill().await;
    shared[0].invalidate_all_in(&client).await.unwrap();
    until(async || shared.iter().all(|cache| cache.peek(&1).is_none())).await;
    assert!(
        [&a, &b]
            .iter()
            .all(|on| on.peek("globex", "plain").is_some())
    );
}

/// Whoever writes later, and is committed sooner, has the larger number.
#[tokio::test]
async fn a_transaction_that_is_committed_late_is_not_missed() {
    let (postgres, mut early) = database().await;
    let url = postgres.primary().url();
    let a = Instance::alone(&url, outbox()).ready().await;
    let late = connect(&url).await.unwrap();
    a.put("acme", "early").await;
    a.put("acme", "late").await;
    let transaction = early.transaction().await.unwrap();
    a.note(&transaction, "acme", "early").await;
    a.note(&late, "acme", "late").await;
    until(async || a.peek("acme", "late").is_none()).await;
    sleep(4 * EVERY).await;
    assert!(a.peek("acme", "early").is_some());
    transaction.commit().await.unwrap();
    until(async || a.peek("acme", "early").is_none()).await;
}

/// It is written down for others; what it does not hold yet, nobody has to be told.
#[tokio::test]
async fn notes_are_deleted_in_the_end_and_not_before_all_have_seen_them() {
    let (postgres, mut client) = database().await;
    let url = postgres.primary().url();
    let brief = outbox().keep(4 * EVERY);
    let a = Instance::alone(&url, brief.clone()).ready().await;
    let b = Instance::alone(&url, brief).ready().await;
    a.put("acme", "1").await;
    b.put("acme", "1").await;
    // A transaction that takes longer than notes are kept.
    let transaction = client.transaction().await.unwrap();
    a.note(&transaction, "acme", "1").await;
    sleep(20 * EVERY).await;
    transaction.commit().await.unwrap();
    until(async || a.peek("acme", "1").is_none() && b.peek("acme", "1").is_none()).await;
    until(async || notes(&client).await.0 == 0).await;
}

/// Its next look would come much later.
#[tokio::test]
async fn who_writes_looks_soon() {
    let (postgres, client) = database().await;
    let seldom = outbox().every(Duration::from_secs(600));
    let a = Instance::alone(&postgres.primary().url(), seldom);
    until(async || a.is_at_work()).await;
    a.put("acme", "1").await;
    a.note(&client, "acme", "1").await;
    until(async || a.peek("acme", "1").is_none()).await;
}

/// Each looks now and then, and deletes what it has seen for long enough.
#[tokio::test]
async fn no_instance_deletes_what_another_has_not_seen() {
    const WRITTEN: u64 = 500;
    let (postgres, client) = database().await;
    let url = postgres.primary().url();
    let brief = outbox().keep(20 * EVERY);
    let a = Instance::alone(&url, brief.clone()).ready().await;
    let b = Instance::alone(&url, brief).ready().await;
    let starts = [&a, &b].map(Instance::suspicions);
    for _ in 0..WRITTEN {
        // Not by an instance, which would look at once.
        client.batch_execute(&others(1)).await.unwrap();
        sleep(EVERY / 5).await;
    }
    // Or it knows that it came too late, where the machine had no time for it.
    let is_well = |(on, start): (&Instance, u64)| {
        on.count("cache_outbox_seen") == WRITTEN || on.suspicions() > start
    };
    until(async || [&a, &b].into_iter().zip(starts).all(is_well)).await;
}

#[tokio::test]
async fn a_writer_needs_to_insert_and_nothing_else() {
    let (postgres, mut client) = database().await;
    let url = postgres.primary().url();
    let a = Instance::alone(&url, outbox()).ready().await;
    let setup = format!(
        "CREATE ROLE tenants; CREATE SCHEMA t_1; GRANT USAGE ON SCHEMA private TO tenants;
        GRANT INSERT ON {TABLE} TO tenants"
    );
    client.batch_execute(&setup).await.unwrap();
    a.put("acme", "1").await;
    let transaction = client.transaction().await.unwrap();
    let bind = "SET LOCAL ROLE tenants; SET LOCAL search_path TO t_1";
    transaction.batch_execute(bind).await.unwrap();
    a.note(&transaction, "acme", "1").await;
    assert!(
        transaction
            .query(&format!("TABLE {TABLE}"), &[])
            .await
            .is_err()
    );
    transaction.rollback().await.unwrap();

    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(bind).await.unwrap();
    a.note(&transaction, "acme", "1").await;
    transaction.commit().await.unwrap();
    until(async || a.peek("acme", "1").is_none()).await;
}

#[tokio::test]
async fn a_hub_has_one_outbox_and_says_so() {
    let (postgres, client) = database().await;
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let policy = Policy::ttl(Duration::from_secs(1));
    let cache = hub.cache::<u64, u64>("things", policy).unwrap();
    let missing = cache.invalidate_in(&client, &id("acme"), &1).await;
    assert!(matches!(missing, Err(OutboxError::Missing)), "{missing:?}");
    // What cannot be written down fails the transaction it belongs to.
    let url = postgres.primary().url();
    let elsewhere = Outbox::table("private.nowhere").unwrap();
    let a = Instance::alone(&url, elsewhere);
    let refused = a.cache.invalidate_in(&client, &id("acme"), "1").await;
    assert!(
        matches!(refused, Err(OutboxError::Postgres(_))),
        "{refused:?}"
    );
    until(async || a.relay.last_error().is_some()).await;
    let error = a.relay.last_error().unwrap();
    assert!(error.contains("nowhere"), "{error}");
    let taken = a
        .hub
        .relay(outbox(), async || Ok(Box::new(connect("").await?)));
    assert!(matches!(taken, Err(OutboxError::Taken(_))), "{taken:?}");
}
