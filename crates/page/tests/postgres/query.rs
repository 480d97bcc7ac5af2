//! What a query answers: totals, ends of the list, and statements sent in another way.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Total, Unique};

use crate::browser::{List, id, seek};
use crate::database::prepared;

fn newest() -> Keyset {
    Keyset::new("list/1", [], Unique::desc("id", Type::INT4))
}

/// So many rows, by pages of this size.
struct Ends {
    rows: i32,
    size: usize,
    /// Of each on the way down: its rows, whether there is a page before, and one after.
    pages: &'static [(usize, bool, bool)],
}

const fn ends(rows: i32, size: usize, pages: &'static [(usize, bool, bool)]) -> Ends {
    Ends { rows, size, pages }
}

const ENDS: [Ends; 8] = [
    ends(0, 3, &[(0, false, false)]),
    ends(1, 3, &[(1, false, false)]),
    ends(3, 3, &[(3, false, false)]),
    ends(4, 3, &[(3, false, true), (1, true, false)]),
    ends(6, 3, &[(3, false, true), (3, true, false)]),
    ends(7, 3, &[(3, false, true), (3, true, true), (1, true, false)]),
    ends(3, 1, &[(1, false, true), (1, true, true), (1, true, false)]),
    ends(2, 1, &[(1, false, true), (1, true, false)]),
];

#[tokio::test]
async fn there_is_a_next_page_and_one_before_exactly_where_there_are_rows() {
    let keyset = newest();
    let list = List::of(&keyset, "list");
    for Ends { rows, size, pages } in ENDS {
        let client = prepared(&format!(
            "CREATE TABLE list AS SELECT id FROM generate_series(1, {rows}) AS id"
        ))
        .await;
        let mut cursor: Option<String> = None;
        let mut down = Vec::new();
        for _ in pages {
            let page = list.page(&client, size, cursor.as_deref()).await.unwrap();
            let ends = (
                page.items().len(),
                page.prev().is_some(),
                page.next().is_some(),
            );
            down.push((ends, page.items().to_vec()));
            cursor = page.next().or(page.prev()).map(str::to_owned);
        }
        assert!(
            down.iter().map(|page| &page.0).eq(pages),
            "{rows} rows, {size} a page: {down:?}"
        );
        // The same pages on the way up, for the last but one.
        for ((count, prev, next), items) in down.iter().rev().skip(1) {
            let page = list.page(&client, size, cursor.as_deref()).await.unwrap();
            assert_eq!(page.items(), items);
            assert_eq!(
                (page.prev().is_some(), page.next().is_some()),
                (*prev, *next),
                "{count}"
            );
            cursor = page.prev().map(str::to_owned);
        }
    }
}

#[tokio::test]
async fn rows_are_counted_up_to_a_cap_and_only_when_asked() {
    let client =
        prepared("CREATE TABLE list AS SELECT id, id % 2 AS odd FROM generate_series(1, 20) AS id")
            .await;
    for (total, counted) in [
        (Total::None, None),
        (Total::Capped(11), Some((10, true))),
        (Total::Capped(10), Some((10, true))),
        (Total::Capped(9), Some((9, false))),
        (Total::Capped(0), Some((0, false))),
    ] {
        let seek = seek(&newest(), 3, None).await.unwrap();
        let query = seek
            .query("id", "list")
            .filter("odd = $1", &[(&1_i32, Type::INT4)]);
        let page = query.total(total).fetch(&client, id).await.unwrap();
        let total = page.total().map(|total| (total.count, total.exact));
        assert_eq!(total, counted);
        assert_eq!(page.items(), [19, 17, 15]);
        let json = serde_json::to_value(&page).unwrap();
        let shown = json
            .get("total")
            .map(|total| total["count"].as_u64().unwrap());
        assert_eq!(shown, counted.map(|(count, _)| count));
    }
}

#[tokio::test]
async fn a_filter_holds_on_every_page_whatever_it_is_made_of() {
    let client =
        prepared("CREATE TABLE list AS SELECT id, id % 2 AS odd FROM generate_series(1, 9) AS id")
            .await;
    let odd = Column::desc("odd", Type::INT4);
    let turned = Keyset::new("list/2", [odd], Unique::asc("id", Type::INT4));
    for (keyset, sorted) in [(newest(), [9, 7, 4, 3, 1]), (turned, [1, 3, 7, 9, 4])] {
        let list = List {
            filter: "odd = $1 AND id <> $2 OR id = 4",
            parameters: &[(&1_i32, Type::INT4), (&5_i32, Type::INT4)],
            ..List::of(&keyset, "list")
        };
        assert_eq!(list.walk(&client, 2).await, sorted);
        assert_eq!(list.walk_back(&client, 2).await, sorted);
    }
}

