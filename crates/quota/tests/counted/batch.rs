use std::sync::Arc;

use futures_util::future::join_all;
use tokio_postgres::Client;
use towerblock_core::TenantId;
use towerblock_quota::{Claim, Name, PostgresQuotas, Quota, Usage};
use towerblock_testkit::Postgres;

use crate::store::connect;

fn calls(tenant: usize, units: u64) -> Claim {
    let tenant = TenantId::new(format!("t{tenant}")).unwrap();
    Claim::new(&tenant, &Name::new("calls").unwrap(), Quota::monthly(100)).units(units)
}

async fn count(client: &Client, claims: &[Claim]) -> Vec<Usage> {
    PostgresQuotas::count_in(client, claims).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_counted_in_one_statement_whether_there_is_room_or_not() {
    let servers = Postgres::builder().start().await.unwrap();
    let mut client = connect(&servers.primary().url()).await;
    PostgresQuotas::create_tables(&client).await.unwrap();
    assert!(count(&client, &[]).await.is_empty());

    // Of one tenant twice, and in the order in which they were asked.
    let usages = count(
        &client,
        &[calls(2, 60), calls(1, 7), calls(2, 30), calls(3, 0)],
    )
    .await;
    let used: Vec<_> = usages.iter().map(|usage| usage.used).collect();
    assert_eq!(used, [90, 7, 90, 0]);
    let percent = |usage: &Usage| usage.crossed.as_ref().map(|crossed| crossed.percent);
    let told: Vec<_> = usages.iter().map(percent).collect();
    assert_eq!(told, [Some(80), None, None, None]);

    let usages = count(&client, &[calls(2, 0), calls(1, 150)]).await;
    let (used, over): (Vec<_>, Vec<_>) = usages.iter().map(|u| (u.used, u.over())).unzip();
    assert_eq!((used, over), (vec![90, 157], vec![0, 57]));
    assert_eq!(percent(&usages[0]), None, "once");
    assert_eq!(percent(&usages[1]), Some(100));
    let refused = PostgresQuotas::consume_in(&client, &calls(1, 1)).await;
    assert!(refused.unwrap_err().rejected().is_some());
    let most = count(&client, &[calls(1, u64::MAX), calls(1, u64::MAX)]).await;
    assert_eq!(most[0].used, u64::try_from(i64::MAX).unwrap());

    // What is rolled back was not counted, and is told another time.
    let tx = client.transaction().await.unwrap();
    let usages = PostgresQuotas::count_in(&tx, &[calls(3, 50)])
        .await
        .unwrap();
    assert_eq!(percent(&usages[0]), Some(50));
    let inside = PostgresQuotas::usage_in(&tx, &calls(3, 1)).await.unwrap();
    assert_eq!(inside.used, 50);
    tx.rollback().await.unwrap();
    assert_eq!(percent(&count(&client, &[calls(3, 50)]).await[0]), Some(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_count_the_same_tenants_at_once_take_turns() {
    let servers = Postgres::builder().start().await.unwrap();
    let url = servers.primary().url();
    let clients = join_all((0..8).map(|_| connect(&url))).await;
    let clients: Vec<_> = clients.into_iter().map(Arc::new).collect();
    PostgresQuotas::create_tables(&*clients[0]).await.unwrap();
    let tasks = clients.iter().enumerate().map(|(n, client)| {
        let client = Arc::clone(client);
        tokio::spawn(async move {
            for round in 0..20 {
                let mut claims: Vec<_> = (0..500).map(|tenant| calls(tenant, 1)).collect();
                if (n + round) % 2 == 0 {
                    claims.reverse();
                }
                count(&client, &claims).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let all: Vec<_> = (0..500).map(|tenant| calls(tenant, 0)).collect();
    let usages = count(&clients[0], &all).await;
    assert!(usages.iter().all(|usage| usage.used == 160));
}
