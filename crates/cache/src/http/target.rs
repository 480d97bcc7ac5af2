//! What an answer is found by.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::HOST;
use http::request::Request;
use http::uri::{Authority, Uri};

use super::answer::Answer;
use super::status::Forward;
use super::vary::Selection;
use crate::entry::Entry;
use crate::key::Place;
use crate::tenant::Tenant;
use crate::{Key, KeyBuf};

/// Longer ones are not looked for.
const LONGEST: usize = 4_096;

/// A URI, as far as answers depend on it.
#[derive(Debug)]
pub(super) struct UriKey<'a> {
    authority: Cow<'a, str>,
    path: &'a str,
    query: Cow<'a, str>,
}

/// One that is not the first of its URI: found by what the first says that requests select by,
/// and only as long as there is that one.
#[derive(Debug)]
pub(super) struct VariantKey<'a> {
    /// The bytes of the URI's key.
    pub(super) uri: &'a [u8],
    pub(super) generation: u64,
    pub(super) selection: &'a Selection,
    pub(super) headers: &'a HeaderMap,
}

/// What is to be loaded, and how.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) tenant: Arc<Tenant>,
    pub(super) place: Place,
    /// The key of the URI, if that is not what is to be loaded.
    pub(super) variant_of: Option<Arc<[u8]>>,
    /// What is served if that fails.
    pub(super) stale: Option<Arc<Entry<Answer>>>,
    /// What the route may say is still so.
    pub(super) known: Option<Arc<Entry<Answer>>>,
    pub(super) why: Forward,
}

impl<'a> UriKey<'a> {
    /// Nothing, if the request does not say clearly what it asks for, or too much.
    pub(super) fn of<B>(req: &'a Request<B>, per_authority: bool) -> Option<Self> {
        let authority = if per_authority {
            authority(req.uri(), req.headers())?
        } else {
            Cow::Borrowed("")
        };
        Self::new(authority, req.uri())
    }

    pub(super) fn new(authority: Cow<'a, str>, uri: &'a Uri) -> Option<Self> {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let len = path.len().saturating_add(query.len());
        (path.starts_with('/') && len <= LONGEST).then(|| Self {
            authority,
            path,
            query: sorted(query),
        })
    }
}

impl Key for UriKey<'_> {
    // No authority has a slash, and no path a question mark.
    fn write(&self, buf: &mut KeyBuf) {
        buf.push(self.authority.as_bytes());
        buf.push(self.path.as_bytes());
        if !self.query.is_empty() {
            buf.push(b"?");
            buf.push(self.query.as_bytes());
        }
    }
}

impl Key for VariantKey<'_> {
    // No URI has a zero byte.
    fn write(&self, buf: &mut KeyBuf) {
        buf.push(self.uri);
        buf.push(&[0]);
        buf.push(&self.generation.to_be_bytes());
        self.selection.write(self.headers, |part| buf.push(part));
    }
}

impl VariantKey<'_> {
    pub(super) fn is_too_long(&self) -> bool {
        let mut len = 0_usize;
        self.selection
            .write(self.headers, |part| len = len.saturating_add(part.len()));
        len > LONGEST
    }
}

/// That of the request line, which counts more than the header.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut hosts = headers.get_all(HOST).iter();
            let (Some(host), None) = (hosts.next(), hosts.next()) else {
                return None;
            };
            let host = host.to_str().ok()?;
            host.parse::<Authority>().ok()?;
            host
        }
    };
    Some(if named.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(named.to_ascii_lowercase())
    } else {
        Cow::Borrowed(named)
    })
}

/// By name; those of one name stay in their order, and empty ones go.
fn sorted(query: &str) -> Cow<'_, str> {
    let pairs = || query.split('&');
    let names = || pairs().map(name);
    let in_order = names().zip(names().skip(1)).all(|(one, next)| one <= next);
    // Two spellings of one name would change places.
    let is_odd = names().any(|name| name.contains(['%', '+']));
    if query.is_empty() || is_odd || (in_order && pairs().all(|pair| !pair.is_empty())) {
        return Cow::Borrowed(query);
    }
    let mut pairs: Vec<&str> = pairs().filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by(|one, other| name(one).cmp(name(other)));
    Cow::Owned(pairs.join("&"))
}

fn name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::{UriKey, sorted};
    use crate::KeyBuf;

    fn key(uri: &str, hosts: &[&str], per_authority: bool) -> Option<Vec<u8>> {
        let mut req = Request::get(uri);
        for host in hosts {
            req = req.header("host", *host);
        }
        let req = req.body(()).unwrap();
        let key = UriKey::of(&req, per_authority)?;
        Some(KeyBuf::of(&key).bytes().to_vec())
    }

    #[test]
    fn parameters_stand_in_order() {
        assert_eq!(sorted("b=2&a=1&&b=1"), "a=1&b=2&b=1");
        assert_eq!(sorted("a=1&b=2&b=1"), "a=1&b=2&b=1");
        assert_eq!(sorted(""), "");
        assert_eq!(sorted("a=1&%61=2"), "a=1&%61=2");
        assert_eq!(key("/p?b&a", &[], false), key("/p?a&b", &[], false));
        assert_eq!(key("/p?", &[], false), key("/p", &[], false));
    }

    #[test]
    fn the_host_counts_where_the_policy_says_so() {
        assert_eq!(key("/p", &["a"], false), key("/p", &["b"], false));
        assert_ne!(key("/p", &["a"], true), key("/p", &["b"], true));
        assert_eq!(
            key("/p", &["A.com"], true),
            key("http://a.com/p", &["b"], true)
        );
        for unclear in [&[][..], &["a", "b"], &["a/b"], &["a b"]] {
            assert_eq!(key("/p", unclear, true), None, "{unclear:?}");
        }
        // What one says as a host another cannot say as a path.
        assert_ne!(key("/b/c", &["a"], true), key("/c", &["a"], true));
    }

    #[test]
    fn what_is_too_long_is_not_looked_for() {
        let long = format!("/p?{}", "x".repeat(5_000));
        assert_eq!(key(&long, &[], false), None);
    }

    proptest! {
        #[test]
        fn queries_that_say_something_else_are_told_apart(
            one in "[ab]=[01](&[ab]=[01]){0,3}",
            other in "[ab]=[01](&[ab]=[01]){0,3}",
        ) {
            // What is meant: for each name, its values in order.
            let meant = |query: &str| {
                let of = |name: &str| -> Vec<String> {
                    let named = query.split('&').filter(|pair| pair.starts_with(name));
                    named.map(str::to_owned).collect()
                };
                (of("a"), of("b"))
            };
            prop_assert_eq!(sorted(&one) == sorted(&other), meant(&one) == meant(&other));
        }
    }
}
