use axum::Router;
use towerblock_core::BoxError;
use towerblock_floor::{bare, serve};

use crate::subjects::config;

/// The tenants of the example server.
const TENANTS: usize = 10_000;

/// Serves what the first argument names until it is killed: `stack`, the example server's stack
/// around the route of the floor, or `server`, the example server.
///
/// # Errors
///
/// Those of the start.
pub async fn ours() -> Result<(), BoxError> {
    match std::env::args().nth(1).as_deref() {
        Some("stack") => Ok(serve(stack()?).await?),
        Some("server") => marketplace::run(config()).await.map(drop),
        _ => Err("usage: ours stack|server".into()),
    }
}

fn stack() -> Result<Router, BoxError> {
    marketplace::around(bare(), &config(), TENANTS)
}
