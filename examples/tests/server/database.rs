//! The server and its database: embedded, somebody else's, away, hung, back.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;
use towerblock_testkit::Postgres;

use crate::client::{ask, get, send};
use crate::marketplace::works;
use crate::program::Server;

/// With a parameter that is not known, so that no cache answers.
pub(crate) const UNCACHED: &str = "/api/v1/plugins?uncached";
/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns when it is so, which nobody outside the server can be told.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn probe(server: &Server, path: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
    send(server, &head, "").status
}

/// Whether one of its servers is away, as it takes it.
pub(crate) fn is_away(server: &Server, name: &str, is_away: bool) -> bool {
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let is_away = u8::from(is_away);
    let metric = format!("postgres_away{{server=\"{name}\"}} {is_away}\n");
    send(server, head, "").body.contains(&metric)
}

pub(crate) async fn ready(server: &Server) {
    until("ready", || probe(server, "/readyz") == 200).await;
}

#[tokio::test]
async fn it_works_with_servers_that_somebody_else_started() {
    // Whoever reads a write from the standby too early does not find it.
    let late = Postgres::builder().setting("recovery_min_apply_delay", "1s");
    let postgres = late.standbys(1).start().await.unwrap();
    let (primary, standby) = (postgres.primary(), &postgres.standbys()[0]);
    let environment = [
        ("DATABASE_URL", &*primary.url()),
        ("DATABASE_READ_REPLICAS", &*standby.url()),
    ];
    let server = Server::start(&environment);
    ready(&server).await;
    works(&server);
    // A second instance finds everything set up, and the writes of the first.
    let path = "/api/v1/plugins";
    let created = ask(&server, "POST", "initech", path, "", r#"{"name":"kept"}"#);
    assert_eq!(created.status, 201);
    let mut second = Server::start_logged(&environment);
    ready(&second).await;
    let found = || get(&second, "initech", UNCACHED).body.contains("kept");
    until("the standby has it", found).await;
    second.terminate();
    let closed = second.log_line_with("closed the connections");
    assert!(closed.ends_with("0"), "{closed}");

    // Reads go on while the standby hangs, and while it is away; only who finds out waits.
    for hangs in [true, false] {
        if hangs {
            standby.pause().await.unwrap();
        } else {
            standby.kill().await.unwrap();
        }
        assert_eq!(get(&server, "acme", UNCACHED).status, 200);
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(get(&server, "acme", UNCACHED).status, 200);
        }
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        if hangs {
            standby.resume().await.unwrap();
        }
    }
    // And without the primary, from the standby.
    standby.start().await.unwrap();
    until("the standby serves", || {
        is_away(&server, "replica-0", false)
    })
    .await;
    primary.kill().await.unwrap();
    until("the primary is missed", || {
        is_away(&server, "primary", true)
    })
    .await;
    until("reads go on", || {
        get(&server, "acme", UNCACHED).status == 200
    })
    .await;
    assert_eq!(probe(&server, "/readyz"), 200);
    let refused = ask(&server, "POST", "acme", path, "", r#"{"name":"x"}"#);
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
}

#[tokio::test]
async fn before_it_is_ready_it_says_so_and_nothing_worse() {
    let server = Server::start(&[]);
    let mut statuses = std::collections::BTreeSet::new();
    until("served", || {
        for path in ["/api/v1/plugins", "/api/v1/marketplace"] {
            statuses.insert(get(&server, "t00001", path).status);
        }
        statuses.contains(&200)
    })
    .await;
    ready(&server).await;
    for _ in 0..20 {
        statuses.insert(get(&server, "t00001", "/api/v1/plugins").status);
    }
    assert!(statuses.is_subset(&[200, 503].into()), "{statuses:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url_to("no_such_database");
    let mut server = Server::start_logged(&[("DATABASE_URL", &url)]);
    let line = server.log_line_with("a server of the database is away");
    assert!(line.contains("no_such_database"), "{line}");
}

#[tokio::test]
async fn what_is_wrong_with_a_database_is_told_at_the_start() {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let url = primary.url();
    let first = Server::start(&[("DATABASE_URL", &url)]);
    ready(&first).await;
    let open = "ALTER TABLE towerblock_shared.plugins DISABLE ROW LEVEL SECURITY";
    primary.sql(open).await.unwrap();
    let mut server = Server::start_logged(&[("DATABASE_URL", &url)]);
    ready(&server).await;
    let line = server.log_line_with("row-level security is not enabled");
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains("towerblock_shared.plugins"), "{line}");
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_to_the_next() {
    use std::io::Write as _;
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let url = primary.url();
    let server = Server::start(&[("DATABASE_URL", &url), ("DATABASE_POOL_MAX", "1")]);
    ready(&server).await;
    for _ in 0..20 {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let request = "GET /api/v1/plugins?uncached HTTP/1.1\r\nhost: acme.localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
        let other = get(&server, "t00001", UNCACHED);
        assert_eq!(other.status, 200);
        assert!(!other.body.contains("1199"), "not a row of acme's");
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    // Those that count calls end by themselves.
    while primary.sql(open).await.unwrap().unwrap() != "0" {}

    // Nor does the next wait for an answer that nobody wants any more.
    let (locker, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE t000000000001.plugins";
    locker.batch_execute(lock).await.unwrap();
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let request = "GET /api/v1/plugins?uncached HTTP/1.1\r\nhost: acme.localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while primary.sql(waiting).await.unwrap().unwrap() != "1" {}
    drop(stream);
    let start = Instant::now();
    assert_eq!(get(&server, "t00001", UNCACHED).status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn row_level_security_holds_without_the_statement_s_own_filter() {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let server = Server::start(&[("DATABASE_URL", &primary.url())]);
    ready(&server).await;
    let count = async |settings: &str| {
        let role = "BEGIN; SET LOCAL ROLE towerblock_app";
        let count = "SELECT count(*) FROM towerblock_shared.plugins";
        let counted = primary.sql(&format!("{role}; {settings}{count}")).await;
        counted.unwrap().unwrap()
    };
    assert_eq!(count("").await, "0");
    assert_eq!(count("SET LOCAL app.tenant_id = ''; ").await, "0");
    assert_eq!(count("SET LOCAL app.tenant_id = '1001'; ").await, "20");
    let insert = "BEGIN; SET LOCAL ROLE towerblock_app; SET LOCAL app.tenant_id = '1001';
        INSERT INTO towerblock_shared.profiles VALUES (1002, 'ann', '', '')";
    let error = primary.sql(insert).await.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
}

#[tokio::test]
async fn while_the_database_is_away_it_says_so_and_goes_on() {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let url = primary.url();
    primary.stop().await.unwrap();
    let server = Server::start(&[("DATABASE_URL", &url)]);
    let is_away = || {
        assert_eq!(probe(&server, "/livez"), 200);
        let answer = get(&server, "acme", UNCACHED);
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    };
    is_away();
    assert_eq!(probe(&server, "/readyz"), 503);
    primary.start().await.unwrap();
    ready(&server).await;
    assert_eq!(get(&server, "acme", UNCACHED).status, 200);

    // Killed under an open pool, and hung.
    primary.kill().await.unwrap();
    is_away();
    primary.start().await.unwrap();
    // Who has just been refused is asked again within a second.
    let is_back = || get(&server, "acme", UNCACHED).status == 200;
    until("back", is_back).await;
    primary.pause().await.unwrap();
    is_away();
    until("not ready", || probe(&server, "/readyz") == 503).await;
    let start = Instant::now();
    (0..20).for_each(|_| is_away());
    let waited = start.elapsed();
    assert!(
        waited < Duration::from_secs(2),
        "nobody waits any more: {waited:?}"
    );
    primary.resume().await.unwrap();
    ready(&server).await;
    until("serves again", || {
        get(&server, "acme", UNCACHED).status == 200
    })
    .await;
}
