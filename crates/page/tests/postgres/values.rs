//! Key values of many types, each to its last digit.

use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::List;
use crate::database::prepared;

/// SQL's name, the type, and values that lie close together or far out.
const TYPES: [(&str, Type, &[&str]); 14] = [
    (
        "timestamptz",
        Type::TIMESTAMPTZ,
        &[
            "-infinity",
            "4713-01-01 00:00:00+00 BC",
            "2026-01-01 00:00:00.000001+00",
            "2026-01-01 00:00:00.000002+00",
            "2026-01-01 00:00:00.0009+00",
            "2026-01-01 00:00:00.001+00",
            "294276-12-31 23:59:59.999999+00",
            "infinity",
        ],
    ),
    (
        "timestamp",
        Type::TIMESTAMP,
        &["-infinity", "2026-01-01 00:00:00.000001", "infinity"],
    ),
    (
        "date",
        Type::DATE,
        &["-infinity", "2026-02-28", "2026-03-01", "infinity"],
    ),
    (
        "interval",
        Type::INTERVAL,
        &["-1 mon", "29 days", "1 mon", "30 days 00:00:00.000001"],
    ),
    (
        "float8",
        Type::FLOAT8,
        &[
            "-infinity",
            "-0",
            "5e-324",
            "0.1",
            "0.30000000000000004",
            "infinity",
            "nan",
        ],
    ),
    (
        "float4",
        Type::FLOAT4,
        &["-infinity", "0", "1e-45", "infinity", "nan"],
    ),
    (
        "numeric",
        Type::NUMERIC,
        &[
            "-infinity",
            "0",
            "1e-1000",
            "1.0",
            "1.00000000000000000001",
            "1e1000",
            "infinity",
            "nan",
        ],
    ),
    (
        "int8",
        Type::INT8,
        &["-9223372036854775808", "-1", "0", "9223372036854775807"],
    ),
    ("int2", Type::INT2, &["-32768", "0", "32767"]),
    (
        "text",
        Type::TEXT,
        &["", " ", "A", "a", "it''s", "é", "\u{10ffff}"],
    ),
    ("varchar(9)", Type::VARCHAR, &["", "a", "b"]),
    ("bytea", Type::BYTEA, &["", "\\x00", "\\x0000", "\\xff"]),
    (
        "uuid",
        Type::UUID,
        &[
            "00000000-0000-0000-0000-000000000000",
            "00000000-0000-0000-0000-000000000001",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    ),
    ("inet", Type::INET, &["10.0.0.1", "10.0.0.2", "::1"]),
];

#[tokio::test]
async fn a_key_of_any_type_travels_to_its_last_digit() {
    for (sql, ty, values) in TYPES {
        let mut setup = format!("CREATE TABLE list (id int4 PRIMARY KEY, a {sql} NOT NULL);");
        for (n, value) in values.iter().enumerate() {
            // Each twice, so that the id decides between equal ones.
            let other = n + 100;
            setup += &format!("INSERT INTO list VALUES ({n}, '{value}'), ({other}, '{value}');");
        }
        let client = prepared(&setup).await;
        for (column, direction) in [
            (Column::asc("a", ty.clone()), "ASC"),
            (Column::desc("a", ty.clone()), "DESC"),
        ] {
            let keyset = Keyset::new("values", [column], Unique::asc("id", Type::INT4));
            let sorted = format!("SELECT id FROM list ORDER BY a {direction}, id");
            let sorted = client.query(&sorted, &[]).await.unwrap();
            let sorted: Vec<i32> = sorted.iter().map(|row| row.get(0)).collect();
            assert_eq!(sorted.len(), 2 * values.len());
            let list = List::of(&keyset, "list");
            for size in 1..=3 {
                assert_eq!(list.walk(&client, size).await, sorted, "{sql} {direction}");
                assert_eq!(
                    list.walk_back(&client, size).await,
                    sorted,
                    "{sql} {direction}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_database_compares_text_and_enums_as_it_sorts_them() {
    let client = prepared(
        r#"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
           CREATE TABLE list (id int4 PRIMARY KEY, name text COLLATE "en-x-icu" NOT NULL, mood mood NOT NULL);
           INSERT INTO list VALUES (1, 'a', 'happy'), (2, 'B', 'ok'), (3, 'b', 'sad'), (4, 'Ä', 'ok'), (5, 'z', 'sad')"#,
    )
    .await;
    let by_name = Keyset::new(
        "names",
        [Column::asc("name", Type::TEXT)],
        Unique::asc("id", Type::INT4),
    );
    let mood = client.prepare("SELECT mood FROM list").await.unwrap();
    let mood = mood.columns()[0].type_().clone();
    let by_mood = Keyset::new(
        "moods",
        [Column::asc("mood", mood)],
        Unique::asc("id", Type::INT4),
    );
    for size in 1..=3 {
        // As people sort, and not as bytes do.
        assert_eq!(
            List::of(&by_name, "list").walk(&client, size).await,
            [1, 4, 3, 2, 5]
        );
        assert_eq!(
            List::of(&by_mood, "list").walk(&client, size).await,
            [3, 5, 2, 4, 1]
        );
    }
}
