use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use form_urlencoded::parse;
use http::Uri;
use http::request::Parts;
use towerblock_core::TenantId;

use crate::error::Kind;
use crate::layer::Settings;
use crate::scope::{CURSOR, LIMIT, Owner, Scope};
use crate::{Keyset, PageError, Seek, cursor};

/// What a [`PageLayer`](crate::PageLayer) leaves in a request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) settings: Arc<Settings>,
    /// As it came: a nested router of axum cuts it further down.
    pub(crate) uri: Uri,
}

/// The page that a client asks for: its parameters `limit` and `cursor`.
///
/// With the feature `axum` it is an argument of a handler. It needs a
/// [`PageLayer`](crate::PageLayer) around the route.
#[derive(Clone, Debug)]
pub struct PageRequest {
    settings: Arc<Settings>,
    size: NonZero<u16>,
    cursor: Option<String>,
    scope: Scope,
}

impl PageRequest {
    /// Reads it from a request that has passed a [`PageLayer`](crate::PageLayer).
    ///
    /// # Errors
    ///
    /// When a parameter stands there twice, or `limit` is no number from 1 to the maximum;
    /// and when there is no such layer, which is no fault of the client's.
    pub fn read(parts: &Parts) -> Result<Self, PageError> {
        let asked: Option<&Asked> = parts.extensions.get();
        let Some(Asked { settings, uri }) = asked else {
            let path = parts.uri.path().to_owned();
            return Err(Kind::NoLayer { path }.into());
        };
        let (mut size, mut cursor) = (None, None);
        for (name, value) in parse(uri.query().unwrap_or_default().as_bytes()) {
            if name == LIMIT {
                let limit = limit(&value, settings.max_size)?;
                if size.replace(limit).is_some() {
                    return Err(PageError::parameter(format!("{LIMIT} is given twice")));
                }
            } else if name == CURSOR && cursor.replace(value.into_owned()).is_some() {
                return Err(PageError::cursor());
            }
        }
        let tenant = parts.extensions.get::<TenantId>().cloned();
        Ok(Self {
            settings: Arc::clone(settings),
            size: size.unwrap_or(settings.default_size()),
            cursor,
            scope: Scope {
                owner: tenant.map_or(Owner::Nobody, Owner::Tenant),
                method: parts.method.clone(),
                uri: uri.clone(),
                bound: Vec::new(),
            },
        })
    }

    /// How many rows the page has at most.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size.get().into()
    }

    /// The list is the same for all tenants: so are its cursors. Default: they are bound to
    /// the tenant of the request, and to its absence.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.scope.owner = Owner::Everybody;
        self
    }

    /// Binds the cursors to one thing more that decides what the list shows and does not
    /// stand in the URI, such as the user. Default: nothing.
    #[must_use]
    pub fn bound_to(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.scope.bound.push((name.into(), value.into()));
        self
    }

    /// Opens the cursor, if there is one.
    ///
    /// # Errors
    ///
    /// One and the same for every cursor that is not valid here: forged, cut, expired, or
    /// made for another tenant, address, filter or order.
    pub fn seek(&self, keyset: &Keyset) -> Result<Seek, PageError> {
        let now = seconds();
        let open = |text: &str| {
            let Settings { keys, expiry, .. } = &*self.settings;
            let scope = self.scope.bytes(keyset);
            let position = cursor::open(keys, &scope, text, now, *expiry);
            let fits = position.filter(|p| p.key.len() == keyset.columns().len());
            fits.ok_or_else(PageError::cursor)
        };
        let position = self.cursor.as_deref().map(open).transpose()?;
        Ok(Seek {
            keyset: keyset.clone(),
            size: self.size(),
            position,
            keys: self.settings.keys.clone(),
            issued: self.settings.issued(now),
            // Written out when there is a cursor to bind: of what is kept none is made.
            scope: self.scope.clone(),
        })
    }
}

fn limit(text: &str, max: NonZero<u16>) -> Result<NonZero<u16>, PageError> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| is_plain && *limit <= max);
    limit.ok_or_else(|| {
        let shown: String = text.chars().take(20).collect();
        let cut = if shown.len() < text.len() { "…" } else { "" };
        let detail = format!("{LIMIT}={shown}{cut}: expected a number from 1 to {max}");
        PageError::parameter(detail)
    })
}

/// Since 1970. Cursors go from one instance to another, so they tell the time of day.
#[expect(
    clippy::disallowed_types,
    reason = "the one place where the clock is read; all else is told the time"
)]
fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}

#[cfg(feature = "axum")]
impl<S: Sync> axum_core::extract::FromRequestParts<S> for PageRequest {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        Self::read(parts)
    }
}
