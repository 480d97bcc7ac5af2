use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use towerblock_core::{BoxError, TenantId};

use crate::{Tenant, TenantStore};

/// Tenants in memory: for tests, and for services that have few and know them at the start.
///
/// Clones share the tenants. A change shows once the registry asks again. That no two
/// tenants have one key is for you to see to; here nothing checks it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<RwLock<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    tenants: HashMap<TenantId, Tenant>,
    domains: HashMap<String, TenantId>,
}

impl MemoryStore {
    /// Adds a tenant, or puts it in the place of the one with its id; the epoch of a record
    /// that is replaced goes on from where it was.
    pub fn put(&self, mut tenant: Tenant) {
        self.change(|kept| {
            if let Some(earlier) = kept.tenants.get(&tenant.id) {
                tenant.epoch = earlier.epoch + 1;
            }
            kept.tenants.insert(tenant.id.clone(), tenant);
        });
    }

    /// Gives a tenant a domain, in whatever case, with or without a dot at the end.
    pub fn put_domain(&self, domain: &str, tenant: TenantId) {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        self.change(|kept| kept.domains.insert(domain, tenant));
    }

    /// Forgets a tenant and its domains, as if it had never been. A tenant that ends is
    /// better kept as [`Deleted`](crate::TenantState::Deleted): its id is not free again.
    pub fn remove(&self, id: &TenantId) {
        self.change(|kept| {
            kept.tenants.remove(id);
            kept.domains.retain(|_, tenant| tenant != id);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) {
        // No user code runs under this lock, so what it guards is always whole.
        change(&mut self.kept.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, read: impl FnOnce(&Kept) -> Option<&T>) -> Option<T>
    where
        T: Clone,
    {
        read(&self.kept.read().unwrap_or_else(PoisonError::into_inner)).cloned()
    }
}

impl TenantStore for MemoryStore {
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, BoxError> {
        Ok(self.read(|kept| kept.tenants.get(&id)))
    }

    async fn domain(&self, domain: &str) -> Result<Option<TenantId>, BoxError> {
        Ok(self.read(|kept| kept.domains.get(domain)))
    }
}

/// Of two tenants with one id the later stays.
impl FromIterator<Tenant> for MemoryStore {
    fn from_iter<I: IntoIterator<Item = Tenant>>(tenants: I) -> Self {
        let by_id = |tenant: Tenant| (tenant.id.clone(), tenant);
        let tenants = tenants.into_iter().map(by_id).collect();
        let domains = HashMap::new();
        let kept = Arc::new(RwLock::new(Kept { tenants, domains }));
        Self { kept }
    }
}
