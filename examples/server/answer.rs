//! Answers as they are kept: written and hashed once, however often they are sent.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::Extension;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use towerblock_cache::Hit;
use towerblock_page::Page;
use towerblock_respond::Refused;

use crate::caches::PRIVATE;
use crate::store::StoreError;

const POLICY: [(HeaderName, HeaderValue); 1] = [(CACHE_CONTROL, PRIVATE)];

/// JSON, and what is said about it in headers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Answer {
    #[serde(with = "text")]
    body: Bytes,
    tag: String,
    link: Option<String>,
}

impl Answer {
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, StoreError> {
        let body = Bytes::from(serde_json::to_vec(value)?);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        // Weak: the same tag stands for the compressed form (RFC 9110, 8.8.1).
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        let link = None;
        Ok(Self { body, tag, link })
    }

    /// A page of a list, and the way to those beside it.
    pub(crate) fn page(page: &Page<impl Serialize>) -> Result<Self, StoreError> {
        let link = page.link().and_then(|link| link.to_str().ok());
        let link = link.map(str::to_owned);
        Ok(Self {
            link,
            ..Self::of(page)?
        })
    }

    /// What it points to, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.body.len() + self.tag.len() + self.link.as_ref().map_or(0, String::len)
    }

    /// For a layer that keeps it, knows who has it already, and says who else may keep it.
    pub(crate) fn whole(&self) -> Result<Response, Refused> {
        self.response(&HeaderMap::new())
    }

    /// Or 304 for a client that has it already.
    fn response(&self, request: &HeaderMap) -> Result<Response, Refused> {
        let tag: ETag = self.tag.parse()?;
        let condition: Option<IfNoneMatch> = request.typed_get();
        let is_new = condition.is_none_or(|condition| condition.precondition_passes(&tag));
        let mut response = if is_new {
            let json = HeaderValue::from_static("application/json");
            ([(CONTENT_TYPE, json)], self.body.clone()).into_response()
        } else {
            StatusCode::NOT_MODIFIED.into_response()
        };
        let headers = response.headers_mut();
        headers.typed_insert(tag);
        if let Some(link) = &self.link {
            headers.insert(LINK, HeaderValue::from_str(link)?);
        }
        Ok(response)
    }
}

/// An answer, and whether it was kept.
#[derive(Debug)]
pub(crate) enum Served {
    Kept(Hit<Answer>),
    Asked(Answer),
}

impl Served {
    /// For one tenant, or one user.
    pub(crate) fn private(&self, request: &HeaderMap) -> Result<Response, Refused> {
        match self {
            Self::Kept(hit) => {
                let mark = hit.degraded().map(Extension);
                Ok((mark, POLICY, hit.response(request)?).into_response())
            }
            Self::Asked(answer) => Ok((POLICY, answer.response(request)?).into_response()),
        }
    }

    /// In the place of a better one, which is marked by whoever puts it there.
    pub(crate) fn stand_in(hit: &Hit<Answer>, request: &HeaderMap) -> Option<Response> {
        let age = [(AGE, HeaderValue::from(hit.age().as_secs()))];
        let response = hit.response(request).ok()?;
        Some((age, POLICY, response).into_response())
    }
}

/// A body is UTF-8, and as such shorter than as numbers.
mod text {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, ser};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(body).map_err(ser::Error::custom)?;
        text.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        Ok(String::deserialize(from)?.into())
    }
}
