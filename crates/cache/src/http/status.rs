use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

/// What this cache calls itself in `Cache-Status` (RFC 9211).
#[derive(Clone, Debug)]
pub(super) struct Label(Box<str>);

/// Why a request was passed on, and what came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Forward {
    /// The policy lets nothing be stored for such a request.
    Bypass(&'static str),
    Method,
    /// The client wants no stored answer.
    Request,
    /// Nothing is stored.
    UriMiss,
    /// Not for what this request selects.
    VaryMiss,
    Stale,
}

impl Forward {
    const fn word(self) -> &'static str {
        match self {
            Self::Bypass(_) => "bypass",
            Self::Method => "method",
            Self::Request => "request",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
        }
    }
}

impl Label {
    /// Of a name of the form `[a-z0-9-]{1,32}`.
    pub(super) fn new(name: &str) -> Self {
        let is_token = name.starts_with(|c: char| c.is_ascii_lowercase());
        Self(if is_token {
            name.into()
        } else {
            format!("\"{name}\"").into()
        })
    }

    pub(super) fn hit(&self, ttl: i64) -> HeaderValue {
        value(format_args!("{}; hit; ttl={ttl}", self.0))
    }

    /// The answer was stored, after this request was passed on or has waited for another.
    pub(super) fn fetched(&self, why: Forward, what: &str, ttl: i64) -> HeaderValue {
        let why = why.word();
        value(format_args!("{}; fwd={why}; {what}; ttl={ttl}", self.0))
    }

    pub(super) fn passed(&self, why: Forward) -> HeaderValue {
        match why {
            Forward::Bypass(detail) => {
                value(format_args!("{}; fwd=bypass; detail={detail}", self.0))
            }
            why => value(format_args!("{}; fwd={}", self.0, why.word())),
        }
    }

    /// It was looked for, and found not to be for storing.
    pub(super) fn unstored(&self, why: Forward) -> HeaderValue {
        let why = why.word();
        value(format_args!("{}; fwd={why}; stored=?0", self.0))
    }

    /// Nothing is stored, and nobody was to be asked.
    pub(super) fn none(&self, detail: &str) -> HeaderValue {
        value(format_args!("{}; detail={detail}", self.0))
    }
}

fn value(text: fmt::Arguments<'_>) -> HeaderValue {
    let text = Bytes::from(text.to_string());
    // It is made of what may stand in one.
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("cache"))
}

#[cfg(test)]
mod tests {
    use super::{Forward, Label};

    #[test]
    fn a_cache_is_named_by_a_token_or_a_string() {
        let (token, string) = (Label::new("plugins"), Label::new("3d-models"));
        assert_eq!(token.hit(7), "plugins; hit; ttl=7");
        assert_eq!(string.hit(-1), "\"3d-models\"; hit; ttl=-1");
        let why = Forward::Bypass("no-tenant");
        assert_eq!(token.passed(why), "plugins; fwd=bypass; detail=no-tenant");
        assert_eq!(token.passed(Forward::Method), "plugins; fwd=method");
        let stored = token.fetched(Forward::UriMiss, "stored", 60);
        assert_eq!(stored, "plugins; fwd=uri-miss; stored; ttl=60");
    }
}
