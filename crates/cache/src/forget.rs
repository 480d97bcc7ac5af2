use serde::{Deserialize, Serialize};
use towerblock_core::TenantId;

/// What is to be forgotten: as this instance does it, and as instances tell one another.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Forget {
    /// One entry of a cache, by the bytes of its key.
    Key {
        scope: Scope,
        cache: String,
        key: Vec<u8>,
    },
    /// Whatever has this tag.
    Tag {
        scope: Scope,
        tag: String,
    },
    Scope {
        scope: Scope,
    },
    All,
}

/// Whose data: a tenant's, or those of one `SharedCache`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    Tenant(String),
    Shared(String),
}

impl Scope {
    pub(crate) fn of(tenant: &TenantId) -> Self {
        Self::Tenant(tenant.as_str().to_owned())
    }
}

#[cfg(feature = "postgres")]
impl Forget {
    pub(crate) fn encode(&self) -> String {
        // A structure of strings and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Nothing, where a later version wrote it.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
