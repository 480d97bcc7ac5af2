//! The data in this process: for a machine without PostgreSQL, and for measuring all the
//! rest. It pretends to be no SQL.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use towerblock_core::{BoxError, Reason, Rejected, Stats};
use towerblock_page::{Page, Seek};
use towerblock_postgres::{Scope, Statistics};
use towerblock_quota::{Claim, MemoryQuotas, Name, Quota, Usage};
use towerblock_tenant::Tenant;

use crate::demo;
use crate::limits::{PLUGINS, tell};
use crate::store::{Draft, Package, Plugin, Position, Profile, Store, StoreError};

/// Rows of one kind that one tenant may hold, of some 20 kB at most: memory is bounded by
/// the tenants there are.
const MOST_ROWS: usize = 1_000;

#[derive(Debug)]
pub(crate) struct MemoryStore {
    shelves: HashMap<u64, Mutex<Shelf>>,
    packages: BTreeMap<Position, Package>,
    quotas: MemoryQuotas,
    next_id: AtomicI64,
}

/// What one tenant has.
#[derive(Debug, Default)]
struct Shelf {
    plugins: BTreeMap<Position, Plugin>,
    positions: HashMap<i64, Position>,
    profiles: HashMap<String, Profile>,
}

impl MemoryStore {
    /// With the demo data of these tenants.
    pub(crate) fn new(tenants: &[Tenant]) -> Result<Self, BoxError> {
        let shelf = |tenant: &Tenant| {
            let mut shelf = Shelf::default();
            demo::plugins(tenant).for_each(|plugin| shelf.put(plugin));
            Mutex::new(shelf)
        };
        let packages = demo::packages().map(|row| ((row.created_at, row.id), row));
        // Of each its plugins, its calls, and those of the month before.
        let counts = NonZeroUsize::MIN.saturating_add(3 * tenants.len());
        let (quotas, plugins) = (MemoryQuotas::new(counts), Name::new(PLUGINS)?);
        for tenant in tenants {
            let count = demo::plugins(tenant).count() as u64;
            let claim = Claim::new(&tenant.id, &plugins, Quota::stock(u64::MAX));
            quotas.correct(&claim, count)?;
        }
        Ok(Self {
            shelves: tenants.iter().map(|t| (t.key, shelf(t))).collect(),
            packages: packages.collect(),
            quotas,
            next_id: AtomicI64::new(demo::FIRST_FREE_ID),
        })
    }

    fn shelf(&self, tenant: &Tenant) -> Result<MutexGuard<'_, Shelf>, Rejected> {
        let unknown = Rejected::new("store", Reason::UnknownTenant);
        let shelf = self.shelves.get(&tenant.key).ok_or(unknown)?;
        // Every change under this lock is whole before it ends, or it does not begin.
        Ok(shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shelf {
    fn put(&mut self, plugin: Plugin) {
        let position = (plugin.created_at, plugin.id);
        self.positions.insert(plugin.id, position);
        self.plugins.insert(position, plugin);
    }

    fn get(&mut self, id: i64) -> Option<&mut Plugin> {
        self.plugins.get_mut(self.positions.get(&id)?)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn plugins(
        &self,
        tenant: &Tenant,
        _: &Scope,
        team: Option<i64>,
        page: &Seek,
    ) -> Result<Page<Plugin>, StoreError> {
        let shelf = self.shelf(tenant)?;
        let wanted = |plugin: &Plugin| team.is_none_or(|team| plugin.team_id == team);
        let pick = |_, plugin: &Plugin| wanted(plugin).then(|| plugin.clone());
        Ok(page.page_of_map(&shelf.plugins, pick)?)
    }

    async fn plugin(
        &self,
        tenant: &Tenant,
        _: &Scope,
        id: i64,
    ) -> Result<Option<Plugin>, StoreError> {
        Ok(self.shelf(tenant)?.get(id).cloned())
    }

    async fn create(
        &self,
        tenant: &Tenant,
        _: &Scope,
        counted: &Claim,
        draft: Draft,
    ) -> Result<Plugin, StoreError> {
        let mut shelf = self.shelf(tenant)?;
        if shelf.plugins.len() == MOST_ROWS {
            return Err(Rejected::new("store", Reason::StockQuota).into());
        }
        tell(&self.quotas.consume(counted)?);
        let now = Timestamp::now();
        let plugin = Plugin {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            team_id: draft.team_id,
            name: draft.name,
            description: draft.description,
            version: draft.version,
            created_at: micros(now),
            updated_at: micros(now),
        };
        shelf.put(plugin.clone());
        Ok(plugin)
    }

    async fn replace(
        &self,
        tenant: &Tenant,
        _: &Scope,
        id: i64,
        draft: Draft,
    ) -> Result<Option<Plugin>, StoreError> {
        let mut shelf = self.shelf(tenant)?;
        Ok(shelf.get(id).map(|plugin| {
            plugin.team_id = draft.team_id;
            plugin.name = draft.name;
            plugin.description = draft.description;
            plugin.version = draft.version;
            plugin.updated_at = micros(Timestamp::now());
            plugin.clone()
        }))
    }

    async fn delete(
        &self,
        tenant: &Tenant,
        _: &Scope,
        counted: &Claim,
        id: i64,
    ) -> Result<bool, StoreError> {
        let mut shelf = self.shelf(tenant)?;
        let position = shelf.positions.remove(&id);
        let gone = position.is_some_and(|position| shelf.plugins.remove(&position).is_some());
        if gone {
            self.quotas.give_back(counted);
        }
        Ok(gone)
    }

    async fn profile(
        &self,
        tenant: &Tenant,
        _: &Scope,
        user: &str,
    ) -> Result<Option<Profile>, StoreError> {
        Ok(self.shelf(tenant)?.profiles.get(user).cloned())
    }

    async fn set_profile(
        &self,
        tenant: &Tenant,
        _: &Scope,
        user: &str,
        profile: Profile,
    ) -> Result<(), StoreError> {
        let mut shelf = self.shelf(tenant)?;
        if shelf.profiles.len() == MOST_ROWS && !shelf.profiles.contains_key(user) {
            return Err(Rejected::new("store", Reason::StockQuota).into());
        }
        shelf.profiles.insert(user.to_owned(), profile);
        Ok(())
    }

    async fn packages(
        &self,
        _: &Tenant,
        _: &Scope,
        page: &Seek,
    ) -> Result<Page<Package>, StoreError> {
        let pick = |_, package: &Package| Some(package.clone());
        Ok(page.page_of_map(&self.packages, pick)?)
    }

    async fn usage(&self, _: &Tenant, claims: &[Claim]) -> Result<Vec<Usage>, StoreError> {
        let usage = claims.iter().map(|claim| self.quotas.usage(claim));
        Ok(usage.collect())
    }

    async fn count(&self, claims: &[Claim]) -> Result<Vec<Usage>, StoreError> {
        let counted = claims.iter().map(|claim| Ok(self.quotas.consume(claim)?));
        counted.collect()
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn stats(&self) -> Option<Arc<dyn Stats>> {
        None
    }

    fn queries(&self) -> Option<&Statistics> {
        None
    }

    async fn close(&self, _: Duration) -> usize {
        0
    }
}

/// As exact as a cursor and a database are.
fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
