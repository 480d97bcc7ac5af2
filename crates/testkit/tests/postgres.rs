//! A cluster does what a test does to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use towerblock_testkit::{PgBouncer, PoolMode, Postgres, Proxy};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_row_written_to_the_primary_is_read_on_the_standby() {
    let cluster = shared().await;
    let write = "create table kept (id int); insert into kept values (7)";
    cluster.primary().sql(write).await.unwrap();
    cluster.caught_up().await.unwrap();
    let standby = &cluster.standbys()[0];
    let read = standby.sql("select id from kept").await.unwrap();
    assert_eq!(read.as_deref(), Some("7"));
    let refused = standby.sql("delete from kept").await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
}

#[tokio::test]
async fn a_test_gets_a_database_of_its_own() {
    let cluster = shared().await;
    let url = cluster.database("own \"one\"").await.unwrap();
    assert_eq!(ask(&url, "select current_database()").await, "own \"one\"");
    let again = cluster.database("own \"one\"").await.unwrap_err();
    assert!(again.to_string().contains("already exists"), "{again}");
}

#[tokio::test]
async fn a_setting_reaches_every_server() {
    let cluster = Postgres::builder()
        .standbys(1)
        .setting("max_connections", "17")
        .setting("cluster_name", "it's")
        .start()
        .await
        .unwrap();
    let shown = "select current_setting('max_connections') || current_setting('cluster_name')";
    for server in [cluster.primary(), &cluster.standbys()[0]] {
        assert_eq!(ask(&server.url(), shown).await, "17it's");
    }
}

#[tokio::test]
async fn a_promoted_standby_takes_writes() {
    let cluster = Postgres::builder().standbys(2).start().await.unwrap();
    cluster.primary().kill().await.unwrap();
    let [promoted, other] = cluster.standbys() else {
        panic!("two standbys");
    };
    promoted.promote().await.unwrap();
    promoted.sql("create table t ()").await.unwrap();
    assert_eq!(ask(&other.url(), "select pg_is_in_recovery()").await, "t");
}

#[tokio::test]
async fn a_stopped_server_refuses_and_starts_again_with_its_data() {
    let cluster = Postgres::builder().start().await.unwrap();
    let server = cluster.primary();
    server
        .sql("create table t as select 7 as id")
        .await
        .unwrap();
    server.stop().await.unwrap();
    assert_eq!(server.pid(), None);
    assert!(tokio_postgres::connect(&server.url(), NoTls).await.is_err());
    server.start().await.unwrap();
    assert_eq!(ask(&server.url(), "select id from t").await, "7");

    server.kill().await.unwrap();
    assert!(tokio_postgres::connect(&server.url(), NoTls).await.is_err());
    server.start().await.unwrap();
    assert_eq!(ask(&server.url(), "select id from t").await, "7");
}

