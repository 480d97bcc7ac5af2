//! What is counted: the same of both stores, and what a database has to withstand.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, as it should"
)]

mod batch;
mod both;
mod database;
mod periods;
#[cfg(feature = "toml")]
mod plans;
mod store;

use towerblock_core::TenantId;
use towerblock_quota::{Claim, Name, Quota};

fn claim(resource: &str, quota: Quota) -> Claim {
    let tenant = TenantId::new("acme").unwrap();
    Claim::new(&tenant, &Name::new(resource).unwrap(), quota)
}
