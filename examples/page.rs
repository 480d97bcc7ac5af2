//! A list page by page: in memory, and from PostgreSQL when it is installed.
//!
//! ```console
//! $ cargo run --example page
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "`serde_json` answers null for what is missing"
)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::routing::get;
use http::Request;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};
use tower::ServiceExt as _;
use towerblock_page::{
    Column, KeyRing, Keyset, Page, PageError, PageLayer, PageRequest, Type, Unique,
};
use towerblock_testkit::Postgres;

/// By rank, best first; those without one come last. Of equals the newest comes first.
static BEST: LazyLock<Keyset> = LazyLock::new(|| {
    let rank = Column::desc("rank", Type::INT4).nulls_last();
    Keyset::new("plugins/1", [rank], Unique::desc("id", Type::INT4))
});

const ROWS: i32 = 7;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let plugins = Plugins((1..=ROWS).map(|id| ((rank(id), id), id)).collect());
    let memory = Router::new()
        .route("/plugins", get(kept))
        .with_state(Arc::new(plugins));
    println!("in memory");
    let shown = browse(memory).await?;
    assert_eq!(shown, ["5 4 2", "1 7 6", "3", "1 7 6"]);

    if !Postgres::is_installed() {
        println!("PostgreSQL is not installed: that was all");
        return Ok(());
    }
    let cluster = Postgres::builder().start().await?;
    let (client, connection) = tokio_postgres::connect(&cluster.primary().url(), NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE plugins (id int4 PRIMARY KEY, rank int4);
             CREATE INDEX ON plugins (rank DESC NULLS LAST, id DESC)",
        )
        .await?;
    for id in 1..=ROWS {
        let insert = "INSERT INTO plugins VALUES ($1, $2)";
        client.execute(insert, &[&id, &rank(id)]).await?;
    }
    let stored = Router::new()
        .route("/plugins", get(stored))
        .with_state(Arc::new(client));
    println!("from PostgreSQL");
    assert_eq!(browse(stored).await?, shown);
    // The last to hold the client is gone, so the connection ends.
    connection.await??;
    Ok(())
}

/// Down to the end, and one page up again: the ids of each page.
async fn browse(list: Router) -> Result<Vec<String>, Box<dyn Error>> {
    // In a service of yours they are random, and the same on all instances.
    let keys = KeyRing::new([[7; 32]])?;
    let app = list.layer(PageLayer::new(keys));
    let ask = async |cursor: &str| {
        let uri = format!("/plugins?limit=3{cursor}");
        let response = app.clone().oneshot(Request::get(uri).body(Body::empty())?);
        let (parts, body) = response.await?.into_parts();
        let json: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await?)?;
        Ok::<_, Box<dyn Error>>((parts.status.as_u16(), json))
    };
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = ask(&cursor).await?;
        assert_eq!(status, 200);
        shown.push(ids(&page));
        if let Some(next) = page["next"].as_str() {
            cursor = format!("&cursor={next}");
            continue;
        }
        let prev = page["prev"]
            .as_str()
            .ok_or("there is a page before the last")?;
        let (_, page) = ask(&format!("&cursor={prev}")).await?;
        shown.push(ids(&page));
        // The same cursor under another filter is no cursor.
        let (status, refusal) = ask(&format!("&team=8&cursor={prev}")).await?;
        assert_eq!(status, 400);
        println!("  pages of 3: {}", shown.join(" | "));
        println!("  under another filter: {}", refusal["detail"]);
        return Ok(shown);
    }
}

fn ids(page: &Value) -> String {
    let items = page["items"].as_array().into_iter().flatten();
    items.map(Value::to_string).collect::<Vec<_>>().join(" ")
}

/// By their keys.
struct Plugins(BTreeMap<(Option<i32>, i32), i32>);

fn rank(id: i32) -> Option<i32> {
    (id % 3 > 0 && id < 6).then_some(id / 2)
}

async fn kept(
    State(plugins): State<Arc<Plugins>>,
    page: PageRequest,
) -> Result<Page<i32>, PageError> {
    page.seek(&BEST)?.page_of_map(&plugins.0, |_, id| Some(*id))
}

async fn stored(
    State(client): State<Arc<Client>>,
    page: PageRequest,
) -> Result<Page<i32>, PageError> {
    let seek = page.seek(&BEST)?;
    let query = seek.query("id", "plugins");
    query.fetch(&*client, |row| Ok(row.try_get(0)?)).await
}
