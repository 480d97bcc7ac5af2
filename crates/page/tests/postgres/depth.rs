//! What a page costs at depth, in buffers that PostgreSQL reads for it.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::{List, seek};
use crate::database::prepared;

const DEPTH: usize = 100_000;
const SIZE: usize = 50;

/// 150,000 rows of each of four lists; a fifth of the scores are NULL, seven rows have one
/// time, and few ranks are many rows'.
const SETUP: &str = "
    CREATE TABLE items (id int4 PRIMARY KEY, list int4 NOT NULL, made timestamptz NOT NULL,
        score int4, rank int4 NOT NULL, name text);
    INSERT INTO items SELECT i, i % 4, '2026-01-01'::timestamptz + (i / 7) * interval '1 second',
        CASE WHEN i % 5 <> 0 THEN (i::int8 * 7919) % 100000 END, (i::int8 * 7919) % 5, md5(i::text)
        FROM generate_series(1, 600000) AS i;
    CREATE INDEX ON items (list, made DESC, id DESC);
    CREATE INDEX ON items (list, made DESC, id);
    CREATE INDEX ON items (list, score, id);
    CREATE INDEX ON items (list, rank DESC, id)";

const GENERIC: &str = "SET plan_cache_mode = force_generic_plan";

const SECURED: &str = "
    RESET plan_cache_mode;
    ALTER TABLE items ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON items USING (list = current_setting('app.list')::int4);
    CREATE ROLE reader_of_items;
    GRANT SELECT ON items TO reader_of_items;
    SET app.list = '3';
    SET ROLE reader_of_items";

const AS_BEFORE: &str = "
    RESET ROLE;
    DROP POLICY own ON items;
    ALTER TABLE items DISABLE ROW LEVEL SECURITY;
    DROP OWNED BY reader_of_items;
    DROP ROLE reader_of_items";

struct Strategy {
    name: &'static str,
    keyset: Keyset,
    depth: usize,
    order: &'static str,
    /// The same place as it is often written, after the row KEY, ID.
    plain: &'static str,
}

fn strategies() -> [Strategy; 5] {
    let made = || Column::desc("made", Type::TIMESTAMPTZ);
    let score = || Column::asc("score", Type::INT4).nulls_last();
    let rank = Column::desc("rank", Type::INT4);
    let up = || Unique::asc("id", Type::INT4);
    let down = Unique::desc("id", Type::INT4);
    let by_score = Keyset::new("score", [score()], up());
    [
        Strategy {
            name: "row value: made DESC, id DESC",
            keyset: Keyset::new("made", [made()], down),
            depth: DEPTH,
            order: "made DESC, id DESC",
            plain: "(made < KEY OR (made = KEY AND id < ID))",
        },
        Strategy {
            name: "bounded OR: made DESC (few ties), id",
            keyset: Keyset::new("made up", [made().few_ties()], up()),
            depth: DEPTH,
            order: "made DESC, id",
            plain: "(made < KEY OR (made = KEY AND id > ID))",
        },
        Strategy {
            name: "UNION ALL: rank DESC (30,000 ties), id",
            keyset: Keyset::new("rank", [rank], up()),
            depth: DEPTH,
            order: "rank DESC, id",
            plain: "(rank < KEY OR (rank = KEY AND id > ID))",
        },
        Strategy {
            name: "UNION ALL: score NULLS LAST, id",
            keyset: by_score.clone(),
            depth: DEPTH,
            order: "score NULLS LAST, id",
            plain: "(score > KEY OR (score = KEY AND id > ID) OR score IS NULL)",
        },
        Strategy {
            name: "UNION ALL: the same, among the NULLs",
            keyset: by_score,
            depth: 130_000,
            order: "score NULLS LAST, id",
            plain: "(score IS NULL AND id > ID)",
        },
    ]
}

