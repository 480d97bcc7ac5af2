//! The assembled stack, with the allocator of the system.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    towerblock_assembled::run().await
}
