use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES,
    HeaderName, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::conditions::has_it;
use super::ranges::{Part, part};
use super::vary::Selection;

/// A whole answer, encoded as it was, to be given to whoever selects it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(super) status: StatusCode,
    /// With room for what each that is served gets: its age, and what the cache did.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) selection: Selection,
    /// Tells its variants from those of the answer that was there before.
    pub(super) generation: u64,
    /// Once stale, it is not served.
    pub(super) must_revalidate: bool,
    /// What it is forgotten with.
    pub(super) tags: Vec<String>,
    /// What it was old when it came here, in seconds.
    pub(super) age: u64,
}

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Whom an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
}

impl Answer {
    /// About how many bytes it points to.
    pub(super) fn weight(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(_, value)| value.len() + 80).sum();
        let selected = self.selection.0.iter().flat_map(|(_, lines)| lines);
        let selected: usize = selected.map(|line| line.len() + 100).sum();
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 24).sum();
        self.body.len() + headers + selected + tags
    }

    /// What this reader is given, of an answer that has been here for so many seconds.
    pub(super) fn serve(
        &self,
        reader: Reader<'_>,
        held: u64,
        status: HeaderValue,
    ) -> Response<Bytes> {
        let mut response = if has_it(reader.headers, &self.headers) && self.status.is_success() {
            self.not_modified()
        } else {
            self.ranged(reader)
        };
        let headers = response.headers_mut();
        let age = self.age.saturating_add(held);
        headers.insert(AGE, age.into());
        headers.insert(CACHE_STATUS, status);
        if *reader.method == Method::HEAD {
            // Its length stays in the header.
            *response.body_mut() = Bytes::new();
        }
        response
    }

    fn whole(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }

    fn not_modified(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let kept = [
            CACHE_CONTROL,
            CONTENT_LOCATION,
            DATE,
            ETAG,
            EXPIRES,
            LAST_MODIFIED,
            VARY,
        ];
        for name in kept {
            for value in self.headers.get_all(&name) {
                response.headers_mut().append(&name, value.clone());
            }
        }
        response
    }

    fn ranged(&self, reader: Reader<'_>) -> Response<Bytes> {
        let mut response = self.whole();
        if self.status != StatusCode::OK || *reader.method != Method::GET {
            return response;
        }
        let len = self.body.len();
        let range = match part(reader.headers, &self.headers, len) {
            Part::Whole => return response,
            Part::Some(range) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let (first, last) = (range.start, range.end.saturating_sub(1));
                *response.body_mut() = self.body.slice(range);
                format!("bytes {first}-{last}/{len}")
            }
            Part::Unsatisfiable => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                *response.body_mut() = Bytes::new();
                format!("bytes */{len}")
            }
        };
        let sent = response.body().len();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, sent.into());
        if let Ok(range) = HeaderValue::try_from(range) {
            headers.insert(CONTENT_RANGE, range);
        }
        response
    }
}
