use http::HeaderValue;
use serde::Serialize;

use crate::Count;

/// A page of a list: its items in the order of the list, and the cursors of the pages
/// beside it.
///
/// As JSON: `{"items":[…],"next":"…","prev":null}`, and `"total":{"count":…,"exact":…}`
/// where rows were counted. As a response of axum (feature `axum`) it has the header `Link`
/// as well.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
    pub(crate) prev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<Count>,
    #[serde(skip)]
    pub(crate) link: Option<HeaderValue>,
}

impl<T> Page<T> {
    /// The items, in the order of the list.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The items, when nothing else is needed.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// The cursor of the next page, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The cursor of the page before, if there is one.
    #[must_use]
    pub fn prev(&self) -> Option<&str> {
        self.prev.as_deref()
    }

    /// How many rows the whole list has, if they were counted.
    #[must_use]
    pub const fn total(&self) -> Option<Count> {
        self.total
    }

    /// The value of the header `Link` (RFC 8288): `rel="next"` and `rel="prev"`, as far as
    /// there are such pages.
    #[must_use]
    pub const fn link(&self) -> Option<&HeaderValue> {
        self.link.as_ref()
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(map).collect(),
            next: self.next,
            prev: self.prev,
            total: self.total,
            link: self.link,
        }
    }
}

#[cfg(feature = "axum")]
impl<T: Serialize> axum_core::response::IntoResponse for Page<T> {
    fn into_response(self) -> axum_core::response::Response {
        use http::header::{CONTENT_TYPE, LINK};

        let json = match serde_json::to_vec(&self) {
            Ok(json) => json,
            Err(error) => {
                return crate::PageError::from(crate::error::Kind::Row(error.into()))
                    .into_response();
            }
        };
        let content_type = HeaderValue::from_static("application/json");
        let link = self.link.map(|link| [(LINK, link)]);
        ([(CONTENT_TYPE, content_type)], link, json).into_response()
    }
}