#[tokio::test]
async fn statements_can_be_sent_in_a_way_of_ones_own() {
    let mut client =
        prepared("CREATE TABLE list AS SELECT id, id % 2 AS odd FROM generate_series(1, 9) AS id")
            .await;
    let first = seek(&newest(), 2, None).await.unwrap();
    let one = 1_i32;
    let query = first
        .query("*", "list")
        .filter("odd = $1", &[(&one, Type::INT4)]);
    let query = query.total(Total::Capped(3));
    let (list, count) = (query.statement(), query.count_statement().unwrap());
    let transaction = client.transaction().await.unwrap();
    let rows = transaction
        .query_typed(&list.sql, &list.parameters)
        .await
        .unwrap();
    let count = transaction
        .query_typed_one(&count.sql, &count.parameters)
        .await
        .unwrap();
    let page = query.page(&rows, Some(&count), id).unwrap();
    assert_eq!(page.items(), [9, 7]);
    assert_eq!(page.total().unwrap().count, 3);
    // And a transaction takes the place of a client.
    let second = seek(&newest(), 2, page.next()).await.unwrap();
    let query = second
        .query("id", "list")
        .filter("odd = $1", &[(&one, Type::INT4)]);
    let page = query.fetch(&transaction, id).await.unwrap();
    assert_eq!(page.items(), [5, 3]);
}

/// Two columns of one name, an alias that hides a column, a join and an expression.
#[tokio::test]
async fn the_order_is_that_of_the_keyset_whatever_the_columns_are_called() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, name text NOT NULL);
         INSERT INTO list VALUES (1, 'b'), (2, 'A'), (3, 'C'), (4, 'a');
         CREATE TABLE other (id int4, name text NOT NULL);
         INSERT INTO other VALUES (4, 'w'), (3, 'x'), (2, 'y'), (1, 'z')",
    )
    .await;
    let lower = Column::asc("lower(l.name)", Type::TEXT);
    let keyset = Keyset::new("join/1", [lower], Unique::desc("l.id", Type::INT4));
    let (mut names, mut cursor) = (String::new(), None::<String>);
    loop {
        let seek = seek(&keyset, 1, cursor.as_deref()).await.unwrap();
        let tables = "list AS l JOIN other AS o USING (id)";
        let query = seek.query("o.name, o.name AS id, l.name", tables);
        let page = query
            .fetch(&client, |row| Ok(row.try_get::<_, String>(2)?))
            .await
            .unwrap();
        names += &page.items().concat();
        cursor = page.next().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, "aAbC");

    // In SQL, the name of a column of the answer goes before that of the table's.
    let keyset = Keyset::new("hidden/1", [], Unique::asc("id", Type::INT4));
    let first = seek(&keyset, 2, None).await.unwrap();
    let query = first.query("-id AS id", "list");
    let page = query.fetch(&client, id).await.unwrap();
    assert_eq!(page.items(), [-1, -2]);
}

#[tokio::test]
async fn a_column_may_be_any_expression() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, name text);
         INSERT INTO list VALUES (1, 'b'), (2, 'A'), (3, NULL), (4, 'a'), (5, 'B'), (6, NULL)",
    )
    .await;
    let name = || Column::asc(r#"name COLLATE "en-x-icu""#, Type::TEXT);
    let missing = || Column::desc("name IS NULL", Type::BOOL);
    let unique = || Unique::desc("id", Type::INT4);
    for (columns, sorted) in [
        (vec![name().nulls_last()], [4, 2, 1, 5, 6, 3]),
        (vec![missing()], [6, 3, 5, 4, 2, 1]),
        (
            vec![missing().few_ties(), name().nulls_first()],
            [6, 3, 4, 2, 1, 5],
        ),
        (
            vec![Column::desc("name = 'a' OR id = 5", Type::BOOL).nulls_last()],
            [5, 4, 2, 1, 6, 3],
        ),
    ] {
        let keyset = Keyset::new("expression/1", columns, unique());
        let list = List::of(&keyset, "list");
        for size in 1..=3 {
            assert_eq!(list.walk(&client, size).await, sorted, "{keyset:?}");
            assert_eq!(list.walk_back(&client, size).await, sorted, "{keyset:?}");
        }
    }
}

#[tokio::test]
async fn a_list_in_memory_has_the_same_cursors() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, rank int8);
         INSERT INTO list SELECT id, nullif(id % 3, 0) FROM generate_series(1, 9) AS id",
    )
    .await;
    let rank = Column::desc("rank", Type::INT8).nulls_last();
    let keyset = Keyset::new("rank/1", [rank], Unique::desc("id", Type::INT4));
    let list = List::of(&keyset, "list");
    let rank = |id: i32| Some(i64::from(id % 3)).filter(|rank| *rank > 0);
    let map: BTreeMap<_, _> = (1..=9).map(|id| ((rank(id), id), ())).collect();
    let mut cursor: Option<String> = None;
    for _ in 0..5 {
        let stored = list.page(&client, 2, cursor.as_deref()).await.unwrap();
        let kept = seek(&keyset, 2, cursor.as_deref()).await.unwrap();
        let kept = kept.page_of_map(&map, |(_, id), ()| Some(*id)).unwrap();
        assert_eq!(stored.items(), kept.items());
        assert_eq!((stored.next(), stored.prev()), (kept.next(), kept.prev()));
        cursor = stored.next().map(str::to_owned);
    }
    assert_eq!(cursor, None);
}