#[tokio::test]
async fn a_stopped_standby_catches_up_when_it_starts_again() {
    let cluster = Postgres::builder().standbys(1).start().await.unwrap();
    let standby = &cluster.standbys()[0];
    standby.stop().await.unwrap();
    cluster
        .primary()
        .sql("create table t as select 7 as id")
        .await
        .unwrap();
    standby.start().await.unwrap();
    cluster.caught_up().await.unwrap();
    assert_eq!(ask(&standby.url(), "select id from t").await, "7");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_kill_leaves_no_backend_behind() {
    let cluster = Postgres::builder().start().await.unwrap();
    let server = cluster.primary();
    let postmaster = server.pid().unwrap();
    let (client, _driver) = connect(&server.url()).await;
    let backend = value(&client, "select pg_backend_pid()").await;
    let backend = backend.parse().unwrap();
    let others = children(postmaster);
    assert!(others.len() > 4 && others.contains(&backend), "{others:?}");
    server.kill().await.unwrap();
    for pid in others.into_iter().chain([postmaster]) {
        assert!(!lives(pid), "{pid}");
    }
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let cluster = Postgres::builder().start().await.unwrap();
    let server = cluster.primary();
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.simple_query("select 1").await.unwrap();
    server.pause().await.unwrap();
    let mut query = Box::pin(client.simple_query("select 2"));
    let hung = timeout(Duration::from_millis(300), &mut query).await;
    assert!(hung.is_err(), "answered while frozen");
    server.resume().await.unwrap();
    timeout(SOON, query).await.unwrap().unwrap();

    // What is frozen can be killed, and be stopped.
    server.pause().await.unwrap();
    server.kill().await.unwrap();
    driver.await.unwrap().unwrap_err();
    server.start().await.unwrap();
    server.pause().await.unwrap();
    server.stop().await.unwrap();
    assert!(server.pause().await.is_err(), "paused while down");
}

#[tokio::test]
async fn tls_is_accepted_with_the_authority_and_refused_without() {
    let cluster = Postgres::builder().tls(true).start().await.unwrap();
    let url = cluster.primary().url();
    assert!(url.ends_with("?sslmode=require"), "{url}");
    let ca = CertificateDer::from_pem_slice(cluster.ca().unwrap().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    let strange = connect_tls(&url, roots.clone()).await.unwrap_err();
    assert!(strange.contains("UnknownIssuer"), "{strange}");
    roots.add(ca).unwrap();
    connect_tls(&url, roots).await.unwrap();
}

#[tokio::test]
async fn a_pooler_gives_one_server_connection_to_two_clients_in_turn() {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster.primary().addr()).await.unwrap();
    for (mode, same) in [(PoolMode::Transaction, true), (PoolMode::Session, false)] {
        let pooler = PgBouncer::builder(proxy.addr(), mode)
            .setting("default_pool_size", "4")
            .start()
            .await
            .unwrap();
        let (one, _driver) = connect(&pooler.url()).await;
        let (two, _driver) = connect(&pooler.url()).await;
        let who = "select pg_backend_pid()";
        let pids = [value(&one, who).await, value(&two, who).await];
        assert_eq!(pids[0] == pids[1], same, "{mode:?}");
        pooler.kill().await.unwrap();
        assert!(tokio_postgres::connect(&pooler.url(), NoTls).await.is_err());
        pooler.start().await.unwrap();
        assert_eq!(ask(&pooler.url(), "select 7").await, "7");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_tells_why() {
    let bad = Postgres::builder().setting("max_connections", "none");
    let error = bad.start().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("bin/postgres") && text.contains("ended before it was ready"),
        "{text}"
    );
    assert!(text.contains("invalid value for parameter"), "{text}");
    assert!(!error.is_not_installed());
}

/// One cluster for the tests that do it no harm.
async fn shared() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    let start = async || Postgres::builder().standbys(1).start().await.unwrap();
    SHARED.get_or_init(start).await
}

async fn connect(url: &str) -> (Client, JoinSet<()>) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async { drop(connection.await) });
    (client, driver)
}

async fn value(client: &Client, sql: &str) -> String {
    let rows = client.simple_query(sql).await.unwrap();
    rows.iter()
        .find_map(|row| match row {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap()
}

async fn ask(url: &str, sql: &str) -> String {
    let (client, _driver) = connect(url).await;
    value(&client, sql).await
}

async fn connect_tls(url: &str, roots: RootCertStore) -> Result<(), String> {
    let config =
        ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connected = tokio_postgres::connect(url, MakeRustlsConnect::new(config)).await;
    let (client, connection) = connected.map_err(|error| format!("{error:?}"))?;
    let mut driver = JoinSet::new();
    driver.spawn(async { drop(connection.await) });
    let used = value(
        &client,
        "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
    )
    .await;
    assert_eq!(used, "t");
    Ok(())
}

#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

#[cfg(target_os = "linux")]
fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// State and parent.
#[cfg(target_os = "linux")]
fn stat(pid: u32) -> Option<(String, u32)> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = line.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}
