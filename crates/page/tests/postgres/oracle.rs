//! Any list, walked in any way, against the same rows sorted in memory.

use std::cmp::Ordering;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::List;
use crate::database::prepared;

const CASES: u32 = 300;

/// Types of a key, and four values of each in PostgreSQL's order.
const KINDS: [(&str, Type, [&str; 4]); 5] = [
    ("int4", Type::INT4, ["-2147483648", "-1", "0", "7"]),
    ("text", Type::TEXT, ["''", "'A'", "'a'", "'é'"]),
    (
        "float8",
        Type::FLOAT8,
        ["'-infinity'", "-0.1", "'infinity'", "'nan'"],
    ),
    (
        "numeric",
        Type::NUMERIC,
        ["-1.5", "0.1", "0.10000000000000000000001", "1e30"],
    ),
    ("bool", Type::BOOL, ["false", "false", "true", "true"]),
];

#[derive(Clone, Debug)]
struct Case {
    keys: Vec<Key>,
    id_descends: bool,
    rows: Vec<Row>,
    /// Whether there is an index in the order of the list, which then has to be used.
    indexed: bool,
    size: usize,
    /// How the zig-zag goes on: forward or backward, with pages of which size.
    steps: Vec<(bool, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    id: i32,
    /// Of the list, and not of another in the same table.
    mine: bool,
    /// Of each key, or NULL.
    values: [Option<usize>; 3],
}

#[derive(Clone, Debug)]
struct Key {
    kind: usize,
    descends: bool,
    nulls: Nulls,
    few_ties: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nulls {
    None,
    First,
    Last,
}

#[test]
fn every_walk_shows_each_row_once_in_its_place() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(prepared(""));
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&case(), |case| {
        runtime.block_on(case.hold(&client));
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}

impl Case {
    async fn hold(&self, client: &Client) {
        client.batch_execute(&self.setup()).await.unwrap();
        let keyset = self.keyset();
        let list = List {
            filter: "mine = $1",
            parameters: &[(&true, Type::BOOL)],
            ..List::of(&keyset, "list")
        };
        let sorted = self.sorted();
        assert_eq!(list.walk(client, self.size).await, sorted, "forward");
        assert_eq!(list.walk_back(client, self.size).await, sorted, "backward");
        self.zig_zag(client, &list, &sorted).await;
    }

    async fn zig_zag(&self, client: &Client, list: &List<'_>, sorted: &[i32]) {
        let mut cursor: Option<String> = None;
        let (mut forward, mut from, mut to) = (true, 0_usize, 0);
        for (turn, size) in [(true, self.size)].iter().chain(&self.steps) {
            (from, to) = match forward {
                true => (to, sorted.len().min(to + size)),
                false => (from.saturating_sub(*size), from),
            };
            let page = list.page(client, *size, cursor.as_deref()).await.unwrap();
            assert_eq!(page.items(), &sorted[from..to]);
            // Nobody writes, so the flags are exact.
            assert_eq!(page.next().is_some(), to < sorted.len());
            assert_eq!(page.prev().is_some(), from > 0);
            let (one, other) = match turn {
                true => ((page.next(), true), (page.prev(), false)),
                false => ((page.prev(), false), (page.next(), true)),
            };
            let Some((next, way)) = [one, other].into_iter().find(|(next, _)| next.is_some())
            else {
                return;
            };
            forward = way;
            cursor = next.map(str::to_owned);
        }
    }

    fn keyset(&self) -> Keyset {
        let columns = self.keys.iter().enumerate().map(|(n, key)| {
            let ty = KINDS[key.kind].1.clone();
            let column = match key.descends {
                true => Column::desc(format!("k{n}"), ty),
                false => Column::asc(format!("k{n}"), ty),
            };
            let column = match key.nulls {
                Nulls::None => column,
                Nulls::First => column.nulls_first(),
                Nulls::Last => column.nulls_last(),
            };
            if key.few_ties {
                column.few_ties()
            } else {
                column
            }
        });
        let unique = match self.id_descends {
            true => Unique::desc("id", Type::INT4),
            false => Unique::asc("id", Type::INT4),
        };
        Keyset::new("oracle/1", columns.collect::<Vec<_>>(), unique)
    }

