//! Lists in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::ops::Bound;

use http::Request;
use proptest::prelude::*;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use towerblock_page::{
    Column, Direction, Keyset, Page, PageError, PageRequest, Seek, Type, Unique,
};

use crate::layer;

async fn seek(keyset: &Keyset, size: usize, cursor: Option<&str>) -> Result<Seek, PageError> {
    let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
    let request = Request::get(format!("/list?limit={size}{cursor}"));
    let take =
        service_fn(|request: Request<()>| ready(Ok::<_, Infallible>(request.into_parts().0)));
    let parts = layer().layer(take).oneshot(request.body(()).unwrap()).await;
    PageRequest::read(&parts.unwrap())?.seek(keyset)
}

/// As the map sorts, or the other way round.
fn keyset(descends: bool) -> Keyset {
    let (column, unique) = match descends {
        false => (
            Column::asc("a", Type::INT8).nulls_first(),
            Unique::asc("b", Type::INT4),
        ),
        true => (
            Column::desc("a", Type::INT8).nulls_last(),
            Unique::desc("b", Type::INT4),
        ),
    };
    Keyset::new("list/1", [column], unique)
}

/// Those that are not `x`.
async fn page(
    map: &BTreeMap<(Option<i64>, i32), char>,
    descends: bool,
    size: usize,
    cursor: Option<&str>,
) -> Page<i32> {
    let seek = seek(&keyset(descends), size, cursor).await.unwrap();
    let picked = seek.page_of_map(map, |(_, id), mark| (*mark != 'x').then_some(*id));
    picked.unwrap()
}

#[test]
fn every_walk_through_a_map_shows_each_entry_once_in_its_place() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let entry = (
        proptest::option::of(0..3_i64),
        0..40_i32,
        prop_oneof!["[ax]"],
    );
    let entries = proptest::collection::vec(entry, 0..30);
    let steps = proptest::collection::vec((any::<bool>(), 1..8_usize), 0..20);
    proptest!(|(entries in entries, descends in any::<bool>(), steps in steps)| {
        let entries = entries.into_iter();
        let map: BTreeMap<_, char> = entries.map(|(a, b, mark)| ((a, b), mark.chars().next().unwrap())).collect();
        let mut sorted: Vec<i32> = map.iter().filter(|(_, mark)| **mark != 'x').map(|((_, b), _)| *b).collect();
        if descends {
            sorted.reverse();
        }
        let (mut cursor, mut forward, mut from, mut to) = (None::<String>, true, 0_usize, 0);
        for (turn, size) in steps {
            (from, to) = match forward {
                true => (to, sorted.len().min(to + size)),
                false => (from.saturating_sub(size), from),
            };
            let page = runtime.block_on(page(&map, descends, size, cursor.as_deref()));
            prop_assert_eq!(page.items(), &sorted[from..to]);
            prop_assert_eq!(page.next().is_some(), to < sorted.len());
            prop_assert_eq!(page.prev().is_some(), from > 0);
            let ways = [(page.next(), true), (page.prev(), false)];
            let wanted = |(cursor, way): &(Option<&str>, bool)| cursor.is_some() && (*way == turn);
            let way = ways.into_iter().find(wanted).or(ways.into_iter().find(|way| way.0.is_some()));
            let Some((Some(next), way)) = way else { break };
            (cursor, forward) = (Some(next.to_owned()), way);
        }
    });
}

#[tokio::test]
async fn the_way_back_from_an_empty_page_begins_at_the_row_before_it() {
    for descends in [false, true] {
        let mut map: BTreeMap<_, _> = (1..=6).map(|n| ((Some(n.into()), n), 'a')).collect();
        let order = |ids: [i32; 2]| ids.map(|id| if descends { 7 - id } else { id });
        let first = page(&map, descends, 2, None).await;
        let second = page(&map, descends, 2, first.next()).await;
        assert_eq!(second.items(), order([3, 4]));
        // All that follows goes away.
        map.retain(|(_, id), _| first.items().contains(id) || second.items().contains(id));
        let empty = page(&map, descends, 2, second.next()).await;
        assert_eq!(empty.items(), [0; 0]);
        assert_eq!(empty.next(), None);
        let back = page(&map, descends, 2, empty.prev()).await;
        assert_eq!(back.items(), second.items());
        // And all that comes before.
        map.retain(|(_, id), _| second.items().contains(id));
        let empty = page(&map, descends, 2, back.prev()).await;
        assert_eq!((empty.items(), empty.prev()), (&[][..], None));
        let forth = page(&map, descends, 2, empty.next()).await;
        assert_eq!(forth.items(), second.items());
    }
}

