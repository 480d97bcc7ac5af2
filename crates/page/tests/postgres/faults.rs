//! What is ours to mend: each told so that it can be.

use std::error::Error;

use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::{List, id, seek};
use crate::database::prepared;

#[tokio::test]
async fn a_keyset_that_is_not_what_the_table_is_says_how() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, a int4);
         INSERT INTO list VALUES (1, 1), (2, NULL), (3, 3)",
    )
    .await;
    let unique = || Unique::asc("id", Type::INT4);
    let wide = Keyset::new(
        "wide/1",
        [Column::asc("a", Type::INT8).nulls_last()],
        unique(),
    );
    let strict = Keyset::new("strict/1", [Column::asc("a", Type::INT4)], unique());
    let long = Keyset::new(
        "long/1",
        [Column::asc("repeat('x', 2000)", Type::TEXT)],
        unique(),
    );
    for (keyset, told) in [
        (
            wide,
            "column a of the keyset wide/1 is declared int8, and is int4",
        ),
        (
            strict,
            "column a of the keyset strict/1 is NULL, and is declared neither nulls_first nor nulls_last",
        ),
        (
            long,
            "a row's key in the keyset long/1 makes a cursor of more than 2048 characters",
        ),
    ] {
        let page = List::of(&keyset, "list").page(&client, 2, None).await;
        let error = page.map(|page| page.items().to_vec()).unwrap_err();
        assert_eq!(error.to_string(), told);
        assert_eq!(error.rejected(), None);
        assert_eq!(error.response::<String>().status(), 500);
    }
}

#[tokio::test]
async fn rows_of_another_statement_or_in_another_order_make_no_page() {
    let client =
        prepared("CREATE TABLE list AS SELECT id, id % 2 AS a FROM generate_series(1, 9) AS id")
            .await;
    let keyset = Keyset::new(
        "list/1",
        [Column::desc("a", Type::INT4)],
        Unique::asc("id", Type::INT4),
    );
    let first = List::of(&keyset, "list")
        .page(&client, 3, None)
        .await
        .unwrap();
    let seek = seek(&keyset, 5, first.next()).await.unwrap();
    let query = seek.query("id", "list");

    let foreign = client.query("SELECT id FROM list", &[]).await.unwrap();
    let error = query.page(&foreign, None, id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the rows are not those of the statement for the keyset list/1"
    );

    let statement = query.statement();
    assert!(statement.sql.contains(" UNION ALL "), "{}", statement.sql);
    let mut rows = client
        .query_typed(&statement.sql, &statement.parameters)
        .await
        .unwrap();
    assert_eq!(
        query.page(&rows, None, id).unwrap().items(),
        [7, 9, 2, 4, 6]
    );
    rows.reverse();
    let error = query.page(&rows, None, id).unwrap_err();
    assert_eq!(error.to_string(), "the parts of a page came out of order");
}

#[tokio::test]
async fn a_failing_statement_or_row_keeps_its_cause() {
    let client = prepared("CREATE TABLE list AS SELECT 1 AS id").await;
    let keyset = Keyset::new("list/1", [], Unique::asc("id", Type::INT4));
    let missing = List::of(&keyset, "nowhere")
        .page(&client, 3, None)
        .await
        .unwrap_err();
    assert_eq!(missing.to_string(), "statement failed");
    let cause = missing
        .source()
        .unwrap()
        .downcast_ref::<tokio_postgres::Error>();
    assert_eq!(cause.unwrap().code().unwrap().code(), "42P01");

    let seek = seek(&keyset, 3, None).await.unwrap();
    let query = seek.query("id", "list");
    let refused = query.fetch(&client, |_| Err::<(), _>("odd row".into()));
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.to_string(), "a row could not be read");
    assert_eq!(refused.source().unwrap().to_string(), "odd row");
}
