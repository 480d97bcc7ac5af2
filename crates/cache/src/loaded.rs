use std::time::Duration;

/// What a loader found: a value, or that there is none.
///
/// A loader may also return the value itself, or an `Option` of it.
///
/// ```
/// use std::time::Duration;
/// use towerblock_cache::Loaded;
///
/// let loaded = Loaded::new("a profile").ttl(Duration::from_secs(10)).tag("org:7");
/// let missing = Loaded::<&str>::absent();
/// # drop((loaded, missing));
/// ```
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    pub(crate) value: Option<V>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tags: Vec<String>,
}

impl<V> Loaded<V> {
    /// This value.
    #[must_use]
    pub const fn new(value: V) -> Self {
        Self {
            value: Some(value),
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// There is no such thing.
    #[must_use]
    pub const fn absent() -> Self {
        Self {
            value: None,
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// Fresh for so long, less the jitter; with zero, it is not stored. Default: as the
    /// [`Policy`](crate::Policy) says.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Is forgotten with this tag, too; may be called for several. Default: none.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}
