use tokio_postgres::Client;
use tokio_postgres::types::Type;
use towerblock_postgres::{Finding, sequential_scans};

use crate::server;

const SET_UP: &str = "
    create schema shop;
    create table shop.orders (id bigint primary key, customer int, note text);
    create table shop.\"Few\" (id int, name text);
    create table shop.fresh (id int, note text) with (autovacuum_enabled = off);
    insert into shop.orders select n, n % 100, 'note' from generate_series(1, 20000) n;
    insert into shop.\"Few\" select n, 'name' from generate_series(1, 900) n;
    analyze shop.orders, shop.\"Few\";
    insert into shop.fresh select n, repeat('x', 90) from generate_series(1, 5000) n;";

async fn scans(client: &Client, statement: &str) -> Vec<String> {
    let found = sequential_scans(client, statement, &[]).await.unwrap();
    let table = |finding: &Finding| match finding {
        Finding::SequentialScan { table, .. } => table.clone(),
        other => other.to_string(),
    };
    found.iter().map(table).collect()
}

#[tokio::test]
async fn a_scan_of_a_large_table_is_seen() {
    let (_server, client) = server().await;
    client.batch_execute(SET_UP).await.unwrap();
    let orders = "shop.orders";
    for (statement, seen) in [
        (
            "select * from shop.orders where customer = $1",
            vec![orders],
        ),
        ("select * from shop.orders where id = $1", vec![]),
        ("select * from shop.\"Few\" where name = $1", vec![]),
        ("select * from shop.fresh where id = $1", vec!["shop.fresh"]),
        (
            "select f.name from shop.\"Few\" f join shop.orders o on o.id = f.id
             where o.customer = $1 and exists (select from shop.orders where customer = $2)",
            vec![orders],
        ),
        (
            "delete from shop.orders where customer = $1; -- all",
            vec![orders],
        ),
        ("update shop.orders set note = '' where id = $1", vec![]),
        (
            "select count(*) from shop.orders where note = 'x'",
            vec![orders],
        ),
        (
            "select from shop.orders a join shop.orders b using (note)",
            vec![orders],
        ),
        ("select * from shop.orders where id = $1 -- one", vec![]),
        ("select 1", vec![]),
    ] {
        assert_eq!(scans(&client, statement).await, seen, "{statement}");
    }
    let found = sequential_scans(&client, "select note from shop.orders", &[]).await;
    assert_eq!(
        found.unwrap()[0].to_string(),
        "a sequential scan reads all of shop.orders, about 20000 rows"
    );
}

#[tokio::test]
async fn types_of_parameters_are_those_that_are_given() {
    let (_server, client) = server().await;
    client.batch_execute(SET_UP).await.unwrap();
    let statement = "select * from shop.orders where id = $1";
    let with = async |of: Type| {
        let found = sequential_scans(&client, statement, &[of]).await;
        found.unwrap().len()
    };
    assert_eq!(with(Type::INT8).await, 0);
    assert_eq!(with(Type::NUMERIC).await, 1, "no index compares it");
    let many = "select * from shop.orders where id = any ($1)";
    let found = sequential_scans(&client, many, &[Type::INT8_ARRAY]).await;
    assert_eq!(found.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_run_and_nothing_stays() {
    let (_server, client) = server().await;
    client.batch_execute(SET_UP).await.unwrap();
    let text =
        async |question: &str| -> String { client.query_one(question, &[]).await.unwrap().get(0) };
    let before = text("select count(*)::text from shop.orders").await;
    for statement in [
        "select 1; delete from shop.orders",
        "delete from shop.orders; commit; select $1::int",
        "select 1; commit; delete from shop.orders; select 1",
        "drop table shop.orders",
        "analyze shop.orders",
        "select * from shop.nothing",
        "",
    ] {
        let refused = sequential_scans(&client, statement, &[]).await;
        assert!(refused.is_err(), "{statement}");
    }
    let forbidden = "create role app; grant usage on schema shop to app; set role app";
    client.batch_execute(forbidden).await.unwrap();
    let statement = "select note from shop.orders";
    assert!(sequential_scans(&client, statement, &[]).await.is_err());
    client.batch_execute("reset role").await.unwrap();
    scans(&client, "delete from shop.orders").await;

    assert_eq!(text("select count(*)::text from shop.orders").await, before);
    let left = "select count(*)::text from pg_prepared_statements where from_sql";
    assert_eq!(text(left).await, "0");
    let state = "select current_setting('plan_cache_mode')
        || current_setting('transaction_read_only')";
    assert_eq!(text(state).await, "autooff");
}
