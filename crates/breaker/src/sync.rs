//! What the tests under loom replace.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
