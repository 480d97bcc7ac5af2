//! Connections that are encrypted, to servers that are who they say they are.

use std::time::Duration;

use tokio::time::timeout;
use towerblock_postgres::Binding;
use towerblock_testkit::Postgres;

use crate::authority::{Authority, cluster, is_encrypted};
use crate::stopwatch::Stopwatch;
use crate::{number, until};

#[tokio::test]
async fn connections_are_as_safe_as_their_url_says() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    // Its authority has the same name and another key.
    let stranger = Postgres::builder().tls(true).start().await.unwrap();
    let (known, foreign) = (Authority::of(&postgres), Authority::of(&stranger));
    let (known, foreign) = (known.path(), foreign.path());
    let elsewhere = format!("hostaddr={}&", postgres.primary().addr().ip());
    for (host, parameters, expected) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), Ok(false)),
        ("127.0.0.1", String::new(), Ok(true)),
        ("127.0.0.1", "sslmode=require".to_owned(), Ok(true)),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={known}"),
            Ok(true),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={foreign}"),
            Err("BadSignature"),
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={foreign}"),
            Err("BadSignature"),
        ),
        (
            "db.example",
            format!("{elsewhere}sslmode=verify-ca&sslrootcert={known}"),
            Ok(true),
        ),
        (
            "db.example",
            format!("{elsewhere}sslmode=verify-full&sslrootcert={known}"),
            Err("NotValidForName"),
        ),
    ] {
        let cluster = cluster(&postgres, host, &parameters);
        match (is_encrypted(&cluster).await, expected) {
            (Ok(is), Ok(expected)) => assert_eq!(is, expected, "{parameters}"),
            (Err(error), Err(why)) => {
                let text = error.to_string();
                assert!(text.contains(why), "{parameters}: {text}");
            }
            (outcome, _) => panic!("{host} {parameters}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_encrypted_can_be_cancelled() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    let authority = Authority::of(&postgres);
    let path = authority.path();
    let elsewhere = format!("hostaddr={}", postgres.primary().addr().ip());
    for (host, parameters) in [
        ("127.0.0.1", "sslmode=disable".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={path}"),
        ),
        // Its name leads nowhere.
        (
            "db.example",
            format!("{elsewhere}&sslmode=verify-ca&sslrootcert={path}"),
        ),
    ] {
        let cluster = cluster(&postgres, host, &parameters);
        is_encrypted(&cluster).await.unwrap();
        let all = Binding::shared();
        let slow = cluster.read(&all).query("slow", "SELECT pg_sleep(4)", &[]);
        assert!(timeout(Duration::from_millis(100), slow).await.is_err());
        let start = Stopwatch::start();
        is_encrypted(&cluster).await.unwrap();
        let took = start.elapsed();
        assert!(
            took < Duration::from_millis(500),
            "{host} {parameters}: {took:?}"
        );
        let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND state = 'active' AND pid <> pg_backend_pid()";
        until(Duration::from_millis(500), async || {
            number(postgres.primary(), active).await == 0
        })
        .await;
    }
}
