//! Requests to a service whose replica is late.

use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt as _;
use towerblock_core::{Stats, Value};
use towerblock_postgres::{Cluster, ClusterLayer, Replicas, Scope, Settings, TokenKeys};
use towerblock_testkit::Postgres;

use crate::{budget, known, schema, servers, set_up, until};

async fn count(State(cluster): State<Cluster>, Extension(scope): Extension<Scope>) -> String {
    let one = schema(1);
    let read = cluster.read(&one).within(&scope);
    let rows = read.query("count", "SELECT count(*) FROM items", &[]).await;
    rows.unwrap()[0].get::<_, i64>(0).to_string()
}

async fn add(State(cluster): State<Cluster>, Extension(scope): Extension<Scope>) -> StatusCode {
    let one = schema(1);
    let write = cluster.write(&one).within(&scope);
    let add = "INSERT INTO items (owner) VALUES (1)";
    write.execute("add", add, &[]).await.unwrap();
    StatusCode::CREATED
}

async fn late() -> (Postgres, Cluster) {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let mut replicas = Replicas::default();
    // So late that only a token tells a stale read from another.
    replicas.max_lag = Duration::from_secs(60);
    let settings = Settings::new(budget(4)).replicas(replicas);
    let cluster = Cluster::start(servers(&postgres), settings);
    known(&cluster).await;
    let pause = "SELECT pg_wal_replay_pause()";
    postgres.standbys()[0].sql(pause).await.unwrap();
    (postgres, cluster)
}

fn app(cluster: &Cluster, keys: &TokenKeys) -> Router {
    Router::new()
        .route("/", get(count).post(add))
        // Outside of the handlers, whose reads it gives what their client wrote.
        .layer(ClusterLayer::new(keys.clone()))
        .with_state(cluster.clone())
}

/// What it answers, and the cookie that it sets.
async fn ask(app: &Router, method: &str, cookie: Option<&str>) -> (String, Option<String>) {
    let mut request = Request::builder().method(method).uri("/");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success());
    let set = response.headers().get("set-cookie");
    let set = set.map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
    let body = to_bytes(response.into_body(), 1_024).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), set)
}

fn counted(stats: &dyn Stats, name: &str, label: &str) -> u64 {
    let mut found = 0;
    stats.read(&mut |metric, of, value| {
        if let Value::Count(count) = value
            && metric.name == name
            && of == label
        {
            found += count;
        }
    });
    found
}

#[tokio::test]
async fn a_client_that_sends_its_cookie_reads_what_it_wrote() {
    let (_postgres, cluster) = late().await;
    let keys = TokenKeys::new([[7; 32]])
        .unwrap()
        .lifetime(Duration::from_secs(1));
    let app = app(&cluster, &keys);
    let (_, cookie) = ask(&app, "POST", None).await;
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("tb-read="));
    let (seen, set) = ask(&app, "GET", Some(&cookie)).await;
    assert_eq!((&*seen, set), ("2", None), "a read sets none");
    assert_eq!(
        ask(&app, "GET", None).await.0,
        "1",
        "the test would not notice"
    );

    // What is not ours, or not any more, is as none: the reads are as old as a replica's.
    let mut forged = cookie.clone();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.truncate(forged.len() - 8);
    forged.extend([last; 8]);
    let foreign = TokenKeys::new([[8; 32]]).unwrap();
    let (_, sealed) = ask(&self::app(&cluster, &foreign), "POST", None).await;
    for (n, cookie) in [forged, sealed.unwrap(), "tb-read=x".to_owned()]
        .iter()
        .enumerate()
    {
        assert_eq!(ask(&app, "GET", Some(cookie)).await.0, "1", "{cookie}");
        let refused = counted(&keys, "postgres_tokens_refused", "forged");
        assert_eq!(refused, n as u64 + 1);
    }
    until(Duration::from_secs(3), async || {
        ask(&app, "GET", Some(&cookie)).await;
        counted(&keys, "postgres_tokens_refused", "expired") > 0
    })
    .await;
}

/// All that is copied from one template has one identifier; what a cluster cannot have
/// written is told by its place.
#[tokio::test]
async fn a_token_of_another_cluster_is_ignored_and_counted() {
    let (_postgres, cluster) = late().await;
    let other = Postgres::builder()
        .setting("wal_init_zero", "off")
        .setting("wal_recycle", "off")
        .start()
        .await
        .unwrap();
    set_up(&other, 1).await;
    // Beyond a gigabyte.
    let step = "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal();";
    other.primary().sql(&step.repeat(70)).await.unwrap();
    let keys = TokenKeys::new([[7; 32]]).unwrap();
    let far = crate::cluster(&other, 1);
    known(&far).await;
    let (_, cookie) = ask(&app(&far, &keys), "POST", None).await;
    let here = app(&cluster, &keys);
    ask(&here, "POST", None).await;
    let foreign = || counted(&cluster, "postgres_foreign_tokens", "");
    assert_eq!(foreign(), 0);
    assert_eq!(ask(&here, "GET", cookie.as_deref()).await.0, "1");
    assert_eq!(foreign(), 1);
}
