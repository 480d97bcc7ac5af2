//! What is kept of answers, for how long, and what makes the server forget it.

use std::borrow::Borrow;
use std::time::Duration;

use futures_util::future::Either;
use http::{HeaderValue, Uri};
use tokio_postgres::GenericClient;
use towerblock_cache::{
    Cache, Hit, HttpCacheLayer, HttpPolicy, Hub, Key, Loaded, Outbox, OutboxError, Policy, Remote,
    Settings, Timeouts,
};
use towerblock_core::{BoxError, TenantId};
use towerblock_postgres::Scope;
use towerblock_redis::{self as redis, Redis};
use towerblock_respond::Refused;

use crate::answer::{Answer, Served};
use crate::config::Config;
use crate::stack::QUERY_TIMEOUT;
use crate::store::StoreError;

/// Of what instances share in Redis.
const NAMESPACE: &str = "marketplace";
/// A standby that is more than a second behind is not read (`Replicas::max_lag`), and when it
/// falls behind that is known within another.
pub(crate) const LATE: Duration = Duration::from_secs(2);

/// In a schema of its own: nobody but the server has to do with it.
const OUTBOX: &str = "towerblock_outbox.stale";
/// For the entries of all tenants.
const MEMORY: u64 = 512 << 20;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Kept by browsers, asked about each time, shared by nobody.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Kept by everyone for as long as here.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=600");

/// Lists of a tenant's plugins, which any change of any of them may change.
pub(crate) const PLUGINS: &str = "plugins";

/// What a tenant reads again and again, and may read as it was while the database is away.
fn of_tenants(ttl: Duration) -> Policy {
    Policy::ttl(ttl)
        .stale_while_revalidate(30 * SECOND)
        .stale_if_error(HOUR)
        // What is missing may be made on an instance that cannot tell us.
        .absent_ttl(2 * SECOND)
        // When a failing database is left alone is for its circuits to say, which know of
        // all calls and try again sooner.
        .error_backoff(Duration::ZERO)
        // As long as all queries of a request may take; who can be shown what was there
        // before does not wait for long.
        .timeouts(Timeouts::new(QUERY_TIMEOUT).with_stale(200 * Duration::from_millis(1)))
}

/// The caches of this server. Every key names all that the answer depends on.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) hub: Hub,
    /// Through which other instances share them.
    pub(crate) redis: Option<Redis>,
    /// By the query.
    pub(crate) lists: Shelf<String>,
    pub(crate) plugins: Shelf<i64>,
    /// By the user.
    pub(crate) profiles: Shelf<String>,
    /// Whole responses, in the same memory: by their URI, those of a tenant,
    pub(crate) of_teams: HttpCacheLayer,
    /// and those that are the same for all.
    pub(crate) marketplace: HttpCacheLayer,
}

impl Caches {
    /// Connects to nothing yet: whether Redis is there or not, requests are answered.
    pub(crate) fn new(config: &Config) -> Result<Self, BoxError> {
        let settings = Settings::memory(MEMORY);
        let url = config.redis_url.as_ref();
        let server = url.map(|url| redis::Settings::from_url(url.expose()));
        let redis = server.transpose()?.map(Redis::connect);
        let hub = match &redis {
            None => Hub::start(settings)?,
            Some(redis) => {
                let deaf = Duration::from_millis(config.cache_deaf_ms);
                let remote = Remote::new(redis.clone(), namespace(config)?)?
                    // As long as any answer: what an instance did not say stands in the outbox.
                    .memory_ttl(10 * MINUTE)
                    .deaf_ttl(deaf);
                Hub::start_with(settings, remote)?
            }
        };
        let of_teams = HttpPolicy::new(of_tenants(MINUTE))
            .same_for_all_users()
            .cache_control(PRIVATE);
        let marketplace = HttpPolicy::new(of_tenants(10 * MINUTE).stale_if_error(24 * HOUR))
            .shared()
            .cache_control(PUBLIC);
        Ok(Self {
            lists: Shelf::new(&hub, "lists", 5 * MINUTE)?.tagged(PLUGINS),
            plugins: Shelf::new(&hub, "plugins", 5 * MINUTE)?,
            profiles: Shelf::new(&hub, "profiles", 5 * MINUTE)?,
            of_teams: hub.http_cache("of-teams", of_teams)?,
            marketplace: hub.http_cache("marketplace", marketplace)?,
            hub,
            redis,
        })
    }

    /// Notes in a write's transaction what it makes stale: should this process end before it
    /// says so, others find it.
    pub(crate) async fn note(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
        stale: &Stale,
    ) -> Result<(), OutboxError> {
        let (lists, plugins) = (&self.lists.cache, &self.plugins.cache);
        match stale {
            Stale::Lists => lists.invalidate_tag_in(transaction, tenant, PLUGINS).await,
            Stale::Plugin(id) => {
                let lists = lists.invalidate_tag_in(transaction, tenant, PLUGINS);
                let plugin = plugins.invalidate_in(transaction, tenant, id);
                // At once: they are one round trip. The first that failed says why.
                tokio::try_join!(biased; lists, plugin).map(drop)
            }
            Stale::Profile(user) => {
                let profiles = &self.profiles.cache;
                profiles.invalidate_in(transaction, tenant, user).await
            }
        }
    }

