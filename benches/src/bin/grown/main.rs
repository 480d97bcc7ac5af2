//! What stands in a server of so many tenants and keeps something of each, filled, in the layers of
//! the example server, and served until it is killed.
#![expect(
    clippy::print_stdout,
    reason = "who started the program reads how many bytes each part keeps of a tenant"
)]

mod app;
mod kept;
mod scale;

use towerblock_core::BoxError;

use crate::kept::Kept;

/// What the example server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let tenants = std::env::args().nth(1).ok_or("usage: grown TENANTS")?;
    let kept = Kept::fill(tenants.parse()?).await?;
    let app = app::around(&kept)?;
    Ok(towerblock_floor::serve(app).await?)
}
