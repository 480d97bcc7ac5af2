//! `Cache-Control`, of which only what can forbid something is read.

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

/// What stands in `Cache-Control`, and what is meant by `Pragma` where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    /// Once stale, not to be served.
    pub(super) must_revalidate: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<u64>,
    pub(super) min_fresh: Option<u64>,
}

impl Directives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            let pragma = headers.get(PRAGMA).map(HeaderValue::as_bytes);
            found.no_cache = pragma.is_some_and(|it| it.eq_ignore_ascii_case(b"no-cache"));
            return found;
        }
        for line in headers.get_all(CACHE_CONTROL) {
            match line.to_str() {
                // Commas in quotes part what belongs together: more directives are seen than
                // there are, and each of them only forbids.
                Ok(line) => line.split(',').for_each(|part| found.note(part)),
                Err(_) => found.no_store = true,
            }
        }
        found
    }

    fn note(&mut self, part: &str) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        // What cannot be read allows nothing.
        let seconds = |none| value.trim().trim_matches('"').parse().unwrap_or(none);
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            // The last implies the one before, RFC 9111, section 5.2.2.10.
            "must-revalidate" | "proxy-revalidate" | "s-maxage" => self.must_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = Some(self.max_age.unwrap_or(u64::MAX).min(seconds(0))),
            "min-fresh" => self.min_fresh = Some(seconds(u64::MAX)),
            _ => {}
        }
    }

    /// Whether a request lets itself be answered by what is so old, and fresh for so long; in
    /// seconds.
    pub(super) fn accepts(&self, age: u64, fresh_for: u64) -> bool {
        !self.no_cache
            && self.max_age.is_none_or(|most| age <= most)
            && self.min_fresh.is_none_or(|least| fresh_for >= least)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::Directives;

    fn of(lines: &[&'static str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("cache-control", line.parse().unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn names_are_known_in_any_case_on_any_line() {
        assert!(of(&["Public, No-Store"]).no_store);
        assert!(of(&["public", "PRIVATE=\"x-name\""]).private);
        assert!(of(&["public,max-age=60 , s-MaxAge=5"]).must_revalidate);
        assert!(of(&[" only-if-cached "]).only_if_cached);
        assert_eq!(of(&["no-storeroom, x=no-cache"]), Directives::default());
    }

    #[test]
    fn what_cannot_be_read_allows_nothing() {
        assert_eq!(of(&["max-age=\"5\", max-age=7"]).max_age, Some(5));
        assert_eq!(of(&["max-age=soon"]).max_age, Some(0));
        assert_eq!(of(&["min-fresh"]).min_fresh, Some(u64::MAX));
        assert!(of(&["\u{e9}"]).no_store);
    }

    #[test]
    fn pragma_is_heard_where_there_is_no_cache_control() {
        let mut headers = HeaderMap::new();
        headers.insert("pragma", "No-Cache".parse().unwrap());
        assert!(Directives::of(&headers).no_cache);
        headers.insert("cache-control", "max-age=5".parse().unwrap());
        assert!(!Directives::of(&headers).no_cache);
    }

    #[test]
    fn a_request_says_how_old_an_answer_may_be() {
        assert!(of(&["max-age=5"]).accepts(5, 0));
        assert!(!of(&["max-age=5"]).accepts(6, 9));
        assert!(of(&["min-fresh=5"]).accepts(0, 5));
        assert!(!of(&["min-fresh=5"]).accepts(0, 4));
        assert!(!of(&["no-cache"]).accepts(0, 9));
    }
}
