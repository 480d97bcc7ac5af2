use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::forget::Forget;

/// A message on the bus. The sender knows already.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) forget: Forget,
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
