//! Servers whose certificates change, or that stop to encrypt.

use std::path::PathBuf;
use std::time::Duration;

use towerblock_testkit::Postgres;

use crate::authority::{Authority, cluster, is_encrypted};
use crate::{alone, number, until};

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
    let _alone = alone().await;
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
    let _alone = alone().await;
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
