//! What a user of a pool can rely on, whatever it connects to.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod cancel;
mod checkout;
mod connects;
mod postgres;

mod stub;
mod upkeep;

use std::num::NonZeroUsize;

use towerblock_core::TenantId;
use towerblock_fair::FairSemaphore;
use towerblock_pool::{Pool, Settings};

use crate::stub::Stub;

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn size(connections: usize) -> NonZeroUsize {
    NonZeroUsize::new(connections).unwrap()
}

fn pool(stub: &Stub, connections: usize, settings: Settings) -> Pool<Stub> {
    let slots = FairSemaphore::new(NonZeroUsize::MIN);
    Pool::start(stub.clone(), size(connections), slots, settings)
}
