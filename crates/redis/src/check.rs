//! What a server is asked to find out what it can do: whether it takes a write, and whose data it
//! has.

use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;

use crate::session::Wire;
use crate::within::within;
use crate::{Call, Epoch, Error, Reply, Settings};

/// What was found.
pub(crate) struct Found {
    /// Whether it takes writes.
    pub(crate) writes: Result<(), Error>,
    pub(crate) epoch: Option<Epoch>,
}

/// Asks, in one round trip and within the time of a call. Whoever finds no epoch makes one up;
/// of several that do so at once, all read that of the first.
pub(crate) async fn check(wire: &Wire, settings: &Settings) -> Result<Found, Error> {
    let key = settings.epoch_key.as_bytes();
    let set = Call::write("SET").arg(key).bytes(random()).arg("NX");
    let get = Call::read("GET").arg(key);
    let asked = async { tokio::join!(wire.ask(set), wire.ask(get)) };
    let Some((set, get)) = within(settings.timeout, asked).await else {
        return Err(Error::Timeout(settings.timeout));
    };
    let epoch = get?.into_bytes().map(Epoch::new);
    let writes = set.map(|_: Reply| ());
    Ok(Found { writes, epoch })
}

/// 128 bits that nobody else has.
pub(crate) fn random() -> Bytes {
    let half = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", half(), half()).into()
}
