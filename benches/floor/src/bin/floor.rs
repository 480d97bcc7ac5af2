//! The floor, with the allocator of the system.

#[tokio::main]
async fn main() -> std::io::Result<()> {
    towerblock_floor::run().await
}
