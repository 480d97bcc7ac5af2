//! What of an answer may be stored (RFC 9111, section 3), and in what form.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::HttpPolicy;
use super::answer::{Answer, CACHE_STATUS};
use super::conditions::{is_like, text};
use super::directives::Directives;
use super::vary::Selection;

/// An answer that may be stored, but for its body.
#[derive(Debug)]
pub(super) struct Terms {
    status: StatusCode,
    headers: HeaderMap,
    selection: Selection,
    must_revalidate: bool,
    tags: Vec<String>,
    age: u64,
    /// How long its body has to be.
    length: Option<usize>,
}

/// No errors: they may be about one request alone, and others must not be given them.
const STATUSES: [StatusCode; 6] = [
    StatusCode::OK,
    StatusCode::NON_AUTHORITATIVE_INFORMATION,
    StatusCode::NO_CONTENT,
    StatusCode::MULTIPLE_CHOICES,
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::PERMANENT_REDIRECT,
];

/// What concerns one connection, and what each who serves it says anew.
const NOT_KEPT: [HeaderName; 11] = [
    AGE,
    CACHE_STATUS,
    CONNECTION,
    CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl Terms {
    /// Of an answer to a request with these headers. Nothing, if it is not to be stored.
    pub(super) fn of(
        policy: &HttpPolicy,
        status: StatusCode,
        answer: &HeaderMap,
        request: &HeaderMap,
    ) -> Option<Self> {
        let directives = Directives::of(answer);
        let forbidden = directives.no_store || directives.no_cache || directives.private;
        let never = [SET_COOKIE, CONTENT_RANGE];
        let never = never.iter().any(|name| answer.contains_key(name));
        if forbidden || never || !STATUSES.contains(&status) || is_endless(answer) {
            return None;
        }
        let number = |name| answer.get(name).and_then(text)?.trim().parse().ok();
        Some(Self {
            status,
            selection: Selection::of(answer, request)?,
            headers: kept(policy, answer),
            must_revalidate: directives.must_revalidate,
            tags: tags(policy, answer)?,
            age: number(AGE).unwrap_or_default(),
            length: number(CONTENT_LENGTH).and_then(|it| usize::try_from(it).ok()),
        })
    }

    /// The answer with its body; nothing if that is not all of it.
    pub(super) fn with(mut self, body: Bytes) -> Option<Answer> {
        let has_body = self.status != StatusCode::NO_CONTENT;
        if has_body && self.length.is_some_and(|length| length != body.len()) {
            return None;
        }
        if has_body {
            self.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        Some(Answer {
            status: self.status,
            headers: self.headers,
            body,
            selection: self.selection,
            generation: RandomState::new().hash_one(()),
            must_revalidate: self.must_revalidate,
            tags: self.tags,
            age: self.age,
        })
    }
}

/// What is known, as an answer with 304 confirms it; nothing if it is about something else.
pub(super) fn confirmed(
    policy: &HttpPolicy,
    known: &Answer,
    answer: &HeaderMap,
    request: &HeaderMap,
) -> Option<Answer> {
    let (new, old) = (answer.get(ETAG), known.headers.get(ETAG));
    if let Some(new) = new.and_then(text) {
        let same = old.and_then(text).is_some_and(|old| is_like(new, old));
        same.then_some(())?;
    }
    let mut headers = known.headers.clone();
    // What clients are told is no word to this cache.
    let told = headers.remove(CACHE_CONTROL);
    let body_headers = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE];
    for name in answer.keys().filter(|name| !body_headers.contains(name)) {
        headers.remove(name);
        for value in answer.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    let mut terms = Terms::of(policy, known.status, &headers, request)?;
    if !answer.contains_key(CACHE_CONTROL) {
        terms.must_revalidate = known.must_revalidate;
        if let Some(told) = told {
            terms.headers.insert(CACHE_CONTROL, told);
        }
    }
    if !answer.contains_key(&policy.tags_in) {
        terms.tags.clone_from(&known.tags);
    }
    terms.length = None;
    let mut answer = terms.with(known.body.clone())?;
    answer.generation = known.generation;
    Some(answer)
}

fn kept(policy: &HttpPolicy, answer: &HeaderMap) -> HeaderMap {
    let named = answer.get_all(CONNECTION).iter().filter_map(text);
    let named: Vec<&str> = named.flat_map(|it| it.split(',')).map(str::trim).collect();
    let mut headers = HeaderMap::with_capacity(answer.len() + 3);
    for (name, value) in answer {
        let of_connection = named
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name.as_str()));
        if of_connection || NOT_KEPT.contains(name) || *name == policy.tags_in {
            continue;
        }
        // Not a part of a larger buffer.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    }
    if let Some(told) = &policy.cache_control {
        headers.insert(CACHE_CONTROL, told.clone());
    }
    // Room for what each that is served gets.
    headers.insert(AGE, HeaderValue::from_static("0"));
    headers.insert(CACHE_STATUS, HeaderValue::from_static(""));
    headers
}

/// Nothing if they cannot be read: it could not be forgotten with them.
fn tags(policy: &HttpPolicy, answer: &HeaderMap) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for line in answer.get_all(&policy.tags_in) {
        let named = text(line)?.split([' ', ',']).filter(|tag| !tag.is_empty());
        tags.extend(named.map(str::to_owned));
    }
    Some(tags)
}

