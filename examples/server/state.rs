//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use towerblock_cache::Relay;
use towerblock_core::{BoxError, Stats};
use towerblock_metrics::{Exposure, TenantBoard};
use towerblock_page::KeyRing;
use towerblock_postgres::{Scope, TokenKeys};
use towerblock_redis::Redis;
use towerblock_shed::ShedLayer;
use towerblock_tenant::{JwtClaim, Registry};

use crate::caches::{Caches, namespace};
use crate::circuits::Circuits;
use crate::config::{Config, Secret};
use crate::limits::{Limits, Offer};
use crate::secrets::Secrets;
use crate::store::Store;
use crate::writes::Writes;
use crate::{demo, stack};

/// The state of the router.
pub(crate) type Shared = Arc<State>;

pub(crate) struct State {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) circuits: Circuits,
    pub(crate) shed: ShedLayer,
    pub(crate) limits: Limits,
    pub(crate) caches: Arc<Caches>,
    pub(crate) writes: Writes,
    /// Where other instances, or one that was killed, say what is stale.
    pub(crate) relay: Option<Arc<Relay>>,
    /// How each tenant fares.
    pub(crate) board: TenantBoard,
    pub(crate) admin_token: Option<Secret>,
    pub(crate) cursor_keys: KeyRing,
    pub(crate) read_tokens: TokenKeys,
    pub(crate) tokens: JwtClaim,
    pub(crate) instance: String,
}

impl State {
    pub(crate) fn new(
        config: &Config,
        store: Arc<dyn Store>,
        registry: Registry,
        circuits: Circuits,
        caches: Arc<Caches>,
    ) -> Result<Self, BoxError> {
        let pid = std::process::id();
        let named = || {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
            let host = host.as_deref().map_or("server", str::trim);
            format!("{host}-{pid}")
        };
        for circuit in caches.redis.iter().flat_map(Redis::circuits) {
            circuits.registry().add(&circuit);
        }
        let offer = config.plans.clone().map_or_else(Offer::shipped, Ok)?;
        let redis = caches.redis.as_ref();
        let redis = redis.map(|redis| Ok::<_, BoxError>((redis, namespace(config)?)));
        let limits = Limits::new(offer, redis.transpose()?)?;
        let secrets = Secrets::new(&config.secret_keys)?;
        Ok(Self {
            store,
            // So long may a tenant go on that was suspended by somebody else. Each of 10,000 that
            // is asked for all the time is looked up twice in it.
            registry: Arc::new(registry.ttl(Duration::from_millis(config.tenant_ttl_ms))),
            circuits,
            shed: stack::shed(),
            limits,
            caches,
            writes: Writes::new(),
            relay: None,
            board: TenantBoard::new(Exposure::default().pin(demo::named())),
            admin_token: config.admin_token.clone(),
            cursor_keys: secrets.key_ring()?,
            read_tokens: secrets.read_tokens()?,
            tokens: secrets.tenant_claim()?,
            instance: config.instance_id.clone().unwrap_or_else(named),
        })
    }

    /// All that has numbers to show.
    pub(crate) fn stats(&self) -> Vec<Arc<dyn Stats>> {
        let mut all: Vec<Arc<dyn Stats>> = vec![
            Arc::clone(&self.registry) as _,
            Arc::new(self.shed.clone()),
            Arc::new(self.caches.hub.clone()),
            Arc::new(self.read_tokens.clone()),
        ];
        all.extend(self.store.stats());
        if let Some(redis) = &self.caches.redis {
            all.push(Arc::new(redis.clone()));
        }
        if let Some(relay) = &self.relay {
            all.push(Arc::clone(relay) as _);
        }
        all.extend(self.circuits.stats());
        all.extend(self.limits.stats());
        all
    }

    /// Whether whoever asks wrote a moment ago. They must see it, and what is kept may be
    /// older: another instance may have kept it, or read a standby that lags. So they are
    /// answered by the database, which knows how far they wrote, for as long as their token
    /// is good for: a minute.
    pub(crate) fn has_written(&self, scope: &Scope) -> bool {
        scope.token_text(&self.read_tokens).is_some()
    }
}
