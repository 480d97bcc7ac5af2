//! Tenants in a real database.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::{Client, NoTls};
use towerblock_core::{BoxError, Reason};
use towerblock_tenant::{Isolation, PostgresStore, Registry, Tenant, TenantState};
use towerblock_testkit::{PgBouncer, PoolMode, Postgres};

use crate::{id, tenant};

async fn connect(url: &str) -> Result<Client, BoxError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

/// Opens a connection for each lookup, so that a server that was away is found again.
fn registry(url: &str) -> Registry {
    let url = url.to_owned();
    let store = PostgresStore::new(move || {
        let url = url.clone();
        async move { Ok(Box::new(connect(&url).await?)) }
    });
    Registry::new(store)
        .ttl(Duration::from_millis(200))
        .lookup_timeout(Duration::from_millis(500))
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_put_and_counts_its_changes() {
    let servers = Postgres::builder().start().await.unwrap();
    let client = connect(&servers.primary().url()).await.unwrap();
    PostgresStore::create_tables(&client).await.unwrap();
    PostgresStore::create_tables(&client).await.unwrap();
    let registry = registry(&servers.primary().url());

    let mut acme = tenant("acme", u64::try_from(i64::MAX).unwrap());
    acme.state = TenantState::ReadOnly;
    acme.plan = "enterprise \"'\\ é".into();
    acme.placement.shard = u16::MAX;
    acme.region = "eu".into();
    acme.epoch = 7;
    acme.attributes.insert("a".into(), "1".into());
    acme.attributes.insert("b \"'".into(), String::new().into());
    let put = async |tenant: &Tenant| PostgresStore::put(&client, tenant).await;
    assert_eq!(put(&acme).await.unwrap(), 7);
    let found = registry.find(&id("acme")).await.unwrap().unwrap();
    assert_eq!(*found, acme);
    // For who asks in a way of its own.
    let row = client.query_one(PostgresStore::FIND, &[&"acme"]).await;
    let read = PostgresStore::read(id("acme"), &row.unwrap());
    assert_eq!(read.unwrap(), acme);

    acme.placement.isolation = Isolation::RowLevel;
    acme.attributes.clear();
    for (state, epoch) in [
        (TenantState::Active, 8),
        (TenantState::Moving, 9),
        (TenantState::Suspended, 10),
        (TenantState::Deleted, 11),
    ] {
        acme.state = state;
        assert_eq!(put(&acme).await.unwrap(), epoch);
        registry.invalidate(&id("acme"));
        let found = registry.find(&id("acme")).await.unwrap().unwrap();
        acme.epoch = epoch;
        assert_eq!(*found, acme);
    }
    assert!(registry.find(&id("nobody")).await.unwrap().is_none());

    let moved = tenant("acme", 2);
    let error = put(&moved).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "tenant acme has another key than 2, which never changes"
    );
    assert!(put(&tenant("globex", i64::MAX as u64 + 1)).await.is_err());
    // Not what nobody may have: the table itself refuses it.
    for bad in [
        "INSERT INTO towerblock_tenants (id, key, isolation) VALUES ('A b', 3, 'schema')",
        "INSERT INTO towerblock_tenants (id, key, isolation) VALUES ('x', -3, 'schema')",
        "INSERT INTO towerblock_tenants (id, key, isolation, state) VALUES ('x', 3, 'schema', 'ok')",
        "INSERT INTO towerblock_tenant_domains VALUES ('Shop.org', 'acme')",
        "INSERT INTO towerblock_tenant_domains VALUES ('shop.org', 'nobody')",
    ] {
        assert!(client.batch_execute(bad).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_change_joins_a_transaction_and_a_domain_moves() {
    let servers = Postgres::builder().start().await.unwrap();
    let mut client = connect(&servers.primary().url()).await.unwrap();
    PostgresStore::create_tables(&client).await.unwrap();
    let registry = registry(&servers.primary().url());

    let transaction = client.transaction().await.unwrap();
    PostgresStore::put(&transaction, &tenant("acme", 1))
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert!(registry.find(&id("acme")).await.unwrap().is_none());

    let transaction = client.transaction().await.unwrap();
    for (name, key) in [("acme", 1), ("globex", 2)] {
        PostgresStore::put(&transaction, &tenant(name, key))
            .await
            .unwrap();
    }
    PostgresStore::put_domain(&transaction, "Shop.org", &id("acme"))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let owner = async || {
        registry.invalidate_domain("shop.org");
        let owner = registry.find_domain("shop.org").await.unwrap();
        owner.map(|owner| owner.as_str().to_owned())
    };
    assert_eq!(owner().await.as_deref(), Some("acme"));
    PostgresStore::put_domain(&client, "shop.org", &id("globex"))
        .await
        .unwrap();
    assert_eq!(owner().await.as_deref(), Some("globex"));
    let hostile = "'; DROP TABLE towerblock_tenants; --";
    assert!(registry.find_domain(hostile).await.unwrap().is_none());
}

#[tokio::test]
async fn it_works_through_a_pooler_and_instances_may_start_together() {
    let servers = Postgres::builder().start().await.unwrap();
    let client = connect(&servers.primary().url()).await.unwrap();
    let clients = futures_util::future::join_all((0..4).map(|_| async {
        let client = connect(&servers.primary().url()).await.unwrap();
        PostgresStore::create_tables(&client).await
    }));
    assert!(clients.await.iter().all(Result::is_ok));
    PostgresStore::put(&client, &tenant("acme", 1))
        .await
        .unwrap();
    let bouncer = PgBouncer::builder(servers.primary().addr(), PoolMode::Transaction);
    let bouncer = bouncer.start().await.unwrap();
    let shared = Arc::new(connect(&bouncer.url()).await.unwrap());
    let registry = Registry::new(PostgresStore::new(move || {
        let shared = Arc::clone(&shared);
        async { Ok(shared) }
    }));
    for _ in 0..20 {
        registry.invalidate(&id("acme"));
        assert_eq!(registry.find(&id("acme")).await.unwrap().unwrap().key, 1);
        assert!(registry.find_domain("shop.org").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_database_killed_and_hung_leaves_known_tenants_alone() {
    let servers = Postgres::builder().start().await.unwrap();
    let primary = servers.primary();
    let client = connect(&primary.url()).await.unwrap();
    PostgresStore::create_tables(&client).await.unwrap();
    for (name, key) in [("acme", 1), ("globex", 2)] {
        PostgresStore::put(&client, &tenant(name, key))
            .await
            .unwrap();
    }
    let registry = registry(&primary.url());
    let key = async |name| {
        let found = registry.find(&id(name)).await;
        found
            .map(|found| found.map(|tenant| tenant.key))
            .map_err(|rejected| rejected.reason())
    };
    for kill in [true, false] {
        assert_eq!(key("acme").await, Ok(Some(1)));
        registry.invalidate(&id("globex"));
        if kill {
            primary.kill().await.unwrap();
        } else {
            primary.pause().await.unwrap();
        }
        // Past the ttl, more than once.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(key("acme").await, Ok(Some(1)));
            assert_eq!(key("globex").await, Err(Reason::Unavailable));
        }
        if kill {
            primary.start().await.unwrap();
        } else {
            primary.resume().await.unwrap();
        }
        let back = tokio::time::timeout(Duration::from_secs(10), async {
            while key("globex").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        back.await.unwrap();
        assert_eq!(key("globex").await, Ok(Some(2)));
    }
}
