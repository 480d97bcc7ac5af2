use towerblock_postgres::{Examination, Finding, examine, shares_backends};
use towerblock_testkit::{PgBouncer, PoolMode};

use crate::{connect, server};

#[tokio::test]
async fn two_clients_of_a_pooler_meet_on_one_connection() {
    let (server, admin) = server().await;
    let other = connect(&server.primary().url()).await;
    assert!(!shares_backends(&admin, &other).await.unwrap());
    for (mode, seen) in [(PoolMode::Transaction, true), (PoolMode::Session, false)] {
        let pooler = PgBouncer::builder(server.primary().addr(), mode);
        let pooler = pooler.start().await.unwrap();
        let (one, other) = (connect(&pooler.url()).await, connect(&pooler.url()).await);
        assert_eq!(
            shares_backends(&one, &other).await.unwrap(),
            seen,
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn one_client_that_changes_its_connection_has_a_pooler() {
    let (server, admin) = server().await;
    let what = Examination::default();
    let pooled = Finding::PooledTransactions;
    assert!(!examine(&admin, &what).await.unwrap().contains(&pooled));
    for (mode, seen) in [(PoolMode::Transaction, true), (PoolMode::Session, false)] {
        let pooler = PgBouncer::builder(server.primary().addr(), mode);
        let pooler = pooler.setting("server_round_robin", "1");
        let pooler = pooler.start().await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..10 {
            let client = connect(&pooler.url()).await;
            client.batch_execute("begin").await.unwrap();
            clients.push(client);
        }
        for client in &clients {
            client.batch_execute("commit").await.unwrap();
        }
        let [one, other, ..] = &clients[..] else {
            return;
        };
        let found = examine(one, &what).await.unwrap();
        assert_eq!(found.contains(&pooled), seen, "{mode:?}: {found:?}");
        let both = shares_backends(one, other).await.unwrap();
        assert_eq!(both, seen, "in turns: {mode:?}");
    }
}
