//! A runtime that ends takes what it began along, and nothing else.

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use towerblock_postgres::{Binding, Error};
use towerblock_testkit::Postgres;

use crate::stopwatch::Stopwatch;
use crate::{cluster, number, schema, set_up, until};

const SLOW: &str = "SELECT pg_sleep(0.02) FROM items";
const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'active'";

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn a_runtime_that_ends_with_calls_in_flight_harms_nobody() {
    let (here, there) = (runtime(), runtime());
    let postgres = here.block_on(Postgres::builder().start()).unwrap();
    here.block_on(set_up(&postgres, 1));
    let stays = here.block_on(async { cluster(&postgres, 2) });
    let ends = there.block_on(async { cluster(&postgres, 4) });
    for n in 0..40_u64 {
        let (ends, pause) = (ends.clone(), Duration::from_millis(n % 10));
        there.spawn(async move {
            sleep(pause).await;
            let one = schema(1);
            loop {
                let _ = ends.read(&one).query("slow", SLOW, &[]).await;
                let _: Result<(), Error> = ends
                    .write(&one)
                    .transaction("slow", async |tx| {
                        tx.query(SLOW, &[]).await?;
                        panic!("in the middle of it")
                    })
                    .await;
            }
        });
    }
    let one = schema(1);
    let begun = || ends.servers()[0].used > 0;
    here.block_on(until(Duration::from_secs(2), async || begun()));
    thread::spawn(move || drop(there)).join().unwrap();
    here.block_on(async {
        // Whoever still has it gets an answer, and not from the server.
        let start = Stopwatch::start();
        let lost = timeout(
            Duration::from_secs(6),
            ends.read(&one).query("lost", SLOW, &[]),
        );
        assert!(lost.await.unwrap().is_err());
        assert!(start.elapsed() < Duration::from_millis(5_100));
        let all = Binding::shared();
        let fine = stays.read(&all).query("fine", "SELECT 1", &[]).await;
        assert_eq!(fine.unwrap().len(), 1);
        // One call and one question of the other; nothing of the first.
        until(Duration::from_secs(2), async || {
            number(postgres.primary(), BACKENDS).await <= 2
        })
        .await;
    });
    drop(ends);
    here.block_on(async {
        drop(stays);
        until(Duration::from_secs(2), async || {
            number(postgres.primary(), BACKENDS).await == 0
        })
        .await;
    });
}
