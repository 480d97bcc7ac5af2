use std::num::NonZeroUsize;

use towerblock_postgres::{Examination, Fleet};
use towerblock_testkit::Postgres;

use crate::{connect_as, findings};

#[tokio::test]
async fn a_fleet_that_counts_on_more_than_there_are_is_seen() {
    let server = Postgres::builder().setting("max_connections", "50");
    let server = server.start().await.unwrap();
    let role = "create role app login";
    server.primary().sql(role).await.unwrap();
    let app = connect_as(&server, "app").await;
    let with = |max_connections, reserved, instances| {
        Examination::default().fleet(Fleet {
            max_connections,
            reserved,
            instances: NonZeroUsize::new(instances).unwrap(),
            surge: 0,
        })
    };
    for (what, seen) in [
        (with(50, 3, 1), None),
        (with(50, 2, 5), None),
        (with(50, 2, 1), Some((48, 47))),
        (with(100, 10, 9), Some((90, 47))),
        (with(100, 10, 46), None),
        (with(100, 10, 44), Some((88, 47))),
    ] {
        let seen: Vec<_> = seen
            .map(|(counted, allowed)| {
                format!(
                    "the fleet may open {counted} connections, and the server has {allowed} for it"
                )
            })
            .into_iter()
            .collect();
        assert_eq!(findings(&app, &what).await, seen, "{what:?}");
    }
}
