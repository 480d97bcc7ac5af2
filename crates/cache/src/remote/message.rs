use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What is to be forgotten, as instances tell one another.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Forget {
    /// One entry of a cache, by the bytes of its key.
    Key {
        tenant: Option<String>,
        cache: String,
        key: Vec<u8>,
    },
    /// Whatever has this tag.
    Tag {
        tenant: Option<String>,
        tag: String,
    },
    /// All of a tenant, or all that is no tenant's.
    Tenant {
        tenant: Option<String>,
    },
    All,
}

/// A message on the bus. The sender knows already.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) forget: Forget,
}

impl Forget {
    pub(crate) fn tenant(&self) -> Option<&Option<String>> {
        match self {
            Self::Key { tenant, .. } | Self::Tag { tenant, .. } | Self::Tenant { tenant } => {
                Some(tenant)
            }
            Self::All => None,
        }
    }
}

impl Message {
    pub(crate) fn encode(&self) -> Bytes {
        // A structure of strings and numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Nothing, where it is somebody else's, or a later version's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
