//! Conditional requests (RFC 9110, section 13).

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// Whether the client has what these headers of an answer describe.
pub(super) fn has_it(request: &HeaderMap, answer: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        // A date is not looked at then.
        let Some(tag) = answer.get(ETAG).and_then(text) else {
            return request.get_all(IF_NONE_MATCH).iter().any(|it| it == "*");
        };
        let lines = request.get_all(IF_NONE_MATCH).iter().filter_map(text);
        return lines.flat_map(tags).any(|it| it == "*" || is_like(it, tag));
    }
    let since = request.get(IF_MODIFIED_SINCE).and_then(text);
    let Some(since) = since.and_then(|it| httpdate::parse_http_date(it).ok()) else {
        return false;
    };
    let modified = answer.get(LAST_MODIFIED).and_then(text);
    let modified = modified.and_then(|it| httpdate::parse_http_date(it).ok());
    modified.is_some_and(|modified| modified <= since)
}

/// Compares weakly: what is before the quotes does not count.
pub(super) fn is_like(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

pub(super) fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// Commas may stand inside of the quotes.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = line.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::HeaderName;

    use super::has_it;

    fn one(name: &'static str, value: &str) -> HeaderMap {
        let name = HeaderName::from_static(name);
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn tags_are_compared_weakly_and_may_have_commas() {
        let answer = one("etag", "\"a,b\"");
        let has = |tags| has_it(&one("if-none-match", tags), &answer);
        for tags in ["\"a,b\"", "\"x\", W/\"a,b\"", "*"] {
            assert!(has(tags), "{tags}");
        }
        for tags in ["\"a\"", "\"b\"", "\"a\", b\"", ""] {
            assert!(!has(tags), "{tags}");
        }
        let weak = one("etag", "W/\"1\"");
        assert!(has_it(&one("if-none-match", "\"1\""), &weak));
    }

    #[test]
    fn a_date_counts_where_there_is_no_tag_in_the_request() {
        let (earlier, later) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
        );
        let answer = one("last-modified", earlier);
        assert!(has_it(&one("if-modified-since", earlier), &answer));
        assert!(has_it(&one("if-modified-since", later), &answer));
        assert!(!has_it(
            &one("if-modified-since", earlier),
            &one("last-modified", later)
        ));
        assert!(!has_it(&one("if-modified-since", "yesterday"), &answer));
        let mut both = one("if-modified-since", later);
        both.extend(one("if-none-match", "\"1\""));
        assert!(!has_it(&both, &answer));
    }
}
