use std::sync::Arc;

use towerblock_core::BoxError;
use towerblock_quota::{Plans, PostgresPlans};
use towerblock_testkit::Postgres;

use crate::store::connect;

const FREE: &str = r#"
    rates = [{ name = "requests", limit = 100, seconds = 60, strict = true }]
    quotas = { plugins = { stock = 10 } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_read_from_a_table_and_a_bad_one_changes_nothing() {
    let servers = Postgres::builder().start().await.unwrap();
    let client = Arc::new(connect(&servers.primary().url()).await);
    for _ in 0..2 {
        PostgresPlans::create_table(&*client).await.unwrap();
    }
    let again = Arc::clone(&client);
    let table = PostgresPlans::new(move || {
        let client = Arc::clone(&again);
        async move { Ok::<_, BoxError>(client) }
    });
    let plans = Plans::default();

    let none = PostgresPlans::put(&*client, "free", "rates = 1").await;
    let none = none.unwrap_err().to_string();
    assert!(none.starts_with("plan free: line 1: "), "{none}");
    plans.reload(&table).await.unwrap();
    assert!(plans.get("free").is_none());

    PostgresPlans::put(&*client, "free", FREE).await.unwrap();
    PostgresPlans::put(&*client, "pro", "weight = 2")
        .await
        .unwrap();
    PostgresPlans::put(&*client, "pro", "weight = 4")
        .await
        .unwrap();
    let generation = plans.reload(&table).await.unwrap();
    let free = plans.get("free").unwrap();
    assert_eq!(free.policies().len(), 1);
    assert_eq!(free.quota_of("plugins").map(|quota| quota.most()), Some(10));
    assert_eq!(plans.get("pro").unwrap().weight_of().get(), 4);

    let bad = "UPDATE towerblock_quota_plans SET terms = 'weight = 0' WHERE name = 'pro'";
    client.batch_execute(bad).await.unwrap();
    let bad = plans.reload(&table).await.unwrap_err().to_string();
    assert!(bad.starts_with("plan pro: line 1: "), "{bad}");
    assert_eq!(plans.generation(), generation);
    assert!(plans.get("free").is_some());
}