/// Events are sent one by one, and nobody waits for the last.
fn is_endless(answer: &HeaderMap) -> bool {
    let kind = answer
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.to_ascii_lowercase();
    [&b"text/event-stream"[..], b"multipart/"]
        .iter()
        .any(|endless| kind.starts_with(endless))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::header::HeaderName;
    use http::{HeaderMap, StatusCode};

    use super::{Terms, confirmed};
    use crate::{HttpPolicy, Policy};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn policy() -> HttpPolicy {
        HttpPolicy::new(Policy::ttl(Duration::from_secs(60)))
    }

    fn of(status: u16, lines: &[(&'static str, &'static str)]) -> Option<Terms> {
        let status = StatusCode::from_u16(status).unwrap();
        Terms::of(&policy(), status, &headers(lines), &HeaderMap::new())
    }

    #[test]
    fn only_what_is_whole_and_everybodys_is_stored() {
        for status in [200, 203, 204, 300, 301, 308] {
            assert!(of(status, &[]).is_some(), "{status}");
        }
        for status in [201, 206, 302, 304, 307, 400, 404, 410, 500, 503] {
            assert!(of(status, &[]).is_none(), "{status}");
        }
        for line in [
            ("cache-control", "private"),
            ("cache-control", "max-age=60, No-Store"),
            ("cache-control", "no-cache"),
            ("pragma", "no-cache"),
            ("set-cookie", "a=b"),
            ("content-range", "bytes 0-1/2"),
            ("content-type", "Text/Event-Stream; x"),
            ("vary", "*"),
            ("vary", "cookie"),
            ("surrogate-key", "\u{e9}"),
        ] {
            assert!(of(200, &[line]).is_none(), "{line:?}");
        }
        // A lifetime of the route's does not count beside the policy.
        assert!(of(200, &[("cache-control", "max-age=0, public")]).is_some());
    }

    #[test]
    fn a_body_that_is_not_all_of_it_is_not_stored() {
        let whole = of(200, &[("content-length", "3")]).unwrap();
        assert!(whole.with(Bytes::from_static(b"abc")).is_some());
        let half = of(200, &[("content-length", "3")]).unwrap();
        assert!(half.with(Bytes::from_static(b"ab")).is_none());
    }

    #[test]
    fn headers_of_a_connection_and_tags_are_not_kept() {
        let answer = of(
            200,
            &[
                ("connection", "close, x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "1"),
                ("surrogate-key", "a b,c"),
                ("link", "1"),
                ("link", "2"),
                ("age", "7"),
            ],
        );
        let answer = answer.unwrap().with(Bytes::new()).unwrap();
        let mut names: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["age", "cache-status", "content-length", "link"]);
        assert_eq!(answer.headers.get_all("link").iter().count(), 2);
        assert_eq!(answer.tags, ["a", "b", "c"]);
        assert_eq!(answer.age, 7);
    }

    #[test]
    fn a_304_brings_new_headers_and_leaves_the_body_and_its_tags() {
        let told = policy().cache_control("private, no-cache".parse().unwrap());
        let (first, none) = (
            headers(&[("etag", "W/\"1\""), ("surrogate-key", "a"), ("x-a", "1")]),
            HeaderMap::new(),
        );
        let known = Terms::of(&told, StatusCode::OK, &first, &none).unwrap();
        let known = known.with(Bytes::from_static(b"body")).unwrap();
        let again = headers(&[("etag", "\"1\""), ("x-a", "2"), ("content-length", "0")]);
        let again = confirmed(&told, &known, &again, &none).unwrap();
        assert_eq!((&again.body, again.status), (&known.body, StatusCode::OK));
        assert_eq!(again.headers["x-a"], "2");
        assert_eq!(again.headers["content-length"], "4");
        assert_eq!(again.headers["cache-control"], "private, no-cache");
        assert_eq!(
            (again.tags, again.generation),
            (known.tags.clone(), known.generation)
        );

        for not in [("etag", "\"2\""), ("cache-control", "no-store")] {
            assert!(confirmed(&told, &known, &headers(&[not]), &none).is_none());
        }
    }
}
