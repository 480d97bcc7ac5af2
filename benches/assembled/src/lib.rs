//! The stack that one would assemble from what there is, around the same route and answer as the
//! others: tower_governor, tower-resilience, axum-prometheus, tower-http, and moka before Redis
//! before PostgreSQL.

mod plugins;
mod sources;
mod stack;
mod tenant;

use std::env;
use std::error::Error;
use std::sync::Arc;

use crate::sources::Sources;
use crate::stack::Stack;

/// Requests a second of one tenant.
const RATE: u32 = 20_000;

/// Serves until it is killed. The first argument is `by-itself`, each layer as its documentation
/// shows it, or `with-care`; `DATABASE_URL` and `REDIS_URL` are where its data is, and `RATE` is
/// how many requests a tenant may make in a second, 20,000 unless it is set.
///
/// # Errors
///
/// Those of the start.
pub async fn run() -> Result<(), Box<dyn Error>> {
    let rate = match env::var("RATE") {
        Ok(rate) => rate.parse()?,
        Err(_) => RATE,
    };
    let (database, redis) = (env::var("DATABASE_URL")?, env::var("REDIS_URL")?);
    let way = env::args().nth(1);
    let with_care = match way.as_deref() {
        Some("by-itself") => false,
        Some("with-care") => true,
        _ => return Err("usage: assembled by-itself|with-care".into()),
    };
    // By default a connection is tested whenever it is taken, which is a round trip.
    let sources = Arc::new(Sources::open(&database, &redis, !with_care).await?);
    let stack = Stack::new(rate)?;
    let app = if with_care {
        stack.with_care(sources)?
    } else {
        stack.by_itself(sources)?
    };
    Ok(towerblock_floor::serve(app).await?)
}
