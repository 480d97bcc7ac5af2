//! What the tests under loom replace.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

use std::sync::atomic::AtomicUsize;

pub(crate) const STRIPES: usize = 16;

/// The stripe of this thread.
#[inline]
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    MINE.try_with(|mine| *mine).unwrap_or_default()
}