#[tokio::test]
async fn a_list_in_any_order_is_read_from_where_the_cursor_says() {
    let keyset = Keyset::new(
        "words/1",
        [Column::desc("size", Type::INT4)],
        Unique::asc("word", Type::TEXT),
    );
    let mut words = ["pear", "fig", "plum", "kiwi", "apple", "lime"].map(str::to_owned);
    let key = |word: &String| (i32::try_from(word.len()).unwrap(), word.clone());
    let order = |(size, word): (i32, String)| (Reverse(size), word);
    words.sort_by_key(|word| order(key(word)));

    let page = async |size, cursor: Option<&str>| {
        let seek = seek(&keyset, size, cursor).await.unwrap();
        let (direction, start) = seek.start::<(i32, String)>().unwrap();
        let place = |key: (i32, String), or_at: bool| {
            let key = order(key);
            words.partition_point(|word| match order(sizes(word)).cmp(&key) {
                std::cmp::Ordering::Equal => or_at,
                order => order.is_lt(),
            })
        };
        match direction {
            Direction::Forward => {
                let from = match start {
                    Bound::Unbounded => 0,
                    Bound::Included(key) => place(key, false),
                    Bound::Excluded(key) => place(key, true),
                };
                seek.page_of(words[from..].iter().cloned(), key).unwrap()
            }
            Direction::Backward => {
                let to = match start {
                    Bound::Unbounded => words.len(),
                    Bound::Included(key) => place(key, true),
                    Bound::Excluded(key) => place(key, false),
                };
                seek.page_of(words[..to].iter().rev().cloned(), key)
                    .unwrap()
            }
        }
    };
    let first = page(4, None).await;
    assert_eq!(first.items(), ["apple", "kiwi", "lime", "pear"]);
    let second = page(4, first.next()).await;
    assert_eq!(second.items(), ["plum", "fig"]);
    assert_eq!(second.next(), None);
    let back = page(3, second.prev()).await;
    assert_eq!(back.items(), ["kiwi", "lime", "pear"]);
}

fn sizes(word: &str) -> (i32, String) {
    (i32::try_from(word.len()).unwrap(), word.to_owned())
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_keyset_is_an_error() {
    let told = |error: PageError| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(error.rejected(), None);
        assert_eq!(error.to_string(), "a key does not fit the keyset list/1");
        why.unwrap()
    };
    let seek = seek(&keyset(false), 2, None).await.unwrap();
    let error = seek.page_of([7], |id| (i64::from(*id),)).unwrap_err();
    assert_eq!(
        told(error),
        "it has fewer values than the keyset has columns"
    );
    let error = seek.page_of([7], |id| (7_i64, *id, *id)).unwrap_err();
    assert_eq!(
        told(error),
        "it has more values than the keyset has columns"
    );
    let error = seek.page_of([7], |id| (7_i64, i64::from(*id))).unwrap_err();
    assert!(told(error).contains("int4"));
    let strict = Keyset::new(
        "list/1",
        [Column::asc("a", Type::INT8)],
        Unique::asc("b", Type::INT4),
    );
    let seek = self::seek(&strict, 2, None).await.unwrap();
    let error = seek.page_of([7], |id| (None::<i64>, *id)).unwrap_err();
    let told =
        "column a of the keyset list/1 is NULL, and is declared neither nulls_first nor nulls_last";
    assert_eq!(error.to_string(), told);
}

#[tokio::test]
async fn a_time_finer_than_postgres_has_is_an_error_and_no_lost_row() {
    use std::time::{Duration, UNIX_EPOCH};

    let made = Column::asc("made", Type::TIMESTAMPTZ);
    let keyset = Keyset::new("times/1", [made], Unique::asc("id", Type::INT4));
    let seek = seek(&keyset, 2, None).await.unwrap();
    let at = |nanos| (UNIX_EPOCH + Duration::from_nanos(nanos), 7_i32);
    assert!(seek.page_of([at(5_000)], |row| *row).is_ok());
    let error = seek.page_of([at(5_001)], |row| *row).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "it loses something in the keyset's types");
}

#[tokio::test]
async fn a_map_pages_only_in_its_own_order() {
    let map: BTreeMap<(Option<i64>, i32), char> = BTreeMap::new();
    for (column, unique) in [
        (
            Column::asc("a", Type::INT8).nulls_last(),
            Unique::asc("b", Type::INT4),
        ),
        (
            Column::desc("a", Type::INT8).nulls_first(),
            Unique::desc("b", Type::INT4),
        ),
        (Column::asc("a", Type::INT8), Unique::desc("b", Type::INT4)),
    ] {
        let keyset = Keyset::new("list/1", [column], unique);
        let seek = seek(&keyset, 2, None).await.unwrap();
        let error = seek.page_of_map(&map, |(_, id), _| Some(*id)).unwrap_err();
        let told = "the keyset list/1 does not sort as a map does, all columns in one direction";
        assert_eq!(error.to_string(), told);
    }
}
