//! Pages of a list that others write to, or see another part of.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::List;
use crate::database::{connect, database, prepared};

const CREATE: &str = "CREATE TABLE list (id int4 PRIMARY KEY, rank int4)";

/// Three directions, ties and NULLs.
fn ranked() -> [Keyset; 3] {
    let unique = || Unique::asc("id", Type::INT4);
    let rank = || Column::desc("coalesce(rank, 0)", Type::INT4);
    [
        Keyset::new(
            "rank/1",
            [Column::asc("rank", Type::INT4).nulls_last()],
            unique(),
        ),
        Keyset::new("rank/2", [rank()], unique()),
        Keyset::new("rank/3", [rank().few_ties()], unique()),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Insert(i32, Option<i32>),
    Delete(i32),
}

/// Between two pages another connection inserts and deletes rows. Whatever it does, a row
/// that was there all the time, and stayed in its place, is shown once.
#[test]
fn rows_that_nobody_touches_are_shown_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (reader, writer) = runtime.block_on(async {
        let url = database().await;
        let reader = connect(&url).await;
        reader.batch_execute(CREATE).await.unwrap();
        (reader, connect(&url).await)
    });
    let id = || 0..40_i32;
    let rank = || proptest::option::of(0..3_i32);
    let write = prop_oneof![
        (id(), rank()).prop_map(|(id, rank)| Write::Insert(id, rank)),
        id().prop_map(Write::Delete),
    ];
    let start = proptest::collection::btree_map(id(), rank(), 0..40);
    let writes = proptest::collection::vec(proptest::collection::vec(write, 0..4), 1..20);
    let cases = (start, writes, 1..6_usize, any::<bool>(), 0..3_usize);
    let config = Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&cases, |(start, writes, size, forward, keyset)| {
        runtime.block_on(async {
            let mut setup = "TRUNCATE list;".to_owned();
            for (id, rank) in &start {
                setup += &insert(*id, *rank);
            }
            writer.batch_execute(&setup).await.unwrap();
            let keyset = &ranked()[keyset];
            let list = List::of(keyset, "list");
            let mut untouched: BTreeSet<i32> = start.into_keys().collect();
            let mut writes = writes.into_iter();
            let mut shown = Vec::new();
            let mut page = match forward {
                true => list.page(&reader, size, None).await.unwrap(),
                false => list.last(&reader, size).await,
            };
            loop {
                shown.extend_from_slice(page.items());
                assert!(shown.len() < 1_000, "{shown:?} takes no end");
                let cursor = if forward { page.next() } else { page.prev() };
                let Some(cursor) = cursor else { break };
                for write in writes.next().unwrap_or_default() {
                    untouched.remove(&apply(&writer, write).await);
                }
                page = list.page(&reader, size, Some(cursor)).await.unwrap();
            }
            for id in &untouched {
                let times = shown.iter().filter(|shown| *shown == id).count();
                assert_eq!(times, 1, "row {id} of {shown:?}");
            }
        });
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}

fn insert(id: i32, rank: Option<i32>) -> String {
    let rank = rank.map_or_else(|| "NULL".to_owned(), |rank| rank.to_string());
    format!(
        "INSERT INTO list VALUES ({id}, {rank}) ON CONFLICT (id) DO UPDATE SET rank = excluded.rank;"
    )
}

/// Returns the row that is not what it was.
async fn apply(client: &Client, write: Write) -> i32 {
    let (id, sql) = match write {
        Write::Insert(id, rank) => (id, insert(id, rank)),
        Write::Delete(id) => (id, format!("DELETE FROM list WHERE id = {id}")),
    };
    client.batch_execute(&sql).await.unwrap();
    id
}

#[tokio::test]
async fn a_deleted_row_still_marks_its_place() {
    let client = prepared(&format!(
        "{CREATE}; INSERT INTO list SELECT n, n % 2 FROM generate_series(1, 9) AS n"
    ))
    .await;
    for keyset in ranked() {
        let list = List::of(&keyset, "list");
        let all = list.walk(&client, 20).await;
        client.batch_execute("BEGIN").await.unwrap();
        let first = list.page(&client, 3, None).await.unwrap();
        let delete = format!("DELETE FROM list WHERE id = {}", all[2]);
        client.batch_execute(&delete).await.unwrap();
        let second = list.page(&client, 3, first.next()).await.unwrap();
        assert_eq!(second.items(), &all[3..6]);
        let back = list.page(&client, 3, second.prev()).await.unwrap();
        assert_eq!(back.items(), &all[..2]);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn the_way_back_from_an_empty_page_begins_at_the_row_before_it() {
    let client = prepared(&format!(
        "{CREATE}; INSERT INTO list SELECT n, nullif(n % 3, 0) FROM generate_series(1, 9) AS n"
    ))
    .await;
    for keyset in ranked() {
        let list = List::of(&keyset, "list");
        let all = list.walk(&client, 20).await;
        let keep = async |kept: &[i32]| {
            let delete = format!("DELETE FROM list WHERE NOT id = ANY (ARRAY {kept:?})");
            client.batch_execute(&delete).await.unwrap();
        };
        client.batch_execute("BEGIN").await.unwrap();
        let first = list.page(&client, 3, None).await.unwrap();
        let second = list.page(&client, 3, first.next()).await.unwrap();
        keep(&all[..6]).await;
        let empty = list.page(&client, 3, second.next()).await.unwrap();
        assert_eq!((empty.items(), empty.next()), (&[][..], None));
        let back = list.page(&client, 3, empty.prev()).await.unwrap();
        assert_eq!(back.items(), &all[3..6]);
        keep(&all[3..6]).await;
        let empty = list.page(&client, 3, back.prev()).await.unwrap();
        assert_eq!((empty.items(), empty.prev()), (&[][..], None));
        let forth = list.page(&client, 3, empty.next()).await.unwrap();
        assert_eq!(forth.items(), &all[3..6]);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// A cursor says where to go on, and nothing of what may be seen.
#[tokio::test]
async fn a_cursor_at_a_row_that_is_no_longer_visible_pages_on_and_shows_nothing_of_it() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, owner text NOT NULL);
         INSERT INTO list SELECT n, CASE WHEN n IN (3, 6) THEN 'bob' ELSE 'ann' END
             FROM generate_series(1, 9) AS n;
         ALTER TABLE list ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON list USING (owner = current_setting('app.owner') OR current_setting('app.owner') = 'all');
         CREATE ROLE reader_of_list; GRANT SELECT ON list TO reader_of_list; SET ROLE reader_of_list",
    )
    .await;
    let keyset = Keyset::new("own", [], Unique::asc("id", Type::INT4));
    let list = List::of(&keyset, "list");
    client.batch_execute("SET app.owner = 'all'").await.unwrap();
    let first = list.page(&client, 3, None).await.unwrap();
    assert_eq!(first.items(), [1, 2, 3]);
    client.batch_execute("SET app.owner = 'ann'").await.unwrap();
    let second = list.page(&client, 3, first.next()).await.unwrap();
    assert_eq!(second.items(), [4, 5, 7]);
    let back = list.page(&client, 3, second.prev()).await.unwrap();
    assert_eq!(back.items(), [1, 2]);
    client
        .batch_execute("SET app.owner = 'nobody'")
        .await
        .unwrap();
    let none = list.page(&client, 3, first.next()).await.unwrap();
    assert_eq!(none.items(), [0; 0]);
}
