//! What is asked of the level beyond memory, and what it answers.

use std::sync::Arc;

use crate::Loaded;
use crate::forget::{Forget, Scope};
use crate::remote::Leave;

/// One entry, as it is known beyond this process.
#[cfg_attr(
    not(feature = "redis"),
    expect(dead_code, reason = "read beyond memory")
)]
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) scope: Scope,
    pub(crate) cache: Arc<str>,
    pub(crate) key: Arc<[u8]>,
    /// The type of the value: instances with another one do not see each other's.
    pub(crate) field: Arc<str>,
}

/// What there is, and leave to store what is loaded now.
#[derive(Debug)]
pub(crate) struct Sought<V> {
    pub(crate) found: Option<Found<V>>,
    pub(crate) leave: Option<Leave>,
}

/// A valid value, or that there is none; times in milliseconds.
#[derive(Debug)]
pub(crate) struct Found<V> {
    pub(crate) loaded: Loaded<V>,
    pub(crate) age: u64,
    pub(crate) fresh_for: u64,
}

impl<V> Found<V> {
    pub(crate) const fn is_fresh(&self) -> bool {
        self.age < self.fresh_for
    }
}

/// For how many milliseconds what is stored is fresh, and how long it is of any use.
#[cfg_attr(
    not(feature = "redis"),
    expect(dead_code, reason = "read beyond memory")
)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasts {
    pub(crate) fresh_for: u64,
    pub(crate) dies_after: u64,
}

impl Spot {
    pub(crate) fn forget(&self) -> Forget {
        Forget::Key {
            scope: self.scope.clone(),
            cache: (*self.cache).to_owned(),
            key: self.key.to_vec(),
        }
    }
}
