//! What needs to see inside. Here, not in the files, since `tests/loom.rs` builds these again.

mod limit;
mod portions;
mod turns;
