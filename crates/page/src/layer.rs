use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::{KeyRing, Paged};

/// Wraps services in a [`Paged`].
///
/// Clones of the layer, and all services it makes, share its settings.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct PageLayer {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) keys: KeyRing,
    default_size: NonZero<u16>,
    pub(crate) max_size: NonZero<u16>,
    /// In seconds, at least one.
    pub(crate) expiry: u64,
}

impl PageLayer {
    /// Seals and opens cursors with `keys`.
    pub fn new(keys: KeyRing) -> Self {
        const DEFAULT: NonZero<u16> = NonZero::new(20).unwrap();
        const MAX: NonZero<u16> = NonZero::new(100).unwrap();
        let settings = Settings {
            keys,
            default_size: DEFAULT,
            max_size: MAX,
            expiry: 24 * 60 * 60,
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    /// The rows of a page when the request has no `limit`; never more than the maximum.
    /// Default: 20.
    pub fn default_size(mut self, rows: NonZero<u16>) -> Self {
        Arc::make_mut(&mut self.settings).default_size = rows;
        self
    }

    /// The largest `limit` that a request may have; a larger one is refused. Default: 100.
    pub fn max_size(mut self, rows: NonZero<u16>) -> Self {
        Arc::make_mut(&mut self.settings).max_size = rows;
        self
    }

    /// How long a cursor can be used; its time of issue is rounded down by up to an eighth
    /// of this. Whole seconds count, and at least one. Default: 24 hours.
    pub fn expires_after(mut self, lifetime: Duration) -> Self {
        Arc::make_mut(&mut self.settings).expiry = lifetime.as_secs().max(1);
        self
    }
}

impl Settings {
    pub(crate) fn default_size(&self) -> NonZero<u16> {
        self.default_size.min(self.max_size)
    }

    /// The time that a cursor made now carries: one for all that are made in a while, so
    /// that they are the same.
    pub(crate) const fn issued(&self, now: u64) -> u64 {
        let step = self.expiry / 8;
        if step == 0 { now } else { now - now % step }
    }
}

impl<S> Layer<S> for PageLayer {
    type Service = Paged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Paged::new(inner, Arc::clone(&self.settings))
    }
}