#[tokio::test]
async fn a_page_at_depth_reads_at_most_three_times_the_buffers_of_the_first() {
    let client = prepared(SETUP).await;
    // Not in one message with the rest, which is a transaction.
    client.batch_execute("VACUUM ANALYZE items").await.unwrap();
    println!("buffers of a page of {SIZE}");
    println!(
        "{:<42} {:>7} {:>5} {:>5} {:>5} {:>7} {:>5} {:>7} {:>8}",
        "keyset", "depth", "first", "next", "prev", "generic", "RLS", "offset", "plain OR"
    );
    for strategy in strategies() {
        let Strategy {
            name,
            keyset,
            depth,
            order,
            plain,
        } = strategy;
        let list = List {
            filter: "list = 3",
            ..List::of(&keyset, "items")
        };
        let first = cost(&client, &list, None).await;
        let cursor = at(&client, &list, depth).await;
        let next = cost(&client, &list, Some(&cursor)).await;
        let page = list.page(&client, SIZE, Some(&cursor)).await.unwrap();
        let prev = cost(&client, &list, page.prev()).await;

        let select = "SELECT id, name FROM items WHERE list = 3";
        let by_offset = format!("{select} ORDER BY {order} LIMIT {SIZE} OFFSET {depth}");
        let by_offset = buffers(&client, &by_offset, &[]).await;
        let plain = at_row(&client, plain, order, depth).await;
        let by_or = format!("{select} AND {plain} ORDER BY {order} LIMIT {SIZE}");
        let by_or = buffers(&client, &by_or, &[]).await;
        // Planned without the values, and for somebody who must not see the other lists.
        client.batch_execute(GENERIC).await.unwrap();
        let generic = cost(&client, &list, Some(&cursor)).await;
        client.batch_execute(SECURED).await.unwrap();
        let secured = cost(&client, &list, Some(&cursor)).await;
        client.batch_execute(AS_BEFORE).await.unwrap();
        println!(
            "{name:<42} {depth:>7} {first:>5} {next:>5} {prev:>5} {generic:>7} {secured:>5} \
             {by_offset:>7} {by_or:>8}"
        );
        for cost in [next, prev, generic, secured] {
            assert!(cost <= 3 * first, "{name}: {cost} buffers after {first}");
        }
    }
}

/// The cursor of the page that begins after so many rows.
async fn at(client: &Client, list: &List<'_>, depth: usize) -> String {
    let (mut left, mut cursor) = (depth, None);
    while left > 0 {
        let size = left.min(50_000);
        let page = list.page(client, size, cursor.as_deref()).await.unwrap();
        left -= page.items().len();
        cursor = page.next().map(str::to_owned);
    }
    cursor.unwrap()
}

/// `plain` with the key of that row in it.
async fn at_row(client: &Client, plain: &str, order: &str, depth: usize) -> String {
    let column = order.split_whitespace().next().unwrap();
    let offset = depth - 1;
    let row = format!(
        "SELECT {column}::text, id::text FROM items WHERE list = 3
         ORDER BY {order} LIMIT 1 OFFSET {offset}"
    );
    let row = client.query_one(&row, &[]).await.unwrap();
    let key: Option<&str> = row.get(0);
    let key = key.map_or_else(String::new, |key| format!("'{key}'"));
    plain.replace("KEY", &key).replace("ID", row.get(1))
}

/// What the page of this cursor reads.
async fn cost(client: &Client, list: &List<'_>, cursor: Option<&str>) -> u64 {
    let seek = seek(list.keyset, SIZE, cursor).await.unwrap();
    let query = seek.query("id, name", list.tables);
    let query = query.filter(list.filter, list.parameters);
    let statement = query.statement();
    buffers(client, &statement.sql, &statement.parameters).await
}

async fn buffers(client: &Client, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}");
    let plan = client.query_typed(&explain, parameters).await.unwrap();
    let mut lines = plan.iter().map(|row| row.get::<_, &str>(0));
    // The first is of the whole plan: `Buffers: shared hit=48 read=3`.
    let whole = lines.find(|line| line.trim_start().starts_with("Buffers: shared"));
    let words = whole.unwrap().split_whitespace();
    let counts = words.filter_map(|word| {
        let (kind, count) = word.split_once('=')?;
        matches!(kind, "hit" | "read").then(|| count.parse::<u64>().unwrap())
    });
    counts.sum()
}