    fn setup(&self) -> String {
        let mut sql =
            "DROP TABLE IF EXISTS list; CREATE TEMP TABLE list (id int4, mine bool".to_owned();
        for (n, key) in self.keys.iter().enumerate() {
            let not_null = if key.nulls == Nulls::None {
                " NOT NULL"
            } else {
                ""
            };
            write!(sql, ", k{n} {}{not_null}", KINDS[key.kind].0).unwrap();
        }
        sql += ");";
        for Row { id, mine, values } in &self.rows {
            write!(sql, "INSERT INTO list VALUES ({id}, {mine}").unwrap();
            for (n, key) in self.keys.iter().enumerate() {
                let literal = self
                    .value(*values, n)
                    .map_or("NULL", |value| KINDS[key.kind].2[value]);
                write!(sql, ", {literal}").unwrap();
            }
            sql += ");";
        }
        let plans = if self.indexed { "off" } else { "on" };
        write!(sql, "SET enable_seqscan = {plans}; SET enable_sort = {plans}; SET enable_bitmapscan = {plans};").unwrap();
        if self.indexed {
            sql += "CREATE INDEX ON list (mine";
            for (n, key) in self.keys.iter().enumerate() {
                let direction = if key.descends { "DESC" } else { "ASC" };
                let nulls = match key.nulls {
                    Nulls::None => "",
                    Nulls::First => "NULLS FIRST",
                    Nulls::Last => "NULLS LAST",
                };
                write!(sql, ", k{n} {direction} {nulls}").unwrap();
            }
            sql += if self.id_descends {
                ", id DESC);"
            } else {
                ", id);"
            };
        }
        sql
    }

    /// A key that is never NULL has its smallest value instead.
    fn value(&self, values: [Option<usize>; 3], n: usize) -> Option<usize> {
        match self.keys[n].nulls {
            Nulls::None => Some(values[n].unwrap_or(0)),
            _ => values[n],
        }
    }

    /// By an order that knows nothing of SQL.
    fn sorted(&self) -> Vec<i32> {
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.mine).collect();
        rows.sort_by(|a, b| {
            let keys = self.keys.iter().enumerate().map(|(n, key)| {
                // Equal literals are equal values; the others are in order.
                let place = |row: &Row| {
                    let (.., literals) = &KINDS[key.kind];
                    let value = literals[self.value(row.values, n)?];
                    literals.iter().position(|literal| *literal == value)
                };
                match (place(a), place(b), key.nulls) {
                    (None, None, _) => Ordering::Equal,
                    (None, Some(_), Nulls::First) | (Some(_), None, Nulls::Last) => Ordering::Less,
                    (None, _, _) | (_, None, _) => Ordering::Greater,
                    (Some(a), Some(b), _) if key.descends => b.cmp(&a),
                    (Some(a), Some(b), _) => a.cmp(&b),
                }
            });
            let ids = match self.id_descends {
                true => b.id.cmp(&a.id),
                false => a.id.cmp(&b.id),
            };
            keys.chain([ids])
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        rows.iter().map(|row| row.id).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let nulls = prop_oneof![Just(Nulls::None), Just(Nulls::First), Just(Nulls::Last)];
    let key = (0..KINDS.len(), any::<bool>(), nulls, any::<bool>());
    let key = key.prop_map(|(kind, descends, nulls, few_ties)| Key {
        kind,
        descends,
        nulls,
        few_ties,
    });
    // Most rows tie; in some lists a key is nothing but NULL.
    let nulls = [0_usize, 3, 10];
    let rates = [0, 1, 2].map(|_| proptest::sample::select(nulls.to_vec()));
    let rows = rates.prop_flat_map(|rates| {
        let value =
            |rate| (0..10_usize, 0..4_usize).prop_map(move |(n, v)| (n >= rate).then_some(v));
        let row = ((0..4_u8).prop_map(|n| n > 0), rates.map(value));
        proptest::collection::vec(row, 0..24)
    });
    let ids = any::<u64>();
    let steps = proptest::collection::vec((proptest::bool::weighted(0.6), 1..8_usize), 0..30);
    let parts = (
        proptest::collection::vec(key, 0..4),
        any::<(bool, bool)>(),
        (rows, ids),
        1..8_usize,
        steps,
    );
    parts.prop_map(
        |(keys, (id_descends, indexed), (rows, seed), size, steps)| {
            let count = i32::try_from(rows.len()).unwrap();
            // Ids in an order of their own.
            let mut order: Vec<i32> = (0..count).collect();
            order.sort_by_key(|n| (u64::from(n.unsigned_abs()) + 1).wrapping_mul(seed | 1));
            let rows =
                order
                    .into_iter()
                    .zip(rows)
                    .map(|(id, (mine, values))| Row { id, mine, values });
            Case {
                keys,
                id_descends,
                rows: rows.collect(),
                indexed,
                size,
                steps,
            }
        },
    )
}
