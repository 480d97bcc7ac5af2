use std::collections::HashMap;
use std::sync::Arc;

use crate::Tenant;

/// The tenants there are, in memory.
#[derive(Debug, Default)]
pub struct Registry {
    tenants: HashMap<Arc<str>, Arc<Tenant>>,
}

impl Registry {
    /// The tenant of this name, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.get(name)
    }

    /// All tenants, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }
}

/// Of two tenants with one name the later stays.
impl FromIterator<Tenant> for Registry {
    fn from_iter<I: IntoIterator<Item = Tenant>>(tenants: I) -> Self {
        let by_name = |tenant: Tenant| (Arc::from(tenant.id.as_str()), Arc::new(tenant));
        let tenants = tenants.into_iter().map(by_name).collect();
        Self { tenants }
    }
}
