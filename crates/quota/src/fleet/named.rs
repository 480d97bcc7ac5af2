use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use towerblock_core::TenantId;

use crate::RatePolicy;
use crate::policy::Scope;

/// Who asks, in words that all instances share. Hashes of a process are its own.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    tenant: Option<TenantId>,
    user: Option<u128>,
    route: Option<u128>,
}

impl Named {
    pub(crate) const fn nobody() -> Self {
        Self {
            tenant: None,
            user: None,
            route: None,
        }
    }

    pub(crate) fn of(tenant: &TenantId) -> Self {
        Self {
            tenant: Some(tenant.clone()),
            ..Self::nobody()
        }
    }

    pub(crate) fn user(&mut self, user: impl Hash) {
        self.user = Some(digest(user));
    }

    pub(crate) fn route(&mut self, class: &str) {
        self.route = Some(digest(class));
    }

    /// Under which name the level is kept; none for whoever is not verified. The braces keep
    /// what is charged together in one slot of a cluster.
    pub(crate) fn key(&self, namespace: &str, policy: &RatePolicy) -> Option<String> {
        let tenant = self.tenant.as_ref()?.as_str();
        let policy_name = policy.name.as_str();
        let part = match policy.scope {
            Scope::Tenant => return Some(format!("{namespace}:rate:{{{tenant}}}:{policy_name}")),
            Scope::User => ('u', self.user.unwrap_or_default()),
            Scope::Route => ('r', self.route?),
        };
        let (letter, part) = part;
        Some(format!(
            "{namespace}:rate:{{{tenant}}}:{policy_name}:{letter}{part:032x}"
        ))
    }
}

/// Clients choose users, and must not choose who collides: of a hash that is no secret, only
/// one made for that is safe.
fn digest(value: impl Hash) -> u128 {
    let mut into = Into(Sha256::new());
    value.hash(&mut into);
    let bytes = into.0.finalize();
    let first = bytes.first_chunk::<16>().copied().unwrap_or_default();
    u128::from_be_bytes(first)
}

struct Into(Sha256);

impl Hasher for Into {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
