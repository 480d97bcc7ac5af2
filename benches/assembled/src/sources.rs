use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bb8::Pool;
use bb8_postgres::PostgresConnectionManager;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Expiration;
use fred::types::config::Config;
use moka::future::Cache;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};

/// The same as of the example server.
const CONNECTIONS: u32 = 20;
const ENTRIES: u64 = 100_000;
/// Seconds.
const KEPT: u32 = 300;

const PAGE: &str = "select id, name, team, version, summary from assembled_plugins \
    where tenant = $1 order by id limit 10";

/// What is asked for a page, one after the other.
pub(crate) struct Sources {
    memory: Cache<String, Bytes>,
    redis: Client,
    database: Pool<PostgresConnectionManager<NoTls>>,
}

impl Sources {
    /// Connects, and fills a table that is empty. A connection is `tested` when it is taken, or not.
    pub(crate) async fn open(
        database: &str,
        redis: &str,
        tested: bool,
    ) -> Result<Self, Box<dyn Error>> {
        let manager = PostgresConnectionManager::new_from_stringlike(database, NoTls)?;
        let database = Pool::builder()
            .max_size(CONNECTIONS)
            .test_on_check_out(tested)
            .build(manager)
            .await?;
        database
            .get()
            .await?
            .batch_execute(include_str!("setup.sql"))
            .await?;
        let redis = Client::new(Config::from_url(redis)?, None, None, None);
        redis.init().await?;
        let memory = Cache::builder()
            .max_capacity(ENTRIES)
            .time_to_live(Duration::from_secs(KEPT.into()))
            .build();
        Ok(Self {
            memory,
            redis,
            database,
        })
    }

    /// The page under `key`, as one finds it written: the way to the database is part of the
    /// future of whoever finds it in memory.
    pub(crate) async fn get(&self, key: String, tenant: &str) -> Result<Bytes, StatusCode> {
        let load = self.load(&key, tenant);
        let page = self.memory.try_get_with(key.clone(), load).await;
        page.map_err(|status| *status)
    }

    /// The same, with that way in a box that only a miss makes.
    pub(crate) async fn get_with_care(&self, key: &str, tenant: &str) -> Result<Bytes, StatusCode> {
        if let Some(page) = self.memory.get(key).await {
            return Ok(page);
        }
        let load = Box::pin(self.load(key, tenant));
        let page = Box::pin(self.memory.try_get_with_by_ref(key, load)).await;
        page.map_err(|status: Arc<StatusCode>| *status)
    }

    async fn load(&self, key: &str, tenant: &str) -> Result<Bytes, StatusCode> {
        // Without Redis there is the database.
        if let Ok(Some(page)) = self.redis.get::<Option<Bytes>, _>(key).await {
            return Ok(page);
        }
        let page = self.query(tenant).await?;
        let ends = Expiration::EX(KEPT.into());
        let kept = self
            .redis
            .set::<(), _, _>(key, page.clone(), Some(ends), None, false);
        let _ = kept.await;
        Ok(page)
    }

    /// Asks the database, as one finds it written: the query is prepared each time.
    pub(crate) async fn query(&self, tenant: &str) -> Result<Bytes, StatusCode> {
        let database = self.database.get().await.map_err(unavailable)?;
        let rows = database.query(PAGE, &[&tenant]).await;
        page(&rows.map_err(unavailable)?)
    }

    /// In one round trip.
    pub(crate) async fn query_with_care(&self, tenant: &str) -> Result<Bytes, StatusCode> {
        let database = self.database.get().await.map_err(unavailable)?;
        let typed: [(&(dyn ToSql + Sync), Type); 1] = [(&tenant, Type::TEXT)];
        let rows = database.query_typed(PAGE, &typed).await;
        page(&rows.map_err(unavailable)?)
    }
}

#[derive(Serialize)]
struct Page<'a> {
    items: Vec<Plugin<'a>>,
    next: Option<&'a str>,
}

#[derive(Serialize)]
struct Plugin<'a> {
    id: i64,
    name: &'a str,
    team: i64,
    version: &'a str,
    summary: &'a str,
}

fn page(rows: &[Row]) -> Result<Bytes, StatusCode> {
    let plugin = |row| {
        let row: &Row = row;
        Ok(Plugin {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            team: row.try_get(2)?,
            version: row.try_get(3)?,
            summary: row.try_get(4)?,
        })
    };
    let items: Result<Vec<_>, tokio_postgres::Error> = rows.iter().map(plugin).collect();
    let items = items.map_err(unavailable)?;
    let json = serde_json::to_vec(&Page { items, next: None });
    json.map(Bytes::from).map_err(unavailable)
}

fn unavailable(_: impl Error) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}
