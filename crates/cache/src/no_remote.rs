//! Without the feature `redis` there is nothing beyond memory.

use std::sync::Weak;
use std::time::Duration;

use crate::forget::Forget;
use crate::shared::Shared;
use crate::spot::{Lasts, Sought, Spot};
use crate::{Cacheable, Loaded};

/// There is none.
#[derive(Debug)]
pub(crate) enum Link {}

#[derive(Debug)]
pub(crate) enum Leave {}

impl Link {
    pub(crate) async fn seek<V: Cacheable>(&self, _: &Spot, _: Duration) -> Sought<V> {
        match *self {}
    }

    pub(crate) fn memory_ttl(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn payload<V: Cacheable>(&self, _: &Loaded<V>, _: Lasts) -> Option<Parcel> {
        match *self {}
    }

    pub(crate) async fn fill(&self, _: &Spot, _: &Leave, _: Parcel) {
        match *self {}
    }

    pub(crate) async fn replace(&self, _: &Spot, _: Option<Parcel>) -> bool {
        match *self {}
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn is_readable(&self) -> bool {
        match *self {}
    }

    pub(crate) async fn forget(&self, _: &Forget) -> bool {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Parcel {}

pub(crate) async fn follow(_: Weak<Shared>) {}