    /// Forgets what a write has made stale, everywhere it can be told.
    pub(crate) async fn forget(&self, tenant: &TenantId, stale: &Stale) {
        // At once: each may wait for a Redis that hangs. Who cannot be told now is told later,
        // and believes what it has for a bounded time.
        match stale {
            Stale::Lists => {
                let _reached = self.lists.cache.invalidate_tag(tenant, PLUGINS).await;
            }
            Stale::Plugin(id) => {
                let lists = self.lists.cache.invalidate_tag(tenant, PLUGINS);
                let plugin = self.plugins.cache.invalidate(tenant, id);
                let _reached = tokio::join!(lists, plugin);
            }
            Stale::Profile(user) => {
                let _reached = self.profiles.cache.invalidate(tenant, user).await;
            }
        }
    }
}

/// Where PostgreSQL keeps what is to be forgotten.
pub(crate) fn outbox() -> Result<Outbox, OutboxError> {
    Ok(Outbox::table(OUTBOX)?.replica_lag(LATE))
}

/// An answer holds rows and cursors: whoever has other data, or other secrets, must not find it,
/// and its tenants are others.
pub(crate) fn namespace(config: &Config) -> Result<String, BoxError> {
    if !config.is_alone {
        return Ok(NAMESPACE.to_owned());
    }
    let mut own = [0; 8];
    getrandom::fill(&mut own)?;
    Ok(format!("{NAMESPACE}-{:016x}", u64::from_ne_bytes(own)))
}

/// What is not as it was.
#[derive(Debug)]
pub(crate) enum Stale {
    /// Which plugins there are.
    Lists,
    /// A plugin, and the lists it stands in.
    Plugin(i64),
    /// The profile of a user.
    Profile(String),
}

/// Answers of one kind, each of which is some tenant's.
#[derive(Debug)]
pub(crate) struct Shelf<K> {
    cache: Cache<K, Answer>,
    tag: Option<&'static str>,
}

impl<K: Key> Shelf<K> {
    fn new(hub: &Hub, name: &str, ttl: Duration) -> Result<Self, BoxError> {
        let cache = hub.cache(name, of_tenants(ttl))?.weigh(Answer::weight);
        Ok(Self { cache, tag: None })
    }

    const fn tagged(mut self, tag: &'static str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// The answer that is kept, if it may be shown at once.
    pub(crate) fn peek<Q>(&self, tenant: &TenantId, key: &Q) -> Option<Hit<Answer>>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.cache.peek(tenant, key)
    }

    /// The answer that is kept under this key, or else what `fetch` finds, which others who
    /// wait for it are given as well. Without a key, what it finds for this request alone.
    ///
    /// Memory is looked at by this call, so that a future that is moved about holds no more than
    /// what was found there.
    pub(crate) fn read<Q, F, Fut>(
        &self,
        (tenant, scope): (&TenantId, &Scope),
        key: Option<&Q>,
        fetch: F,
    ) -> impl Future<Output = Result<Option<Served>, Refused>> + Send + use<K, Q, F, Fut>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
        F: FnOnce(Scope) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Answer>, StoreError>> + Send + 'static,
    {
        let Some(key) = key else {
            let fetched = Box::pin(fetch(scope.clone()));
            return Either::Left(async move { Ok(fetched.await?.map(Served::Asked)) });
        };
        let tag = self.tag;
        let load = move || async move {
            let found = fetch(of_load()).await?;
            let loaded = Loaded::from(found);
            Ok::<_, StoreError>(tag.into_iter().fold(loaded, Loaded::tag))
        };
        let hit = self.cache.get_or_load(tenant, key, load);
        Either::Right(async move { Ok(hit.await?.map(Served::Kept)) })
    }
}

/// A load goes on when the request that began it has ended, so it has its own time.
pub(crate) fn of_load() -> Scope {
    Scope::new(QUERY_TIMEOUT)
}

/// What a page is kept by: its query, if there is nothing in it but `limit` and `cursor`, in
/// the one form that our links have. Any other would be an entry of its own for whatever a
/// client makes up; it is answered, and not kept.
pub(crate) fn of_page(uri: &Uri) -> Option<&str> {
    let query = uri.query().unwrap_or_default();
    let mut rest = query;
    if let Some(after) = rest.strip_prefix("limit=") {
        let (limit, others) = after.split_once('&').unwrap_or((after, ""));
        let is_plain =
            limit.parse::<u16>().is_ok() && matches!(limit.as_bytes(), [b'1'..=b'9', ..]);
        // Nothing may follow but a cursor.
        if !is_plain || after.ends_with('&') {
            return None;
        }
        rest = others;
    }
    let is_cursor = |text: &str| {
        let mut bytes = text.bytes();
        bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_known = rest.is_empty() || rest.strip_prefix("cursor=").is_some_and(is_cursor);
    is_known.then_some(query)
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::of_page;

    #[test]
    fn a_page_has_one_key_and_what_a_client_makes_up_has_none() {
        for query in ["", "limit=5", "cursor=a-_Z9", "limit=5&cursor=a-_Z9"] {
            let uri: Uri = format!("/p?{query}").parse().unwrap();
            assert_eq!(of_page(&uri), Some(query));
        }
        assert_eq!(of_page(&Uri::from_static("/p")), Some(""));
        for query in [
            "x=1",
            "limit=05",
            "limit=+5",
            "limit=5&",
            "limit=5&x=1",
            "limit=5&cursor=a&",
            "limit=5&cursor=a&x=1",
            "cursor=a&limit=5",
            "cursor=%61",
            "limit=5&limit=5",
            "&limit=5",
            "limit=",
        ] {
            let uri: Uri = format!("/p?{query}").parse().unwrap();
            assert_eq!(of_page(&uri), None, "{query}");
        }
    }
}
