//! Connections that are encrypted, to servers that are who they say they are.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use towerblock_postgres::{Binding, Cluster, Error, Servers, Settings};
use towerblock_testkit::Postgres;

use crate::{budget, number, until};

const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A file that ends with the test.
struct Authority(PathBuf);

impl Authority {
    fn of(postgres: &Postgres) -> Self {
        let name = format!(
            "towerblock-{}-{}.pem",
            std::process::id(),
            postgres.primary().port()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, postgres.ca().unwrap()).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn cluster(postgres: &Postgres, host: &str, parameters: &str) -> Cluster {
    let port = postgres.primary().port();
    let url = format!("postgres://towerblock@{host}:{port}/towerblock?{parameters}");
    Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(1)))
}

async fn is_encrypted(cluster: &Cluster) -> Result<bool, Error> {
    let all = Binding::shared();
    let rows = cluster.read(&all).query("ssl", ENCRYPTED, &[]).await?;
    Ok(rows[0].get(0))
}

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
        let start = Instant::now();
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

/// Where a server has its certificate, and its key.
async fn files(postgres: &Postgres) -> [PathBuf; 2] {
    let mut files = [PathBuf::new(), PathBuf::new()];
    for (file, name) in files.iter_mut().zip(["ssl_cert_file", "ssl_key_file"]) {
        let path = postgres.primary().sql(&format!("SHOW {name}")).await;
        *file = path.unwrap().unwrap().into();
    }
    files
}

/// It reads its files again; connections that there are stay as they are.
async fn reload(postgres: &Postgres) {
    let sql = "SELECT pg_reload_conf()";
    postgres.primary().sql(sql).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn hang_up(postgres: &Postgres) {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    number(postgres.primary(), sql).await;
}

#[tokio::test]
async fn a_certificate_that_changes_is_checked_for_each_new_connection() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    let stranger = Postgres::builder().tls(true).start().await.unwrap();
    let (known, both) = (Authority::of(&postgres), Authority::of(&stranger));
    let two = [postgres.ca().unwrap(), stranger.ca().unwrap()].concat();
    std::fs::write(&both.0, two).unwrap();
    let full = |path| format!("sslmode=verify-full&sslrootcert={path}");
    let strict = cluster(&postgres, "localhost", &full(known.path()));
    let prepared = cluster(&postgres, "localhost", &full(both.path()));
    let soon = Duration::from_secs(2);
    for cluster in [&strict, &prepared] {
        assert!(is_encrypted(cluster).await.unwrap());
    }
    let (own, others) = (files(&postgres).await, files(&stranger).await);
    let kept = own.each_ref().map(|file| std::fs::read(file).unwrap());
    for (file, other) in own.iter().zip(&others) {
        std::fs::write(file, std::fs::read(other).unwrap()).unwrap();
    }
    reload(&postgres).await;
    for cluster in [&strict, &prepared] {
        assert!(
            is_encrypted(cluster).await.unwrap(),
            "it has its connection"
        );
    }
    hang_up(&postgres).await;
    until(soon, async || {
        let refused = is_encrypted(&strict).await.err();
        refused.is_some_and(|error| {
            error.rejected().is_some() && error.to_string().contains("BadSignature")
        })
    })
    .await;
    until(soon, async || is_encrypted(&prepared).await.is_ok()).await;
    for _ in 0..5 {
        assert!(is_encrypted(&strict).await.is_err());
        assert!(is_encrypted(&prepared).await.unwrap());
    }
    for (file, bytes) in own.iter().zip(kept) {
        std::fs::write(file, bytes).unwrap();
    }
    reload(&postgres).await;
    until(soon, async || is_encrypted(&strict).await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_stops_to_encrypt_is_used_only_where_the_url_allows_it() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    let lenient = cluster(&postgres, "127.0.0.1", "sslmode=prefer");
    let strict = cluster(&postgres, "127.0.0.1", "sslmode=require");
    let soon = Duration::from_secs(2);
    for is_on in [true, false, true] {
        let which = if is_on { "on" } else { "off" };
        let sql = format!("ALTER SYSTEM SET ssl = {which}");
        postgres.primary().sql(&sql).await.unwrap();
        reload(&postgres).await;
        hang_up(&postgres).await;
        until(soon, async || {
            is_encrypted(&lenient).await.is_ok_and(|is| is == is_on)
        })
        .await;
        until(soon, async || is_encrypted(&strict).await.is_ok() == is_on).await;
        for _ in 0..5 {
            assert_eq!(is_encrypted(&strict).await.ok(), is_on.then_some(true));
        }
    }
}
