//! A page that ends at a NULL, before one, and among many, in each of the eight cases:
//! either direction, NULLs at either end, read forward and backward.

use tokio_postgres::types::Type;
use towerblock_page::{Column, Keyset, Unique};

use crate::browser::List;
use crate::database::prepared;

const NULLS: [i32; 3] = [3, 5, 7];
const VALUES: [i32; 4] = [1, 2, 4, 6];

#[tokio::test]
async fn no_row_is_lost_where_values_meet_nulls() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, a int4);
         INSERT INTO list VALUES (1, 10), (2, 20), (3, NULL), (4, 20), (5, NULL), (6, 30), (7, NULL)",
    )
    .await;
    for (descends, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let column = match descends {
            false => Column::asc("a", Type::INT4),
            true => Column::desc("a", Type::INT4),
        };
        let column = match nulls_first {
            false => column.nulls_last(),
            true => column.nulls_first(),
        };
        let keyset = Keyset::new("nulls", [column], Unique::asc("id", Type::INT4));
        let list = List::of(&keyset, "list");
        let values = if descends { [6, 2, 4, 1] } else { VALUES };
        let sorted = match nulls_first {
            false => [&values[..], &NULLS].concat(),
            true => [&NULLS[..], &values].concat(),
        };
        for size in 1..=8 {
            assert_eq!(
                list.walk(&client, size).await,
                sorted,
                "{keyset:?}, {size} a page"
            );
            assert_eq!(
                list.walk_back(&client, size).await,
                sorted,
                "{keyset:?}, {size} back"
            );
        }
    }
}

#[tokio::test]
async fn a_column_of_nothing_but_nulls_is_paged_by_the_rest() {
    let client = prepared(
        "CREATE TABLE list (id int4 PRIMARY KEY, a int4, b text);
         INSERT INTO list SELECT n FROM generate_series(1, 9) AS n",
    )
    .await;
    for column in [
        Column::asc("a", Type::INT4).nulls_first(),
        Column::asc("a", Type::INT4).nulls_last(),
        Column::desc("a", Type::INT4).nulls_first(),
        Column::desc("a", Type::INT4).nulls_last(),
    ] {
        let columns = [column, Column::desc("b", Type::TEXT).nulls_last()];
        let keyset = Keyset::new("nulls", columns, Unique::desc("id", Type::INT4));
        let list = List::of(&keyset, "list");
        let sorted = [9, 8, 7, 6, 5, 4, 3, 2, 1];
        for size in [1, 2, 3, 9, 10] {
            assert_eq!(list.walk(&client, size).await, sorted);
            assert_eq!(list.walk_back(&client, size).await, sorted);
        }
    }
}
