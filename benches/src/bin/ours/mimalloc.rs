//! Our stack as a program, with the allocator that the example server has.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), towerblock_core::BoxError> {
    towerblock_benches::ours().await
}
