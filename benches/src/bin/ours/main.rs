//! Our stack as a program, with the allocator of the system.

#[tokio::main]
async fn main() -> Result<(), towerblock_core::BoxError> {
    towerblock_benches::ours().await
}
