//! Real clusters, and what can be done to them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod alive;

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use towerblock_testkit::{PgBouncer, PoolMode, Postgres};

/// Long enough for anything that answers at all.
const SOON: Duration = Duration::from_secs(10);

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // Ends with its client.
    tokio::spawn(connection);
    client
}

/// The one value that a server answers.
async fn value(server: &towerblock_testkit::Server, question: &str) -> String {
    server.sql(question).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_standby_has_what_its_primary_has_and_can_take_over() {
    let postgres = Postgres::builder().standbys(2).start().await.unwrap();
    let (primary, standbys) = (postgres.primary(), postgres.standbys());
    primary
        .sql("CREATE TABLE t AS SELECT 7 AS n")
        .await
        .unwrap();
    postgres.caught_up().await.unwrap();
    for standby in standbys {
        assert_eq!(value(standby, "SELECT n FROM t").await, "7");
        let error = standby.sql("INSERT INTO t VALUES (8)").await.unwrap_err();
        assert!(
            error.to_string().contains("read-only transaction"),
            "{error}"
        );
    }
    primary.kill().await.unwrap();
    standbys[0].promote().await.unwrap();
    standbys[0].sql("INSERT INTO t VALUES (8)").await.unwrap();
    assert_eq!(value(&standbys[0], "SELECT count(*) FROM t").await, "2");
    assert!(primary.sql("SELECT 1").await.is_err());
}

#[tokio::test]
async fn a_standby_starts_whatever_the_settings_are() {
    let postgres = Postgres::builder()
        .standbys(1)
        .setting("max_connections", "20")
        .setting("max_worker_processes", "2")
        .start()
        .await
        .unwrap();
    let standby = &postgres.standbys()[0];
    assert_eq!(value(standby, "SHOW max_connections").await, "20");
}

#[tokio::test]
async fn a_stopped_and_a_killed_server_keep_their_data_and_their_port() {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let url = primary.url();
    primary
        .sql("CREATE TABLE t AS SELECT 7 AS n")
        .await
        .unwrap();
    for kill in [false, true] {
        let session = connect(&url).await;
        let backend: i32 = session
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        if kill {
            primary.kill().await.unwrap();
        } else {
            primary.stop().await.unwrap();
        }
        assert_eq!(primary.pid(), None);
        assert!(!alive::is_alive(backend), "no session is left");
        assert!(session.query_one("SELECT 1", &[]).await.is_err());
        primary.start().await.unwrap();
        assert_eq!(primary.url(), url);
        assert_eq!(value(primary, "SELECT n FROM t").await, "7");
    }
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_is_thawed() {
    let postgres = Postgres::builder().start().await.unwrap();
    let session = connect(&postgres.primary().url()).await;
    postgres.primary().pause().await.unwrap();
    let mut query = Box::pin(session.query_one("SELECT 1", &[]));
    assert!(
        timeout(Duration::from_millis(200), &mut query)
            .await
            .is_err()
    );
    postgres.primary().resume().await.unwrap();
    timeout(SOON, query).await.unwrap().unwrap();
}

#[tokio::test]
async fn each_test_can_have_a_database_of_its_own() {
    let postgres = Postgres::builder().start().await.unwrap();
    let mine = connect(&postgres.database("mine").await.unwrap()).await;
    let name: String = mine
        .query_one("SELECT current_database()::text", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(name, "mine");
    assert!(postgres.database("mine").await.is_err(), "there is one");
}

#[tokio::test]
async fn with_tls_it_speaks_to_who_trusts_its_authority() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    let url = postgres.primary().url();
    assert!(url.ends_with("sslmode=require"), "{url}");
    let ca = CertificateDer::from_pem_slice(postgres.ca().unwrap().as_bytes()).unwrap();
    let mut trusted = RootCertStore::empty();
    trusted.add(ca).unwrap();
    let encrypted = async |roots| {
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = MakeRustlsConnect::new(config);
        let (client, connection) = tokio_postgres::connect(&url, tls).await?;
        tokio::spawn(connection);
        let question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        client
            .query_one(question, &[])
            .await
            .map(|row| row.get::<_, bool>(0))
    };
    assert!(encrypted(RootCertStore::empty()).await.is_err());
    assert!(encrypted(trusted).await.unwrap());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[tokio::test]
async fn pgbouncer_gives_one_session_to_many_clients_in_transaction_mode() {
    let postgres = Postgres::builder().start().await.unwrap();
    let backend = async |client: &Client| {
        let rows = client
            .simple_query("SELECT pg_backend_pid()")
            .await
            .unwrap();
        let pid = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        pid.unwrap()
    };
    for (mode, shared) in [(PoolMode::Transaction, true), (PoolMode::Session, false)] {
        let pooler = PgBouncer::start(postgres.primary(), mode).await.unwrap();
        let (first, second) = (connect(&pooler.url()).await, connect(&pooler.url()).await);
        let same = backend(&first).await == backend(&second).await;
        assert_eq!(same, shared, "{mode}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_told_with_the_servers_own_words() {
    let error = Postgres::builder()
        .setting("no_such", "x")
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no_such"), "{error}");
}
