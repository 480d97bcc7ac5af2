//! With PostgreSQL, through the manager that others use as well.

use std::time::Duration;

use bb8_postgres::PostgresConnectionManager;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;
use towerblock_fair::FairSemaphore;
use towerblock_pool::{Pool, Settings};
use towerblock_testkit::Postgres;

use crate::{size, tenant};

type Manager = PostgresConnectionManager<NoTls>;

fn pool(url: &str, connections: usize, settings: Settings) -> Pool<Manager> {
    let manager = PostgresConnectionManager::new_from_stringlike(url, NoTls).unwrap();
    let slots = FairSemaphore::new(size(1));
    Pool::start(manager, size(connections), slots, settings)
}

async fn answers(pool: &Pool<Manager>) -> bool {
    let connection = pool.get(&tenant("acme")).await;
    match connection {
        Ok(connection) => connection.simple_query("SELECT 1").await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again_and_never_has_more_connections_than_it_may() {
    let servers = Postgres::builder().start().await.unwrap();
    let primary = servers.primary();
    let pool = pool(&primary.url(), 5, Settings::default());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let pool = pool.clone();
        tasks.spawn(async move { answers(&pool).await });
    }
    assert!(tasks.join_all().await.into_iter().all(|answered| answered));
    let count = "SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let (client, connection) = tokio_postgres::connect(&primary.url(), NoTls)
        .await
        .unwrap();
    let _connection = tokio::spawn(connection);
    let backends: String = client.query_typed_one(count, &[]).await.unwrap().get(0);
    assert!(backends.parse::<u32>().unwrap() <= 6, "{backends}");

    primary.kill().await.unwrap();
    let error = timeout(Duration::from_secs(10), async {
        loop {
            if let Err(error) = pool.get(&tenant("acme")).await {
                break error;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let error = error.await.unwrap().to_string();
    assert!(error.contains("0 open of 5"), "{error}");
    primary.start().await.unwrap();
    let back = timeout(Duration::from_secs(10), async {
        while !answers(&pool).await {
            sleep(Duration::from_millis(10)).await;
        }
    });
    back.await.unwrap();
}

#[tokio::test]
async fn a_backend_that_hangs_is_closed_after_one_test_of_200_ms() {
    let servers = Postgres::builder().start().await.unwrap();
    let pool = pool(&servers.primary().url(), 2, Settings::default());
    let acme = tenant("acme");
    let (first, second) = (
        pool.get(&acme).await.unwrap(),
        pool.get(&acme).await.unwrap(),
    );
    let row = first.query_typed_one("SELECT pg_backend_pid()", &[]).await;
    let pid: i32 = row.unwrap().get(0);
    drop((first, second));
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("kill");
        assert!(
            kill.args(["-s", name, &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("STOP");
    sleep(Duration::from_millis(600)).await;
    let mut slow = 0;
    for _ in 0..3 {
        // Both at once, or the one that works would do for all.
        let asked = Instant::now();
        let (one, other) = tokio::join!(answers(&pool), answers(&pool));
        assert!(one && other);
        slow += u32::from(asked.elapsed() > Duration::from_millis(150));
    }
    signal("CONT");
    assert_eq!(slow, 1, "once, by whoever finds out");
}

#[tokio::test]
async fn too_many_connections_are_told_as_what_they_are() {
    let servers = Postgres::builder().setting("max_connections", "5");
    let servers = servers
        .setting("superuser_reserved_connections", "0")
        .start()
        .await
        .unwrap();
    let settings = Settings::default().acquire_timeout(Duration::from_millis(500));
    let pool = pool(&servers.primary().url(), 20, settings);
    let acme = tenant("acme");
    let mut held = Vec::new();
    let error = loop {
        match pool.get(&acme).await {
            Ok(connection) => held.push(connection),
            Err(error) => break error.to_string(),
        }
    };
    assert!(held.len() <= 5);
    assert!(error.contains("53300"), "{error}");
    assert!(
        error.contains(&format!("acme holds {}", held.len())),
        "{error}"
    );
}
