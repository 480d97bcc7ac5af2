//! Answers as they are kept: written and hashed once, however often they are sent.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, InvalidHeaderValue, LINK};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize, ser};
use towerblock_cache::Hit;
use towerblock_page::Page;

use crate::caches::PRIVATE;
use crate::store::StoreError;

/// Of a response, with those that the layers of the stack add.
const MOST_HEADERS: usize = 12;

/// JSON, and what is said about it in headers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Answer {
    #[serde(with = "text")]
    body: Bytes,
    tag: Field,
    link: Option<Field>,
}

/// What is kept of it is ready to be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Field(HeaderValue);

impl Answer {
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, StoreError> {
        let body = Bytes::from(serde_json::to_vec(value)?);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        // Weak: the same tag stands for the compressed form (RFC 9110, 8.8.1).
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        let tag = Field::try_from(tag).map_err(<serde_json::Error as ser::Error>::custom)?;
        let link = None;
        Ok(Self { body, tag, link })
    }

    /// A page of a list, and the way to those beside it.
    pub(crate) fn page(page: &Page<impl Serialize>) -> Result<Self, StoreError> {
        let link = page.link().cloned().map(Field);
        Ok(Self {
            link,
            ..Self::of(page)?
        })
    }

    /// What it points to, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let link = self.link.as_ref();
        self.body.len() + self.tag.0.len() + link.map_or(0, |link| link.0.len())
    }

    /// For a layer that keeps it, knows who has it already, and says who else may keep it.
    pub(crate) fn whole(&self) -> Response {
        self.response(&Known::default())
    }

    /// Or 304 for a client that has it already.
    fn response(&self, known: &Known) -> Response {
        let mut response = Response::new(Body::empty());
        // At once: a map that grows is written anew.
        response.headers_mut().reserve(MOST_HEADERS);
        if known.is(&self.tag.0) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::from(self.body.clone());
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag.0.clone());
        if let Some(Field(link)) = &self.link {
            headers.insert(LINK, link.clone());
        }
        response
    }
}

impl TryFrom<String> for Field {
    type Error = InvalidHeaderValue;

    fn try_from(text: String) -> Result<Self, InvalidHeaderValue> {
        HeaderValue::try_from(text).map(Self)
    }
}

impl From<Field> for String {
    fn from(Field(value): Field) -> Self {
        // We wrote it, and in ASCII.
        value.to_str().unwrap_or_default().to_owned()
    }
}

/// What the client has already (`If-None-Match`).
#[derive(Debug, Default)]
pub(crate) struct Known(Option<IfNoneMatch>);

impl Known {
    fn of(request: &HeaderMap) -> Self {
        Self(request.typed_get())
    }

    fn is(&self, tag: &HeaderValue) -> bool {
        self.0.as_ref().is_some_and(|condition| {
            let tag = tag.to_str().ok().and_then(|tag| tag.parse::<ETag>().ok());
            tag.is_some_and(|tag| !condition.precondition_passes(&tag))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
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
    pub(crate) fn private(&self, known: &Known) -> Response {
        let (answer, mark) = match self {
            Self::Kept(hit) => (&**hit, hit.degraded()),
            Self::Asked(answer) => (answer, None),
        };
        let mut response = answer.response(known);
        response.headers_mut().insert(CACHE_CONTROL, PRIVATE);
        if let Some(mark) = mark {
            response.extensions_mut().insert(mark);
        }
        response
    }

    /// In the place of a better one, which is marked by whoever puts it there.
    pub(crate) fn stand_in(hit: &Hit<Answer>, request: &HeaderMap) -> Response {
        let mut response = hit.response(&Known::of(request));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, PRIVATE);
        headers.insert(AGE, hit.age().as_secs().into());
        response
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
