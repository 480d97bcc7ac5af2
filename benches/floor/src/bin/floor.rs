//! The floor, with the allocator of the system.

fn main() -> std::io::Result<()> {
    towerblock_floor::run()
}
